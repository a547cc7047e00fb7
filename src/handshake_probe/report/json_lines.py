"""Documents as JSON for people and programs: one on a line, safe on a terminal."""

from __future__ import annotations

from typing import BinaryIO

from handshake_probe.model.measurement import Measurement, json_parts
from handshake_probe.report.safe import safe_json


def write_json(measurement: Measurement, stream: BinaryIO) -> None:
    """Write one document and a line end, part by part: one may have hundreds of megabytes."""
    for part in json_parts(measurement):
        stream.write(safe_json(part))
    stream.write(b"\n")
