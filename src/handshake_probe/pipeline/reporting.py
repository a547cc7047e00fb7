"""`report`: from measurements to a file somebody else can act on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from handshake_probe.diagnose.catalogue import CATALOGUE
from handshake_probe.diagnose.compare import compare
from handshake_probe.model.measurement import Measurement
from handshake_probe.pipeline.rejudging import diagnose
from handshake_probe.report.sheet.compose import compose
from handshake_probe.report.sheet.content import Report, Texts
from handshake_probe.report.sheet.embedded import lines
from handshake_probe.report.sheet.files import form_of, put, written
from handshake_probe.report.sheet.redaction import Level, redacted


@dataclass(frozen=True)
class Composed:
    """What a report says, and the measurements it carries."""

    report: Report
    documents: str  # one measurement in JSON on each line
    public: bool


def compose_report(
    measurements: Sequence[Measurement], level: Level, *, made: float, by: str | None = None
) -> Composed:
    """Leave out what the level leaves out, judge again, and put it into words.

    Args:
        measurements: At least one, as they were saved.
        level: Whom the report is for.
        made: The time that it says it was made, seconds since the epoch.
        by: Who asks.
    """
    judged = diagnose(redacted(measurements, level))
    texts = {
        code: Texts(entry.title, entry.meaning, entry.doubt, entry.remedy)
        for code, entry in CATALOGUE.items()
    }
    report = compose(judged, texts, made=made, by=by, proofs=_proofs(judged))
    return Composed(report, lines(judged, texts), public=report.redaction == Level.PUBLIC)


def _proofs(measurements: Sequence[Measurement]) -> list[str]:
    """What pairs of measurements of one kind prove: the hotspot against the office."""
    found = []
    for number, one in enumerate(measurements):
        for other in measurements[number + 1 :]:
            compared = compare(one, other)
            if one.kind == other.kind and compared.cause is not None:
                names = f"A is {_told(one)}, B is {_told(other)}."
                found.append(" ".join((compared.proof, names, *compared.caveats)))
    return found


def _told(measurement: Measurement) -> str:
    return f"{measurement.kind} of {measurement.source.first or 'an unknown time'}"


def write_report(
    measurements: Sequence[Measurement],
    files: Sequence[Path],
    *,
    level: Level = Level.IT,
    made: float | None = None,
    by: str | None = None,
) -> None:
    """Write one report in as many forms as there are files; the ending of a name says which.

    Raises:
        UnreadableInput: a name with another ending, a file that cannot be written, a measurement
            without observations.
        SecretFound: the report would hold what no report may hold.
        NoPdf: a PDF cannot be made here.
    """
    forms = [form_of(file) for file in files]
    made = time.time() if made is None else made
    composed = compose_report(measurements, level, made=made, by=by)
    for file, form in zip(files, forms, strict=True):
        put(file, written(composed.report, composed.documents, form, made, public=composed.public))
