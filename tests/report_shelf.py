"""Reports that tests leave for the browser: it opens them all in one session."""

from __future__ import annotations

from pathlib import Path

from handshake_probe.model.measurement import Measurement
from handshake_probe.model.vocabulary import Cause
from handshake_probe.pipeline.reporting import compose_report
from handshake_probe.report.sheet.content import Matter
from handshake_probe.report.sheet.files import Form, written
from handshake_probe.report.sheet.redaction import Level

AT = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC

_MATTERS = {
    Cause.NETWORK_BLOCKED: Matter.REQUEST,
    Cause.HEALTHY: Matter.HEALTHY,
    Cause.INCONCLUSIVE: Matter.OPEN,
}


def shelve(folder: Path, name: str, *measurements: Measurement, honest: bool = True) -> Path:
    """Write a report in HTML, and check what holds for every report."""
    for level in Level:
        composed = compose_report(measurements, level, made=AT)
        for form in (Form.HTML, Form.MARKDOWN, Form.TEXT, Form.JSON):
            made = written(
                composed.report, composed.documents, form, AT, public=level is Level.PUBLIC
            )
            if form is Form.HTML and level is Level.IT:
                (folder / f"{name}.html").write_bytes(made)
                if honest and len(measurements) == 1 and len(measurements[0].devices) <= 1:
                    assert len(made) < 300_000
        report = composed.report
        asks = report.matter is Matter.REQUEST
        assert asks is bool(report.rules) is bool(report.request) is bool(report.examples)
        assert asks or "no firewall rule is asked for" in report.title
        if len(measurements) == 1 and honest:
            cause = measurements[0].verdict.cause
            assert report.matter is _MATTERS.get(cause, Matter.OTHER)
            assert (
                report.verdict.sentence == measurements[0].verdict.summary or level is not Level.IT
            )
    return folder / f"{name}.html"
