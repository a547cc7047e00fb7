"""A watch on a terminal: a row for each device, and what happened to the selected one.

The whole screen is drawn at once and written over what was there, so that nothing flickers; each
drawing asks for the terminal's size anew.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import NamedTuple, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from handshake_probe.model.vocabulary import Cause
from handshake_probe.report.device import show_consequences, show_verdict
from handshake_probe.report.ladder import draw_ladder
from handshake_probe.report.page import READABLE_WIDTH, Page
from handshake_probe.report.safe import visible
from handshake_probe.report.watch_rows import Key, Row
from handshake_probe.report.words import CAUSES, STYLES, counted

_KEYS = "↑↓ device   v verdict or steps   q end, with the report"
_HEADING = ("device", "step", "age", "retry", "LED", "verdict so far")
_WIDTHS = (15, 18, 4, 6, 14)  # at 80 columns; the verdict takes the rest
_LED = 4  # the column that a narrow screen can best do without
_ENOUGH = 80  # columns from which it is shown
_ROOMY = 120  # columns from which the device's name and the confidence fit in
_WIDE = 160  # columns from which the summary of the verdict does
_NAME = 22  # columns for it
_LEAST = 3  # rows of the table, however small the screen
_TALL = 50  # lines from which steps and verdict stand below each other
_QUIET = 2.0  # seconds without a packet that are worth telling
_SHORT = {
    Cause.HEALTHY: "healthy",
    Cause.NETWORK_BLOCKED: "network blocked",
    Cause.SERVER_KEY_MISMATCH: "server key",
    Cause.DEVICE_KEY_CORRUPTION: "device key",
    Cause.DEVICE_UNKNOWN: "device unknown",
    Cause.SERVER_FAULT: "server fault",
    Cause.DEVICE_FAULT: "device fault",
    Cause.UNCLAIMED: "unclaimed",
    Cause.INCONCLUSIVE: "not sure yet",
}


class Head(NamedTuple):
    """What the first line tells."""

    interface: str
    others: int  # hosts that are no devices
    frames: int
    dropped: int | None
    seconds: float  # since the start
    note: str = ""  # such as what the probe beside it does


class Screen:
    """The alternate screen of a terminal, for as long as it is entered."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, markup=False, emoji=False, highlight=False)
        self._live = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._selected: Key | None = None
        self._verdict = False  # shown in place of the steps
        self._rows: Sequence[Row] = ()

    def __enter__(self) -> Screen:
        """Take the screen."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Give the terminal back as it was."""
        self._live.stop()

    def press(self, key: str) -> None:
        """Take a key: `up`, `down`, or a letter."""
        if key == "v":
            self._verdict = not self._verdict
        elif key in ("up", "k", "down", "j") and self._rows:
            at = self._at(self._rows) + (1 if key in ("down", "j") else -1)
            row = self._rows[min(max(at, 0), len(self._rows) - 1)]
            self._selected = row.key

    def draw(self, head: Head, rows: Sequence[Row], now: float) -> None:
        """Draw everything anew."""
        self._rows = rows
        width, height = self._console.size
        lines = [self._title(head, len(rows))]
        if head.note:
            lines.append(Text(f"  {visible(head.note)}", "cyan"))
        at = self._at(rows)
        details = self._details(rows[at], now, width, height) if rows else []
        room = self._room(height - len(lines) - 2, len(details))
        first = min(max(0, at - room // 2), max(0, len(rows) - room))
        shown = f" {first + 1}-{first + room}/{len(rows)}" if len(rows) > room else ""
        lines.append(self._heading(width, shown))
        for number, row in enumerate(rows[first : first + room], first):
            lines.append(self._row(row, now, width, selected=number == at))
        if not rows:
            lines.append(Text("  no device yet: is this interface in its path?", "dim"))
        below = height - len(lines) - 1
        if rows and below > 1:
            lines += _fitting(details, below, from_end=not self._verdict)
        lines += [Text()] * (height - 1 - len(lines))
        lines = [*lines[: height - 1], Text(_KEYS, "reverse")]
        for line in lines:
            line.no_wrap = True
            line.truncate(width, overflow="ellipsis")
        self._live.update(Text("\n").join(lines), refresh=True)

    def _room(self, height: int, details: int) -> int:
        """How many rows to show: half the screen at most, fewer for a verdict to be read."""
        half = max(_LEAST, height // 2)
        if self._verdict:
            return max(_LEAST, min(half, height - details))
        return half

    def _at(self, rows: Sequence[Row]) -> int:
        """The position of the selected device: the first until one is chosen."""
        keys = [row.key for row in rows]
        if self._selected in keys:
            return keys.index(self._selected)
        addresses = [row.address for row in rows]  # its id became known since
        known = self._selected is not None and self._selected[0] in addresses
        return addresses.index(self._selected[0]) if known and self._selected else 0

    def _title(self, head: Head, devices: int) -> Text:
        minutes, seconds = divmod(int(head.seconds), 60)
        parts = [
            f"watching {visible(head.interface)}",
            counted(devices, "device"),
            counted(head.others, "other host"),
            counted(head.frames, "frame"),
            f"{minutes}:{seconds:02}",
        ]
        title = Text(" · ".join(parts), "bold")
        if head.dropped:
            title += Text(f" · {head.dropped:,} LOST", "bold red")
        return title

    def _heading(self, width: int, shown: str) -> Text:
        device, *others = map(Text, _HEADING)
        line = self._line([device + Text(shown), *others], width, " ")
        line.stylize("dim")
        return line

    def _row(self, row: Row, now: float, width: int, *, selected: bool) -> Text:
        named = row.address
        if width >= _ROOMY and (more := row.name or row.device_id):
            named = f"{row.address} {visible(more)}"
        cells = [
            Text(named),
            Text(row.step),
            Text(_age(now - row.since) if row.since is not None else ""),
            Text(row.retry),
            Text(row.led),
            _verdict_cell(row, width),
        ]
        line = self._line(cells, width, "▶" if selected else " ")
        if selected:
            line.stylize("bold")
        return line

    def _line(self, cells: Sequence[Text], width: int, mark: str) -> Text:
        widths = list(_WIDTHS)
        if width >= _ROOMY:
            widths[0] += _NAME
            widths[1] += width // 20
        line = Text(mark)
        for number, (cell, columns) in enumerate(zip(cells, widths, strict=False)):
            if number == _LED and width < _ENOUGH:
                continue
            cell.truncate(columns, overflow="ellipsis", pad=True)
            line += cell + Text(" ")
        return line + cells[-1]

    def _details(self, row: Row, now: float, width: int, height: int) -> list[Text]:
        """The steps of the newest connection or the whole verdict; both on a large screen."""
        form = io.StringIO()
        color = {} if self._console.no_color else {"CLICOLOR_FORCE": "1", "TERM": "xterm-256color"}
        page = Page(form, {"COLUMNS": str(min(width, READABLE_WIDTH)), **color})
        if row.verdict is None:
            page.line("It is on the network, and has not asked for the cloud yet.", indent=2)
        else:
            both = height >= _TALL
            steps = row.connection is not None and (both or not self._verdict)
            if steps and row.connection is not None:
                draw_ladder(page, row.connection, _still_open(row, now))
            if steps and not both:
                page.line(row.verdict.summary, indent=2)
            elif steps:
                page.blank()
            if both or not steps:
                show_verdict(page, row.verdict)
                show_consequences(page, row.verdict)
        lines = [Text.from_ansi(line) for line in form.getvalue().splitlines()]
        told = [row.address, row.name or "", row.device_id or "", row.vendor or ""]
        title = " · ".join(visible(part) for part in told if part)
        rule = Text(f"── {title} ".ljust(width, "─"), "dim")
        return [rule, *lines]


def _fitting(lines: list[Text], height: int, *, from_end: bool) -> list[Text]:
    """The lines that there is room for: of a ladder the first two and the last ones."""
    if len(lines) <= height:
        return lines
    more = Text(f"    … {len(lines) - height + 1} lines more; a larger window shows them", "dim")
    if not from_end or height < _LEAST + 3:
        return [*lines[: height - 1], more]
    return [*lines[:2], more, *lines[len(lines) - height + 3 :]]


def _still_open(row: Row, now: float) -> str:
    """Of a connection that has not ended: how long it has been quiet."""
    quiet = now - row.last if row.last is not None else 0.0
    return "still open" if quiet < _QUIET else f"still open, no packet for {_age(quiet)}"


def _verdict_cell(row: Row, width: int) -> Text:
    verdict = row.verdict
    if verdict is None:
        return Text("-")
    symbol = CAUSES[verdict.cause].symbol
    sign = {"good": "✓", "bad": "✗", "warning": "!", "unknown": "?"}[symbol]
    unsure = width < _ROOMY or verdict.cause is Cause.INCONCLUSIVE
    sure = "" if unsure else f", {verdict.confidence}"
    told = Text(f"{sign} {_SHORT[verdict.cause]}{sure}", STYLES[symbol])
    return told + Text(f"  {verdict.summary}", "dim") if width >= _WIDE else told


def _age(seconds: float) -> str:
    """Four columns: `12 s`, `3 m`, `5 h`."""
    seconds = max(0.0, seconds)
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} m" if seconds < 5970 else f"{seconds / 3600:.0f} h"


def usable(stream: TextIO) -> bool:
    """Whether a screen can be drawn there."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
