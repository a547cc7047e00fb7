"""Turns a captured frame into a segment, datagram, ICMP message or ARP packet."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from handshake_probe.packets.fragments import FragmentTable
from handshake_probe.packets.icmp import read_icmp
from handshake_probe.packets.internet import (
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    Fragment,
    IpHeader,
    read_arp,
    read_ipv4,
    read_ipv6,
)
from handshake_probe.packets.link import ARP, IPV4, IPV6, LinkLayer, read_link
from handshake_probe.packets.transport import read_tcp, read_udp
from handshake_probe.packets.units import Endpoint, Frame, Packet, Segment, Skipped

SKIP_REASONS: Final = frozenset(
    {
        "link_type",  # a link layer we do not read
        "ethertype",  # neither IP nor ARP
        "protocol",  # neither TCP, UDP nor ICMP; ARP of another network
        "tunnel",  # GRE, IP in IP, VXLAN, MPLS …: whatever is inside belongs to another path
        "management",  # Wi-Fi frames that carry no packet
        "encrypted",  # Wi-Fi data whose key we do not have
        "aggregated",  # several Wi-Fi packets in one frame (A-MSDU)
        "fragment",  # part of an IP packet, kept until it is whole; part of a Wi-Fi frame
        "fragment_overlap",  # contradicts a part seen before; the whole packet is given up
        "fragment_limit",  # more parts at once than are kept
        "truncated",  # the snap length cut a header, or part of a packet in parts
        "malformed",  # a header contradicts itself
    }
)
_TUNNELS: Final = frozenset({4, 41, 47, 94, 97, 137})  # IPv4, IPv6, GRE, IPIP, EtherIP, MPLS
_MPLS: Final = frozenset({0x8847, 0x8848})  # EtherTypes (RFC 5332)
_TRANSPORTS: Final[dict[tuple[int, int], Callable[[Frame, LinkLayer, IpHeader], Packet | str]]] = {
    (4, TCP): read_tcp,
    (6, TCP): read_tcp,
    (4, UDP): read_udp,
    (6, UDP): read_udp,
    (4, ICMP): read_icmp,
    (6, ICMPV6): read_icmp,
}
# Ethernet: addresses (12), type (2). IPv4: version and header length (1), service (1), total
# length (2), identification (2), fragment (2), TTL (1), protocol (1), checksum (2). Both addresses
# and ports (12). TCP: sequence (4), acknowledgment (4), header length (1), flags (1), window (2).
_PLAIN: Final = struct.Struct(">12sHBxHHHBBxx12sIIBBH").unpack_from
_PLAIN_LENGTH: Final = 54
_ETHERNET: Final = 1
_REMEMBERED: Final = 16_384  # conversations


class Decoder:
    """Decodes the frames of one capture in their order; it keeps the parts of fragmented packets.

    Never raises, whatever a frame holds.
    """

    def __init__(self) -> None:
        self._fragments = FragmentTable()
        self._ends: dict[bytes, tuple[Endpoint, Endpoint]] = {}
        self._macs: dict[bytes, tuple[bytes, bytes]] = {}

    @property
    def abandoned(self) -> int:
        """Fragmented packets that were never whole: those still waited for included."""
        return self._fragments.abandoned

    @property
    def capped(self) -> bool:
        """Whether a limit on parts kept was reached."""
        return self._fragments.capped

    def decode(self, frame: Frame) -> Packet:
        """Decode the next frame; `Skipped` (reason from `SKIP_REASONS`) for what we do not read.

        A packet in parts comes out with its last part: number and time are that frame's.
        """
        packet = self._decode_plain(frame) or self._decode(frame)
        if isinstance(packet, str):
            return Skipped(frame.number, frame.time_ns, packet)
        return packet

    def _decode_plain(self, frame: Frame) -> Segment | None:
        """Decode the common case at once: TCP in IPv4 without options, in plain Ethernet.

        None for everything else; `_decode` would say the same of these and takes twice as long.
        """
        number, time_ns, link_type, interface, data, _ = frame
        if link_type != _ETHERNET or len(data) < _PLAIN_LENGTH:
            return None
        (
            macs,
            ethertype,
            first,
            total,
            ip_id,
            fragment,
            ttl,
            protocol,
            ends,
            sequence,
            acknowledgment,
            words,
            flags,
            window,
        ) = _PLAIN(data)
        header = words >> 4 << 2
        if (
            ethertype != IPV4
            or first != 0x45
            or protocol != TCP
            or fragment & 0x3FFF
            or header < 20
            or total < header + 20
        ):
            return None
        source, destination = self._ends.get(ends) or self._remember_ends(ends)
        receiver, sender = self._macs.get(macs) or self._remember_macs(macs)
        payload, end = 34 + header, 14 + total
        return Segment(
            number,
            time_ns,
            interface,
            source,
            destination,
            sequence,
            acknowledgment,
            flags & 0x3F,
            window,
            data[_PLAIN_LENGTH:payload],
            data[payload:end],
            end - payload,
            ttl,
            ip_id,
            sender,
            receiver,
        )

    def _remember_ends(self, ends: bytes) -> tuple[Endpoint, Endpoint]:
        """Read both addresses (4, 4) and ports (2, 2), so that packets share these values."""
        if len(self._ends) >= _REMEMBERED:
            self._ends.clear()
        source_port, destination_port = ends[8] << 8 | ends[9], ends[10] << 8 | ends[11]
        pair = Endpoint(ends[0:4], source_port), Endpoint(ends[4:8], destination_port)
        self._ends[ends] = pair
        return pair

    def _remember_macs(self, macs: bytes) -> tuple[bytes, bytes]:
        if len(self._macs) >= _REMEMBERED:
            self._macs.clear()
        pair = self._macs[macs] = macs[0:6], macs[6:12]
        return pair

    def _decode(self, frame: Frame) -> Packet | str:
        link = read_link(frame.link_type, frame.data)
        if isinstance(link, str):
            return link
        if link.ethertype == IPV4:
            ip = read_ipv4(frame.data, link.offset, frame.length)
        elif link.ethertype == IPV6:
            ip = read_ipv6(frame.data, link.offset, frame.length)
        elif link.ethertype == ARP:
            return read_arp(frame, link)
        else:
            return "tunnel" if link.ethertype in _MPLS else "ethertype"
        if isinstance(ip, Fragment):
            whole = self._fragments.feed(ip, frame)
            if isinstance(whole, str):
                return whole
            ip, frame = whole
        if isinstance(ip, str):
            return ip
        reader = _TRANSPORTS.get((ip.version, ip.protocol))
        if reader is None:
            return "tunnel" if ip.protocol in _TUNNELS else "protocol"
        return reader(frame, link, ip)


def decode(frame: Frame) -> Packet:
    """Decode one frame by itself: parts of packets stay parts. See `Decoder`."""
    return Decoder().decode(frame)
