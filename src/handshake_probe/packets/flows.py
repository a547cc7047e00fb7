"""Sorts segments into connections, and hands out the pieces of their streams as they come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from handshake_probe.packets.bare import BareConnections
from handshake_probe.packets.connection import Connection
from handshake_probe.packets.plain import PlainConnection
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
_UNATTACHED_LIMIT: Final = 1000
_PER_CONVERSATION: Final = 2  # connections of one pair of endpoints that late segments may reach
_TCP: Final = 6
_SYN, _RST, _ACK = (int(flag) for flag in (TcpFlags.SYN, TcpFlags.RST, TcpFlags.ACK))
_Key = tuple[Endpoint, Endpoint]


class Limits(NamedTuple):
    """How many connections are kept."""

    connections: int = 50_000
    """Followed at once, some 5 kB each; beyond it the oldest is cut short."""
    closed: int = 2_000
    """Kept for late segments after they were closed; beyond it the one closed first goes."""
    bare: int = 8_000
    """Without any payload, as floods and port scans leave them; see `BareConnections.least` for
    which of them is forgotten."""


_LIMITS: Final = Limits()


class FlowTable:
    """Follows TCP connections between devices and their cloud.

    The sender of a SYN is the device, that of a SYN/ACK the cloud; in a conversation picked up in
    mid-stream the cloud is the side on a cloud port, else the one on the lower port (a guess).

    Args:
        is_cloud_port: tells the cloud's ports.
        limits: how many connections are kept; `take_ended` hands out the others.
    """

    def __init__(self, is_cloud_port: Callable[[int], bool], limits: Limits = _LIMITS) -> None:
        self._is_cloud_port = is_cloud_port
        self._limits = limits
        self._by_key: dict[_Key, list[Connection]] = {}
        # By source and destination: the newest connection between them, whether the device sends.
        self._newest: dict[_Key, tuple[Connection, bool, Direction]] = {}
        self._kept: dict[int, Connection] = {}  # by number, oldest first
        self._closed: dict[int, Connection] = {}  # those with payload, by rank
        self._bare = BareConnections()
        self._ended: list[Connection] = []
        self._followed: set[int] = set()  # numbers of those not yet ended
        self._views = ViewIndex()
        self._unattached: list[Icmp] = []
        self._ordered = True  # _kept
        self.started = 0
        """Connections seen so far: the number of the next one."""
        self.closings = 0
        """Connections with payload that were closed so far: the rank of the last one."""
        self.current: Connection | None = None
        """The connection that took the last segment, unless it was the common case."""
        self.evicted = 0
        """Connections cut short or forgotten because there were too many."""

    @property
    def connections(self) -> list[Connection]:
        """The connections in order of their first frame, but those that `take_ended` returned."""
        self._order()
        return list(self._kept.values())

    @property
    def bare(self) -> int:
        """How many of the connections have no payload."""
        return len(self._bare)

    def __len__(self) -> int:
        """Return the number of connections kept."""
        return len(self._kept)

    def adopt(self, plain: PlainConnection) -> list[FlowPiece]:
        """Follow a connection from here on that the fast path has followed so far.

        Returns:
            Its pieces until now.
        """
        connection = Connection.resume(plain)
        number, ends = connection.facts.number, (connection.facts.device, connection.facts.cloud)
        self._ordered = False
        self._kept[number] = connection
        self._followed.add(number)
        self._by_key.setdefault(_key(*ends), []).append(connection)
        self._newest[ends] = connection, True, Direction.DEVICE_TO_CLOUD
        self._newest[ends[1], ends[0]] = connection, False, Direction.CLOUD_TO_DEVICE
        if connection.bare:
            self._bare.add(connection)
        if connection.rank:
            self._closed[number] = connection
            ranked = sorted(self._closed.items(), key=lambda item: item[1].rank)
            self._closed = dict(ranked)
        self._views.add(connection)
        return [(connection, *piece) for piece in plain.pieces]

    def feed(self, segment: Segment) -> list[FlowPiece]:
        """Take the next segment of the capture.

        Returns:
            The stream pieces that became known, in causal order: bytes that answer others come
            after them. A connection's facts are current as of this segment.
        """
        newest = self._newest.get((segment.source, segment.destination))
        if newest is not None:
            connection, from_device, direction = newest
            taken = connection.follow(segment, from_device=from_device)
            if taken is not False:
                self.current = None
                return [] if taken is True else [(connection, direction, taken)]
        pieces: list[FlowPiece] = []
        self.part_closed(pieces)
        key = _key(segment.source, segment.destination)
        found = self._find(key, segment)
        if found is None:
            found = self._start(key, segment, pieces)
        pieces.extend((found, *piece) for piece in found.feed(segment))
        self._views.add(found)
        self._sort(found, pieces)
        self.current = found
        return pieces

    def part_closed(self, pieces: list[FlowPiece]) -> None:
        """Part with connections since whose closing enough others were closed."""
        while self._closed:
            first = next(iter(self._closed.values()))
            if self.closings - first.rank < self._limits.closed:
                break
            self._part(first, pieces)

    @property
    def ended(self) -> int:
        """How many connections `take_ended` would return."""
        return len(self._ended)

    def take_ended(self) -> list[Connection]:
        """Return what was parted with to make room; facts and pieces of these are complete.

        They are no longer among `connections`. Most were closed; those that are `bare` or were
        cut short count as evicted, and of the bare ones the last pieces are missing.
        """
        ended, self._ended = self._ended, []
        return ended

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
        self._order()
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
        self._make_room(pieces)
        conversation = self._by_key.setdefault(key, [])
        conversation.append(connection)
        number = connection.facts.number
        self._kept[number] = connection
        self._bare.add(connection)
        self._followed.add(number)
        self._newest[cloud, device] = connection, False, Direction.CLOUD_TO_DEVICE
        self._newest[device, cloud] = connection, True, Direction.DEVICE_TO_CLOUD
        if len(conversation) > _PER_CONVERSATION:
            self._end(conversation[0], pieces)
        return connection

    def _make_room(self, pieces: list[FlowPiece]) -> None:
        """Part with a connection if there is no room for one more."""
        self._order()
        if len(self._bare) >= self._limits.bare:
            self._part(self._bare.least(), None)
            self.evicted += 1
        elif len(self._kept) >= self._limits.connections:
            connection = next(iter(self._kept.values()))
            connection.facts.capped = True
            self._part(connection, pieces)
            self.evicted += 1

    def _order(self) -> None:
        """Sort by number what was adopted."""
        if not self._ordered:
            self._kept = dict(sorted(self._kept.items()))
            self._ordered = True

    def _sort(self, connection: Connection, pieces: list[FlowPiece]) -> None:
        """Note what a connection has become: one with payload, one that is closed."""
        number = connection.facts.number
        if number in self._bare:
            if connection.bare:
                return
            self._bare.discard(number)
        if connection.closed and not connection.rank:
            self.closings += 1
            connection.rank = self.closings
            self._closed[number] = connection
            self.part_closed(pieces)

    def _part(self, connection: Connection, pieces: list[FlowPiece] | None) -> None:
        """End a connection before the capture does; without `pieces` its last ones are lost."""
        self._end(connection, pieces)
        self._ended.append(connection)
        self._views.forget(connection)
        number = connection.facts.number
        del self._kept[number]
        self._bare.discard(number)
        self._closed.pop(number, None)

    def _end(self, connection: Connection, pieces: list[FlowPiece] | None) -> None:
        """Stop following a connection, with the pieces that are still open."""
        facts = connection.facts
        if facts.number not in self._followed:
            return
        self._followed.remove(facts.number)
        if pieces is not None:
            pieces.extend((connection, *piece) for piece in connection.finish())
        key = _key(facts.device, facts.cloud)
        conversation = self._by_key[key]
        conversation.remove(connection)
        if not conversation:
            del self._by_key[key]
            self._newest.pop(key, None)
            self._newest.pop((key[1], key[0]), None)

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
