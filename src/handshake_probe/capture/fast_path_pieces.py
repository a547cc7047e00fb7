"""The pieces of a connection as `fast_path.c` writes them, read when they are asked for."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from typing import Final

from handshake_probe.packets.units import Direction, StreamData, StreamEnd
from handshake_probe.protocol.pieces import CLOUD, DEVICE, DirectedPiece, Heard, Run

DIRECTIONS: Final = (Direction.DEVICE_TO_CLOUD, Direction.CLOUD_TO_DEVICE)
# Frame (8), time (8), place in the side's data (2), length (2; 0 for a FIN), side (4).
PIECE: Final = struct.Struct("=QqHHI")
_HEARD: Final = struct.Struct("=Qq2xH4x")  # of these: frame, time, length
_RECORDS: Final = re.compile(b"[" + DEVICE + CLOUD + b"]*")


class WrittenPieces:
    """The pieces of a connection, read when they are asked for: see `protocol.pieces.Pieces`."""

    __slots__ = ("_begins", "_kinds", "_start", "_written")

    def __init__(self, written: bytes, start: int, kinds: bytes, begins: tuple[int, int]) -> None:
        self._written, self._start = written, start
        self._kinds = kinds  # senders, and 2 more unless it is a record
        self._begins = begins  # where both sides' data begin

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._kinds)

    def __getitem__(self, at: int) -> DirectedPiece:
        """Read one.

        Raises:
            IndexError: there are no so many.
        """
        if not 0 <= at < len(self._kinds):
            raise IndexError(at)
        frame, time_ns, offset, length, side = PIECE.unpack_from(
            self._written, self._start + at * PIECE.size
        )
        if not length:
            return DIRECTIONS[side], StreamEnd(offset, "fin", frame, time_ns)
        begin = self._begins[side] + offset
        data = self._written[begin : begin + length]
        return DIRECTIONS[side], StreamData(offset, data, frame, time_ns)

    def data(self, start: int, end: int) -> Iterable[tuple[Direction, StreamData]]:
        """See `Pieces`."""
        written, begins = self._written, self._begins
        rows = PIECE.iter_unpack(
            written[self._start + start * PIECE.size : self._start + end * PIECE.size]
        )
        for frame, time_ns, offset, length, side in rows:
            begin = begins[side] + offset
            data = written[begin : begin + length]
            yield DIRECTIONS[side], StreamData(offset, data, frame, time_ns)

    def heard(self, start: int, end: int) -> Iterable[Heard]:
        """See `Pieces`."""
        first = self._start + start * PIECE.size
        written = self._written[first : self._start + end * PIECE.size]
        return _HEARD.iter_unpack(written)

    def run(self, start: int) -> Run:
        """See `Pieces`."""
        found = _RECORDS.match(self._kinds, start)
        return Run(found[0] if found else b"", start, self)
