"""What both sides of a recorded connection said, segment by segment, so that it can be said again.

A gap stays a gap: nobody can repeat what the capture does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from handshake_probe.packets.units import Direction, StreamData, StreamEnd, StreamPiece

_NANOSECOND = 1e-9


class Spoken(NamedTuple):
    """One segment of one side, or bytes that are missing."""

    direction: Direction
    pause: float  # seconds since whatever either side said before; since the first frame at first
    size: int
    data: bytes | None  # None: a gap
    frame: int


class RecordedTalk(NamedTuple):
    """One connection."""

    spoken: tuple[Spoken, ...] = ()
    ended_by: Direction | None = None  # whose FIN or RST came first; None: neither was captured
    ended_with: str | None = None  # "fin" or "rst"
    ending_pause: float = 0.0  # seconds from the last segment to it

    def sizes(self, direction: Direction) -> list[int]:
        """The segments of one side."""
        return [item.size for item in self.spoken if item.direction is direction]

    def sayable(self, direction: Direction, most: int) -> tuple[Spoken, ...]:
        """The beginning that can be said again for one side.

        It ends before that side's first gap, before `most` bytes of it are exceeded, and with its
        last segment. Empty when that side said nothing, or begins with a gap.
        """
        taken: list[Spoken] = []
        until = said = 0
        for item in self.spoken:
            taken.append(item)
            if item.direction is not direction:
                continue
            said += item.size
            if item.data is None or said > most:
                break
            until = len(taken)
        return tuple(taken[:until])


def recorded_talk(first_ns: int, pieces: Iterable[tuple[Direction, StreamPiece]]) -> RecordedTalk:
    """Put a connection's stream pieces, in causal order, into words.

    Args:
        first_ns: The time of the connection's first frame.
        pieces: As a `FlowTable` yields them.
    """
    spoken: list[Spoken] = []
    before = first_ns
    for direction, piece in pieces:
        pause = max(0, piece.time_ns - before) * _NANOSECOND
        if isinstance(piece, StreamEnd):
            # What still follows was said after this side had ended it: by nobody who listens.
            return RecordedTalk(tuple(spoken), direction, piece.kind, pause)
        data = piece.data if isinstance(piece, StreamData) else None
        size = len(piece.data) if isinstance(piece, StreamData) else piece.length
        if size:
            spoken.append(Spoken(direction, pause, size, data, piece.frame))
            before = max(before, piece.time_ns)
    return RecordedTalk(tuple(spoken))
