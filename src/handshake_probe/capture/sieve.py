"""What a verdict can do without, told from a frame's first bytes.

A frame is *boring* when it surely holds an ordinary TCP segment or UDP datagram of ports nobody
asked for. Only the plainest packets can be: IPv4 without options, fragments or contradictions,
IPv6 without extension headers, whole headers, no tag or a single VLAN tag. Everything else goes
to the decoder, which decides. So a sieve may let too much through, never too little.

The same rule in two languages: here in Python, and in C (`sift.c`) for who has it compiled.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple, Protocol

from handshake_probe.capture.facts import FRAME_LIMIT
from handshake_probe.capture.fast_path import FastPath
from handshake_probe.packets.transport import TUNNEL_PORTS

Boring = Callable[[bytes], bool]

_TCP = 6
_UDP = 17
# First byte, total length, fragment field, protocol, source address, ports.
_V4 = struct.Struct(">BxHxxHxBxx4s4xHH").unpack_from
# First byte, payload length, next header, source address, ports.
_V6 = struct.Struct(">BxxxHBx16s16xHH").unpack_from
ETHERNET = 1
# link type → (where the EtherType is, None for raw IP; where IP starts). Behind one VLAN tag of an
# Ethernet frame both lie 4 bytes later.
LINKS: dict[int, tuple[int | None, int]] = {
    ETHERNET: (12, 14),
    12: (None, 0),
    14: (None, 0),
    101: (None, 0),
    113: (14, 16),
    228: (None, 0),
    229: (None, 0),
    276: (0, 20),
}
_RAW_KINDS = {
    bytes([version << 4 | low]): kind
    for version, kind in ((4, b"\x08\x00"), (6, b"\x86\xdd"))
    for low in range(16)
}
_ADDRESS_LIMIT = 65_536
_RECORD = 16
_ENHANCED_PACKET = 6
_TIME_LIMIT = 1 << 63


class Selection(NamedTuple):
    """Which TCP and UDP packets are wanted; everything else is wanted anyway."""

    tcp_ports: frozenset[int]  # either side
    udp_ports: frozenset[int]
    all_tcp: bool = False
    sources: frozenset[bytes] = frozenset()  # packets from these addresses too …
    passed_over: frozenset[int] = frozenset()  # … unless of these TCP ports
    followed: frozenset[int] = frozenset()  # TCP ports whose connections the fast path may follow

    @property
    def wanted_udp_ports(self) -> frozenset[int]:
        """The UDP ports and those of tunnels: the decoder does not look into them, but counts."""
        return self.udp_ports | TUNNEL_PORTS


class Sieve(Protocol):
    """Walks over the boring frames of one capture.

    The readers tell it about interfaces as they meet them. A walk ends in front of the first
    record that is not boring, not whole in the buffer, or odd in any way.
    """

    passed: int
    """Frames the last walk passed over."""
    time_ns: int
    """The time of the last of them, if any."""
    latest_ns: int
    """The latest time of any of them."""

    @property
    def fast_path(self) -> FastPath | None:
        """What follows connections meanwhile; None where that is not compiled, or not wanted."""

    def begin(self, order: str) -> None:
        """Start a file or a section in byte order "<" or ">"; it has no interfaces yet."""

    def add_interface(self, link_type: int, unit: int) -> None:
        """Add the next interface; `unit` is nanoseconds per unit of its time.

        With 0 its frames are never passed over.
        """

    def walk_pcap(self, buffer: bytes, at: int, number: int) -> int:
        """Pass over records of a pcap file from `at` on, behind frame `number`.

        Returns:
            Where the walk ends.
        """

    def walk_pcapng(self, buffer: bytes, at: int, number: int) -> int:
        """The same for enhanced packet blocks without options."""

    def may_have_seen(self, sources: frozenset[bytes]) -> bool:
        """Whether one of these addresses sent a frame passed over; True also when in doubt."""


class PythonSieve:
    """The sieve for who has no compiled one."""

    fast_path: FastPath | None = None

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._seen: set[bytes] = set()
        self._record, self._block, self._word = _layouts("<")
        self._interfaces: list[tuple[Boring | None, int]] = []
        self.passed = self.time_ns = self.latest_ns = 0

    def begin(self, order: str) -> None:
        """See `Sieve`."""
        self._record, self._block, self._word = _layouts(order)
        self._interfaces.clear()

    def add_interface(self, link_type: int, unit: int) -> None:
        """See `Sieve`."""
        boring = predicate(link_type, self._selection, self._seen) if unit else None
        self._interfaces.append((boring, unit))

    def walk_pcap(self, buffer: bytes, at: int, number: int) -> int:
        """See `Sieve`."""
        self.passed = 0
        boring, unit = self._interfaces[0]
        record = self._record.unpack_from
        while boring is not None and len(buffer) - at >= _RECORD:
            seconds, fraction, captured = record(buffer, at)
            end = at + _RECORD + captured
            if captured > FRAME_LIMIT or end > len(buffer):
                break
            if not boring(buffer[at + _RECORD : end]):
                break
            self._pass(seconds * 1_000_000_000 + fraction * unit)
            at = end
        return at

    def walk_pcapng(self, buffer: bytes, at: int, number: int) -> int:
        """See `Sieve`."""
        self.passed = 0
        block, word = self._block.unpack_from, self._word.unpack_from
        while len(buffer) - at >= 32:
            kind, total, index, high, low, captured = block(buffer, at)
            end = at + total
            if kind != _ENHANCED_PACKET or total < 32 or total % 4 or end > len(buffer):
                break
            if word(buffer, end - 4)[0] != total or index >= len(self._interfaces):
                break
            boring, unit = self._interfaces[index]
            time_ns = (high << 32 | low) * unit
            if captured > FRAME_LIMIT or not 0 <= total - 32 - captured < 4:
                break
            if boring is None or time_ns >= _TIME_LIMIT:
                break
            if not boring(buffer[at + 28 : at + 28 + captured]):
                break
            self._pass(time_ns)
            at = end
        return at

    def may_have_seen(self, sources: frozenset[bytes]) -> bool:
        """See `Sieve`."""
        return len(self._seen) >= _ADDRESS_LIMIT or bool(self._seen & sources)

    def _pass(self, time_ns: int) -> None:
        if not self.passed or time_ns > self.latest_ns:
            self.latest_ns = time_ns
        self.time_ns = time_ns
        self.passed += 1


def _layouts(order: str) -> tuple[struct.Struct, struct.Struct, struct.Struct]:
    """Layouts of a record's head, a block's head and a word."""
    return struct.Struct(order + "III"), struct.Struct(order + "IIIIII"), struct.Struct(order + "I")


def predicate(link_type: int, selection: Selection, seen: set[bytes]) -> Boring | None:
    """Build the test for frames of a link type; None when nothing of it can be boring.

    `seen` gets the source of every frame that was boring, as far as there is room.
    """
    layout = LINKS.get(link_type)
    if layout is None:
        return None
    ethertype_at, ip_at = layout
    tcp_ports, _, all_tcp, sources, passed_over, _ = selection
    udp_ports = selection.wanted_udp_ports

    # One function without calls: it runs for every frame.
    def boring(data: bytes) -> bool:
        at = ip_at
        if ethertype_at is None:
            kind = _RAW_KINDS.get(data[:1])
        else:
            kind = data[ethertype_at : ethertype_at + 2]
            if kind == b"\x81\x00" and link_type == ETHERNET:
                kind, at = data[16:18], 18
        if kind == b"\x08\x00":
            start = at + 20
            if len(data) < start + 8:
                return False
            first, length, fragment, protocol, source, here, there = _V4(data, at)
            if first != 0x45 or fragment & 0x3FFF:
                return False
            length -= 20
        elif kind == b"\x86\xdd":
            start = at + 40
            if len(data) < start + 8:
                return False
            first, length, protocol, source, here, there = _V6(data, at)
            if first >> 4 != 6:
                return False
        else:
            return False
        if protocol == _TCP:
            if all_tcp or here in tcp_ports or there in tcp_ports or len(data) < start + 20:
                return False
            header = data[start + 12] >> 4
            if header < 5 or header * 4 > length:
                return False
            if source in sources and here not in passed_over and there not in passed_over:
                return False
        elif protocol == _UDP:
            if here in udp_ports or there in udp_ports or source in sources:
                return False
            if length < 8 or not (data[start + 4] or data[start + 5] >= 8):
                return False
        else:
            return False
        if source not in seen and len(seen) < _ADDRESS_LIMIT:
            seen.add(source)
        return True

    return boring
