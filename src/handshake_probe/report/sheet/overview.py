"""How far many devices came, and what ended it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from handshake_probe.model.measurement import DeviceReport
from handshake_probe.model.vocabulary import SEVERITY_ORDER, Cause, EndedBy, Stage
from handshake_probe.report.device import most_telling
from handshake_probe.report.sheet.content import Overview
from handshake_probe.report.words import SHORT_ENDINGS, STAGES, spaced

_LISTED = 60  # devices with a line of their own
_NO_CONNECTION = "no connection"


def overview_of(devices: Sequence[DeviceReport]) -> Overview | None:
    """Stages by endings, and a line for each device; None for less than two devices."""
    if len(devices) < 2:
        return None
    numbers: Counter[tuple[Stage, str]] = Counter()
    for device in devices:
        telling = most_telling(device.connections, device.verdict.cause)
        ending = SHORT_ENDINGS[telling.ended_by] if telling else _NO_CONNECTION
        numbers[device.verdict.stage, ending] += 1
    used = {ending for _, ending in numbers}
    every = (_NO_CONNECTION, *(SHORT_ENDINGS[ending] for ending in EndedBy))
    endings = tuple(ending for ending in every if ending in used)
    stages = [stage for stage in Stage if any(stage == found for found, _ in numbers)]
    return Overview(
        stages=tuple(STAGES[stage].short for stage in stages),
        endings=endings,
        counts=tuple(tuple(numbers[stage, ending] for ending in endings) for stage in stages),
        devices=tuple(map(_line, sorted(devices, key=_gravity)[:_LISTED])),
        folded=max(0, len(devices) - _LISTED),
    )


def _gravity(device: DeviceReport) -> int:
    return SEVERITY_ORDER.index(device.verdict.cause)


def _line(device: DeviceReport) -> tuple[str, str, str, str]:
    verdict = device.verdict
    sure = "" if verdict.cause is Cause.INCONCLUSIVE else f", {verdict.confidence}"
    told = f"{spaced(verdict.cause)}{sure}"
    return device.address, device.device_id or "unknown", STAGES[verdict.stage].short, told
