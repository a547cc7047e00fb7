"""A replay as text: what was sent where, and what became of it."""

from __future__ import annotations

from handshake_probe.model.measurement import Measurement
from handshake_probe.model.probed import (
    Connect,
    Delivery,
    Ending,
    HandshakeProbed,
    ReplayProbed,
)
from handshake_probe.model.vocabulary import Stage
from handshake_probe.report.page import Page
from handshake_probe.report.probe import PROBE_STAGES, Row, test_table
from handshake_probe.report.words import counted, spaced

REPLAY_STAGES = PROBE_STAGES | {
    Stage.IDENTITY_SENT: "nonce received, the device's first 256 bytes sent",
    Stage.HELLO_SENT: "the device's Hello was said",
}

_ORDER = ("replay", "random", "other_port")
_CONTENTS = {
    "fresh": "fresh handshake",
    "verbatim": "recorded bytes",
    "random": "control: random bytes",
}
_CONNECTS = {
    Connect.REFUSED: "a reset answers the SYN",
    Connect.REJECTED: "an ICMP error answers the SYN",
    Connect.TIMEOUT: "no answer to the SYN",
    Connect.NOT_SENT: "this machine could not send",
}
_ENDINGS = {
    Ending.CLOSED: "closed by the other side",
    Ending.RESET: "reset",
    Ending.ICMP: "an ICMP error",
    Ending.SILENCE: "then silence",
    Ending.OURSELVES: "answered",
}


def show_runs(page: Page, measurement: Measurement) -> None:
    """One line for each connection, the runs of an arm beside each other."""
    runs = [o for o in measurement.observations if isinstance(o, ReplayProbed)]
    rows = [
        Row(replay_name(run), run.target, *replay_result(run))
        for run in sorted(runs, key=lambda run: (_ORDER.index(run.purpose), run.time))
    ]
    rows += [
        Row("handshake", o.target, f"reached {spaced(o.stage)}", o.stage is Stage.SESSION)
        for o in measurement.observations
        if isinstance(o, HandshakeProbed)
    ]
    if rows:
        page.blank()
        page.line(("what was sent", "bold"), indent=2)
        test_table(page, rows)


def replay_name(run: ReplayProbed) -> str:
    """What was sent, in words."""
    return "control: another port" if run.purpose == "other_port" else _CONTENTS[run.content]


def replay_result(run: ReplayProbed) -> tuple[str, bool | None]:
    """What became of it, and whether that is good."""
    control = run.purpose != "replay"
    if run.outcome is not Connect.CONNECTED:
        return _CONNECTS[run.outcome], None if control else False
    parts = []
    if run.first is not None:
        what = "nonce" if run.first.is_nonce else counted(run.first.received, "byte")
        parts.append(f"{what} came")
    elif run.purpose != "other_port":
        parts.append("no nonce")
    if run.sent:
        parts.append(f"{counted(run.sent, 'byte')} in {counted(run.segments, 'segment')}")
        parts.append(
            {
                Delivery.ACKNOWLEDGED: "arrived",
                Delivery.UNACKNOWLEDGED: "never acknowledged",
                Delivery.UNKNOWN: "not acknowledged",
                None: "sent",
            }[run.delivery]
        )
    ending = run.ended_by or Ending.OURSELVES
    parts.append(_ENDINGS[ending])
    carried = run.sent > 0 and ending in (Ending.CLOSED, Ending.OURSELVES)
    return ", ".join(parts), None if control and not carried else carried
