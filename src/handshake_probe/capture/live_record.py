"""Keeps the frames of a live capture: pcapng with nanoseconds, flushed as they come.

At its end the file says until when was listened and what was lost, so that silence after the last
frame is evidence for whoever reads it later.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable

from handshake_probe.errors import UnreadableInput
from handshake_probe.packets.units import Frame

_SECTION, _INTERFACE, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 5, 6
_NAME, _RESOLUTION, _END, _DROPS = 2, 9, 3, 5  # options
_NANOSECONDS = 9  # 10**-9 s
_SNAP_LENGTH = 262_144
_MODE = 0o600  # a capture is private


class Recorder:
    """A new capture file.

    Raises:
        UnreadableInput: it exists already, or cannot be made; while writing: the disk is full.
    """

    def __init__(self, path: str, interface: str) -> None:
        self.path = path
        self._interface = interface
        self._indexes: dict[tuple[int, int], int] = {}  # by interface and link type of the frames
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
        except FileExistsError:
            raise UnreadableInput(f"{path}: exists already, and is not overwritten") from None
        except (OSError, ValueError) as error:
            raise UnreadableInput(f"{path}: {getattr(error, 'strerror', error)}") from error
        self._stream = open(descriptor, "wb")  # noqa: SIM115 - closed in `close`
        self._put(_block(_SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))

    def give_to(self, user: int, group: int) -> None:
        """Make the file somebody else's, before this process becomes them."""
        os.fchown(self._stream.fileno(), user, group)

    def write(self, frames: Iterable[Frame]) -> None:
        """Append frames; they are on the disk when this returns."""
        blocks = []
        for frame in frames:
            index = self._indexes.get((frame.interface, frame.link_type))
            if index is None:
                index = self._indexes[frame.interface, frame.link_type] = len(self._indexes)
                blocks.append(self._described(frame.link_type))
            high, low = divmod(frame.time_ns, 1 << 32)
            head = struct.pack("<IIIII", index, high, low, len(frame.data), frame.length)
            blocks.append(_block(_PACKET, head + frame.data))
        self._put(b"".join(blocks))

    def close(self, end_ns: int, dropped: int | None) -> None:
        """Say until when was listened and what was lost, and close the file."""
        end = struct.pack("<II", *divmod(end_ns, 1 << 32))
        for index in self._indexes.values():
            options = _option(_END, end)
            if dropped is not None and index == 0:
                options += _option(_DROPS, struct.pack("<Q", dropped))
            head = struct.pack("<I", index) + end
            self._put(_block(_STATISTICS, head + options + _option(0, b"")))
        self._stream.close()

    def _described(self, link_type: int) -> bytes:
        options = _option(_NAME, os.fsencode(self._interface))
        options += _option(_RESOLUTION, bytes((_NANOSECONDS,))) + _option(0, b"")
        return _block(_INTERFACE, struct.pack("<HHI", link_type, 0, _SNAP_LENGTH) + options)

    def _put(self, data: bytes) -> None:
        try:
            self._stream.write(data)
            self._stream.flush()
        except OSError as error:
            raise UnreadableInput(f"{self.path}: {error.strerror or error}") from error


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def _block(kind: int, body: bytes) -> bytes:
    body += b"\0" * (-len(body) % 4)
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)
