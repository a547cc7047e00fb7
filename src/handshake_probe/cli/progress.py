"""How far a long read is, on a terminal's stderr only."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from handshake_probe.report.safe import visible

_WORTH_IT = 20_000_000  # bytes; smaller files are read before anybody wonders
_INTERVAL = 0.2  # seconds between two lines
_ERASE_LINE = "\r\x1b[K"

Progress = Callable[[int, int | None], None]
Item = TypeVar("Item")


@contextmanager
def progress_of(path: str) -> Iterator[Progress | None]:
    """A callback for bytes read and, when known, bytes of the file; None when there is no use.

    It keeps one line on stderr, erased at the end: how far, how fast, how long still.
    """
    if not sys.stderr.isatty() or (path != "-" and _size(path) <= _WORTH_IT):
        yield None
        return
    line = _Line(visible(path, 40))
    try:
        yield line.advance
    finally:
        sys.stderr.write(_ERASE_LINE)
        sys.stderr.flush()


def counted(items: Iterator[Item], total: int) -> Iterator[Item]:
    """Pass the items on; while one is awaited, a line on stderr tells how many have come."""
    if not sys.stderr.isatty():
        yield from items
        return
    for number in range(total):
        sys.stderr.write(f"{_ERASE_LINE}{number} of {total} captures read")
        sys.stderr.flush()
        try:
            item = next(items)
        finally:
            sys.stderr.write(_ERASE_LINE)
            sys.stderr.flush()
        yield item


class _Line:
    """The line; a file that is read again starts anew."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._done = 0
        self._started = self._shown = time.monotonic()

    def advance(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if done < self._done:
            self._started = now
        self._done = done
        if now - self._shown < _INTERVAL:
            return
        self._shown = now
        rate = done / max(now - self._started, _INTERVAL)
        far = f"{done / 1e6:,.0f} MB"
        rest = ""
        if total:
            far = f"{min(100 * done // total, 100)} % of {total / 1e6:,.0f} MB"
            rest = f", {_duration(max(total - done, 0) / max(rate, 1))} left"
        sys.stderr.write(f"{_ERASE_LINE}reading {self._name}: {far}, {rate / 1e6:,.0f} MB/s{rest}")
        sys.stderr.flush()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except (OSError, ValueError):
        return 0
