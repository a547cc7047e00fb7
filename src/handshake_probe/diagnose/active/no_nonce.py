"""Rules for a connection of a probe that came up and brought no nonce."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from handshake_probe.diagnose.active.case import Address, ProbeCase
from handshake_probe.diagnose.active.connect import (
    HOTSPOT,
    control_evidence,
)
from handshake_probe.diagnose.active.reset import judge_reset
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, undecided
from handshake_probe.diagnose.topology import host_of
from handshake_probe.model.probed import Connect, Delivery, Ending, FirstBytes, TcpProbed
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism


def judge_foreign(
    case: ProbeCase,
    address: Address,
    attempt: TcpProbed,
    first: FirstBytes,
    proxy: Judgement | None,
) -> Judgement:
    """What came first is no nonce; `proxy` is what says that a box accepted, if anything does."""
    shown = f' ("{first.excerpt[:48]}")' if first.excerpt else ""
    evidence = (attempt.id, *(a.id for a in case.unused[:1]))
    if first.looks_like is None and not first.flaws:
        return undecided(
            (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
            Mechanism.NONCE_MALFORMED,
            Clue("HP503", f"{first.received} bytes came instead of 40.", (attempt.id,)),
            f"The first message of {address.target} has {first.received} bytes instead of 40.",
            HOTSPOT,
        )
    if first.looks_like is None and proxy is None:
        return undecided(
            (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
            Mechanism.NONCE_MALFORMED,
            Clue("HP503", f"The first bytes are not random{shown}.", (attempt.id,)),
            "What comes first is no nonce; who sends it cannot be told.",
            HOTSPOT,
        )
    word = (first.looks_like or "something else").upper()
    if _near(case, address) and proxy is None:
        return undecided(
            (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
            Mechanism.FOREIGN_NONCE,
            Clue(
                "HP503",
                f"Instead of 40 random bytes {address.target} sends {word}{shown}.",
                evidence,
            ),
            f"On {address.target}, in this machine's own network, another service answers "
            f"({word}).",
            "On that host: which program listens on this port?",
        )
    everywhere = any(a.outcome is Connect.CONNECTED for a in case.unused)
    certain = proxy is not None or everywhere
    clue = Clue(
        "HP121",
        f"Instead of 40 random bytes {address.target} sends {word}{shown}"
        + (
            f"; {case.unused[0].target}, nobody's address, is accepted as well."
            if everywhere
            else "."
        ),
        evidence,
        Confidence.PROVEN if certain else Confidence.LIKELY,
    )
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.FOREIGN_NONCE,
        clue,
        f"Not the cloud answers, but a portal or proxy that speaks {word}: "
        "the network intercepts the connection.",
        *(proxy.clues if proxy else ()),
        others=() if certain else (Cause.SERVER_FAULT,),
        assumption=None if certain else "that the cloud's address and port are the right ones",
        blocker=proxy.blocker if proxy else None,
    )


def _near(case: ProbeCase, address: Address) -> bool:
    """Whether the address is in this machine's own subnet, or this machine itself."""
    host = ipaddress.ip_address(host_of(address.target))
    if host.is_loopback:
        return True
    network = case.vantage.network if case.vantage else None
    return network is not None and host in ipaddress.ip_network(network, strict=False)


def judge_no_nonce(case: ProbeCase, address: Address) -> Judgement:
    """Connected, and not a byte came."""
    silent = [a for a in address.connected if a.ended_by in (Ending.SILENCE, Ending.OURSELVES)]
    evidence = tuple(a.id for a in (*address.connected[:3], *case.unused[:1]))
    everywhere = next((a for a in case.unused if a.outcome is Connect.CONNECTED), None)
    if everywhere is not None:
        return caused(
            Cause.NETWORK_BLOCKED,
            Mechanism.ACCEPTED_ON_BEHALF,
            Clue(
                "HP120",
                f"{address.target} accepts and sends no nonce; {everywhere.target}, an address "
                "that belongs to nobody, accepts as well.",
                evidence,
                Confidence.LIKELY,
            ),
            "A device on the way accepts every connection by itself, the cloud's included, and no "
            "handshake follows.",
        )
    if silent and len(silent) == len(address.connected):
        dropped = [a for a in silent if a.delivery is Delivery.UNACKNOWLEDGED]
        # Once may be chance on a lossy path.
        if len(dropped) > 1 and len(dropped) == sum(a.sent is not None for a in silent):
            return _payload_dropped(address, dropped)
        text = f"No nonce within {silent[0].waited:.0f} s; the connection itself stays up"
        acknowledged = any(a.delivery is Delivery.ACKNOWLEDGED for a in silent)
        text += ", and what is sent is acknowledged." if acknowledged else "."
        return undecided(
            (Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT),
            Mechanism.NO_NONCE,
            Clue("HP502", text, evidence),
            "The connection comes up, but the cloud's first message never comes: either a proxy "
            "accepts in the cloud's place, or the cloud itself is stuck.",
            HOTSPOT,
        )
    reset = next((a for a in address.connected if a.ended_by is Ending.RESET), None)
    if reset is not None:
        return judge_reset(case, address, reset, Mechanism.RESET_BEFORE_NONCE, "before the nonce")
    closed = address.connected[0]
    return undecided(
        (Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT),
        Mechanism.NO_NONCE,
        Clue(
            "HP502",
            f"The other side closes {closed.ended_after or 0.0:.1f} s after accepting, "
            "without a nonce.",
            evidence,
        ),
        "The connection is accepted and closed again without the cloud's first message.",
        HOTSPOT,
    )


def _payload_dropped(address: Address, dropped: Sequence[TcpProbed]) -> Judgement:
    clue = Clue(
        "HP122",
        f"{address.target} accepts, then no nonce comes and our own 256 bytes, sent "
        f"{1 + max(a.retransmissions for a in dropped)} times, are never acknowledged.",
        (*(a.id for a in dropped), *control_evidence(address)),
        Confidence.LIKELY,
    )
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.NONCE_DROPPED,
        clue,
        "The connection comes up, but no data passes in either direction: a filter lets the "
        "connection through and drops what it carries.",
        others=(Cause.SERVER_FAULT,),
        assumption="that the cloud's host did not vanish in that moment",
    )
