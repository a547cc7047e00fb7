"""From measurements, redacted and judged, to what the report says."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import starmap

from handshake_probe import __version__
from handshake_probe.model.measurement import ASKED, Measurement, to_json
from handshake_probe.report.device import DEVICE_STAGES
from handshake_probe.report.overview import counts
from handshake_probe.report.probe import PROBE_STAGES
from handshake_probe.report.safe import visible
from handshake_probe.report.sheet import request, verify, wording
from handshake_probe.report.sheet.cases import Subject, case_of, subjects_of, told_in_full
from handshake_probe.report.sheet.content import Attached, Fact, Matter, Report, Texts
from handshake_probe.report.sheet.overview import overview_of
from handshake_probe.report.sheet.redaction import Level, level_of
from handshake_probe.report.sheet.times import moment
from handshake_probe.report.sheet.vendors import examples
from handshake_probe.report.sheet.wishes import wishes_of
from handshake_probe.report.words import spaced

_TOLD = 3  # cases told in full; the measurement holds the others
_COPIES = {Level.IT: "copy for the network team", Level.PUBLIC: "public copy"}
REDACTION = {
    Level.IT: "for the network team: addresses and hardware addresses are told; keys, tokens and "
    "decrypted messages are left out",
    Level.PUBLIC: "for the public: host parts of addresses and of hardware addresses are "
    "renumbered, ids are shortened, names of networks, hosts and files are left out, and so are "
    "keys, tokens and decrypted messages",
}


def compose(
    measurements: Sequence[Measurement],
    texts: dict[str, Texts],
    *,
    made: float,
    by: str | None,
    proofs: Sequence[str] = (),
) -> Report:
    """Everything the report says.

    Args:
        measurements: Redacted and judged; at least one.
        texts: The catalogue's words, by the code of the finding.
        made: When the report is written, seconds since the epoch.
        by: Who asks, if that is to be told.
        proofs: What the differences between the measurements prove.
    """
    level = level_of(measurements)
    subjects = subjects_of(measurements)
    lead = subjects[0]
    verdict = lead.verdict
    matter = wording.matter_of(verdict)
    stages = DEVICE_STAGES if lead.device else PROBE_STAGES
    wishes = wishes_of(measurements, subjects, level) if matter is Matter.REQUEST else ()
    cases = tuple(case_of(subject, texts) for subject in told_in_full(subjects, _TOLD))
    devices = [device for measurement in measurements for device in measurement.devices]
    return Report(
        matter=matter,
        title=wording.title(verdict),
        lead=wording.lead(verdict, lead.measurement, len(wishes)),
        made=f"{moment(made)} UTC",
        version=__version__,
        redaction=str(level),
        redaction_name=_COPIES[level],
        redaction_told=REDACTION[level],
        head=_head(cases[0].facts, by if level is Level.IT else None),
        verdict=wording.told(verdict, stages, (_compared(subjects), *proofs), lead.measurement),
        request=" ".join(starmap(request.sentence, wishes)),
        rules=request.all_rules(wishes),
        cases=cases,
        overview=overview_of(devices),
        verify=verify.verification(wishes[0].target) if wishes else (),
        examples=examples(*wishes[0]) if wishes else (),
        examples_note=request.examples_note(wishes[0].target) if wishes else "",
        owner=verify.owner_steps(matter, verdict.next_steps),
        owner_lead=verify.owner_lead(matter),
        attached=tuple(map(_attached, measurements)),
    )


def _head(facts: Sequence[Fact], by: str | None) -> tuple[Fact, ...]:
    asking = (Fact("Asked by", visible(by, 120)),) if by else ()
    return (*asking, *facts)


def _compared(subjects: Sequence[Subject]) -> str:
    """What else was measured, and how that came out."""
    told = {id(subjects[0].measurement): ""}  # one for each other measurement, gravest first
    for subject in subjects:
        if id(subject.measurement) not in told:
            told[id(subject.measurement)] = _outcome(subject)
    return "; ".join(list(told.values())[1:5])


def _outcome(subject: Subject) -> str:
    measurement = subject.measurement
    what = f"the {measurement.kind}" if measurement.kind in ASKED else "a capture"
    devices = measurement.devices
    came = counts(devices) if len(devices) > 1 else spaced(subject.verdict.cause)
    return f"{what} ({visible(measurement.source.path, 60)}): {came}"


def _attached(measurement: Measurement) -> Attached:
    return Attached(
        name=visible(measurement.source.path, 80),
        kind=measurement.kind,
        sha256=hashlib.sha256(to_json(measurement)).hexdigest(),
    )
