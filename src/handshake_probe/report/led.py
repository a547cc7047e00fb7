"""What an LED tells, on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TextIO

from handshake_probe.model.measurement import Measurement
from handshake_probe.report.device import show_consequences, show_verdict
from handshake_probe.report.findings import show_findings
from handshake_probe.report.page import Page


class Told(NamedTuple):
    """What one kind of firmware says with a pattern."""

    versions: str  # "below Device OS 2.0.0"; empty when it is the same for all
    says: str
    proves: str
    excludes: str | None


def write_led(
    stream: TextIO, measurement: Measurement, phrase: str, version: str | None, told: Sequence[Told]
) -> None:
    """Writes a document of kind "led": the pattern, what it says by version, the verdict."""
    page = Page(stream)
    asked = f" on Device OS {version}" if version else ""
    page.line((f"LED: {phrase}{asked}", "bold"), hang=2)
    for row in told:
        page.blank()
        if row.versions:
            page.line((row.versions, "bold"), indent=2)
        page.field("says", row.says)
        page.field("proves", row.proves)
        if row.excludes:
            page.field("rules out", row.excludes)
    page.blank()
    verdict = measurement.devices[0].verdict
    show_verdict(page, verdict, stages=None)
    show_consequences(page, verdict)
    warnings = [f for f in measurement.findings if f.code != "HP800"]
    if warnings:
        page.blank()
        show_findings(page, warnings, (), None)
