"""Sorts segments into connections, and hands out the pieces of their streams as they come."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final

from handshake_probe.packets.connection import Connection
from handshake_probe.packets.units import (
    Direction,
    Endpoint,
    Icmp,
    Quote,
    Segment,
    StreamPiece,
    TcpFlags,
)
from handshake_probe.packets.views import ViewIndex, pair_unanswered

FlowPiece = tuple[Connection, Direction, StreamPiece]
CONNECTION_LIMIT: Final = 50_000  # some 12 kB each
_UNATTACHED_LIMIT: Final = 1000
_PER_CONVERSATION: Final = 2  # connections of one pair of endpoints that late segments may reach
_EVICTION_SEARCH: Final = 64
_TCP: Final = 6
_SYN, _RST, _ACK = (int(flag) for flag in (TcpFlags.SYN, TcpFlags.RST, TcpFlags.ACK))
_Key = tuple[Endpoint, Endpoint]


class FlowTable:
    """Follows TCP connections between devices and their cloud.

    The sender of a SYN is the device, that of a SYN/ACK the cloud; in a conversation picked up in
    mid-stream the cloud is the side on a cloud port, else the one on the lower port (a guess).
    """

    def __init__(self, is_cloud_port: Callable[[int], bool], limit: int = CONNECTION_LIMIT) -> None:
        self._is_cloud_port = is_cloud_port
        self._limit = limit
        self._by_key: dict[_Key, list[Connection]] = {}
        self._kept: dict[int, Connection] = {}  # by number, oldest first
        self._followed: set[int] = set()  # numbers of those not yet ended
        self._views = ViewIndex()
        self._unattached: list[Icmp] = []
        self.started = 0
        """Connections seen so far."""
        self.evicted = 0
        """Connections forgotten because there were too many."""

    @property
    def connections(self) -> list[Connection]:
        """All connections in order of their first frame, ended ones included, evicted ones not."""
        return list(self._kept.values())

    def feed(self, segment: Segment) -> list[FlowPiece]:
        """Take the next segment of the capture.

        Returns:
            The stream pieces that became known, in causal order: bytes that answer others come
            after them. A connection's facts are current as of this segment.
        """
        pieces: list[FlowPiece] = []
        key = _key(segment.source, segment.destination)
        connection = self._find(key, segment)
        if connection is None:
            connection = self._start(key, segment, pieces)
        pieces.extend((connection, *piece) for piece in connection.feed(segment))
        self._views.add(connection)
        return pieces

    def feed_icmp(self, icmp: Icmp) -> Connection | None:
        """Attach an ICMP error to the connection it quotes; None when there is none so far."""
        quote = icmp.quote
        if quote is None or quote.protocol != _TCP:
            return None
        connection = self._quoted(quote)
        if connection is not None:
            connection.add_error(icmp)
        elif len(self._unattached) < _UNATTACHED_LIMIT:
            self._unattached.append(icmp)
        return connection

    def finish(self) -> list[FlowPiece]:
        """End all connections; return their last pieces, connection by connection."""
        unattached, self._unattached = self._unattached, []
        for icmp in unattached:
            self.feed_icmp(icmp)  # captured before the segment it quotes
        pair_unanswered(self._kept.values())
        pieces: list[FlowPiece] = []
        for connection in self._kept.values():
            self._end(connection, pieces)
        return pieces

    def _find(self, key: _Key, segment: Segment) -> Connection | None:
        """Find the connection a segment belongs to; None when it starts a new one."""
        connections = self._by_key.get(key)
        if not connections:
            return None
        newest_first = connections[::-1]
        newest = newest_first[0]
        if segment.flags & _SYN:
            for connection in newest_first:
                if connection.starts_with(segment):
                    return connection
            if not segment.flags & _ACK:
                return None
            for connection in newest_first:
                if connection.is_answered_by(segment):
                    return connection
            return None if newest.closed else newest
        for connection in newest_first:
            if connection.fits(segment):
                return connection
        if segment.flags & _RST:
            return newest
        return None if newest.closed or newest.is_foreign(segment) else newest

    def _start(self, key: _Key, segment: Segment, pieces: list[FlowPiece]) -> Connection:
        device, cloud, known = self._orient(segment)
        connection = Connection(self.started, segment, device, cloud, orientation_known=known)
        self.started += 1
        if len(self._kept) >= self._limit:
            oldest = list(islice(self._kept.values(), _EVICTION_SEARCH))
            self._evict(next((item for item in oldest if item.closed), oldest[0]), pieces)
        conversation = self._by_key.setdefault(key, [])
        conversation.append(connection)
        self._kept[connection.facts.number] = connection
        self._followed.add(connection.facts.number)
        if len(conversation) > _PER_CONVERSATION:
            self._end(conversation[0], pieces)
        return connection

    def _evict(self, connection: Connection, pieces: list[FlowPiece]) -> None:
        self._end(connection, pieces)
        self._views.forget(connection)
        del self._kept[connection.facts.number]
        self.evicted += 1

    def _end(self, connection: Connection, pieces: list[FlowPiece]) -> None:
        """Stop following a connection, with the pieces that are still open."""
        facts = connection.facts
        if facts.number not in self._followed:
            return
        self._followed.remove(facts.number)
        pieces.extend((connection, *piece) for piece in connection.finish())
        key = _key(facts.device, facts.cloud)
        conversation = self._by_key[key]
        conversation.remove(connection)
        if not conversation:
            del self._by_key[key]

    def _orient(self, segment: Segment) -> tuple[Endpoint, Endpoint, bool]:
        """Tell device and cloud apart, and whether that is more than a guess."""
        source, destination = segment.source, segment.destination
        if segment.flags & _SYN:
            if segment.flags & _ACK:
                return destination, source, True
            return source, destination, True
        to_cloud = self._is_cloud_port(destination.port)
        if to_cloud != self._is_cloud_port(source.port):
            return (source, destination, True) if to_cloud else (destination, source, True)
        if destination.port <= source.port:
            return source, destination, False
        return destination, source, False

    def _quoted(self, quote: Quote) -> Connection | None:
        connections = self._by_key.get(_key(quote.source, quote.destination), [])
        for connection in reversed(connections):
            if connection.has_sent(quote.source, quote.sequence):
                return connection
        return connections[-1] if connections else None


def _key(one: Endpoint, other: Endpoint) -> _Key:
    return (one, other) if one <= other else (other, one)
