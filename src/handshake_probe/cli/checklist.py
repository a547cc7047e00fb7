"""The tests of a probe as they run: a live list on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from handshake_probe.probe.progress import Progress, Step

if TYPE_CHECKING:
    from rich.table import Table

_COLUMN = 18


@contextmanager
def checklist(stream: TextIO) -> Iterator[Callable[[Progress], None]]:
    """Give a callback that shows each step; the list stays when all is done."""
    if not stream.isatty():
        yield lambda progress: _line(stream, progress)
        return
    from rich.console import Console
    from rich.live import Live

    shown: dict[Step, str | None] = {}
    with Live(console=Console(file=stream), refresh_per_second=8, transient=False) as live:

        def tell(progress: Progress) -> None:
            shown[progress.step] = progress.text
            live.update(_list(shown))

        yield tell


def _line(stream: TextIO, progress: Progress) -> None:
    if progress.text is not None:
        stream.write(f"{progress.step + ':':<{_COLUMN}}{progress.text}\n")
        stream.flush()


def _list(shown: dict[Step, str | None]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    for step, text in shown.items():
        mark = Text("…", "cyan") if text is None else Text("✓", "green")
        told = Text("running", "dim") if text is None else Text(text)
        table.add_row(mark, Text(f"{step:<{_COLUMN - 2}}"), told)
    return table
