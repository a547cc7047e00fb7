"""TCP (RFC 9293) and UDP (RFC 768). Checksums are not verified: senders offload them."""

from __future__ import annotations

import struct
from typing import Final

from handshake_probe.packets.internet import IpHeader
from handshake_probe.packets.link import LinkLayer
from handshake_probe.packets.units import Datagram, Endpoint, Frame, Segment

# Ports (2, 2), sequence (4), acknowledgment (4), header length (4 bits), flags, window (2).
_TCP: Final = struct.Struct(">HHIIBBH")
_TCP_HEADER: Final = 20
_UDP: Final = struct.Struct(">HHH")  # ports, length; a checksum follows
_UDP_HEADER: Final = 8
_FIRST_CLIENT_PORT: Final = 1024  # a tunnel's sender chooses its port as a client does
# VXLAN, Geneve, VXLAN as Linux first did it, CAPWAP, TZSP (what a sniffer streams).
TUNNEL_PORTS: Final = frozenset({4789, 6081, 8472, 5247, 37008})


def read_tcp(frame: Frame, link: LinkLayer, ip: IpHeader) -> Segment | str:
    """Read a TCP segment; a string is the reason it cannot be read."""
    data, start = frame.data, ip.start
    if ip.end - start < _TCP_HEADER:
        return "malformed"
    if len(data) < start + _TCP_HEADER:
        return "truncated"
    source, destination, sequence, acknowledgment, words, flags, window = _TCP.unpack_from(
        data, start
    )
    payload = start + (words >> 4) * 4
    if payload < start + _TCP_HEADER or payload > ip.end:
        return "malformed"
    return Segment(
        frame.number,
        frame.time_ns,
        frame.interface,
        Endpoint(ip.source, source),
        Endpoint(ip.destination, destination),
        sequence,
        acknowledgment,
        flags & 0x3F,
        window,
        data[start + _TCP_HEADER : payload],
        data[payload : ip.end],  # bytes behind the IP packet are Ethernet padding
        ip.end - payload,
        ip.ttl,
        ip.ip_id,
        link.source,
        link.destination,
    )


def read_udp(frame: Frame, link: LinkLayer, ip: IpHeader) -> Datagram | str:
    """Read a UDP datagram; a string is the reason it cannot be read."""
    data, start = frame.data, ip.start
    if ip.end - start < _UDP_HEADER:
        return "malformed"
    if len(data) < start + _UDP_HEADER:
        return "truncated"
    source, destination, length = _UDP.unpack_from(data, start)
    if 0 < length < _UDP_HEADER:
        return "malformed"
    # A client may have one of these ports by chance: a server's answer to it is no tunnel.
    if destination in TUNNEL_PORTS and source >= _FIRST_CLIENT_PORT:
        return "tunnel"
    end = min(start + length, ip.end) if length else ip.end
    payload = start + _UDP_HEADER
    return Datagram(
        frame.number,
        frame.time_ns,
        frame.interface,
        Endpoint(ip.source, source),
        Endpoint(ip.destination, destination),
        data[payload:end],
        end - payload,
        ip.ttl,
        link.source,
        link.destination,
    )
