"""`diagnose`: saved measurements judged again, alone or together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from handshake_probe.diagnose.active.document import build_probe_measurement
from handshake_probe.diagnose.document import build_measurement, overall
from handshake_probe.diagnose.entries import Told
from handshake_probe.diagnose.joint import judge_jointly, nearest
from handshake_probe.errors import UnreadableInput
from handshake_probe.model.measurement import ASKED, Measurement, from_json
from handshake_probe.model.observations import CaptureSeen
from handshake_probe.pipeline import symptoms
from handshake_probe.report.sheet.embedded import documents_in

_LIMIT = 1 << 30  # bytes of one file


def load_measurements(path: str) -> list[Measurement]:
    """Read measurement documents: one per line, as `--format json` writes them, or in a report.

    Raises:
        UnreadableInput: no such file, no such document.
    """
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(_LIMIT)
    except OSError as error:
        raise UnreadableInput(f"{path}: {error.strerror or error}") from error
    try:
        carried = documents_in(data)
    except UnreadableInput as error:
        raise UnreadableInput(f"{path}: {error}") from error
    data = data if carried is None else carried
    found = []
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(from_json(line))
        except UnreadableInput as error:
            raise UnreadableInput(f"{path}, line {number}: {error}") from error
    if not found:
        raise UnreadableInput(f"{path}: holds no measurement")
    return found


def judge_again(measurement: Measurement) -> Measurement:
    """The same observations under the rules of this version.

    Raises:
        UnreadableInput: a document without what it rests on.
    """
    return msgspec.structs.replace(_judged(measurement), redaction=measurement.redaction)


def _judged(measurement: Measurement) -> Measurement:
    if measurement.kind in ASKED:
        return build_probe_measurement(
            source=measurement.source,
            software=measurement.software,
            keys=measurement.keys,
            observations=measurement.observations,
            kind=measurement.kind,
        )
    alone = symptoms.judge_again(measurement)
    if alone is not None:
        return alone
    if not any(isinstance(item, CaptureSeen) for item in measurement.observations):
        raise UnreadableInput(f"{measurement.source.path}: a measurement without observations")
    # What was decoded is told as it was: a measurement holds no packets to decode again.
    told = {
        connection.stream: Told(connection.events, connection.messages)
        for device in measurement.devices
        for connection in device.connections
    }
    again = build_measurement(
        kind=measurement.kind,
        source=measurement.source,
        software=measurement.software,
        keys=measurement.keys,
        observations=measurement.observations,
        told=told,
    )
    return symptoms.weigh_again(again)


def diagnose(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Every measurement judged again; captures beside the probes, when there are both."""
    again = list(map(judge_again, measurements))
    probes = [m for m in again if m.kind == "probe"]
    if not probes:
        return again
    return [m if m.kind in ASKED else beside(m, nearest(m, probes)) for m in again]


def beside(capture: Measurement, probe: Measurement) -> Measurement:
    """The capture's measurement, its devices judged with what the probe found."""
    judged, added = judge_jointly(capture, probe)
    findings = [*added, *judged.findings]
    return msgspec.structs.replace(
        judged, findings=findings, verdict=overall(judged.devices, findings)
    )
