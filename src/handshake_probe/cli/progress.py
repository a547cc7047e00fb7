"""How far a long read is, on a terminal's stderr only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from handshake_probe.report.safe import visible

_WORTH_IT = 20_000_000  # bytes; smaller files are read before anybody wonders
_ERASE_LINE = "\r\x1b[K"

Progress = Callable[[int, int | None], None]


@contextmanager
def progress_of(path: str) -> Iterator[Progress | None]:
    """A callback for frames read and, when known, frames in all; None when there is no use for it.

    It keeps one line on stderr, erased at the end.
    """
    if not sys.stderr.isatty() or _size(path) <= _WORTH_IT:
        yield None
        return
    name = visible(path, 40)

    def advance(done: int, total: int | None) -> None:
        of_all = f" of {total:,}" if total else ""
        sys.stderr.write(f"{_ERASE_LINE}reading {name}: {done:,}{of_all} frames")
        sys.stderr.flush()

    try:
        yield advance
    finally:
        sys.stderr.write(_ERASE_LINE)
        sys.stderr.flush()


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except (OSError, ValueError):
        return 0
