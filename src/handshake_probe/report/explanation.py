"""Texts of the finding catalogue on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from handshake_probe.report.page import Page

_NAME_LIMIT = 26  # columns of a topic's name that leave room beside it


def write_explanation(
    stream: TextIO,
    *,
    heading: str,
    paragraphs: Sequence[tuple[str, str]],
    remedy: Sequence[str],
) -> None:
    """Writes one entry: its heading, paragraphs as (label, text), and the remedy as steps."""
    page = Page(stream)
    page.line((heading, "bold"), hang=2)
    for label, text in paragraphs:
        page.blank()
        page.line((label, "bold"), indent=2)
        page.line(text, indent=4)
    if remedy:
        page.blank()
        page.line(("what helps", "bold"), indent=2)
        for number, step in enumerate(remedy, 1):
            page.step(f"{number}. ", step, indent=4)


def write_index(stream: TextIO, entries: Sequence[tuple[str, str, str]]) -> None:
    """Writes a line for each entry, given as (code, severity, title)."""
    page = Page(stream)
    for code, severity, title in entries:
        page.field(f"{code} {severity}", title, indent=0, column=16)


def write_topics(stream: TextIO, topics: Sequence[tuple[str, str, str]]) -> None:
    """Writes a line for each topic, given as (section, name, title), under its section."""
    page = Page(stream)
    for section in dict.fromkeys(section for section, _, _ in topics):
        rows = [(name, title) for within, name, title in topics if within == section]
        page.blank()
        page.line((section, "bold"))
        widest = max(len(name) for name, _ in rows if len(name) <= _NAME_LIMIT)
        for name, title in rows:
            if len(name) > _NAME_LIMIT:
                page.line((name, "dim"), indent=2)
                page.line(title, indent=widest + 4)
            else:
                page.field(name, title, indent=2, column=widest + 2)
