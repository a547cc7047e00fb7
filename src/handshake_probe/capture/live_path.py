"""Whether others' packets pass an interface: only then does it show what a device does.

On an encrypted Wi-Fi and behind a switch a machine gets its own packets and those for all. A
packet between two others is therefore a sign of a hotspot, a router or a mirror port.
"""

from __future__ import annotations

import select
import time
from dataclasses import dataclass

from handshake_probe.capture.live import LiveSource
from handshake_probe.packets.decode import Decoder
from handshake_probe.packets.units import Datagram, Packet, Segment

# To listen with: broadcasts tell nothing, and not every link type can say them in a filter.
FILTERS = ("not ether multicast", "")
_ENOUGH = 1000  # packets between others after which no more is learned


@dataclass(frozen=True, slots=True)
class Overheard:
    """What passed between others."""

    packets: int
    senders: int  # addresses


def between_others(packet: Packet, own: frozenset[bytes]) -> bool:
    """Whether TCP or UDP went from another machine to one other machine.

    `own`: the addresses of this machine.
    """
    if not isinstance(packet, Segment | Datagram):
        return False
    here, there = packet.source.address, packet.destination.address
    return here not in own and there not in own and not _to_many(there)


def _to_many(address: bytes) -> bool:
    """Multicast, or what a broadcast looks like to whom the netmask is not known."""
    if len(address) == 4:
        return address[0] >= 224 or address[3] == 255
    return address[0] == 255


def overhear(source: LiveSource, own: frozenset[bytes], seconds: float) -> Overheard:
    """Listen for packets between others, at most so long, and close the source."""
    decoder = Decoder()
    senders: set[bytes] = set()
    count = 0
    begun = time.monotonic()
    try:
        while (left := begun + seconds - time.monotonic()) > 0 and count < _ENOUGH:
            select.select([source], [], [], left)
            for packet in map(decoder.decode, source.take()):
                if isinstance(packet, Segment | Datagram) and between_others(packet, own):
                    count += 1
                    senders.add(packet.source.address)
            if source.ended:
                break
    finally:
        source.finish()
    return Overheard(count, len(senders))
