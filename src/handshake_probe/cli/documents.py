"""Documents on stdout: one per line."""

from __future__ import annotations

import sys

from handshake_probe.model.measurement import Measurement, json_parts
from handshake_probe.report.safe import safe_json


def write_document(measurement: Measurement) -> None:
    """Write one document as a line of JSON that is safe on a terminal, part by part."""
    for part in json_parts(measurement):
        sys.stdout.buffer.write(safe_json(part))
    sys.stdout.buffer.write(b"\n")


def write_line(data: bytes) -> None:
    """The same for a document that was made into JSON elsewhere."""
    sys.stdout.buffer.write(safe_json(data) + b"\n")
    sys.stdout.flush()
