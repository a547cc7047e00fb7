"""Puts the pieces of a connection's two streams in causal order: answers after what they answer."""

from __future__ import annotations

from handshake_probe.packets.reassembly import StreamReassembler
from handshake_probe.packets.units import Direction, StreamPiece

DirectedPiece = tuple[Direction, StreamPiece]
_Held = list[tuple[int, StreamPiece]]


class CausalOrder:
    """Holds back what a side sends while bytes that it had acknowledged may still turn up.

    A capture may show one side's frames later than the other's: several interfaces or queues, two
    captures merged. Of two sides that wait for each other, one forges: the earlier frame goes on.
    """

    __slots__ = ("_held", "_streams")

    def __init__(self, device: StreamReassembler, cloud: StreamReassembler) -> None:
        self._streams = {Direction.DEVICE_TO_CLOUD: device, Direction.CLOUD_TO_DEVICE: cloud}
        # Each piece with the number up to which its sender had acknowledged the peer.
        self._held: dict[Direction, _Held] = {direction: [] for direction in Direction}

    @property
    def holds(self) -> bool:
        """Whether any piece is held back."""
        return any(self._held.values())

    def hold(self, direction: Direction, frame: int = 0, acknowledged: int = 0) -> None:
        """Take what became known of one stream.

        Args:
            direction: of that stream.
            frame: of the segment that was just taken.
            acknowledged: up to where that segment acknowledges the peer: it may answer all of it.
        """
        self._held[direction] += [
            (acknowledged if piece.frame == frame else 0, piece)
            for piece in self._streams[direction].take()
        ]

    def release(self) -> list[DirectedPiece]:
        """Return what rests on nothing that may still come."""
        pieces: list[DirectedPiece] = []
        while self.holds:
            free = next(filter(self._is_free, Direction), None)
            if free is None:
                if any(stream.waiting for stream in self._streams.values()):
                    break
                free = min(Direction, key=lambda direction: self._held[direction][0][1].frame)
            pieces.append((free, self._held[free].pop(0)[1]))
        return pieces

    def _is_free(self, direction: Direction) -> bool:
        """Whether the next piece of a side is there, and the peer's bytes that it may answer."""
        if not self._held[direction]:
            return False
        peers, stream = self._held[direction.other], self._streams[direction.other]
        known = peers[0][1].offset + 1 if peers else stream.following
        return known >= self._held[direction][0][0] or not (peers or stream.waiting)
