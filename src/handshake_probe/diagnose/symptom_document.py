"""Documents that rest on what a device says, and documents to which that is added."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from handshake_probe.diagnose.capture_findings import finding
from handshake_probe.diagnose.catalogue import CATALOGUE
from handshake_probe.diagnose.document import overall
from handshake_probe.diagnose.judge_log import judge_log
from handshake_probe.diagnose.judge_symptoms import (
    led_findings,
    led_word,
    log_findings,
    log_word,
    weigh,
)
from handshake_probe.diagnose.symptoms.led_reading import LedReading
from handshake_probe.model.measurement import (
    SCHEMA,
    DeviceReport,
    Finding,
    Measurement,
    Software,
    Source,
    Verdict,
    judged_anew,
    naming,
    revised,
)
from handshake_probe.model.observations import AnyObservation
from handshake_probe.model.symptoms import DeviceLogSeen, LedSeen, LedSignal
from handshake_probe.model.vocabulary import Cause, Confidence
from handshake_probe.protocol.led_phrase import Phrase

JOINED = {
    "device_id": "its device id is in the log",
    "address": "its address is in the log",
    "same_minutes": "log and capture are of the same minutes, and it is the only device",
    "only_device": "it is the only device of the only capture; the log has no time of day",
}


def next_id(observations: Sequence[AnyObservation]) -> str:
    """An observation id that is free."""
    taken = {observation.id for observation in observations}
    return next(name for number in count(1) if (name := f"o{number}") not in taken)


def led_document(seen: LedSeen, reading: LedReading, software: Software) -> Measurement:
    """A document of an LED alone."""
    row = reading.newest
    verdict = Verdict(
        cause=reading.candidates[0] if reading.likely else Cause.INCONCLUSIVE,
        mechanism=row.mechanism if reading.likely else None,
        stage=reading.stages[0],
        confidence=Confidence.LIKELY if reading.likely else Confidence.POSSIBLE,
        candidates=list(reading.candidates),
        recovered=False,
        findings=[],
        ruled_out=[c for c in reading.rules_out if c not in reading.candidates],
        summary=reading.summary,
        next_steps=_led_steps(reading),
        settles=None if reading.likely else reading.settles,
        assumption=row.assumption if reading.likely else None,
    )
    source = Source(path="", sha256="", frames=0, truncated=False, format="led")
    found = list(led_findings(seen, reading, ""))
    return _alone("led", source, software, seen, verdict, found)


def _led_steps(reading: LedReading) -> list[str]:
    """What to do, after what would tell more; keys are written only for a cause that stands out."""
    if reading.likely or len(reading.possible) == len(reading.rows):
        rows = [reading.newest]
    else:
        rows = [row for row in reading.rows if row.impossible]
    steps = [reading.settles] if reading.settles and not reading.likely else []
    return [*steps, *(reading.filled(step) for row in rows for step in row.steps)]


def log_document(seen: DeviceLogSeen, source: Source, software: Software) -> Measurement:
    """A document of a serial log alone."""
    told = judge_log(seen)
    judgement, address = told.judgement, seen.address or ""
    found = [
        finding(clue.code, clue.text, clue.evidence, clue.confidence, address)
        for clue in judgement.clues
    ]
    found += log_findings(seen, address)
    fill = seen.device_id or "<device id>"
    steps = [judgement.settles] if judgement.settles else []
    steps += [
        step.replace("{id}", fill).replace("{port}", "5683").replace("{device}", "the device")
        for step in CATALOGUE[judgement.clues[0].code].remedy
    ]
    if judgement.cause is Cause.HEALTHY:
        steps.append(
            "Breathing cyan, but not in the console? Then the device is not claimed: "
            f"`particle device add {fill}`."
        )
    verdict = Verdict(
        cause=judgement.cause,
        mechanism=judgement.mechanism,
        stage=told.stage,
        confidence=judgement.confidence,
        candidates=list(judgement.candidates),
        recovered=told.recovered,
        findings=[],
        ruled_out=[c for c in told.rule.rules_out if c not in judgement.candidates]
        if told.rule
        else [],
        summary=judgement.summary,
        next_steps=list(dict.fromkeys(steps)),
        settles=judgement.settles,
        assumption=judgement.assumption,
    )
    return _alone("log", source, software, seen, verdict, found, address, seen.device_id)


def _alone(
    kind: str,
    source: Source,
    software: Software,
    seen: LedSeen | DeviceLogSeen,
    verdict: Verdict,
    findings: list[Finding],
    address: str = "",
    device_id: str | None = None,
) -> Measurement:
    device = DeviceReport(
        address=address,
        device_id=device_id,
        mac=None,
        vendor=None,
        name=None,
        verdict=naming(verdict, findings),
        connections=[],
    )
    return Measurement(
        schema=SCHEMA,
        kind=kind,
        source=source,
        software=software,
        keys=[],
        verdict=overall([device], findings),
        devices=[device],
        observations=[seen],
        findings=findings,
    )


def with_led(
    measurement: Measurement, device: DeviceReport, seen: LedSeen, reading: LedReading
) -> Measurement:
    """The document with an LED weighed for one of its devices."""
    verdict, found = weigh(device, led_word(seen, reading))
    found += led_findings(seen, reading, device.address)
    return _added(measurement, device, verdict, seen, found)


def with_log(measurement: Measurement, device: DeviceReport, seen: DeviceLogSeen) -> Measurement:
    """The document with a serial log weighed for one of its devices."""
    word = log_word(seen)
    verdict, found = weigh(device, word) if word is not None else (device.verdict, [])
    found.append(
        finding(
            "HP810",
            f"{seen.path} is judged with this device: {JOINED[seen.joined or '']}."
            + (f" {word.says}" if word is not None else ""),
            [seen.id],
            Confidence.LIKELY,
            device.address,
        )
    )
    found += log_findings(seen, device.address)
    return _added(measurement, device, verdict, seen, found)


def _added(
    measurement: Measurement,
    device: DeviceReport,
    verdict: Verdict,
    seen: LedSeen | DeviceLogSeen,
    found: list[Finding],
) -> Measurement:
    anew = judged_anew(device, naming(verdict, found))
    devices = [anew if other is device else other for other in measurement.devices]
    findings = [*measurement.findings, *found]
    others = [observation for observation in measurement.observations if observation != seen]
    return revised(
        measurement,
        devices=devices,
        observations=[*others, seen],
        findings=findings,
        verdict=overall(devices, findings),
    )


def alone_beside_captures(measurement: Measurement, seen: DeviceLogSeen, why: str) -> Measurement:
    """The document of a log that fits none of the captures given with it."""
    text = f"No device of the captures is known to be the log's: {why}."
    return _remarked(measurement, finding("HP832", text, [seen.id], device=seen.address or ""))


def led_unweighed(measurement: Measurement, phrase: Phrase, devices: int) -> Measurement:
    """A document beside which an LED was described, without saying whose."""
    text = f"“{phrase}” is not weighed: {devices} devices, and it names none."
    return _remarked(measurement, finding("HP804", text, []))


def _remarked(measurement: Measurement, found: Finding) -> Measurement:
    findings = [*measurement.findings, found]
    return revised(
        measurement,
        findings=findings,
        verdict=overall(measurement.devices, findings),
    )


def led_seen(
    observation_id: str, phrase: Phrase, device_os: str | None, device: str | None = None
) -> LedSeen:
    """The observation of what somebody saw."""
    return LedSeen(
        id=observation_id,
        phrase=str(phrase),
        signals=[
            LedSignal(
                colour=str(signal.colour),
                pattern=str(signal.pattern) if signal.pattern else None,
                count=signal.count,
            )
            for signal in phrase.signals
        ],
        device_os=device_os,
        device=device,
    )
