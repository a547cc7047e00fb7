"""A measurement as text: capture, devices, what the capture is worth, the count at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TextIO

from handshake_probe.model.measurement import Finding, KeyUsed, Measurement
from handshake_probe.model.symptoms import DeviceLogSeen, LedSeen
from handshake_probe.model.vocabulary import SEVERITY_ORDER
from handshake_probe.report.device import show_consequences, show_device, show_verdict
from handshake_probe.report.findings import show_findings
from handshake_probe.report.page import Page
from handshake_probe.report.probe import PROBE_STAGES, show_tests
from handshake_probe.report.replay import REPLAY_STAGES, show_runs
from handshake_probe.report.safe import visible
from handshake_probe.report.times import FULL_TIME, local_time
from handshake_probe.report.words import counted, spaced

_KEYS_NAMED = 4
_HEADINGS = {"probe": "probe of", "replay": "recorded handshake to"}
# What was asked from a machine: its stages in words, and what shows its tests.
_ASKED = {"probe": (PROBE_STAGES, show_tests), "replay": (REPLAY_STAGES, show_runs)}


def write_text(measurement: Measurement, stream: TextIO, *, messages: bool = False) -> None:
    """Writes the report of one measurement to `stream`, as wide as it is (80 in a pipe)."""
    page = Page(stream)
    if measurement.kind in _ASKED:
        _asked(page, measurement)
        return
    _source(page, measurement)
    if measurement.kind == "capture":
        _keys(page, measurement.keys)
    about: dict[str | None, list[Finding]] = defaultdict(list)
    for finding in measurement.findings:
        about[finding.device].append(finding)
    for device in measurement.devices:
        page.blank()
        show_device(page, device, about[device.address], messages=messages)
    if not measurement.devices:
        page.blank()
        show_verdict(page, measurement.verdict)
        show_consequences(page, measurement.verdict)
    if about[None]:
        page.blank()
        page.line(("capture", "bold"), indent=2)
        show_findings(page, about[None], (), None)
    if len(measurement.devices) > 1:
        page.blank()
        page.line((_counts(measurement), "bold"), hang=2)


def _asked(page: Page, measurement: Measurement) -> None:
    source = measurement.source
    started = local_time(source.first, FULL_TIME) if source.first else ""
    stages, show_tests = _ASKED[measurement.kind]
    page.line(
        (f"{_HEADINGS[measurement.kind]} {source.path} {page.glyphs.dot} {started}", "dim"), hang=2
    )
    page.blank()
    show_verdict(page, measurement.verdict, stages)
    show_tests(page, measurement)
    page.blank()
    page.line(("evidence", "bold"), indent=2)
    show_findings(page, measurement.findings, measurement.verdict.findings, None)
    show_consequences(page, measurement.verdict)


def _source(page: Page, measurement: Measurement) -> None:
    source = measurement.source
    if measurement.kind == "led":
        seen = [o.phrase for o in measurement.observations if isinstance(o, LedSeen)]
        page.line((f"LED: {', '.join(seen)}", "dim"), hang=2)
        return
    if measurement.kind == "log":
        logs = (o.lines for o in measurement.observations if isinstance(o, DeviceLogSeen))
        parts = [source.path, counted(sum(logs), "line")]
    else:
        parts = [source.path, counted(source.frames, "frame")]
    if source.first:
        parts.append(f"from {local_time(source.first, FULL_TIME)}")
    if source.truncated:
        parts.append("cut off in the middle")
    page.line((f" {page.glyphs.dot} ".join(parts), "dim"), hang=2)


def _keys(page: Page, keys: Sequence[KeyUsed]) -> None:
    names = [visible(name) for name in dict.fromkeys(key.source for key in keys)]
    told = f" {page.glyphs.dot} ".join(names[:_KEYS_NAMED]) or "none"
    more = f" and {len(names) - _KEYS_NAMED} more" if len(names) > _KEYS_NAMED else ""
    page.line((f"keys: {told}{more}", "dim"), hang=2)


def _counts(measurement: Measurement) -> str:
    causes = [device.verdict.cause for device in measurement.devices]
    told = [f"{causes.count(cause)} {spaced(cause)}" for cause in SEVERITY_ORDER if cause in causes]
    return f"{counted(len(causes), 'device')}: {', '.join(told)}"
