"""The one place where values of a run become the document that is written down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from handshake_probe.diagnose.advice import against
from handshake_probe.diagnose.capture_findings import capture_findings
from handshake_probe.diagnose.case import Case, KeyFacts
from handshake_probe.diagnose.catalogue import CATALOGUE
from handshake_probe.diagnose.devices import Device, find_devices, is_cloud_name
from handshake_probe.diagnose.entries import Told, tell
from handshake_probe.diagnose.heard import Heard
from handshake_probe.diagnose.judge import judge_connection
from handshake_probe.diagnose.judge_device import (
    DeviceVerdict,
    Judged,
    judge_device,
    ruled_out,
    share_proof,
)
from handshake_probe.diagnose.judge_dns import judge_dns
from handshake_probe.diagnose.judgement import Judgement
from handshake_probe.diagnose.remedies import filled
from handshake_probe.diagnose.topology import Topology
from handshake_probe.model.measurement import (
    SCHEMA,
    ConnectionReport,
    DeviceReport,
    Finding,
    KeyUsed,
    Measurement,
    Software,
    Source,
    Verdict,
)
from handshake_probe.model.observations import AnyObservation, CaptureSeen, ConnectionSeen
from handshake_probe.model.vocabulary import (
    SEVERITY_ORDER,
    Cause,
    Confidence,
    Mechanism,
    Severity,
    Stage,
)


def rfc3339(time: float) -> str:
    """Seconds since the epoch as UTC text with microseconds."""
    try:
        moment = datetime.fromtimestamp(time, UTC)
    except (OverflowError, ValueError, OSError):
        moment = datetime.fromtimestamp(0, UTC)  # a damaged capture may claim any time
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class _Judge:
    """What every device of one capture is judged against."""

    capture: CaptureSeen
    topology: Topology
    keys: KeyFacts
    told: Mapping[int, Told]

    def device(self, device: Device) -> tuple[DeviceReport, list[Finding]]:
        judged = share_proof(
            [Judged(c, judge_connection(self._case(device, c))) for c in device.connections]
        )
        if judged:
            verdict = judge_device(judged)
            excluded = ruled_out(verdict, judged, self.keys)
        else:
            judgement = judge_dns(
                [q for q in device.questions if is_cloud_name(q.name)], self.capture.last or 0.0
            )
            verdict = DeviceVerdict(judgement, Stage.DNS, False, None)
            excluded = []
        findings = _findings(device, judged, verdict)
        report = DeviceReport(
            address=device.address,
            device_id=device.device_id,
            mac=device.mac,
            vendor=device.vendor,
            name=device.name,
            verdict=_verdict(device, verdict, findings, excluded),
            connections=[self._connection(item) for item in judged],
        )
        return report, findings

    def _case(self, device: Device, connection: ConnectionSeen) -> Case:
        return Case(
            connection=connection,
            siblings=device.connections,
            questions=device.questions,
            topology=self.topology,
            keys=self.keys.at(connection.cloud),
            capture=self.capture,
            device_id=device.device_id,
        )

    def _connection(self, item: Judged) -> ConnectionReport:
        connection, judgement = item.connection, item.judgement
        told = self.told.get(connection.stream) or tell(connection, Heard.of(()))
        return ConnectionReport(
            stream=connection.stream,
            device=connection.device,
            cloud=connection.cloud,
            started=rfc3339(connection.started),
            stage=connection.stage,
            ended_by=connection.ended_by,
            cause=judgement.cause,
            confidence=judgement.confidence,
            mechanism=judgement.mechanism,
            candidates=list(judgement.candidates),
            events=told.events,
            messages=told.messages,
        )


def build_measurement(
    *,
    kind: str,
    source: Source,
    software: Software,
    keys: Sequence[KeyUsed],
    observations: Sequence[AnyObservation],
    told: Mapping[int, Told],
) -> Measurement:
    """Judge the observations of one run and write the document.

    `told` holds the steps and messages of connections by stream number, for people to read; the
    verdict rests on `observations` alone.
    """
    capture = next(o for o in observations if isinstance(o, CaptureSeen))
    facts = KeyFacts.read(keys, observations)
    judge = _Judge(capture, Topology.read(observations), facts, told)
    devices: list[DeviceReport] = []
    findings: list[Finding] = []
    for device in find_devices(observations, facts):
        report, found = judge.device(device)
        devices.append(report)
        findings += found
    findings += capture_findings(capture, observations, devices)
    return Measurement(
        schema=SCHEMA,
        kind=kind,
        source=source,
        software=software,
        keys=list(keys),
        verdict=overall(devices, findings),
        devices=devices,
        observations=list(observations),
        findings=findings,
    )


def _findings(device: Device, judged: Sequence[Judged], verdict: DeviceVerdict) -> list[Finding]:
    """The decisive connection's findings first, then one of each other kind."""
    found: list[Finding] = []
    ordered: list[tuple[Judgement, int | None]] = [
        (
            verdict.judgement,
            verdict.decisive.stream if verdict.decisive else None,
        )
    ]
    ordered += [(item.judgement, item.connection.stream) for item in judged]
    codes: set[str] = set()
    for judgement, stream in ordered:
        for clue in judgement.clues:
            if clue.code in codes:
                continue
            codes.add(clue.code)
            found.append(
                Finding(
                    code=clue.code,
                    severity=CATALOGUE[clue.code].severity,
                    confidence=clue.confidence,
                    evidence=list(clue.evidence),
                    text=clue.text,
                    device=device.address,
                    stream=stream,
                )
            )
    return found


def _verdict(
    device: Device,
    verdict: DeviceVerdict,
    findings: Sequence[Finding],
    excluded: Sequence[Cause],
) -> Verdict:
    judgement = verdict.judgement
    return Verdict(
        cause=judgement.cause,
        mechanism=judgement.mechanism,
        stage=verdict.stage,
        confidence=judgement.confidence,
        candidates=list(judgement.candidates),
        recovered=verdict.recovered,
        findings=[finding.code for finding in findings],
        ruled_out=list(excluded),
        summary=judgement.summary,
        next_steps=_next_steps(device, verdict, findings),
        settles=judgement.settles,
        assumption=judgement.assumption,
        blocker=judgement.blocker,
    )


def _next_steps(device: Device, verdict: DeviceVerdict, findings: Sequence[Finding]) -> list[str]:
    judgement = verdict.judgement
    steps: list[str] = []
    if judgement.settles:
        steps.append(judgement.settles)
    codes = [judgement.clues[0].code]
    if judgement.cause is Cause.HEALTHY:
        codes = [f.code for f in findings if f.severity is not Severity.INFO]
        if not codes:
            steps.append(
                "Breathing cyan, but not in the console? Then the device is not claimed: "
                "`particle device add {id}`."
            )
    for code in codes:
        steps += CATALOGUE[code].remedy
    steps += against(judgement.cause)
    cloud = verdict.decisive.cloud if verdict.decisive else None
    fill: dict[str, str] = {
        "{id}": device.device_id or "<device id>",
        "{device}": device.address,
        "{cloud}": cloud or "the cloud",
        "{port}": cloud.rpartition(":")[2] if cloud else "5683",
    }
    unique = dict.fromkeys(filled(step, fill) for step in steps)
    return list(unique)


def overall(devices: Sequence[DeviceReport], findings: Sequence[Finding]) -> Verdict:
    """The document's verdict: that of its most severe device."""
    counts = dict(Counter(str(device.verdict.cause) for device in devices))
    if not devices:
        missing = CATALOGUE["HP606"]
        return Verdict(
            cause=Cause.INCONCLUSIVE,
            mechanism=Mechanism.NO_TRAFFIC,
            stage=Stage.NONE,
            confidence=Confidence.POSSIBLE,
            candidates=[Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED, Cause.HEALTHY],
            recovered=False,
            findings=[finding.code for finding in findings],
            ruled_out=[],
            summary="Nothing in this capture belongs to a device's cloud connection.",
            next_steps=list(missing.remedy),
            settles=missing.remedy[0],
            counts=counts,
        )
    worst = min(devices, key=lambda device: SEVERITY_ORDER.index(device.verdict.cause)).verdict
    return Verdict(
        cause=worst.cause,
        mechanism=worst.mechanism,
        stage=worst.stage,
        confidence=worst.confidence,
        candidates=worst.candidates,
        recovered=worst.recovered,
        findings=[finding.code for finding in findings],
        ruled_out=worst.ruled_out,
        summary=worst.summary,
        next_steps=worst.next_steps,
        settles=worst.settles,
        assumption=worst.assumption,
        blocker=worst.blocker,
        counts=counts,
    )
