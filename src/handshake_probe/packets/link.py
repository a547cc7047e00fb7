"""Link layers: where the network-layer packet starts, and who sent the frame.

Sources: tcpdump.org/linktypes (LINKTYPE_* pages), IEEE 802.3 and 802.1Q.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from handshake_probe.packets.snap import ARP, IPV4, IPV6, LinkLayer, read_snap
from handshake_probe.packets.wifi import read_radiotap, read_wifi

__all__ = ["ARP", "IPV4", "IPV6", "LinkLayer", "read_link"]

_PPPOE_SESSION: Final = 0x8864
_PPP_PROTOCOLS: Final = {0x0021: IPV4, 0x0057: IPV6}
_VLAN_TAGS: Final = frozenset({0x8100, 0x88A8, 0x9100})
_LENGTH_LIMIT: Final = 0x0600  # smaller type fields are lengths of IEEE 802.2 frames
# Address families of the BSDs, macOS and Linux; IPv4 is 2 everywhere.
_NULL_FAMILIES: Final = {2: IPV4, 10: IPV6, 24: IPV6, 28: IPV6, 30: IPV6}


def read_link(link_type: int, data: bytes) -> LinkLayer | str:
    """Read the link layer of a frame; a string is the reason it cannot be read."""
    reader = _READERS.get(link_type)
    return "link_type" if reader is None else reader(data)


def _typed(data: bytes, at: int, macs: tuple[bytes | None, bytes | None]) -> LinkLayer | str:
    """Read the type field at `at`, behind any number of VLAN tags (2 bytes tag, 2 bytes type).

    A small number instead of a type is the length of an IEEE 802.2 frame.
    """
    while len(data) >= at + 2:
        ethertype = data[at] << 8 | data[at + 1]
        if ethertype not in _VLAN_TAGS:
            if ethertype < _LENGTH_LIMIT:
                return read_snap(data, at + 2, macs)
            if ethertype == _PPPOE_SESSION:
                return _pppoe(data, at + 2, macs)
            return LinkLayer(ethertype, at + 2, *macs)
        at += 4
    return "truncated"


def _pppoe(data: bytes, at: int, macs: tuple[bytes | None, bytes | None]) -> LinkLayer | str:
    """PPPoE session (RFC 2516): version and type (1), code (1), session (2), length (2), PPP."""
    if len(data) < at + 8:
        return "truncated"
    if data[at] != 0x11 or data[at + 1]:
        return "ethertype"
    return _ppp_protocol(data, at + 6, macs)


def _ppp(data: bytes) -> LinkLayer | str:
    """PPP, with or without the address and control bytes ff 03 of HDLC framing (RFC 1662)."""
    return _ppp_protocol(data, 2 if data[:2] == b"\xff\x03" else 0, (None, None))


def _ppp_protocol(data: bytes, at: int, macs: tuple[bytes | None, bytes | None]) -> LinkLayer | str:
    """Protocol (2), or its second byte alone when that is odd (RFC 1661 section 6.5)."""
    size = 1 if data[at : at + 1] and data[at] & 1 else 2
    if len(data) < at + size:
        return "truncated"
    ethertype = _PPP_PROTOCOLS.get(int.from_bytes(data[at : at + size], "big"))
    return "ethertype" if ethertype is None else LinkLayer(ethertype, at + size, *macs)


def _ethernet(data: bytes) -> LinkLayer | str:
    """Destination (6), source (6), type (2)."""
    return _typed(data, 12, (data[6:12], data[0:6]))


def _cooked(data: bytes) -> LinkLayer | str:
    """Linux cooked v1: packet type (2), device type (2), address length (2), address (8), type."""
    return _typed(data, 14, (data[6:12] if data[4:6] == b"\0\6" else None, None))


def _cooked2(data: bytes) -> LinkLayer | str:
    """Linux cooked v2, 20 bytes.

    Type (2), reserved (2), interface (4), device type (2), packet type (1), address length (1),
    address (8).
    """
    if len(data) < 20:
        return "truncated"
    source = data[12:18] if data[11] == 6 else None
    ethertype = data[0] << 8 | data[1]
    if ethertype in _VLAN_TAGS:
        return _typed(data, 22, (source, None))
    return LinkLayer(ethertype, 20, source, None)


def _raw(data: bytes) -> LinkLayer | str:
    """No link layer: the first four bits are the IP version."""
    if not data:
        return "truncated"
    ethertype = {4: IPV4, 6: IPV6}.get(data[0] >> 4)
    return "ethertype" if ethertype is None else LinkLayer(ethertype, 0, None, None)


def _null(data: bytes) -> LinkLayer | str:
    """Loopback: address family (4), in the byte order of whoever captured."""
    if len(data) < 4:
        return "truncated"
    family = min(int.from_bytes(data[:4], "little"), int.from_bytes(data[:4], "big"))
    ethertype = _NULL_FAMILIES.get(family)
    return "ethertype" if ethertype is None else LinkLayer(ethertype, 4, None, None)


_READERS: Final[dict[int, Callable[[bytes], LinkLayer | str]]] = {
    0: _null,
    1: _ethernet,
    9: _ppp,
    12: _raw,
    14: _raw,
    50: _ppp,
    101: _raw,
    105: read_wifi,
    108: _null,
    113: _cooked,
    127: read_radiotap,
    228: _raw,
    229: _raw,
    276: _cooked2,
}
