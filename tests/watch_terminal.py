"""A terminal that a program draws on: a pseudo-terminal, and pyte to read the screen."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from typing import Self

import pyte

PATIENCE = 20.0  # seconds for something to appear


class TerminalRun:
    """`handshake-probe` on a terminal of its own; its standard input is a pipe."""

    def __init__(self, arguments: Sequence[str], columns: int, lines: int) -> None:
        self._master, slave = pty.openpty()
        self.screen = pyte.Screen(columns, lines)
        self._reader = pyte.ByteStream(self.screen)
        self.written = b""
        """Everything that came."""
        self._set_size(columns, lines)
        self.before = termios.tcgetattr(slave)
        self._slave = slave
        self.process = subprocess.Popen(
            (sys.executable, "-m", "handshake_probe", *arguments),
            stdin=subprocess.PIPE,
            stdout=slave,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=self._own_terminal,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "", "LINES": ""},
        )
        assert self.process.stdin is not None
        self.input = self.process.stdin

    @staticmethod
    def _own_terminal() -> None:
        fcntl.ioctl(1, termios.TIOCSCTTY, 0)

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    @property
    def mode(self) -> list[object]:
        """How the terminal is set now."""
        return termios.tcgetattr(self._slave)

    def resize(self, columns: int, lines: int) -> None:
        """Make the window larger or smaller; what is on it is unknown until it is drawn."""
        self.screen.resize(lines, columns)
        self.screen.reset()
        self._set_size(columns, lines)

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def send(self, frames: bytes) -> None:
        self.input.write(frames)
        self.input.flush()

    def read(self, seconds: float) -> None:
        """Draw what the program writes for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([self._master], [], [], left)
            if not ready:
                return
            data = os.read(self._master, 65_536)
            self.written += data
            self._reader.feed(data)

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until the screen is as wanted."""
        end = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < end, "\n".join(self.screen.display)
            self.read(0.1)

    def shows(self, *texts: str) -> bool:
        """Whether each text is on the screen, within a line."""
        return all(any(text in line for line in self.screen.display) for text in texts)

    def row(self, text: str) -> str:
        """The first line that holds a text."""
        return next((line for line in self.screen.display if text in line), "")

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        self.until(lambda: self.process.poll() is not None)
        self.read(0.2)
        assert self.process.returncode is not None
        return self.process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.input.close()
        os.close(self._master)
        os.close(self._slave)
