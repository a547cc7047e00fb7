"""Frames of a capture that is still being written: a pipe with pcap or pcapng.

A thread reads, because a pipe cannot be read in halves of a block; the one who takes the frames
waits for a descriptor, as with an interface.
"""

from __future__ import annotations

import os
import queue
import threading
from contextlib import suppress
from typing import BinaryIO

from handshake_probe.capture.files import CaptureFile
from handshake_probe.capture.inputs import open_stream
from handshake_probe.errors import UnreadableInput
from handshake_probe.packets.units import Frame

_WAITING = 65_536  # frames read ahead; then the writer has to wait
_AT_ONCE = 20_000
_LAST = 1.0  # seconds for the rest of a pipe whose writer was told to stop


class StreamLive:
    """Frames of one stream; the stream belongs to it."""

    how = "stream"

    def __init__(self, name: str, stream: BinaryIO) -> None:
        self.name = name
        self.damage: str | None = None
        self._capture: CaptureFile | None = None
        self._frames: queue.Queue[Frame] = queue.Queue(_WAITING)
        self._wake, self._bell = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._bell, False)
        # A daemon: it may wait for a pipe in which nothing comes any more.
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: BinaryIO) -> None:
        try:
            self._capture = capture = open_stream(self.name, stream)
            for frame in capture:
                self._frames.put(frame)
                self._ring()
            self.damage = None if capture.truncated else capture.damage
        except UnreadableInput as error:
            self.damage = str(error)
        stream.close()
        self._ring()

    def _ring(self) -> None:
        with suppress(BlockingIOError, OSError):
            os.write(self._bell, b"!")

    @property
    def ended(self) -> bool:
        """The stream is at its end, and every frame was taken."""
        return not self._thread.is_alive() and self._frames.empty()

    @property
    def dropped(self) -> int | None:
        """What the stream tells, which is at its end if at all."""
        if self._capture is None:
            return None
        told = [item.drops for item in self._capture.interfaces if item.drops is not None]
        return sum(told) if told else None

    def fileno(self) -> int:
        """Return a pipe that holds a byte when there is news."""
        return self._wake

    def take(self) -> list[Frame]:
        """Return the frames that were read."""
        with suppress(BlockingIOError):
            while len(os.read(self._wake, 65_536)) == 65_536:
                pass
        frames: list[Frame] = []
        with suppress(queue.Empty):
            while len(frames) < _AT_ONCE:
                frames.append(self._frames.get_nowait())
        if not self._frames.empty():
            self._ring()
        return frames

    def finish(self) -> list[Frame]:
        """Return what was read; what still comes is left."""
        self._thread.join(_LAST)
        frames = self.take()
        while more := self.take():
            frames += more
        if not self._thread.is_alive():  # who may still ring
            os.close(self._wake)
            os.close(self._bell)
        return frames
