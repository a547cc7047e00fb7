"""Single keys from a terminal, without waiting for a line."""

from __future__ import annotations

import os
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_NAMES = {b"\x1b[A": "up", b"\x1b[B": "down", b"\x1bOA": "up", b"\x1bOB": "down"}
_LONGEST = 64  # bytes of keys read at once


class Keyboard:
    """A terminal in a mode where keys come one by one; signals stay signals."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Return the terminal's descriptor."""
        return self._descriptor

    def pressed(self) -> list[str]:
        """Return the keys pressed since, each a letter or a name; nothing at the terminal's end."""
        try:
            data = os.read(self._descriptor, _LONGEST)
        except OSError:
            return []
        keys = []
        while data:
            name = _NAMES.get(data[:3])
            keys.append(name or chr(data[0]))
            data = data[3 if name else 1 :]
        return keys


@contextmanager
def keyboard(given: int | None) -> Iterator[Keyboard | None]:
    """The keyboard behind a descriptor, or of the terminal itself; None where there is none.

    The terminal is as it was when this is left.
    """
    descriptor = given if given is not None and os.isatty(given) else None
    own = None
    if descriptor is None:
        with suppress(OSError):
            descriptor = own = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    if descriptor is None:
        yield None
        return
    try:
        before = termios.tcgetattr(descriptor)
    except termios.error:
        yield None
        return
    try:
        tty.setcbreak(descriptor)
        yield Keyboard(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        if own is not None:
            os.close(own)
