"""The measurement document of a probe, or of a replay."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from handshake_probe.diagnose.active.case import ProbeCase
from handshake_probe.diagnose.active.judge import judge_probe
from handshake_probe.diagnose.active.replay import judge_replay
from handshake_probe.diagnose.active.verdict import ProbeVerdict
from handshake_probe.diagnose.catalogue import CATALOGUE
from handshake_probe.diagnose.judgement import Clue
from handshake_probe.diagnose.remedies import filled
from handshake_probe.model.measurement import (
    SCHEMA,
    Finding,
    KeyUsed,
    Measurement,
    Software,
    Source,
    Verdict,
)
from handshake_probe.model.observations import AnyObservation
from handshake_probe.model.vocabulary import Cause, Severity

_JUDGES: dict[str, Callable[[ProbeCase], ProbeVerdict]] = {
    "probe": judge_probe,
    "replay": judge_replay,
}


def build_probe_measurement(
    *,
    source: Source,
    software: Software,
    keys: Sequence[KeyUsed],
    observations: Sequence[AnyObservation],
    kind: str = "probe",
) -> Measurement:
    """Judge the observations of one run, a "probe" or a "replay", and write the document."""
    case = ProbeCase.read(observations)
    verdict = _JUDGES[kind](case)
    clues = (*verdict.judgement.clues, *verdict.remarks)
    findings = [_finding(clue) for clue in clues]
    return Measurement(
        schema=SCHEMA,
        kind=kind,
        source=source,
        software=software,
        keys=list(keys),
        verdict=_verdict(case, verdict, findings),
        devices=[],
        observations=list(observations),
        findings=findings,
    )


def _finding(clue: Clue) -> Finding:
    return Finding(
        code=clue.code,
        severity=CATALOGUE[clue.code].severity,
        confidence=clue.confidence,
        evidence=list(clue.evidence),
        text=clue.text,
    )


def _verdict(case: ProbeCase, verdict: ProbeVerdict, findings: Sequence[Finding]) -> Verdict:
    judgement = verdict.judgement
    return Verdict(
        cause=judgement.cause,
        mechanism=judgement.mechanism,
        stage=verdict.stage,
        confidence=judgement.confidence,
        candidates=list(judgement.candidates),
        recovered=False,
        findings=list(dict.fromkeys(finding.code for finding in findings)),
        ruled_out=list(verdict.ruled_out),
        summary=judgement.summary,
        next_steps=_next_steps(case, verdict, findings),
        settles=judgement.settles,
        assumption=judgement.assumption,
        blocker=judgement.blocker,
    )


def _next_steps(case: ProbeCase, verdict: ProbeVerdict, findings: Sequence[Finding]) -> list[str]:
    judgement = verdict.judgement
    steps = [judgement.settles] if judgement.settles else []
    codes = [judgement.clues[0].code]
    if judgement.cause is Cause.HEALTHY:
        codes += [f.code for f in findings if f.severity is not Severity.INFO]
    for code in codes:
        steps += CATALOGUE[code].remedy
    target = verdict.target
    device = case.vantage.device if case.vantage and case.vantage.device else "the device"
    fill = {
        "{id}": next((h.device_id for h in case.handshakes), "<device id>"),
        "{device}": device,
        "{cloud}": target or "the cloud",
        "{port}": target.rpartition(":")[2] if target else "5683",
    }
    return list(dict.fromkeys(filled(step, fill) for step in steps))
