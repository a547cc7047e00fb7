"""The report as Markdown that pastes into a ticket or a forum."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from markupsafe import Markup

from handshake_probe.report.sheet.content import Case, Kind, Report, Step
from handshake_probe.report.sheet.pictures import SIGNS
from handshake_probe.report.sheet.templates import page
from handshake_probe.report.sheet.text import ladder_lines, plain, timeline_lines, way_lines

# What Markdown would read as its own, in a sentence or a cell of a table. A dot or a hyphen inside
# a word stays: only at the beginning of a line do they mean something, and no text stands there.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&@])")
_LINK = re.compile(r"(?i)(https?|ftp|www)([:.])")
_BLANKS = re.compile(r"\n{3,}")


def markdown(report: Report) -> str:
    """The whole report."""
    told = page("report.md", escaped).render(
        r=report, signs=SIGNS, blocks=_blocks, told=_told, code=_code
    )
    return _BLANKS.sub("\n\n", told)


def escaped(text: str) -> str:
    """A text in a sentence or a cell: one line, nothing in it means anything to Markdown."""
    one_line = " ".join(text.split())
    return _LINK.sub(r"\1&#8203;\2", _SPECIAL.sub(r"\\\1", one_line))


def _told(step: Step) -> Markup:
    return Markup(
        "".join(
            _kept(text) if kind is Kind.PROSE else f"`{_code(text)}`" for text, kind in step.pieces
        )
    )


def _kept(text: str) -> str:
    """A piece of a sentence with the blanks at its ends."""
    head, tail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return f"{head}{escaped(text)}{tail}"


def _blocks(case: Case) -> Iterator[Markup]:
    drawn: list[Iterable[str]] = []
    if case.path and (case.path.hops or case.path.told):
        drawn.append(way_lines(case.path))
    if case.ladder:
        drawn.append(ladder_lines(case.ladder))
    if case.timeline:
        drawn.append(timeline_lines(case.timeline))
    for lines in drawn:
        yield Markup("\n".join(_code(line.rstrip()) for line in lines))


def _code(text: str) -> Markup:
    """Lines for a code block or span; a backtick would end it."""
    return Markup("\n".join(plain(line).replace("`", "'") for line in text.split("\n")))
