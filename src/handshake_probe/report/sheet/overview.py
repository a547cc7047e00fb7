"""How far many devices came, and what ended it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby, islice

from handshake_probe.model.measurement import DeviceReport
from handshake_probe.model.vocabulary import SEVERITY_ORDER, Cause, EndedBy, Stage
from handshake_probe.report.device import most_telling
from handshake_probe.report.overview import entries
from handshake_probe.report.sheet.content import Overview
from handshake_probe.report.words import SHORT_ENDINGS, STAGES, spaced

_ALL_LISTED = 60  # so many devices have a line each
_LISTED = 25  # of more: those that fail alike, or are healthy
_HEALTHY_LISTED = 5
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
    listed = _listed(devices)
    stages = [stage for stage in Stage if any(stage == found for found, _ in numbers)]
    return Overview(
        stages=tuple(STAGES[stage].short for stage in stages),
        endings=endings,
        counts=tuple(tuple(numbers[stage, ending] for ending in endings) for stage in stages),
        devices=tuple(map(_line, listed)),
        folded=_folded(devices, listed),
    )


def _listed(devices: Sequence[DeviceReport]) -> list[DeviceReport]:
    """All of few; of many some that need attention in each way, and some healthy ones."""
    told = entries(devices, {})
    if len(told) <= _ALL_LISTED:
        return [entry.device for entry in told]
    found = []
    for kind, group in groupby(told, key=lambda entry: entry.kind):
        limit = _HEALTHY_LISTED if kind.sound else _LISTED
        found += [entry.device for entry in islice(group, limit)]
    return found


def _folded(devices: Sequence[DeviceReport], listed: Sequence[DeviceReport]) -> str:
    """How many of which verdict have no line."""
    causes = Counter(device.verdict.cause for device in devices)
    causes.subtract(device.verdict.cause for device in listed)
    return ", ".join(
        f"{causes[cause]} {spaced(cause)}" for cause in SEVERITY_ORDER if causes[cause]
    )


def _line(device: DeviceReport) -> tuple[str, str, str, str]:
    verdict = device.verdict
    sure = "" if verdict.cause is Cause.INCONCLUSIVE else f", {verdict.confidence}"
    told = f"{spaced(verdict.cause)}{sure}"
    return device.address, device.device_id or "unknown", STAGES[verdict.stage].short, told
