"""Texts of the finding catalogue on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from handshake_probe.report.page import Page


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
