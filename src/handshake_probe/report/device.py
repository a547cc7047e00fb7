"""One device: the verdict first, then what it rests on, then what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handshake_probe.model.measurement import (
    Blocker,
    ConnectionReport,
    DeviceReport,
    Finding,
    Verdict,
)
from handshake_probe.model.vocabulary import Cause, Stage
from handshake_probe.report.connections import connection_table, conversation
from handshake_probe.report.findings import show_findings
from handshake_probe.report.ladder import draw_ladder
from handshake_probe.report.page import Page
from handshake_probe.report.safe import visible
from handshake_probe.report.times import FULL_TIME, local_time
from handshake_probe.report.words import CAUSES, STAGES, STYLES, spaced, sureness

DEVICE_STAGES = {stage: words.told for stage, words in STAGES.items()}


def show_device(
    page: Page, device: DeviceReport, findings: Sequence[Finding], *, messages: bool
) -> None:
    """The block of one device."""
    verdict = device.verdict
    _header(page, device)
    show_verdict(page, verdict)
    connections = device.connections
    telling = most_telling(connections, verdict.cause)
    if telling is not None:
        page.blank()
        more = f", one of {len(connections)}" if len(connections) > 1 else ""
        started = local_time(telling.started, FULL_TIME)
        page.line((f"connection {telling.stream}{more}, {started}", "dim"), indent=2)
        draw_ladder(page, telling)
    if len(connections) > 1:
        page.blank()
        connection_table(page, connections)
    if messages:
        _messages(page, connections)
    if findings:
        page.blank()
        page.line(("evidence", "bold"), indent=2)
        stream = telling.stream if telling is not None else None
        show_findings(page, findings, verdict.findings, stream)
    show_consequences(page, verdict)


def most_telling(connections: Sequence[ConnectionReport], cause: Cause) -> ConnectionReport | None:
    """The last connection with the reported cause, else the last one."""
    alike = [connection for connection in connections if connection.cause is cause]
    candidates = alike or connections
    return candidates[-1] if candidates else None


def show_verdict(
    page: Page, verdict: Verdict, stages: Mapping[Stage, str] | None = DEVICE_STAGES
) -> None:
    """Symbol, word and colour; the summary; how far it went and what else it could be."""
    symbol = CAUSES[verdict.cause].symbol
    title = f"{getattr(page.glyphs, symbol)} {spaced(verdict.cause).upper()}"
    if sure := sureness(verdict):
        title += f" {page.glyphs.dash} {sure}"
    page.line((title, STYLES[symbol]), hang=2)
    page.line(verdict.summary, indent=2)
    page.blank()
    if stages is not None:
        page.field("got as far as", stages[verdict.stage])
    if verdict.recovered:
        page.field("recovered", "a later connection reached a session")
    others = [cause for cause in verdict.candidates if cause is not verdict.cause]
    if others:
        label = "could be" if verdict.cause is Cause.INCONCLUSIVE else "less likely"
        page.field(label, ", or ".join(_readings(others)))
    if verdict.blocker is not None:
        page.field("stopped by", _blocker(verdict.blocker))


def show_consequences(page: Page, verdict: Verdict) -> None:
    """What is ruled out, what was assumed, what would settle it, what to do."""
    first_settles = verdict.settles is not None and verdict.settles in verdict.next_steps[:1]
    if verdict.ruled_out or verdict.assumption or (verdict.settles and not first_settles):
        page.blank()
    if verdict.ruled_out:
        page.field("ruled out", "; ".join(_readings(verdict.ruled_out)))
    if verdict.assumption:
        page.field("assuming", verdict.assumption)
    if verdict.settles and not first_settles:
        page.field("would settle it", verdict.settles)
    if verdict.next_steps:
        page.blank()
        title = "next, the first step would settle it" if first_settles else "next"
        page.line((title, "bold"), indent=2)
        for number, step in enumerate(verdict.next_steps, 1):
            page.step(f"{number}. ", step, indent=4)


def _readings(causes: Sequence[Cause]) -> list[str]:
    return [CAUSES[cause].reading for cause in causes]


def _joined(page: Page, parts: Sequence[str]) -> str:
    return f" {page.glyphs.dot} ".join(part for part in parts if part)


def _blocker(blocker: Blocker) -> str:
    hop = None if blocker.hop is None else f"hop {blocker.hop}"
    return ", ".join(part for part in (blocker.address, blocker.who or hop) if part)


def _header(page: Page, device: DeviceReport) -> None:
    parts = [
        device.address,
        f"“{visible(device.name)}”" if device.name else "",
        f"device id {device.device_id}" if device.device_id else "device id unknown",
    ]
    page.line((_joined(page, parts), "bold"), hang=2)
    if hardware := _joined(page, [device.mac or "", device.vendor or ""]):
        page.line((hardware, "dim"), indent=2)


def _messages(page: Page, connections: Sequence[ConnectionReport]) -> None:
    spoken = [connection for connection in connections if connection.messages]
    for connection in spoken:
        page.blank()
        conversation(page, connection)
    if not spoken:
        page.blank()
        page.field("messages", "none to show: reading them takes the device's private key (--keys)")
