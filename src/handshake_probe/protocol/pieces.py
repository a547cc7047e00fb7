"""The pieces of a finished connection, and where among them records come one to a piece."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from handshake_probe.packets.units import Direction, StreamData, StreamPiece
from handshake_probe.protocol.records import is_record

DirectedPiece = tuple[Direction, StreamPiece]
DEVICE: Final = b"\0"
CLOUD: Final = b"\1"
_DIRECTIONS: Final = (Direction.DEVICE_TO_CLOUD, Direction.CLOUD_TO_DEVICE)


# That a piece came: its frame, its time in ns, and how long it was. Many are asked for.
Heard = tuple[int, int, int]


class Pieces(Protocol):
    """Pieces of both directions in capture order."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, at: int, /) -> DirectedPiece:
        """Return one."""

    def data(self, start: int, end: int) -> Iterable[tuple[Direction, StreamData]]:
        """Return some in a row, which are data."""

    def heard(self, start: int, end: int) -> Iterable[Heard]:
        """Return of the same what there is to say without their bytes."""

    def run(self, start: int) -> Run:
        """Return those from `start` on that are exactly one legal record each."""


class Run(NamedTuple):
    """Pieces in a row that are exactly one legal record each; places count from its start."""

    senders: bytes  # DEVICE or CLOUD, one byte for each
    start: int  # of the run in `pieces`
    pieces: Pieces

    def all(self) -> Iterable[tuple[Direction, StreamData]]:
        """Return all of them."""
        return self.pieces.data(self.start, self.start + len(self.senders))

    def heard(self, start: int, end: int) -> Iterable[Heard]:
        """See `Pieces`."""
        return self.pieces.heard(self.start + start, self.start + end)

    def piece(self, at: int) -> tuple[Direction, StreamData]:
        """Return one."""
        direction, piece = self.pieces[self.start + at]
        assert isinstance(piece, StreamData)
        return direction, piece

    def ends(self, sender: bytes, start: int, end: int) -> tuple[int, int] | None:
        """Return the places of a sender's first and last piece, from `start` to before `end`."""
        first = self.senders.find(sender, start, end)
        return None if first < 0 else (first, self.senders.rfind(sender, start, end))


class ListedPieces:
    """Pieces that are there already."""

    def __init__(self, pieces: Sequence[DirectedPiece]) -> None:
        self._pieces = pieces

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._pieces)

    def __getitem__(self, at: int) -> DirectedPiece:
        """Return one."""
        return self._pieces[at]

    def data(self, start: int, end: int) -> Iterable[tuple[Direction, StreamData]]:
        """See `Pieces`."""
        for direction, piece in self._pieces[start:end]:
            assert isinstance(piece, StreamData)
            yield direction, piece

    def heard(self, start: int, end: int) -> Iterable[Heard]:
        """See `Pieces`."""
        for _, piece in self.data(start, end):
            yield piece.frame, piece.time_ns, len(piece.data)

    def run(self, start: int) -> Run:
        """See `Pieces`."""
        senders = bytearray()
        for at in range(start, len(self._pieces)):
            direction, piece = self._pieces[at]
            if not isinstance(piece, StreamData) or not is_record(piece.data):
                break
            senders.append(_DIRECTIONS.index(direction))
        return Run(bytes(senders), start, self)
