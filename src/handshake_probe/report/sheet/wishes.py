"""What is wished of the network: which change, for whom."""

from __future__ import annotations

from collections.abc import Sequence

from handshake_probe.model.measurement import ASKED, DeviceReport, Measurement
from handshake_probe.model.vocabulary import Cause
from handshake_probe.report.sheet.cases import Subject
from handshake_probe.report.sheet.redaction import Level
from handshake_probe.report.sheet.request import Ask, Wish, ask_for
from handshake_probe.report.sheet.target import target_of


def wishes_of(
    measurements: Sequence[Measurement], subjects: Sequence[Subject], level: Level
) -> tuple[Wish, ...]:
    """The change that the first subject needs, then what devices need that are stopped otherwise.

    Args:
        measurements: In one of which the network stops something.
        subjects: All that have a verdict; the network stops the first one.
        level: Whom the report is for.
    """
    blaming = [m for m in measurements if m.verdict.cause is Cause.NETWORK_BLOCKED]
    lead = ask_for(subjects[0].verdict.mechanism)
    if subjects[0].device is None:  # a probe stands for the devices of its network
        return (Wish(lead, target_of(blaming, level)),)
    needs: dict[str, Ask] = {}  # by the address of the device
    for subject in subjects:
        if subject.device is not None and subject.verdict.cause is Cause.NETWORK_BLOCKED:
            needs.setdefault(subject.device.address, ask_for(subject.verdict.mechanism))
    wishes = []
    for ask in dict.fromkeys((lead, *needs.values())):

        def needs_it(device: DeviceReport, ask: Ask = ask) -> bool:
            return needs[device.address] is ask

        seen = blaming if ask is lead else [m for m in blaming if m.kind not in ASKED]
        wishes.append(Wish(ask, target_of(seen, level, needs_it)))
    return tuple(wishes)
