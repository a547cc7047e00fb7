"""A measurement as text: capture, devices, what the capture is worth, the count at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TextIO

from handshake_probe.model.measurement import DeviceReport, Finding, KeyUsed, Measurement
from handshake_probe.model.symptoms import DeviceLogSeen, LedSeen
from handshake_probe.report.device import show_consequences, show_device, show_verdict
from handshake_probe.report.findings import findings_of, show_findings
from handshake_probe.report.overview import (
    FEW,
    counts,
    cut_short,
    entries,
    left_out,
    show_overview,
    worth_a_block,
)
from handshake_probe.report.page import Page
from handshake_probe.report.probe import PROBE_STAGES, show_tests
from handshake_probe.report.replay import REPLAY_STAGES, show_runs
from handshake_probe.report.safe import visible
from handshake_probe.report.times import FULL_TIME, local_time
from handshake_probe.report.words import counted

_KEYS_NAMED = 4
_HEADINGS = {"probe": "probe of", "replay": "recorded handshake to"}
# What was asked from a machine: its stages in words, and what shows its tests.
_ASKED = {"probe": (PROBE_STAGES, show_tests), "replay": (REPLAY_STAGES, show_runs)}


def write_text(
    measurement: Measurement,
    stream: TextIO,
    *,
    messages: bool = False,
    only: Sequence[str] = (),
) -> None:
    """Writes the report of one measurement to `stream`, as wide as it is (80 in a pipe).

    Args:
        measurement: Of any kind.
        stream: A terminal, a pipe or a file.
        messages: Also the decrypted conversations.
        only: Addresses or ids of the devices to tell of; empty: all, or of many an overview.
    """
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
    devices: Sequence[DeviceReport] = measurement.devices
    missing = ""
    if only:
        devices = _chosen(page, devices, only)
    elif len(devices) > FEW:
        page.blank()
        told = entries(devices, about)
        show_overview(page, told, at_least=cut_short(about[None]))
        devices = worth_a_block(told)
        missing = left_out(told, len(devices))
    for device in devices:
        page.blank()
        show_device(page, device, findings_of(device, about), messages=messages)
    if not measurement.devices:
        page.blank()
        show_verdict(page, measurement.verdict)
        show_consequences(page, measurement.verdict)
    if about[None]:
        page.blank()
        page.line(("capture", "bold"), indent=2)
        show_findings(page, about[None], (), None)
    if missing:
        page.blank()
        page.step("", missing, indent=0)
    if len(measurement.devices) > 1:
        page.blank()
        number = counts(measurement.devices, at_least=cut_short(about[None]))
        page.line((number, "bold"), hang=2)


def _chosen(page: Page, devices: Sequence[DeviceReport], only: Sequence[str]) -> list[DeviceReport]:
    """The devices of these addresses or ids; what is none is said."""
    wanted = {name.lower() for name in only}
    chosen = [d for d in devices if {d.address, d.device_id} & wanted]
    for name in sorted(wanted - {name for d in chosen for name in (d.address, d.device_id)}):
        page.blank()
        page.line(f"No device here has the address or id {visible(name)}.", hang=2)
    return chosen


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
