"""What became of the bytes of one run of a replay, and of several that agree."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from handshake_probe.model.probed import Connect, Delivery, Ending, ReplayProbed

RUNS = 2  # that must agree before they count


class Fate(Enum):
    """What became of one run's bytes."""

    CARRIED = auto()  # acknowledged, and not cut off: answered, or closed by a FIN
    UNHEARD = auto()  # acknowledged, and then silence
    LOST = auto()  # sent again and again, never acknowledged
    CUT = auto()  # a reset before all was acknowledged
    RESET = auto()  # a reset after all was acknowledged
    NO_GREETING = auto()  # it came up, and nothing of a cloud came
    CLOSED_EARLY = auto()  # the other side closed before anything was said
    RESET_EARLY = auto()  # a reset before anything was said
    FOREIGN = auto()  # what came first is no cloud's nonce
    SYN_LOST = auto()
    REFUSED = auto()  # a reset answers the SYN
    REJECTED = auto()  # an ICMP error does
    UNTOLD = auto()  # no telling: nothing left, or a FIN came before an acknowledgment


def fate(run: ReplayProbed) -> Fate:
    """What became of the bytes of one run."""
    unconnected = {
        Connect.TIMEOUT: Fate.SYN_LOST,
        Connect.REFUSED: Fate.REFUSED,
        Connect.REJECTED: Fate.REJECTED,
        Connect.NOT_SENT: Fate.UNTOLD,
    }
    if run.outcome in unconnected:
        return unconnected[run.outcome]
    own_port = run.purpose != "other_port"
    if own_port and run.first is not None and not run.first.is_nonce:
        return Fate.FOREIGN
    if not run.sent:
        early = {Ending.RESET: Fate.RESET_EARLY, Ending.CLOSED: Fate.CLOSED_EARLY}
        return early.get(run.ended_by or Ending.SILENCE, Fate.NO_GREETING)
    arrived = run.delivery is Delivery.ACKNOWLEDGED
    if run.ended_by is Ending.RESET:
        return Fate.RESET if arrived or run.acknowledged is None else Fate.CUT
    if run.ended_by is Ending.OURSELVES:
        return Fate.CARRIED
    if run.ended_by is Ending.CLOSED:  # who read it has acknowledged it before
        return Fate.CARRIED if arrived or run.acknowledged is None else Fate.UNTOLD
    if run.delivery is Delivery.UNACKNOWLEDGED:
        return Fate.LOST
    return Fate.UNHEARD if arrived else Fate.UNTOLD


def agreed(runs: Sequence[ReplayProbed]) -> Fate | None:
    """The fate that at least two runs share and no run contradicts; None: there is none.

    A box beside the path races with the cloud's acknowledgment: of both resets the weaker counts.
    """
    fates = {fate(run) for run in runs}
    if fates == {Fate.CUT, Fate.RESET}:
        fates = {Fate.RESET}
    return fates.pop() if len(runs) >= RUNS and len(fates) == 1 else None
