"""Weighs what the device itself says against a verdict that rests on other evidence.

A word of the device decides only between causes that the evidence left open, and only where the
device names the step itself. Where both disagree that is a finding; the verdict stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from handshake_probe.diagnose.capture_findings import finding
from handshake_probe.diagnose.catalogue import CATALOGUE
from handshake_probe.diagnose.judge_log import judge_log
from handshake_probe.diagnose.symptoms.led_reading import LedReading
from handshake_probe.diagnose.symptoms.led_row import CAPTURE_IT, PROBE_IT, READ_LOG, LedRow
from handshake_probe.model.measurement import DeviceReport, Finding, Verdict
from handshake_probe.model.symptoms import AttemptEnd, DeviceLogSeen, LedSeen
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism, Stage
from handshake_probe.protocol.device_log import Said
from handshake_probe.protocol.device_os import SYSTEM_ERRORS

_INCOMPLETE = (Mechanism.CAPTURE_INCOMPLETE, Mechanism.CAPTURE_TOO_SHORT)


@dataclass(frozen=True, slots=True)
class Word:
    """What the device says, from its LED or its log."""

    who: str  # "LED", "log"
    observation: str  # its id
    says: str  # one sentence
    stages: tuple[Stage, Stage]  # an attempt reached, the least and the most
    candidates: tuple[Cause, ...]
    exact: bool
    mechanism: Mechanism | None
    summary: str
    steps: tuple[str, ...]
    contradicts: str  # codes of findings
    decides: str


def led_word(seen: LedSeen, reading: LedReading) -> Word:
    """The word of an LED."""
    row = reading.newest
    return Word(
        who="LED",
        observation=seen.id,
        says=f"“{reading.phrase}” means: {reading.summary}",
        stages=reading.stages,
        candidates=reading.candidates,
        exact=reading.exact and not reading.impossible,
        mechanism=row.mechanism,
        summary=reading.summary,
        steps=tuple(step for step in row.steps if step not in (CAPTURE_IT, PROBE_IT, READ_LOG)),
        contradicts="HP801",
        decides="HP803",
    )


def log_word(seen: DeviceLogSeen) -> Word | None:
    """The word of a log; None for one that tells of no attempt that ended."""
    told = judge_log(seen)
    if told.rule is None or told.judgement.clues[0].code == "HP822":
        return None
    stages = [a.stage for a in seen.attempts if a.end is not AttemptEnd.UNFINISHED]
    clue = told.judgement.clues[0]
    return Word(
        who="log",
        observation=seen.id,
        says=clue.text,
        stages=(
            min(stages, key=lambda stage: stage.order),
            max(stages, key=lambda stage: stage.order),
        ),
        candidates=told.judgement.candidates,
        exact=told.rule.exact,
        mechanism=told.judgement.mechanism,
        summary=told.rule.summary,
        steps=CATALOGUE[clue.code].remedy,
        contradicts="HP830",
        decides="HP831",
    )


def led_sentence(reading: LedReading) -> str:
    """What the rows say, by version where that matters."""
    told = [f"{versions}{row.says.removesuffix('.')}" for versions, row in by_version(reading)]
    return f"“{reading.phrase}”: {'; '.join(told)}."


def by_version(reading: LedReading) -> Iterator[tuple[str, LedRow]]:
    """The rows with the versions they hold for, in words that begin a sentence."""
    for row in reading.rows:
        if len(reading.rows) == 1:
            yield "", row
        elif row.before is not None:
            yield f"below Device OS {row.before}: ", row
        else:
            yield f"Device OS {row.since} and later: ", row


def stages_of(device: DeviceReport) -> list[Stage]:
    """The stages a device's complete connections reached; without any, that of its verdict."""
    if not device.connections:
        return [device.verdict.stage]
    return [c.stage for c in device.connections if c.mechanism not in _INCOMPLETE]


def weigh(device: DeviceReport, word: Word) -> tuple[Verdict, list[Finding]]:
    """The device's verdict beside its own word, and what that word adds."""
    verdict, stages = device.verdict, stages_of(device)
    least, most = word.stages
    if stages and not any(least.order <= stage.order <= most.order for stage in stages):
        reached = max(stages, key=lambda stage: stage.order)
        return verdict, [
            finding(
                word.contradicts,
                f"The {word.who} does not fit: the evidence reaches {_spaced(reached)}. "
                f"{word.says} Is it the same device, at the same time?",
                [word.observation],
                Confidence.POSSIBLE,
                device.address,
            )
        ]
    if not word.exact or not stages:
        return verdict, []
    named = word.candidates[0]
    if verdict.cause is Cause.INCONCLUSIVE and named in verdict.candidates:
        found = finding(
            word.decides,
            f"The {word.who} names the cause. {word.says}",
            [word.observation],
            Confidence.LIKELY,
            device.address,
        )
        return _decided(device, word), [found]
    if verdict.cause not in (named, Cause.INCONCLUSIVE):
        return verdict, [
            finding(
                word.contradicts,
                f"The {word.who} names another cause than the evidence. {word.says} "
                "Is it the same device, at the same time?",
                [word.observation],
                Confidence.POSSIBLE,
                device.address,
            )
        ]
    return verdict, []


def _spaced(stage: Stage) -> str:
    return f"“{stage.replace('_', ' ')}”"


def _decided(device: DeviceReport, word: Word) -> Verdict:
    verdict = device.verdict
    others = [cause for cause in word.candidates[1:] if cause in verdict.candidates]
    fill = device.device_id or "<device id>"
    return Verdict(
        cause=word.candidates[0],
        mechanism=word.mechanism,
        stage=verdict.stage,
        confidence=Confidence.LIKELY,
        candidates=[word.candidates[0], *others],
        recovered=verdict.recovered,
        findings=[word.decides, *verdict.findings],
        ruled_out=verdict.ruled_out,
        summary=word.summary,
        next_steps=[step.replace("{id}", fill) for step in word.steps],
        settles=None,
        assumption=f"that the {word.who} was of this device, at this time",
        blocker=verdict.blocker,
    )


def log_findings(seen: DeviceLogSeen, address: str) -> Iterator[Finding]:
    """What a log says beside its attempts: tools, advice that does not apply, harmless warnings."""
    notes = seen.notes
    early = seen.attempts and all(
        a.end in (AttemptEnd.NOT_RESOLVED, AttemptEnd.CONNECT_FAILED) for a in seen.attempts
    )
    port = next(
        (n for n in (Said.PORT_CLOSED, Said.PORT_OPEN, Said.DNS_FAILED) if n in notes), None
    )
    told: list[tuple[str, str | None, str]] = [
        ("HP840", Said.DFU_SUFFIX, "dfu-util warns about a suffix these files never have."),
        ("HP841", Said.NOT_READY, "Setup says “Network not ready”."),
        (
            "HP842",
            Said.NEW_KEY if early else None,
            "Keys were renewed, and no attempt reaches the handshake.",
        ),
        (
            "HP843",
            Said.TOOL_REFUSED if Said.NEW_KEY in notes else None,
            "A key tool was refused, and goes on as if nothing was.",
        ),
        ("HP844", Said.TINKER, "Tinker was flashed: that changes no key."),
        ("HP845", Said.ADDRESS_DEFAULTED, "The stored address of the cloud is blank."),
        ("HP847", port, _PORT_WORDS.get(port or "", "")),
        ("HP848", Said.PANIC, "The firmware panicked."),
    ]
    for code, note, text in told:
        if note in notes:
            line = f" (line {notes[str(note)]})"
            yield finding(code, text.removesuffix(".") + line + ".", [seen.id], device=address)


_PORT_WORDS: dict[str, str] = {
    Said.PORT_CLOSED: "The debug firmware's own connection to the cloud's port fails.",
    Said.PORT_OPEN: "The debug firmware's own connection to the cloud's port opens.",
    Said.DNS_FAILED: "The debug firmware gets no address for the cloud's name.",
}


def led_findings(seen: LedSeen, reading: LedReading, address: str) -> Iterator[Finding]:
    """What an LED says, and whether its firmware can show it."""
    yield finding("HP800", led_sentence(reading), [seen.id], Confidence.LIKELY, device=address)
    if reading.impossible:
        yield finding(
            "HP802",
            f"“{reading.phrase}” cannot be: Device OS {reading.version or SYSTEM_ERRORS} flashes "
            "red for every failed handshake.",
            [seen.id],
            Confidence.LIKELY,
            device=address,
        )
