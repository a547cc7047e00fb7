"""Each device and each probe of a report, with what its verdict rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from handshake_probe.model.measurement import ASKED, DeviceReport, Finding, Measurement, Verdict
from handshake_probe.model.observations import CaptureSeen
from handshake_probe.model.probed import VantageSeen
from handshake_probe.model.vocabulary import SEVERITY_ORDER, Cause, Confidence
from handshake_probe.report.safe import visible
from handshake_probe.report.sheet.content import Case, Fact, FindingText, Test, Texts
from handshake_probe.report.sheet.evidence import device_tests, probe_tests, shown_tests
from handshake_probe.report.sheet.steps import device_ladder, probe_ladder
from handshake_probe.report.sheet.timeline import device_timeline, probe_timeline
from handshake_probe.report.sheet.times import seconds_of, span
from handshake_probe.report.sheet.way import way_of
from handshake_probe.report.sheet.wording import sureness
from handshake_probe.report.words import counted, spaced

_TITLES = {"log": "The device's serial log", "led": "The device's LED, as somebody saw it"}
_SAME = {True: "the same", False: "another", None: "it could not be told whether the same"}
_FINDINGS = 12  # told of one case
_SURE = list(Confidence)


@dataclass(frozen=True, slots=True)
class Subject:
    """A device in its capture, a probe, or a capture without any device."""

    measurement: Measurement
    device: DeviceReport | None

    @property
    def verdict(self) -> Verdict:
        """Its own, not the document's."""
        return self.device.verdict if self.device else self.measurement.verdict

    @property
    def findings(self) -> list[Finding]:
        """What was found about it, and about the capture it is in."""
        own = self.device.address if self.device else None
        return [f for f in self.measurement.findings if f.device in (own, None)]


def subjects_of(measurements: Iterable[Measurement]) -> list[Subject]:
    """Everything that has a verdict, the gravest and surest first."""
    found: list[Subject] = []
    for measurement in measurements:
        devices = [Subject(measurement, device) for device in measurement.devices]
        found += devices or [Subject(measurement, None)]
    return sorted(found, key=_rank)


def _rank(subject: Subject) -> tuple[int, int, bool]:
    """Gravest, surest, and first those that say who stops it."""
    verdict = subject.verdict
    place = SEVERITY_ORDER.index(verdict.cause)
    return place, _SURE.index(verdict.confidence), verdict.blocker is None


def told_in_full(subjects: Sequence[Subject], most: int) -> list[Subject]:
    """Some in their order: the first one, one of each other way to fail, then the next of each."""
    seen: Counter[tuple[object, ...]] = Counter()
    ranked = []
    for place, subject in enumerate(subjects):
        verdict = subject.verdict
        kind = (verdict.cause, verdict.mechanism, verdict.stage, subject.device is None)
        ranked.append((verdict.cause is Cause.HEALTHY, seen[kind], place))
        seen[kind] += 1
    return [subjects[place] for place in sorted(place for *_, place in sorted(ranked)[:most])]


def case_of(subject: Subject, texts: dict[str, Texts]) -> Case:
    """The subject as a report tells it."""
    measurement, device = subject.measurement, subject.device
    is_probe = measurement.kind in ASKED
    verdict = subject.verdict
    return Case(
        title=_title(subject),
        facts=tuple(_facts(subject)),
        cause=spaced(verdict.cause),
        sentence=verdict.summary,
        sure=sureness(verdict),
        tests=_tests(subject),
        ladder=device_ladder(device) if device else probe_ladder(measurement),
        timeline=(device_timeline(measurement, device) if device else probe_timeline(measurement)),
        path=way_of(measurement, verdict) if device or is_probe else None,
        findings=_finding_texts(subject, texts),
    )


def _tests(subject: Subject) -> tuple[Test, ...]:
    measurement, device = subject.measurement, subject.device
    if device is not None:
        return device_tests(measurement, device)
    if measurement.kind in ASKED:
        return probe_tests(measurement)
    return shown_tests(measurement, None)


def _title(subject: Subject) -> str:
    measurement, device = subject.measurement, subject.device
    if device is not None:
        return f"Device {device.address}" if device.address else "The device"
    if measurement.kind == "probe":
        return f"Probe of {visible(measurement.source.path, 80)}"
    if measurement.kind == "replay":
        return f"Recorded handshake to {visible(measurement.source.path, 80)}"
    return _TITLES.get(measurement.kind, "Capture without a device")


def _facts(subject: Subject) -> Iterable[Fact]:
    measurement, device = subject.measurement, subject.device
    source = measurement.source
    if device is not None:
        yield Fact("Device", ", ".join(_identity(device)))
    vantage = next((o for o in measurement.observations if isinstance(o, VantageSeen)), None)
    if vantage is not None:
        yield Fact("Tested from", ", ".join(_place(vantage)))
        if vantage.device is None:
            yield Fact("Device's network", "not known (probe --device ADDRESS tells)")
        else:
            told = _SAME[vantage.device_network]
            yield Fact("Device's network", f"{told} (device {vantage.device})")
    if measurement.kind in ASKED:
        yield Fact("Tested", f"{visible(source.path, 80)}, by sending to it from that computer")
    elif measurement.kind in _TITLES:
        named = f", {visible(source.path, 80)}" if source.path else ""
        yield Fact("Tested", f"{_TITLES[measurement.kind]}{named}")
    else:
        seen = next((o for o in measurement.observations if isinstance(o, CaptureSeen)), None)
        on = f", recorded on {', '.join(seen.interfaces[:3])}" if seen and seen.interfaces else ""
        cut = ", cut off in the middle" if source.truncated else ""
        frames = counted(source.frames, "frame")
        yield Fact("Tested", f"capture {visible(source.path, 80)}, {frames}{on}{cut}")
    yield Fact("When", span(seconds_of(source.first), seconds_of(source.last)))


def _identity(device: DeviceReport) -> Iterable[str]:
    yield device.address or "address unknown"
    yield f"id {device.device_id}" if device.device_id else "id unknown"
    if device.mac:
        yield device.mac + (f" ({visible(device.vendor, 60)})" if device.vendor else "")
    if device.name:
        yield f"“{visible(device.name, 64)}”"


def _place(vantage: VantageSeen) -> Iterable[str]:
    yield f"a computer at {vantage.address}" if vantage.address else "a computer"
    yield f"network {vantage.network}" if vantage.network else "network unknown"
    if vantage.wifi:
        yield f"Wi-Fi “{visible(vantage.wifi, 64)}”"
    if vantage.gateway:
        yield f"router {vantage.gateway}"
    if vantage.resolvers:
        yield f"DNS {', '.join(vantage.resolvers[:3])}"
    if vantage.through_tunnel:
        yield "through a tunnel (VPN)"


def _finding_texts(subject: Subject, texts: dict[str, Texts]) -> tuple[FindingText, ...]:
    told: dict[tuple[str, str], FindingText] = {}
    order: Sequence[str] = subject.verdict.findings
    rank = {code: number for number, code in enumerate(order)}
    for finding in sorted(subject.findings, key=lambda f: rank.get(f.code, len(rank))):
        words = texts.get(finding.code, Texts("", "", ""))
        told.setdefault(
            (finding.code, finding.text),
            FindingText(
                code=finding.code,
                title=words.title,
                severity=str(finding.severity),
                text=finding.text,
                meaning=words.meaning,
                doubt=words.doubt,
            ),
        )
    return tuple(told.values())[:_FINDINGS]
