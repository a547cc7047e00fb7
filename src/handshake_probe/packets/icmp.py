"""ICMP (RFC 792, 1191) and ICMPv6 (RFC 4443), with the packet that an error quotes."""

from __future__ import annotations

from typing import Final

from handshake_probe.packets.internet import TCP, UDP, Fragment, IpHeader, read_ipv4, read_ipv6
from handshake_probe.packets.link import LinkLayer
from handshake_probe.packets.units import Endpoint, Frame, Icmp, Quote

# Destination unreachable, source quench, redirect, time exceeded, parameter problem.
_ERRORS_V4: Final = frozenset({3, 4, 5, 11, 12})
_ERRORS_V6: Final = frozenset({1, 2, 3, 4})
_HEADER: Final = 8  # type (1), code (1), checksum (2), rest (4); errors quote behind it


def read_icmp(frame: Frame, link: LinkLayer, ip: IpHeader) -> Icmp | str:
    """Read an ICMP or ICMPv6 message; a string is the reason it cannot be read."""
    message = frame.data[ip.start : ip.end]
    if ip.end - ip.start < _HEADER:
        return "malformed"
    if len(message) < _HEADER:
        return "truncated"
    kind, code = message[0], message[1]
    quote: Quote | None = None
    mtu: int | None = None
    if ip.version == 4 and kind in _ERRORS_V4:
        quote = _quote(message, read_ipv4(message, _HEADER, len(message)))
        if (kind, code) == (3, 4):
            mtu = int.from_bytes(message[6:8], "big")
    elif ip.version == 6 and kind in _ERRORS_V6:
        quote = _quote(message, read_ipv6(message, _HEADER, len(message)))
        if kind == 2:
            mtu = int.from_bytes(message[4:8], "big")
    return Icmp(
        frame.number,
        frame.time_ns,
        frame.interface,
        ip.version,
        ip.source,
        ip.destination,
        kind,
        code,
        ip.ttl,
        quote,
        mtu or None,  # 0 comes from routers older than RFC 1191
        link.source,
    )


def _quote(message: bytes, ip: IpHeader | Fragment | str) -> Quote | None:
    """Build the quote; as few as 8 bytes of the quoted payload may be there (RFC 792)."""
    if isinstance(ip, Fragment):
        if ip.offset:  # without the ports
            return None
        ip = ip.ip
    if isinstance(ip, str):
        return None
    payload = message[ip.start : ip.start + 8]
    ports = (0, 0)
    sequence: int | None = None
    if ip.protocol in (TCP, UDP):
        if len(payload) < 4:
            return None
        ports = (int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:4], "big"))
        if ip.protocol == TCP and len(payload) == 8:
            sequence = int.from_bytes(payload[4:8], "big")
    return Quote(
        ip.protocol,
        Endpoint(ip.source, ports[0]),
        Endpoint(ip.destination, ports[1]),
        sequence,
        ip.ttl,
    )
