"""A page of text on a terminal or in a pipe: width, colour, symbols, wrapping.

Everything that goes on a page passes `safe.visible`, and only as `rich.text.Text`: markup in a
host name stays text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import TextIO

from rich.console import Console
from rich.text import Text

from handshake_probe.report.safe import PROSE, visible

PIPE_WIDTH = 80
READABLE_WIDTH = 100  # wider lines are hard to read
NARROW = 76  # below this, columns become lines
MIN_WIDTH = 30

Part = str | tuple[str, str]  # text, or text and style


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The symbols of a page."""

    good: str = "✓"
    bad: str = "✗"
    warning: str = "!"
    unknown: str = "?"
    to_cloud: str = "▶"
    to_device: str = "◀"
    across: str = "─"
    side: str = "│"
    dash: str = "—"
    dot: str = "·"
    more: str = "…"


ASCII_GLYPHS = Glyphs("[ok]", "[x]", "[!]", "[?]", ">", "<", "-", "|", "-", "-", "...")

ASCII_TYPOGRAPHY = str.maketrans(
    {"–": "-", "—": "-", "’": "'", "…": "...", "×": "x", "·": "-", "“": '"', "”": '"'}
)
_GLUE = "\ue000"  # a blank where no line may break; `visible` lets none in
# A command has arguments; its opening backtick follows a blank, so no closing one is taken for it.
_COMMAND = re.compile(r"(?:(?<=[\s(])|^)`([^`\s]+ [^`]*)`")


class Page:
    """Writes wrapped, styled, safe lines to one stream."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str] = os.environ) -> None:
        terminal = stream.isatty()
        no_color = bool(environ.get("NO_COLOR"))
        forced = environ.get("CLICOLOR_FORCE", "0") not in ("", "0")
        self.width = _width(stream, environ, terminal)
        self._encoding = stream.encoding or "utf-8"
        self.glyphs = _glyphs(self._encoding)
        self._stream = stream
        self._console = _Console(
            file=stream,
            width=self.width,
            color_system="auto" if (terminal or forced) and not no_color else None,
            force_terminal=terminal or forced,
            markup=False,
            emoji=False,
            highlight=False,
            soft_wrap=True,  # this page wraps by itself
            legacy_windows=False,
            _environ=environ,
        )

    @property
    def narrow(self) -> bool:
        """Whether columns do not fit."""
        return self.width < NARROW

    def text(self, *parts: Part, limit: int = PROSE) -> Text:
        """The parts as one safe text."""
        text = Text()
        for part in parts:
            content, style = (part, "") if isinstance(part, str) else part
            text.append(self._encodable(visible(content, limit)), style)
        return text

    def blank(self) -> None:
        """An empty line."""
        self.exact(Text())

    def line(self, *parts: Part, indent: int = 0, hang: int = 0) -> None:
        """A paragraph, wrapped; `hang` more columns of indent from its second line on."""
        self._paragraph(self.text(*parts), Text(" " * indent), " " * (indent + hang))

    def exact(self, text: Text) -> None:
        """A line drawn by the caller: not wrapped, not cut."""
        if self._console.color_system is not None:
            self._console.print(text)
            return
        self._stream.write(f"{text.plain}\n")  # without styles there is nothing to render
        self._stream.flush()

    def field(
        self, label: str, *parts: Part, indent: int = 2, column: int = 17, label_style: str = "dim"
    ) -> None:
        """A label and a paragraph beside it; below it when narrow."""
        if self.narrow:
            self.line((label, label_style), indent=indent)
            self.line(*parts, indent=indent + 2)
            return
        mark = Text(" " * indent) + self.text((label.ljust(column), label_style))
        self.beside(mark, *parts)

    def step(self, prefix: str, step: str, indent: int = 2) -> None:
        """A numbered step: prose, and each `command` in backticks ready to copy.

        A command after a colon or a comma, and one that is too long for that, has a line of its
        own; one in the middle of a sentence is kept in one piece.
        """
        mark = Text(" " * indent + prefix)
        inner = mark.cell_len
        sentence = Text()
        alone = False
        for index, piece in enumerate(_COMMAND.split(step)):  # prose, command, prose, …
            if index % 2 == 0:
                sentence += self.text(piece.lstrip(" .,;:") if alone else piece)
                continue
            before = sentence.plain.rstrip()
            alone = before.endswith((":", ",")) or len(piece) + 2 > self.width - inner
            if not alone:
                sentence += _glued(self.text(f"`{piece}`"))
                continue
            if before:
                self._paragraph(sentence, mark, " " * inner)
                mark = Text(" " * (inner + 2))
            self.exact(mark + self.text((piece, "bold")))
            mark, sentence = Text(" " * inner), Text()
        if sentence.plain.strip():
            self._paragraph(sentence, mark, " " * inner)

    def beside(self, mark: Text, *parts: Part) -> None:
        """A paragraph whose lines all start right of `mark`."""
        self._paragraph(self.text(*parts), mark, " " * mark.cell_len)

    def pad(self, text: Text, width: int, *, right: bool = False) -> Text:
        """`text` filled with blanks to `width` columns."""
        blanks = " " * max(0, width - text.cell_len)
        return Text(blanks) + text if right else text + Text(blanks)

    def wrapped(self, text: Text, width: int) -> list[Text]:
        """`text` in lines of at most `width` columns; a word longer than that is broken."""
        fits = text.cell_len <= width
        lines = [text.copy()] if fits else list(text.wrap(self._console, width, overflow="fold"))
        for line in lines:
            line.rstrip()
            line.plain = line.plain.replace(_GLUE, " ")
        return lines

    def _paragraph(self, text: Text, first: Text, rest: str) -> None:
        width = min(self.width, READABLE_WIDTH) - len(rest)
        for number, line in enumerate(self.wrapped(text, width)):
            self.exact((Text(rest) if number else first) + line)

    def _encodable(self, text: str) -> str:
        try:
            text.encode(self._encoding)
        except UnicodeEncodeError:
            text = text.translate(ASCII_TYPOGRAPHY)
            return text.encode(self._encoding, "backslashreplace").decode(self._encoding)
        return text


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leaves the closed pipe to the caller; rich would exit with a code of its own."""
        raise


def _glued(text: Text) -> Text:
    return Text(text.plain.replace(" ", _GLUE))


def _glyphs(encoding: str) -> Glyphs:
    fine = Glyphs()
    try:
        "".join(astuple(fine)).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII_GLYPHS
    return fine


def _width(stream: TextIO, environ: Mapping[str, str], terminal: bool) -> int:
    columns = environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        width = int(columns)
    elif terminal:
        width = _terminal_width(stream)
    else:
        width = PIPE_WIDTH
    return max(MIN_WIDTH, width)


def _terminal_width(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or PIPE_WIDTH
    except (OSError, ValueError):
        return PIPE_WIDTH
