"""Attempts and pauses on one time axis."""

from __future__ import annotations

from collections.abc import Sequence

from handshake_probe.model.measurement import DeviceReport, Measurement
from handshake_probe.model.observations import ConnectionSeen
from handshake_probe.model.probed import IdleProbed, TcpProbed
from handshake_probe.model.vocabulary import Cause
from handshake_probe.report.probe import tcp_result
from handshake_probe.report.sheet.content import Mark, Timeline, Try
from handshake_probe.report.sheet.evidence import mark_of
from handshake_probe.report.sheet.times import clock, seconds_of
from handshake_probe.report.words import SHORT_ENDINGS, STAGES

_FIRST, _LAST = 8, 4  # tries shown of many


def device_timeline(measurement: Measurement, device: DeviceReport) -> Timeline | None:
    """The connections of a device; None for less than two."""
    seen = {o.stream: o for o in measurement.observations if isinstance(o, ConnectionSeen)}
    tries = []
    for connection in device.connections:
        begin = seconds_of(connection.started)
        if begin is None:
            continue
        facts = seen.get(connection.stream)
        last = connection.events[-1].t if connection.events else 0.0
        end = max(begin + last, facts.ended_time or facts.ended if facts else 0.0)
        told = f"{STAGES[connection.stage].short}, {SHORT_ENDINGS[connection.ended_by]}"
        sound = connection.cause in (Cause.HEALTHY, Cause.UNCLAIMED)
        unknown = connection.cause is Cause.INCONCLUSIVE
        mark = Mark.GOOD if sound else Mark.NEUTRAL if unknown else Mark.BAD
        tries.append(Try(f"{clock(begin)}  {told}", begin, end, mark))
    return _timeline("The device's connections, one after the other", tries)


def probe_timeline(measurement: Measurement) -> Timeline | None:
    """The attempts at the cloud's port, and the silences that were tried."""
    tries = []
    for item in measurement.observations:
        if isinstance(item, TcpProbed) and item.purpose == "cloud":
            result, good = tcp_result(item)
            end = item.time + item.seconds + (item.ended_after or 0.0)
            tries.append(Try(f"{clock(item.time)}  {result}", item.time, end, mark_of(good)))
        elif isinstance(item, IdleProbed):
            kept = {True: "still works", False: "is dead", None: "not told"}[item.kept]
            told = f"{clock(item.time)}  silent for {item.silence:.0f} s: {kept}"
            tries.append(Try(told, item.time, item.time + item.silence, mark_of(item.kept)))
    return _timeline("The probe's attempts, one after the other", tries)


def _timeline(title: str, tries: Sequence[Try]) -> Timeline | None:
    if len(tries) < 2:
        return None
    ordered = sorted(tries, key=lambda each: each.begin)
    first = ordered[0].begin
    moved = [Try(t.label, t.begin - first, t.end - first, t.mark) for t in ordered]
    seconds = max(max(t.end for t in moved), 0.001)
    folded = max(0, len(moved) - _FIRST - _LAST)
    shown = (*moved[:_FIRST], *moved[-_LAST:]) if folded else tuple(moved)
    return Timeline(title=title, tries=shown, folded=folded, seconds=seconds)
