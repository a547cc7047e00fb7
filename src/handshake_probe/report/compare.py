"""Two measurements side by side, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TextIO

from handshake_probe.report.page import Page
from handshake_probe.report.safe import safe_json, visible

SCHEMA = "handshake-probe/comparison/1"
_COLUMN = 15  # at least; an id has 24
_ROWS = 24  # differences, and likenesses; of a fleet each device is one

Row = tuple[str, str | None, str | None]  # label, of A, of B; None is "not known"


def write_comparison(
    stream: TextIO,
    *,
    names: tuple[str, str],
    proof: str,
    sure: str,
    caveats: Sequence[str],
    rows: Sequence[Row],
) -> None:
    """Writes what the difference proves, then what differs, then what is alike."""
    page = Page(stream)
    column = max(_COLUMN, *(len(label) + 2 for label, *_ in rows))
    for letter, name in zip("AB", names, strict=True):
        page.line((f"{letter}  {visible(name)}", "dim"), hang=3)
    page.blank()
    page.line(("what it proves", "bold"))
    page.line(proof, indent=2)
    if sure:
        page.line((sure, "dim"), indent=2)
    for caveat in caveats:
        page.line(f"{page.glyphs.warning} {caveat}", indent=2, hang=2)
    page.blank()
    page.line(("what differs", "bold"))
    different = [row for row in rows if row[1] != row[2]]
    for label, one, other in different[:_ROWS]:
        page.field(label, f"A: {_told(one)}", indent=2, column=column)
        page.field("", f"B: {_told(other)}", indent=2, column=column)
    if len(different) > _ROWS:
        page.line(
            (f"{page.glyphs.more} {len(different) - _ROWS} more: --format json tells all", "dim")
        )
    if not different:
        page.line("nothing", indent=2)
    alike = [row for row in rows if row[1] == row[2]]
    more = len(alike) - _ROWS
    if alike:
        page.blank()
        page.line(("the same in both", "bold"))
    for label, one, _ in alike[:_ROWS]:
        page.field(label, _told(one), indent=2, column=column)
    if more > 0:
        page.line((f"{page.glyphs.more} {more} more", "dim"), indent=2)


def comparison_json(
    *,
    names: tuple[str, str],
    proof: str,
    cause: str | None,
    confidence: str,
    caveats: Sequence[str],
    rows: Sequence[Row],
) -> bytes:
    """The comparison as one line of JSON."""
    document = {
        "schema": SCHEMA,
        "a": names[0],
        "b": names[1],
        "proves": {
            "cause": cause,
            "confidence": confidence,
            "text": proof,
            "caveats": list(caveats),
        },
        "differences": [
            {"label": label, "a": one, "b": other, "differs": one != other}
            for label, one, other in rows
        ],
    }
    return safe_json(json.dumps(document, ensure_ascii=False).encode())


def _told(value: str | None) -> str:
    return "not known" if value is None else visible(value).replace("_", " ")
