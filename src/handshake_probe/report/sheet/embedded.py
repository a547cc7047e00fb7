"""Measurements inside a report: written into the page as data, and read back from it.

One line of JSON for each measurement, within `<script type="application/json">`, which no browser
runs. `<`, `>` and `&` are escaped in it, so that nothing in a string can end the element. Long
documents are packed: gzip, in base64.
"""

from __future__ import annotations

import base64
import gzip
import re
import zlib
from collections.abc import Mapping, Sequence

import msgspec

from handshake_probe.errors import UnreadableInput
from handshake_probe.model.measurement import Finding, Measurement
from handshake_probe.report.safe import safe_json
from handshake_probe.report.sheet.content import Texts
from handshake_probe.report.sheet.secrets import scrubbed

_OPEN = '<script type="application/json" id="measurements"'
_PLAIN = f"{_OPEN}>"
_PACKED = f'{_OPEN} data-encoding="gzip">'
_END = "</script>"
_LARGE = 150_000  # characters; longer documents are packed
_MOST = 1 << 28  # bytes that a packed document may have
_START = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<!doctype html", re.IGNORECASE)
_MARKUP = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def lines(measurements: Sequence[Measurement], texts: Mapping[str, Texts]) -> str:
    """The documents, one on a line, each finding with the catalogue's words beside its own."""
    return "".join(f"{_line(measurement, texts)}\n" for measurement in measurements)


def element(documents: str) -> str:
    """The element of an HTML page that carries lines of JSON."""
    if len(documents) > _LARGE:
        packed = gzip.compress(documents.encode(), 6, mtime=0)  # 9: twice the time
        return f"{_PACKED}{base64.b64encode(packed).decode()}{_END}"
    for character, escape in _MARKUP.items():
        documents = documents.replace(character, escape)
    return f"{_PLAIN}{documents}{_END}"


def documents_in(page: bytes) -> bytes | None:
    """The lines of JSON in a report in HTML; None for what is no HTML page.

    Raises:
        UnreadableInput: an HTML page without measurements.
    """
    if _START.match(page[:100]) is None:
        return None
    for mark in (_PLAIN, _PACKED):
        _, found, rest = page.partition(mark.encode())
        data, ended, _ = rest.partition(_END.encode())
        if found and ended:
            return data if mark is _PLAIN else _unpacked(data)
    raise UnreadableInput("an HTML page that carries no measurement")


def _unpacked(data: bytes) -> bytes:
    try:
        unpacking = zlib.decompressobj(wbits=31)  # gzip
        found = unpacking.decompress(base64.b64decode(data, validate=True), _MOST)
    except (ValueError, zlib.error) as error:
        raise UnreadableInput(f"its measurements are damaged ({error})") from error
    if not unpacking.eof:
        raise UnreadableInput("its measurements are cut off, or too large")
    return found


def _line(measurement: Measurement, texts: Mapping[str, Texts]) -> str:
    document = msgspec.structs.asdict(measurement)
    document["findings"] = [_worded(finding, texts) for finding in measurement.findings]
    # A judgement may quote a part of a text, and a part may have a secret's form.
    return scrubbed(safe_json(msgspec.json.encode(document)).decode())


def _worded(finding: Finding, texts: Mapping[str, Texts]) -> dict[str, object]:
    found = msgspec.structs.asdict(finding)
    words = texts.get(finding.code)
    if words is not None:
        found |= {"title": words.title, "meaning": words.meaning, "doubt": words.doubt}
        found["remedy"] = words.remedy
    return found
