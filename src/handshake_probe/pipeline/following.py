"""Follows connections: on the fast path while nothing odd happens, else in a flow table.

Both together say what the flow table alone would say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from handshake_probe.capture.fast_path import FastPath
from handshake_probe.packets.connection import Connection
from handshake_probe.packets.flows import FlowPiece, FlowTable, Limits
from handshake_probe.packets.path import PathFacts
from handshake_probe.packets.plain import PlainConnection
from handshake_probe.packets.units import Endpoint, Icmp, Segment
from handshake_probe.protocol.pieces import Pieces

_LIMITS = Limits()
_MANY = 256  # connections taken at a time


class Ended(NamedTuple):
    """A connection that is followed no further."""

    facts: PathFacts
    counted: bool  # False for one of a flood: it is known to have been there, no more
    pieces: Pieces | None  # all of them; None: they were handed out as they came


class Following:
    """Takes the segments that the fast path left, and knows all connections."""

    def __init__(
        self, ports: frozenset[int], fast: FastPath | None, limits: Limits = _LIMITS
    ) -> None:
        self._table = FlowTable(ports.__contains__, limits)
        self._fast = fast
        self._together = fast is not None  # until there is too much for the fast path
        self._told: set[int] = set()  # starts of connections that the flow table follows
        if fast is not None:
            shared = fast.shared
            shared.limit, shared.closed_limit, shared.bare_limit = limits

    def when_full(self, call: Callable[[], None]) -> None:
        """Have `take_ended` called when there is much to take, between two segments."""
        if self._fast is not None:
            self._fast.when_full = call

    @property
    def evicted(self) -> int:
        """See `FlowTable`."""
        return self._table.evicted

    @property
    def many_ended(self) -> bool:
        """Whether it is time for `take_ended`."""
        return self._table.ended >= _MANY

    def feed(self, segment: Segment) -> list[FlowPiece]:
        """Take the next segment that is left; return the pieces that became known."""
        fast, table = self._fast, self._table
        if fast is None or not self._together:
            return table.feed(segment)
        pieces = self._reclaim(fast, segment.source, segment.destination)
        shared = fast.shared
        table.started, table.closings = shared.started, shared.closings
        pieces += table.feed(segment)
        shared.started, shared.closings = table.started, table.closings
        if table.current is not None:
            pieces += self._tell(fast, table.current)
        shared.kept_elsewhere, shared.bare_elsewhere = len(table), table.bare
        return pieces

    def feed_icmp(self, icmp: Icmp) -> list[FlowPiece]:
        """Attach an ICMP error to the connection it quotes; return that one's pieces, if new."""
        fast, table = self._fast, self._table
        pieces: list[FlowPiece] = []
        if fast is not None and self._together and icmp.quote is not None:
            pieces = self._reclaim(fast, icmp.quote.source, icmp.quote.destination)
            fast.shared.kept_elsewhere, fast.shared.bare_elsewhere = len(table), table.bare
        table.feed_icmp(icmp)
        return pieces

    def take_ended(self) -> tuple[list[FlowPiece], list[Ended]]:
        """Return the connections that were parted with, those closed first before the others.

        Before them, the last pieces of those that the flow table parted with just now.
        """
        pieces: list[FlowPiece] = []
        ended: list[tuple[int, Ended]] = []
        if self._fast is not None:
            if self._together:
                self._table.closings = self._fast.shared.closings
                self._table.part_closed(pieces)
            ended = [
                (rank, Ended(facts, True, told)) for rank, (facts, told) in self._fast.parted()
            ]
        ended += [
            (connection.rank, Ended(connection.facts, not connection.bare, None))
            for connection in self._table.take_ended()
        ]
        ended.sort(key=lambda item: item[0])
        return pieces, [item for _, item in ended]

    def finish(self) -> list[FlowPiece]:
        """End the connections of the flow table; return their last pieces."""
        if self._fast is not None:
            self._fast.when_full = lambda: None  # what was to be called leads back to this object
        return self._table.finish()

    def rest(self) -> Iterator[Ended]:
        """Return the connections that are left after `finish`, by number."""
        left = [Ended(connection.facts, True, None) for connection in self._table.connections]
        if self._fast is not None:
            left += [Ended(facts, True, pieces) for facts, pieces in self._fast.rest()]
        left.sort(key=lambda item: item.facts.number)
        return iter(left)

    def _reclaim(self, fast: FastPath, one: Endpoint, other: Endpoint) -> list[FlowPiece]:
        """Take over the connection between two ends; all of them when there are too many."""
        shared = fast.shared
        pieces: list[FlowPiece] = []
        if (
            shared.off
            or shared.kept + shared.kept_elsewhere >= shared.limit
            or shared.bare + shared.bare_elsewhere >= shared.bare_limit
        ):
            shared.off, self._together = 1, False
            self._table.started, self._table.closings = shared.started, shared.closings
            while (plain := fast.hand_over_any()) is not None:
                pieces += self._table.adopt(plain)
        elif shared.kept and (plain := fast.hand_over(one, other)) is not None:
            pieces += self._adopt(fast, plain)
        return pieces

    def _adopt(self, fast: FastPath, plain: PlainConnection) -> list[FlowPiece]:
        pieces = self._table.adopt(plain)
        if plain.device.base is not None:
            self._told.add(plain.device.base)
            fast.note_start(plain.device.base)
        return pieces

    def _tell(self, fast: FastPath, connection: Connection) -> list[FlowPiece]:
        """Tell the fast path where a connection starts: it may hold another view of it."""
        start = connection.device_start
        if start is None or start in self._told:
            return []
        self._told.add(start)
        other = fast.note_start(start)
        return [] if other is None else self._adopt(fast, other)
