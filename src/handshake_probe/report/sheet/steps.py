"""The ladder of one connection: who sent what, how much, when, and where it broke."""

from __future__ import annotations

from collections.abc import Sequence

from handshake_probe.model.measurement import (
    ConnectionReport,
    DeviceReport,
    EventEntry,
    Measurement,
)
from handshake_probe.model.probed import Connect, Delivery, Ending, TcpProbed
from handshake_probe.model.vocabulary import Cause, EndedBy
from handshake_probe.report.device import most_telling
from handshake_probe.report.ladder import STEPS, count_steps, label_of
from handshake_probe.report.safe import visible
from handshake_probe.report.sheet.content import Ladder, Mark, Rung
from handshake_probe.report.sheet.times import moment, seconds_of
from handshake_probe.report.words import CAUSES, ENDINGS, counted

_FIRST, _LAST = 9, 3  # rungs shown of a long connection
_MARKS = {"good": Mark.GOOD, "bad": Mark.BAD}
_LABEL, _NOTE = 40, 90


def device_ladder(device: DeviceReport) -> Ladder | None:
    """The connection that tells most of a device."""
    connection = most_telling(device.connections, device.verdict.cause)
    if connection is None:
        return None
    number = len(device.connections)
    which = f"Connection {connection.stream}" + (f", one of {number}" if number > 1 else "")
    started = seconds_of(connection.started)
    when = f", {moment(started)} UTC" if started is not None else ""
    return Ladder(
        title=which + when,
        device=f"device {connection.device}",
        cloud=f"cloud {connection.cloud}",
        rungs=_folded(connection.events),
        ending=ENDINGS[connection.ended_by],
        mark=_mark(connection),
    )


def probe_ladder(measurement: Measurement) -> Ladder | None:
    """The connection of a probe that tells most: one that failed, else the last."""
    attempts = [
        o for o in measurement.observations if isinstance(o, TcpProbed) and o.purpose == "cloud"
    ]
    if not attempts:
        return None
    healthy = measurement.verdict.cause is Cause.HEALTHY
    attempt = next((a for a in attempts if healthy is _carried(a)), attempts[-1])
    rungs, ending = _probe_rungs(attempt)
    return Ladder(
        title=f"A connection of the probe, {moment(attempt.time)} UTC",
        device=f"this computer {attempt.local or ''}".strip(),
        cloud=f"cloud {attempt.target}",
        rungs=tuple(rungs),
        ending=ending,
        mark=Mark.NEUTRAL if _carried(attempt) else Mark.BAD,
    )


def _carried(attempt: TcpProbed) -> bool:
    return attempt.first is not None and attempt.first.is_nonce


def _probe_rungs(attempt: TcpProbed) -> tuple[list[Rung], str]:
    again = attempt.syn_retransmissions
    note = f"sent again {counted(again, 'time')}" if again else ""
    rungs = [Rung("to_cloud", "connects", note, _since(0.0), "")]
    outcome = attempt.outcome
    if outcome is Connect.REJECTED and attempt.icmp is not None:
        icmp = attempt.icmp
        told = f"from {icmp.source}, type {icmp.type} code {icmp.code}"
        rungs.append(Rung("to_device", "ICMP error", told, _since(attempt.seconds), ""))
        return rungs, "an ICMP error refused the connection"
    if outcome is not Connect.CONNECTED:
        return rungs, {
            Connect.REFUSED: "a reset came, with the cloud's address on it",
            Connect.TIMEOUT: f"no answer within {attempt.seconds:.0f} s",
        }.get(outcome, "this computer could not send")
    rungs.append(Rung("to_device", "accepts", "", _since(attempt.seconds), ""))
    first = attempt.first
    if first is not None:
        label = "greeting (nonce)" if first.is_nonce else first.looks_like or "no greeting"
        size = counted(first.received, "byte")
        note = "" if first.is_nonce else "not the cloud's 40 random bytes"
        when = _since(attempt.seconds + first.seconds)
        rungs.append(Rung("to_device", f"{label} · {size}", note, when, ""))
    if attempt.sent is not None:
        label = "identity of a made-up device" if attempt.sent == "identity" else "a block"
        note = {
            Delivery.ACKNOWLEDGED: "it arrived",
            Delivery.UNACKNOWLEDGED: "never acknowledged",
        }.get(attempt.delivery or Delivery.UNKNOWN, "")
        rungs.append(Rung("to_cloud", f"{label} · 256 bytes", note, "", ""))
    return rungs, {
        Ending.CLOSED: "closed from the cloud's side",
        Ending.RESET: "a reset came, with the cloud's address on it",
        Ending.ICMP: "an ICMP error",
        Ending.SILENCE: "silence: no answer came any more",
        Ending.OURSELVES: "closed by this computer: all was seen",
        None: "",
    }[attempt.ended_by]


def _rung(event: EventEntry) -> Rung:
    step = STEPS.get(event.event)
    label = label_of(event)
    if event.bytes is not None:
        label = f"{label} · {event.bytes} bytes"
    return Rung(
        arrow=step.arrow if step else "",
        label=visible(label, _LABEL),
        note=visible(event.note or "", _NOTE),
        when=_since(event.t),
        frame=f"frame {event.frame}",
    )


def _folded(events: Sequence[EventEntry]) -> tuple[Rung, ...]:
    between = events[_FIRST:-_LAST]
    if len(between) <= 1:
        return tuple(map(_rung, events))
    more = Rung("", f"… {count_steps(between)} more steps …", "", "", "")
    return (*map(_rung, events[:_FIRST]), more, *map(_rung, events[-_LAST:]))


def _mark(connection: ConnectionReport) -> Mark:
    if connection.cause in (Cause.HEALTHY, Cause.UNCLAIMED):
        return Mark.NEUTRAL
    if connection.ended_by is EndedBy.CAPTURE_END:
        return Mark.NEUTRAL
    return _MARKS.get(CAUSES[connection.cause].symbol, Mark.NEUTRAL)


def _since(seconds: float) -> str:
    return f"+{seconds:.3f} s"
