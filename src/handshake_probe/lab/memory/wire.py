"""Builds frames whose every length and checksum is right.

Ethernet with or without a VLAN tag, IPv4, IPv6 with extension headers, TCP, UDP, ICMP, ARP:

    content = Tcp(49152, 5683, sequence=1, acknowledgment=0, flags=TcpFlags.SYN)
    ethernet(MAC, OTHER, Packet(device, cloud, content).pack())
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58  # protocol numbers
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60  # IPv6 extension headers
IPV4, ARP, VLAN, IPV6 = 0x0800, 0x0806, 0x8100, 0x86DD  # EtherTypes
ETHERNET_MINIMUM = 60  # bytes, without the check sequence

_DONT_FRAGMENT, _MORE = 0x4000, 0x2000
_QUOTED = 28  # bytes of the refused packet's payload that an ICMP error carries at least
_TCP = struct.Struct(">HHIIBBHHH")
_IPV4 = struct.Struct(">BBHHHBBH4s4s")
_IPV6 = struct.Struct(">IHBB16s16s")


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071): as a number, 16-bit words add up modulo 65535."""
    if len(data) % 2:
        data += b"\0"
    return 0xFFFF - (int.from_bytes(data, "big") % 0xFFFF or 0xFFFF)


class Tcp(NamedTuple):
    """A TCP segment."""

    source_port: int
    destination_port: int
    sequence: int
    acknowledgment: int
    flags: int  # packets.units.TcpFlags
    payload: bytes = b""
    options: bytes = b""  # a multiple of 4 bytes
    window: int = 29200

    def protocol(self, _version: int) -> int:
        """Return the protocol number."""
        return TCP

    def pack(self, pseudo: bytes) -> bytes:
        """Return header and payload; `pseudo` holds both addresses."""
        ports = (self.source_port, self.destination_port)
        numbers = (self.sequence & 0xFFFFFFFF, self.acknowledgment & 0xFFFFFFFF)
        offset = 0x50 + (len(self.options) << 2)
        size = _TCP.size + len(self.options) + len(self.payload)
        blank = _TCP.pack(*ports, *numbers, offset, self.flags, self.window, 0, 0)
        data = blank + self.options + self.payload
        check = checksum(pseudo + struct.pack(">II", size, TCP) + data)
        return data[:16] + check.to_bytes(2, "big") + data[18:]


class Udp(NamedTuple):
    """A UDP datagram."""

    source_port: int
    destination_port: int
    payload: bytes

    def protocol(self, _version: int) -> int:
        """Return the protocol number."""
        return UDP

    def pack(self, pseudo: bytes) -> bytes:
        """Return header and payload; `pseudo` holds both addresses."""
        size = 8 + len(self.payload)
        ports = struct.pack(">HHH", self.source_port, self.destination_port, size)
        data = ports + b"\0\0" + self.payload
        check = checksum(pseudo + struct.pack(">II", size, UDP) + data) or 0xFFFF
        return ports + check.to_bytes(2, "big") + self.payload


class Icmp(NamedTuple):
    """An ICMP error, of version 4 or 6 as the packet is."""

    type: int
    code: int
    quoted: bytes  # the refused packet's beginning

    def protocol(self, version: int) -> int:
        """Return the protocol number."""
        return ICMP if version == 4 else ICMPV6

    def pack(self, pseudo: bytes) -> bytes:
        """Return the message; only version 6 sums the addresses up as well."""
        body = bytes(4) + self.quoted
        head = bytes((self.type, self.code))
        summed = head + b"\0\0" + body
        if len(pseudo) > 8:
            summed = pseudo + struct.pack(">II", len(summed), ICMPV6) + summed
        return head + checksum(summed).to_bytes(2, "big") + body


class Other(NamedTuple):
    """The content of any other protocol, such as GRE."""

    number: int
    data: bytes

    def protocol(self, _version: int) -> int:
        """Return the protocol number."""
        return self.number

    def pack(self, _pseudo: bytes) -> bytes:
        """Return the content."""
        return self.data


class Packet(NamedTuple):
    """An IP packet, of version 4 or 6 by the length of its addresses."""

    source: bytes
    destination: bytes
    content: Tcp | Udp | Icmp | Other
    ttl: int = 64
    ident: int = 0
    extensions: tuple[int, ...] = ()  # of IPv6, in order; FRAGMENT is an atomic one (RFC 6946)

    @property
    def version(self) -> int:
        """4 or 6."""
        return 4 if len(self.source) == 4 else 6

    def pack(self) -> bytes:
        """Return the packet in one piece."""
        payload = self.content.pack(self.source + self.destination)
        protocol = self.content.protocol(self.version)
        if self.version == 4:
            return self._ipv4(payload, protocol, _DONT_FRAGMENT)
        return self._ipv6(*_extended(self.extensions, protocol, payload))

    def fragments(self, size: int | None) -> list[bytes]:
        """Return the packet cut into payloads of at most `size` bytes, a multiple of 8."""
        payload = self.content.pack(self.source + self.destination)
        protocol = self.content.protocol(self.version)
        if size is None or len(payload) <= size:
            return [self.pack()]
        starts = range(0, len(payload), size)
        more = [at + size < len(payload) for at in starts]
        pieces = [payload[at : at + size] for at in starts]
        if self.version == 4:
            return [
                self._ipv4(piece, protocol, at // 8 | (_MORE if on else 0))
                for at, piece, on in zip(starts, pieces, more, strict=True)
            ]
        return [
            self._ipv6(FRAGMENT, struct.pack(">BBHI", protocol, 0, at | on, self.ident) + piece)
            for at, piece, on in zip(starts, pieces, more, strict=True)
        ]

    def refusal(self, source: bytes, kind: int, code: int, ttl: int) -> Packet:
        """Return the ICMP error with which somebody refuses this packet."""
        quoted = self.pack()[: (20 if self.version == 4 else 40) + _QUOTED]
        return Packet(source, self.source, Icmp(kind, code, quoted), ttl)

    def _ipv4(self, payload: bytes, protocol: int, flags: int) -> bytes:
        fields = (0x45, 0, _IPV4.size + len(payload), self.ident & 0xFFFF, flags, self.ttl)
        addresses = (self.source, self.destination)
        check = checksum(_IPV4.pack(*fields, protocol, 0, *addresses))
        return _IPV4.pack(*fields, protocol, check, *addresses) + payload

    def _ipv6(self, following: int, payload: bytes) -> bytes:
        addresses = (self.source, self.destination)
        return _IPV6.pack(6 << 28, len(payload), following, self.ttl, *addresses) + payload


def _extended(extensions: Sequence[int], protocol: int, payload: bytes) -> tuple[int, bytes]:
    """Put extension headers before a payload; return the first one's number as well."""
    for kind in reversed(extensions):
        if kind == FRAGMENT:  # offset 0, no more fragments
            header = struct.pack(">BBHI", protocol, 0, 0, 0)
        elif kind == ROUTING:  # type 4, segment routing, no segments left (RFC 8754)
            header = struct.pack(">BBBBBBH", protocol, 2, 4, 0, 0, 0, 0) + bytes(16)
        else:  # PadN over the six bytes
            header = struct.pack(">BBBB", protocol, 0, 1, 4) + bytes(4)
        protocol, payload = kind, header + payload
    return protocol, payload


def ethernet(source: bytes, destination: bytes, data: bytes, vlan: int | None = None) -> bytes:
    """Put an Ethernet header before an IP packet, padded to the smallest frame."""
    kind = IPV4 if data[0] >> 4 == 4 else IPV6
    return link(source, destination, kind, data, vlan)


def link(
    source: bytes, destination: bytes, kind: int, data: bytes, vlan: int | None = None
) -> bytes:
    """Put an Ethernet header with this EtherType before anything."""
    tag = b"" if vlan is None else struct.pack(">HH", VLAN, vlan)
    frame = destination + source + tag + kind.to_bytes(2, "big") + data
    return frame.ljust(ETHERNET_MINIMUM, b"\0")


def cooked(source: bytes, data: bytes, *, outgoing: bool) -> bytes:
    """Put a Linux cooked header (version 1) before an IP packet."""
    kind = IPV4 if data[0] >> 4 == 4 else IPV6
    head = struct.pack(">HHH", 4 if outgoing else 0, 1, len(source)) + source.ljust(8, b"\0")
    return head + kind.to_bytes(2, "big") + data


def arp(mac: bytes, address: bytes, target_mac: bytes, target: bytes, *, reply: bool) -> bytes:
    """Return an ARP frame; a request goes to everybody."""
    body = struct.pack(">HHBBH", 1, IPV4, 6, 4, 2 if reply else 1)
    body += mac + address + (target_mac if reply else bytes(6)) + target
    return link(mac, target_mac if reply else b"\xff" * 6, ARP, body)


def padded_options(options: Iterable[bytes]) -> bytes:
    """Join TCP options and fill them up to a multiple of 4 bytes with NOPs."""
    joined = b"".join(options)
    return joined + b"\x01" * (-len(joined) % 4)


def tcp_options(mss: int | None, milliseconds: int | None) -> bytes:
    """Return the options MSS and timestamps, each unless None."""
    return padded_options(_options(mss, milliseconds))


def _options(mss: int | None, milliseconds: int | None) -> Iterator[bytes]:
    if mss is not None:
        yield struct.pack(">BBH", 2, 4, mss)
    if milliseconds is not None:
        yield struct.pack(">BBBBII", 1, 1, 8, 10, milliseconds & 0xFFFFFFFF, 0)
