"""What every link layer says in the end: a type and where its payload starts. IEEE 802.2 SNAP."""

from __future__ import annotations

from typing import Final, NamedTuple

IPV4: Final = 0x0800
ARP: Final = 0x0806
IPV6: Final = 0x86DD
_SNAP: Final = (b"\xaa\xaa\x03\0\0\0", b"\xaa\xaa\x03\0\0\xf8")  # RFC 1042, bridge tunnel
_SNAP_LENGTH: Final = 8  # DSAP, SSAP, control (1 each), organization (3), type (2)


class LinkLayer(NamedTuple):
    """What the link layer says about a frame."""

    ethertype: int
    offset: int  # where the network layer starts
    source: bytes | None  # 6-byte MAC where the link layer has one
    destination: bytes | None


def read_snap(data: bytes, at: int, macs: tuple[bytes | None, bytes | None]) -> LinkLayer | str:
    """Read an IEEE 802.2 header with SNAP at `at`; a string is the reason it cannot be read."""
    head = data[at : at + 6]
    if not any(start.startswith(head) for start in _SNAP):
        return "ethertype"
    if len(data) < at + _SNAP_LENGTH:
        return "truncated"
    return LinkLayer(data[at + 6] << 8 | data[at + 7], at + _SNAP_LENGTH, *macs)
