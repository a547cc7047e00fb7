"""Watches one connection of a capture: a transcript, or the better of two."""

from __future__ import annotations

from handshake_probe.keys.keyring import Keyring
from handshake_probe.packets.units import Direction, StreamData, StreamGap, StreamPiece
from handshake_probe.protocol.shape import looks_like_handshake
from handshake_probe.protocol.transcript import Transcript


class Watcher:
    """One connection's transcript; two of them while it is open how much the capture missed.

    A capture that starts between SYN and nonce holds the whole handshake all the same. Whether it
    does shows in the sizes of the first two turns.
    """

    def __init__(self, keyring: Keyring, *, midstream: bool) -> None:
        self._whole = Transcript(keyring)
        self._late = Transcript(keyring, midstream=True) if midstream else None
        self._turns: list[tuple[Direction, int]] = []

    def feed(self, direction: Direction, piece: StreamPiece) -> None:
        """Take the next piece of either stream."""
        self._whole.feed(direction, piece)
        if self._late is not None:
            self._late.feed(direction, piece)
            self._count(direction, piece)

    def _count(self, direction: Direction, piece: StreamPiece) -> None:
        size = len(piece.data) if isinstance(piece, StreamData) else 0
        size = piece.length if isinstance(piece, StreamGap) else size
        if self._turns and self._turns[-1][0] is direction:
            self._turns[-1] = (direction, self._turns[-1][1] + size)
        elif size and len(self._turns) < 3:
            self._turns.append((direction, size))

    def finish(self, time_ns: int, frame: int) -> Transcript:
        """End the connection; return the transcript that fits."""
        self._whole.finish(time_ns, frame)
        if self._late is None:
            return self._whole
        self._late.finish(time_ns, frame)
        (first, nonce), (_, identity) = (*self._turns, (None, 0), (None, 0))[:2]
        from_start = first is Direction.CLOUD_TO_DEVICE and looks_like_handshake(nonce, identity)
        return self._whole if from_start else self._late
