"""IPv4 (RFC 791) and IPv6 (RFC 8200) headers; ARP (RFC 826)."""

from __future__ import annotations

from typing import Final, NamedTuple

from handshake_probe.packets.link import LinkLayer
from handshake_probe.packets.units import Arp, Frame

TCP: Final = 6
UDP: Final = 17
ICMP: Final = 1
ICMPV6: Final = 58
_FRAGMENT: Final = 44
_AUTHENTICATION: Final = 51
# Hop-by-hop, routing, destination options, mobility, HIP, shim6: next header (1), length in
# 8-byte units without the first 8 bytes (1).
_EXTENSIONS: Final = frozenset({0, 43, 60, 135, 139, 140})


class IpHeader(NamedTuple):
    """An IP packet; offsets count from the start of the bytes read."""

    version: int
    source: bytes
    destination: bytes
    protocol: int
    start: int  # where the payload begins
    end: int  # where it ends on the wire, which may lie beyond what was captured
    ttl: int
    ip_id: int | None


class Fragment(NamedTuple):
    """Part of an IP packet: a header whose payload spans `start` to `end` of the bytes read."""

    ip: IpHeader
    identification: int
    offset: int  # of its payload in the packet's payload
    more: bool  # it is not the last one


def read_ipv4(data: bytes, at: int, wire_end: int) -> IpHeader | Fragment | str:
    """Read an IPv4 header at `at`; a string is the reason it cannot be read.

    Args:
        data: the captured bytes.
        at: where the header starts.
        wire_end: where the frame ended on the wire, for packets without a total length (they were
            captured before segmentation offload filled it in).
    """
    if len(data) < at + 20:
        return "truncated"
    header = (data[at] & 0x0F) * 4
    total = data[at + 2] << 8 | data[at + 3]
    if data[at] >> 4 != 4 or header < 20 or 0 < total < header:
        return "malformed"
    ip = IpHeader(
        4,
        data[at + 12 : at + 16],
        data[at + 16 : at + 20],
        data[at + 9],
        at + header,
        at + total if total else max(wire_end, at + header),
        data[at + 8],
        data[at + 4] << 8 | data[at + 5],
    )
    if (data[at + 6] & 0x3F) or data[at + 7]:  # more fragments, or a fragment offset
        offset = (data[at + 6] & 0x1F) << 11 | data[at + 7] << 3
        return Fragment(ip, data[at + 4] << 8 | data[at + 5], offset, bool(data[at + 6] & 0x20))
    return ip


def read_ipv6(data: bytes, at: int, wire_end: int) -> IpHeader | Fragment | str:
    """Read an IPv6 header and its extension headers; see `read_ipv4`."""
    if len(data) < at + 40:
        return "truncated"
    if data[at] >> 4 != 6:
        return "malformed"
    length = data[at + 4] << 8 | data[at + 5]
    start = at + 40
    end = start + length if length else max(wire_end, start)  # 0: jumbo or offload
    header = IpHeader(
        6,
        data[at + 8 : at + 24],
        data[at + 24 : at + 40],
        data[at + 6],
        start,
        end,
        data[at + 7],
        None,
    )
    return read_extensions(data, header)


def read_extensions(data: bytes, ip: IpHeader) -> IpHeader | Fragment | str:
    """Pass over the IPv6 extension headers at the start of a packet's payload, if any."""
    protocol, start, end = ip.protocol, ip.start, ip.end
    while protocol in _EXTENSIONS or protocol in (_FRAGMENT, _AUTHENTICATION):
        if len(data) < start + 8:
            return "truncated" if end >= start + 8 else "malformed"
        following, size = data[start], (data[start + 1] + 1) * 8
        if protocol == _FRAGMENT:
            size = 8
            if data[start + 2] or data[start + 3] & 0xF9:  # an atomic fragment has neither
                field = data[start + 2] << 8 | data[start + 3]
                part = ip._replace(protocol=following, start=start + 8)
                identification = int.from_bytes(data[start + 4 : start + 8], "big")
                return Fragment(part, identification, field & 0xFFF8, bool(field & 1))
        elif protocol == _AUTHENTICATION:
            size = (data[start + 1] + 2) * 4
        protocol = following
        start += size
    if start > end:
        return "malformed"
    return ip._replace(protocol=protocol, start=start)


def read_arp(frame: Frame, link: LinkLayer) -> Arp | str:
    """Read ARP for IPv4 over Ethernet, 28 bytes; a string is the reason it cannot be read.

    Hardware type (2), protocol type (2), their address lengths (1, 1), operation (2), sender MAC
    (6), sender address (4), target MAC (6), target address (4).
    """
    body = frame.data[link.offset : link.offset + 28]
    if len(body) < 28:
        return "truncated"
    if body[2:6] != b"\x08\x00\x06\x04":
        return "protocol"
    return Arp(
        frame.number,
        frame.time_ns,
        frame.interface,
        body[6] << 8 | body[7],
        body[8:14],
        body[14:18],
        body[24:28],
    )
