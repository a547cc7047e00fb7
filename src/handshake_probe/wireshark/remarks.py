"""What a measurement found, as comments on the packets it was found in."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from handshake_probe.model.measurement import ConnectionReport, Finding, Measurement
from handshake_probe.report.safe import PROSE, visible

Remarks = Mapping[int, Sequence[str]]

_FRAME = re.compile(r"frame (\d+)")
# Control packets and record lengths are in Wireshark's own columns.
_UNSAID = (
    "syn",
    "syn_ack",
    "device_fin",
    "cloud_fin",
    "device_rst",
    "cloud_rst",
    "icmp",
    "records_unlisted",
)


def remarks_on(measurement: Measurement) -> Remarks:
    """Comments by frame number: steps, what ended each connection, findings with their evidence."""
    remarks: defaultdict[int, list[str]] = defaultdict(list)
    for device in measurement.devices:
        for connection in device.connections:
            _steps(connection, remarks)
    for finding in measurement.findings:
        for frame in _frames(finding, measurement):
            text = f"{finding.code} ({finding.severity}, {finding.confidence}): {finding.text}"
            remarks[frame].append(visible(text, PROSE))
    return {frame: list(dict.fromkeys(lines)) for frame, lines in remarks.items()}


def verdicts_of(measurement: Measurement) -> list[str]:
    """One line for each device."""
    return [
        visible(
            f"{device.address or 'device'}: {device.verdict.cause} ({device.verdict.confidence},"
            f" {device.verdict.stage}): {device.verdict.summary}",
            PROSE,
        )
        for device in measurement.devices
    ]


def _steps(connection: ConnectionReport, remarks: defaultdict[int, list[str]]) -> None:
    for event in connection.events:
        if event.event in _UNSAID:
            continue
        parts = [event.event.replace("_", " ")]
        parts += [f"{event.bytes} bytes"] if event.bytes is not None else []
        parts += [part for part in (event.note, event.message) if part]
        remarks[event.frame].append(visible(", ".join(parts)))
    if connection.events:
        how = f", {connection.mechanism}" if connection.mechanism else ""
        remarks[connection.events[-1].frame].append(
            f"connection {connection.stream} ended by {connection.ended_by} at stage"
            f" {connection.stage}: {connection.cause} ({connection.confidence}{how})"
        )


def _frames(finding: Finding, measurement: Measurement) -> list[int]:
    """Where a finding shows: its evidence, or else the start of its connection."""
    frames = [int(found[1]) for text in finding.evidence if (found := _FRAME.fullmatch(text))]
    if frames or finding.stream is None:
        return frames
    return [
        connection.events[0].frame
        for device in measurement.devices
        for connection in device.connections
        if connection.stream == finding.stream and connection.events
    ]
