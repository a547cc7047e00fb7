"""Findings as evidence: code, sentence, frames. The same finding on many connections is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handshake_probe.model.measurement import DeviceReport, Finding
from handshake_probe.model.vocabulary import Severity
from handshake_probe.report.page import Page

_FRAMES = 6  # frame numbers shown of one finding

_SEVERITY_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
_SEVERITY_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "dim"}


def findings_of(
    device: DeviceReport, about: Mapping[str | None, Sequence[Finding]]
) -> list[Finding]:
    """The findings on a device; `about` has those on each address, which may have several."""
    streams = {connection.stream for connection in device.connections}
    found = about.get(device.address, ())
    return [finding for finding in found if finding.stream is None or finding.stream in streams]


def show_findings(
    page: Page, findings: Sequence[Finding], named: Sequence[str], stream: int | None
) -> None:
    """The findings, those `named` by the verdict first; `stream` is the one whose text is told."""
    by_code: dict[str, list[Finding]] = {}
    for finding in findings:
        by_code.setdefault(finding.code, []).append(finding)
    order = {code: position for position, code in enumerate(named)}

    def rank(code: str) -> tuple[int, int, str]:
        return order.get(code, len(order)), _SEVERITY_ORDER[by_code[code][0].severity], code

    for code in sorted(by_code, key=rank):
        alike = by_code[code]
        told = next((finding for finding in alike if finding.stream == stream), alike[-1])
        style = _SEVERITY_STYLES[told.severity]
        page.field(
            code,
            told.text,
            (_where(told, len(alike)), "dim"),
            label_style=style,
            indent=4,
            column=7,
        )


def _where(finding: Finding, times: int) -> str:
    frames = [reference for reference in finding.evidence if reference.startswith("frame ")]
    numbers = [frame.removeprefix("frame ") for frame in frames[:_FRAMES]]
    parts = []
    if numbers:
        more = ", …" if len(frames) > _FRAMES else ""
        parts.append(f"{'frame' if len(frames) == 1 else 'frames'} {', '.join(numbers)}{more}")
    if times > 1:
        parts.append(f"on {times} connections")
    return f" ({'; '.join(parts)})" if parts else ""
