"""Measurements inside a report: written into the page as data, and read back from it.

One line of JSON for each measurement, within `<script type="application/json">`, which no browser
runs. `<`, `>` and `&` are escaped in it, so that nothing in a string can end the element.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import msgspec

from handshake_probe.errors import UnreadableInput
from handshake_probe.model.measurement import Measurement, to_json
from handshake_probe.report.safe import safe_json
from handshake_probe.report.sheet.content import Texts

MARK = b'<script type="application/json" id="measurements">'
_END = b"</script>"
_START = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<!doctype html", re.IGNORECASE)
_MARKUP = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def lines(measurements: Sequence[Measurement], texts: Mapping[str, Texts]) -> str:
    """The documents, one on a line, each finding with the catalogue's words beside its own."""
    return "".join(f"{_line(measurement, texts)}\n" for measurement in measurements)


def as_data(documents: str) -> str:
    """Lines of JSON that may stand in an HTML page."""
    for character, escape in _MARKUP.items():
        documents = documents.replace(character, escape)
    return documents


def documents_in(page: bytes) -> bytes | None:
    """The lines of JSON in a report in HTML; None for what is no HTML page.

    Raises:
        UnreadableInput: an HTML page without measurements.
    """
    if _START.match(page[:100]) is None:
        return None
    _, found, rest = page.partition(MARK)
    data, ended, _ = rest.partition(_END)
    if not found or not ended:
        raise UnreadableInput("an HTML page that carries no measurement")
    return data


def _line(measurement: Measurement, texts: Mapping[str, Texts]) -> str:
    document = json.loads(to_json(measurement))
    for finding in document["findings"]:
        words = texts.get(finding["code"])
        if words is not None:
            finding |= {"title": words.title, "meaning": words.meaning, "doubt": words.doubt}
            finding["remedy"] = list(words.remedy)
    return safe_json(msgspec.json.encode(document)).decode()
