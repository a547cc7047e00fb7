"""Turns a captured frame into a segment, datagram, ICMP message or ARP packet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from handshake_probe.packets.icmp import read_icmp
from handshake_probe.packets.internet import (
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    IpHeader,
    read_arp,
    read_ipv4,
    read_ipv6,
)
from handshake_probe.packets.link import ARP, IPV4, IPV6, LinkLayer, read_link
from handshake_probe.packets.transport import read_tcp, read_udp
from handshake_probe.packets.units import Frame, Packet, Skipped

SKIP_REASONS: Final = frozenset(
    {
        "link_type",  # a link layer we do not read
        "ethertype",  # neither IP nor ARP
        "protocol",  # neither TCP, UDP nor ICMP; ARP of another network
        "fragment",  # part of an IP packet
        "truncated",  # the snap length cut a header
        "malformed",  # a header contradicts itself
    }
)
_TRANSPORTS: Final[dict[tuple[int, int], Callable[[Frame, LinkLayer, IpHeader], Packet | str]]] = {
    (4, TCP): read_tcp,
    (6, TCP): read_tcp,
    (4, UDP): read_udp,
    (6, UDP): read_udp,
    (4, ICMP): read_icmp,
    (6, ICMPV6): read_icmp,
}


def decode(frame: Frame) -> Packet:
    """Decode one frame; `Skipped` (reason from `SKIP_REASONS`) for what we do not read.

    Never raises, whatever the frame holds.
    """
    packet = _decode(frame)
    if isinstance(packet, str):
        return Skipped(frame.number, frame.time_ns, packet)
    return packet


def _decode(frame: Frame) -> Packet | str:
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
        return "ethertype"
    if isinstance(ip, str):
        return ip
    reader = _TRANSPORTS.get((ip.version, ip.protocol))
    return "protocol" if reader is None else reader(frame, link, ip)
