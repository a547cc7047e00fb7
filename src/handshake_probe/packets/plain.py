"""Connections in which nothing odd happened, as the compiled fast path hands them over.

Every byte was captured whole, in order and once, from the first SYN on; see `capture/fast_path.c`.
"""

from __future__ import annotations

from typing import NamedTuple

from handshake_probe.packets.path import PathFacts
from handshake_probe.packets.units import Direction, Segment, StreamPiece


class PlainSide(NamedTuple):
    """What one must know of a sender, besides its facts, to take its next segment."""

    base: int | None  # raw sequence number of its SYN; None when none was seen
    syn: Segment | None
    finished: bool
    recent: list[Segment]  # packets of the last milliseconds
    data: bytes  # its stream so far
    claimed: tuple[int, int]  # frame and time (ns) that carried its last byte
    acknowledged: tuple[int, int]  # … and the last acknowledgment that said something new
    fin: tuple[int, int] | None  # … and its FIN


class PlainConnection(NamedTuple):
    """A connection up to its last segment so far, to be followed further."""

    facts: PathFacts
    pieces: list[tuple[Direction, StreamPiece]]
    rank: int  # among the closed ones, from 1; 0 while it is open
    unanswered: list[tuple[int, int]]  # of the device's bytes: up to where, since when (ns)
    device: PlainSide
    cloud: PlainSide
