"""Looks for handshakes on ports nobody named, by the sizes of the first two turns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from handshake_probe.packets.units import Endpoint, Segment, TcpFlags
from handshake_probe.protocol.shape import looks_like_handshake

TABLE_LIMIT = 50_000  # connections followed at once; the oldest is dropped
TURN_LIMIT = 4096  # bytes of a first turn after which a connection is no handshake


@dataclass(slots=True)
class _Turns:
    cloud: Endpoint
    next_cloud: int | None = None  # raw sequence number that brings new bytes
    next_device: int | None = None
    cloud_bytes: int = 0
    device_bytes: int = 0


class ShapeScan:
    """Counts, per server port, connections whose first turns have the sizes of a handshake."""

    def __init__(self) -> None:
        self._open: dict[tuple[Endpoint, Endpoint], _Turns] = {}
        self.ports: Counter[int] = Counter()

    def feed(self, segment: Segment) -> None:
        """Take one TCP segment of a port that is not known as a cloud's."""
        if segment.flags & TcpFlags.SYN:
            if segment.flags & TcpFlags.ACK:
                self._begin(segment)
            return
        if not segment.payload_length:
            return
        key = (segment.source, segment.destination)
        turns = self._open.get(key)
        if turns is not None:
            self._device_speaks(key, turns, segment)
            return
        turns = self._open.get((segment.destination, segment.source))
        if turns is not None:
            self._cloud_speaks((segment.destination, segment.source), turns, segment)

    def _begin(self, segment: Segment) -> None:
        if len(self._open) >= TABLE_LIMIT:
            del self._open[next(iter(self._open))]
        self._open[segment.destination, segment.source] = _Turns(
            segment.source,
            next_cloud=(segment.sequence + 1) & 0xFFFFFFFF,
            next_device=segment.acknowledgment,
        )

    def _cloud_speaks(
        self, key: tuple[Endpoint, Endpoint], turns: _Turns, segment: Segment
    ) -> None:
        if segment.sequence != turns.next_cloud:
            return  # sent before, or out of order: a size is all that is wanted here
        if turns.device_bytes:
            self._close(key, turns)
            return
        turns.next_cloud = (segment.sequence + segment.payload_length) & 0xFFFFFFFF
        turns.cloud_bytes += segment.payload_length
        if turns.cloud_bytes > TURN_LIMIT:
            del self._open[key]

    def _device_speaks(
        self, key: tuple[Endpoint, Endpoint], turns: _Turns, segment: Segment
    ) -> None:
        if segment.sequence != turns.next_device:
            return
        turns.next_device = (segment.sequence + segment.payload_length) & 0xFFFFFFFF
        turns.device_bytes += segment.payload_length
        if looks_like_handshake(turns.cloud_bytes, turns.device_bytes):
            self._close(key, turns)
        elif not turns.cloud_bytes or turns.device_bytes > TURN_LIMIT:
            del self._open[key]

    def _close(self, key: tuple[Endpoint, Endpoint], turns: _Turns) -> None:
        if looks_like_handshake(turns.cloud_bytes, turns.device_bytes):
            self.ports[turns.cloud.port] += 1
        del self._open[key]
