"""Link layers: where the network-layer packet starts, and who sent the frame.

Sources: tcpdump.org/linktypes (LINKTYPE_* pages), IEEE 802.3 and 802.1Q.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

IPV4: Final = 0x0800
ARP: Final = 0x0806
IPV6: Final = 0x86DD
_VLAN_TAGS: Final = frozenset({0x8100, 0x88A8, 0x9100})
_LENGTH_LIMIT: Final = 0x0600  # smaller type fields are lengths of IEEE 802.2 frames
# Address families of the BSDs, macOS and Linux; IPv4 is 2 everywhere.
_NULL_FAMILIES: Final = {2: IPV4, 10: IPV6, 24: IPV6, 28: IPV6, 30: IPV6}


class LinkLayer(NamedTuple):
    """What the link layer says about a frame."""

    ethertype: int
    offset: int  # where the network layer starts
    source: bytes | None  # 6-byte MAC where the link layer has one
    destination: bytes | None


def read_link(link_type: int, data: bytes) -> LinkLayer | str:
    """Read the link layer of a frame; a string is the reason it cannot be read."""
    reader = _READERS.get(link_type)
    return "link_type" if reader is None else reader(data)


def _typed(data: bytes, at: int, macs: tuple[bytes | None, bytes | None]) -> LinkLayer | str:
    """Read the type field at `at`, behind any number of VLAN tags (2 bytes tag, 2 bytes type)."""
    source, destination = macs
    while len(data) >= at + 2:
        ethertype = data[at] << 8 | data[at + 1]
        if ethertype not in _VLAN_TAGS:
            if ethertype < _LENGTH_LIMIT:
                return "ethertype"
            return LinkLayer(ethertype, at + 2, source, destination)
        at += 4
    return "truncated"


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
    12: _raw,
    14: _raw,
    101: _raw,
    108: _null,
    113: _cooked,
    228: _raw,
    229: _raw,
    276: _cooked2,
}
