"""What a verdict can do without, told from a frame's first bytes.

A frame is *boring* when it surely holds an ordinary TCP segment or UDP datagram of ports nobody
asked for. Only the plainest packets can be: IPv4 without options, fragments or contradictions,
IPv6 without extension headers, whole headers, no tag or a single VLAN tag. Everything else goes
to the decoder, which decides. So a sieve may let too much through, never too little.

The same rule in two languages: a Python predicate for our own reader, a filter expression for
libpcap.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from handshake_probe.packets.transport import TUNNEL_PORTS

Boring = Callable[[bytes], bool]
Sieves = Callable[[int], Boring | None]  # by link type

_IPV4 = 0x0800
_IPV6 = 0x86DD
_VLAN = 0x8100
_TCP = 6
_UDP = 17
# First byte, total length, fragment field, protocol, source address, ports.
_V4 = struct.Struct(">BxHxxHxBxx4s4xHH").unpack_from
# First byte, payload length, next header, source address, ports.
_V6 = struct.Struct(">BxxxHBx16s16xHH").unpack_from
# link type → (where the EtherType is, None for raw IP; where IP starts)
_LINKS: dict[int, tuple[int | None, int]] = {
    1: (12, 14),
    12: (None, 0),
    14: (None, 0),
    101: (None, 0),
    113: (14, 16),
    228: (None, 0),
    229: (None, 0),
    276: (0, 20),
}
_TAGGED = (16, 18)  # the same behind one VLAN tag of an Ethernet frame
_RAW_KINDS = {
    bytes([version << 4 | low]): kind
    for version, kind in ((4, b"\x08\x00"), (6, b"\x86\xdd"))
    for low in range(16)
}
_ADDRESS_LIMIT = 65_536
_SOURCE_LIMIT = 64  # addresses in a filter expression


class Selection(NamedTuple):
    """Which TCP and UDP packets are wanted; everything else is wanted anyway."""

    tcp_ports: frozenset[int]  # either side
    udp_ports: frozenset[int]
    all_tcp: bool = False
    sources: frozenset[bytes] = frozenset()  # packets from these addresses too …
    passed_over: frozenset[int] = frozenset()  # … unless of these TCP ports


class BoringSources:
    """The addresses that boring frames came from, as far as they can be kept."""

    def __init__(self) -> None:
        self.addresses: set[bytes] = set()

    def note(self, address: bytes) -> None:
        """Take an address."""
        if len(self.addresses) < _ADDRESS_LIMIT:
            self.addresses.add(address)

    def may_hold(self, wanted: frozenset[bytes]) -> bool:
        """Whether one of these addresses sent a boring frame, or that was not kept."""
        return len(self.addresses) >= _ADDRESS_LIMIT or bool(self.addresses & wanted)


def sieve(
    link_type: int, selection: Selection, sources_seen: BoringSources | None = None
) -> Boring | None:
    """Build the predicate for frames of a link type; None when nothing of it can be boring.

    `sources_seen` gets the source of every frame that was boring.
    """
    layout = _LINKS.get(link_type)
    if layout is None:
        return None
    ethertype_at, ip_at = layout
    tcp_ports, udp_ports, all_tcp, sources, passed_over = _with_tunnels(selection)
    seen = sources_seen or BoringSources()
    known = seen.addresses

    # One function without calls: it runs for every frame.
    def boring(data: bytes) -> bool:
        at = ip_at
        if ethertype_at is None:
            kind = _RAW_KINDS.get(data[:1])
        else:
            kind = data[ethertype_at : ethertype_at + 2]
            if kind == b"\x81\x00" and link_type == 1:
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
        if source not in known:
            seen.note(source)
        return True

    return boring


def boring_expression(link_type: int, selection: Selection) -> str | None:
    """Write the same rule in libpcap's filter language; None when it cannot be written.

    It names bytes by their place in the frame. A packet that ends before one of them is not
    boring: libpcap gives up on it with "no".
    """
    selection = _with_tunnels(selection)
    layout = _LINKS.get(link_type)
    if layout is None or len(selection.sources) > _SOURCE_LIMIT:
        return None
    ethertype_at, ip_at = layout
    terms = list(_written(ethertype_at, ip_at, "", selection))
    if link_type == 1:
        terms += _written(_TAGGED[0], _TAGGED[1], f"link[12:2] = {_VLAN} and ", selection)
    return " or ".join(terms)


def _with_tunnels(selection: Selection) -> Selection:
    # The decoder does not look into tunnels, and counts them.
    return selection._replace(udp_ports=selection.udp_ports | TUNNEL_PORTS)


def _written(ethertype_at: int | None, at: int, before: str, selection: Selection) -> Iterator[str]:
    for version, kind in ((4, _IPV4), (6, _IPV6)):
        head = "" if ethertype_at is None else f"{before}link[{ethertype_at}:2] = {kind} and "
        if version == 4:
            head += f"link[{at}] = 0x45 and link[{at + 6}:2] & 0x3fff = 0"
            protocol, start, length = at + 9, at + 20, f"link[{at + 2}:2] - 20"
            source = [(at + 12, 4)]
            minimum = f"link[{at + 2}:2] >= {{}}"
            shift = 20
        else:
            head += f"link[{at}] & 0xf0 = 0x60"
            protocol, start, length = at + 6, at + 40, f"link[{at + 4}:2]"
            source = [(at + 8 + word, 4) for word in (0, 4, 8, 12)]
            minimum = f"link[{at + 4}:2] >= {{}}"
            shift = 0
        addresses = [item for item in selection.sources if len(item) == 4 * len(source)]
        named = [_same(source, item) for item in sorted(addresses)]
        if not selection.all_tcp:
            unwanted = _no_port(start, selection.tcp_ports)
            if named:
                passed = _a_port(start, selection.passed_over)
                unwanted += f" and (not ({' or '.join(named)}){f' or {passed}' if passed else ''})"
            # The last term of all reads to the header's end, in case the frame is cut before it.
            yield (
                f"({head} and link[{protocol}] = {_TCP}{unwanted}"
                f" and {minimum.format(20 + shift)} and link[{start + 12}] >= 0x50"
                f" and (link[{start + 12}] >> 4) * 4 <= {length}"
                f" and link[{start + 19}] & 1 < 2)"
            )
        unwanted = _no_port(start, selection.udp_ports)
        if named:
            unwanted += f" and not ({' or '.join(named)})"
        yield (
            f"({head} and link[{protocol}] = {_UDP}{unwanted}"
            f" and {minimum.format(8 + shift)} and link[{start + 4}:2] >= 8"
            f" and link[{start + 7}] & 1 < 2)"
        )


def _a_port(start: int, ports: frozenset[int]) -> str:
    places = (start, start + 2)
    return " or ".join(f"link[{at}:2] = {port}" for port in sorted(ports) for at in places)


def _no_port(start: int, ports: frozenset[int]) -> str:
    return f" and not ({_a_port(start, ports)})" if ports else ""


def _same(places: list[tuple[int, int]], address: bytes) -> str:
    words = [
        f"link[{at}:{size}] = {int.from_bytes(address[index * size : (index + 1) * size], 'big')}"
        for index, (at, size) in enumerate(places)
    ]
    return f"({' and '.join(words)})"
