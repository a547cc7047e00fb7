"""A watch as lines: one for each step or verdict that is new, as text or as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TextIO

import msgspec

from handshake_probe.model.measurement import Verdict
from handshake_probe.model.vocabulary import Cause, Confidence
from handshake_probe.report.safe import PROSE, safe_json, visible
from handshake_probe.report.watch_rows import Key, Row
from handshake_probe.report.words import spaced


class DeviceLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of `watch --format json`; the measurement document follows as the last line."""

    event: str  # "step", "verdict", "dropped"
    time: str  # RFC 3339, UTC, microseconds
    device: str | None = None  # address
    device_id: str | None = None
    step: str | None = None  # of "step": where the device is
    ending: str | None = None  # of "step": how its newest connection ended
    led: str | None = None  # of "step": what its LED should show
    failures: int | None = None  # of "step": attempts in a row without a session
    wait: int | None = None  # of "step": seconds before the firmware tries again
    verdict: Verdict | None = None  # of "verdict"
    dropped: int | None = None  # of "dropped": frames that the kernel lost so far


class LineView:
    """Writes what changed since the last time."""

    def __init__(self, stream: TextIO, *, json: bool) -> None:
        self._stream, self._json = stream, json
        self._steps: dict[Key, tuple[str, int]] = {}
        self._verdicts: dict[Key, tuple[object, ...]] = {}
        self._dropped = 0

    def show(self, rows: Sequence[Row], now: float, dropped: int | None) -> None:
        """Write lines for the rows that changed."""
        lines = [line for row in rows for line in self._news(row, now)]
        if dropped and dropped != self._dropped:
            self._dropped = dropped
            lines.append(DeviceLine(event="dropped", time=_stamp(now), dropped=dropped))
        for line in lines:
            self._write(line)
        if lines:
            self._stream.flush()

    def _news(self, row: Row, now: float) -> Iterator[DeviceLine]:
        if self._steps.get(row.key) != (row.step, row.failures):
            self._steps[row.key] = (row.step, row.failures)
            yield DeviceLine(
                event="step",
                time=_stamp(row.since or now),
                device=row.address,
                device_id=row.device_id,
                step=row.step,
                ending=row.ending or None,
                led=row.led,
                failures=row.failures,
                wait=row.wait,
            )
        verdict = row.verdict
        if verdict is None:
            return
        told = (verdict.cause, verdict.mechanism, verdict.confidence, tuple(verdict.candidates))
        if self._verdicts.get(row.key) != told:
            self._verdicts[row.key] = told
            yield DeviceLine(
                event="verdict",
                time=_stamp(now),
                device=row.address,
                device_id=row.device_id,
                verdict=verdict,
            )

    def _write(self, line: DeviceLine) -> None:
        if self._json:
            self._stream.write(safe_json(msgspec.json.encode(line)).decode() + "\n")
            return
        clock = datetime.fromisoformat(line.time).astimezone().strftime("%H:%M:%S.%f")[:12]
        self._stream.write(f"{clock}  {line.device or '':<15}  {visible(_words(line), PROSE)}\n")


def _words(line: DeviceLine) -> str:
    if line.verdict is not None:
        return f"verdict: {verdict_words(line.verdict)}. {line.verdict.summary}"
    if line.dropped is not None:
        return f"{line.dropped} frames lost by the kernel: verdicts are less sure"
    again = f", failure {line.failures}, next try after {line.wait} s" if line.failures else ""
    ending = f" ({line.ending})" if line.ending else ""
    return f"{line.step}{ending}{again}"


def verdict_words(verdict: Verdict) -> str:
    """Cause and confidence."""
    if verdict.cause is Cause.INCONCLUSIVE:
        return "not sure yet"
    sure = "" if verdict.confidence is Confidence.PROVEN else f", {verdict.confidence}"
    return spaced(verdict.cause) + sure


def _stamp(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
