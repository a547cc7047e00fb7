"""Writes captures: classic pcap and pcapng, little-endian, one link type for all frames."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from handshake_probe.packets.units import Frame

SNAP_LENGTH = 262_144  # tcpdump's default

_PCAP = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")
_BLOCK = struct.Struct("<II")
_MICROSECONDS = 0xA1B2C3D4


def pcap(frames: Iterable[Frame], link_type: int = 1, snap: int = SNAP_LENGTH) -> Iterable[bytes]:
    """Yield a pcap file, times in microseconds: its header, then record by record."""
    yield _PCAP.pack(_MICROSECONDS, 2, 4, 0, 0, snap, link_type)
    for frame in frames:
        seconds, rest = divmod(frame.time_ns, 10**9)
        yield _RECORD.pack(seconds, rest // 1000, len(frame.data), frame.length) + frame.data


def pcapng(frames: Iterable[Frame], link_type: int = 1, snap: int = SNAP_LENGTH) -> Iterable[bytes]:
    """Yield a pcapng file of one section and one interface: block by block."""
    yield _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    yield _block(1, struct.pack("<HHI", link_type, 0, snap))
    for frame in frames:
        high, low = divmod(frame.time_ns // 1000, 1 << 32)
        head = struct.pack("<IIIII", 0, high, low, len(frame.data), frame.length)
        yield _block(6, head + frame.data)


def _block(kind: int, body: bytes) -> bytes:
    body += b"\0" * (-len(body) % 4)
    size = len(body) + 12
    return _BLOCK.pack(kind, size) + body + struct.pack("<I", size)
