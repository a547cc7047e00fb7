"""What a probe would send, as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from handshake_probe.report.page import Page


def write_plan(limits: Iterable[tuple[str, str, str]], stream: TextIO) -> None:
    """Writes lines of test, where, and at most how much."""
    page = Page(stream)
    page.line(("What a probe would send; nothing was sent.", "bold"))
    for test, where, at_most in limits:
        page.blank()
        page.line((test, "bold"))
        page.field("where", where, column=9)
        page.field("at most", at_most, column=9)
