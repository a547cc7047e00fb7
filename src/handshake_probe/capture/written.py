"""Writes captures: classic pcap and pcapng, little-endian.

`pcap` and `pcapng` write whole files of one link type. `section`, `interface` and `packet` are the
blocks of a pcapng file with several interfaces, names and comments; times are in nanoseconds there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from handshake_probe.packets.units import Frame

SNAP_LENGTH = 262_144  # tcpdump's default

_PCAP = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")
_BLOCK = struct.Struct("<II")
_MICROSECONDS = 0xA1B2C3D4

_SECTION, _INTERFACE, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 6
_END, _COMMENT, _NAME, _PROGRAM, _RESOLUTION = 0, 1, 2, 4, 9
_NANOSECONDS = b"\x09"
_OPTION_LIMIT = 0xFFFF - 3  # bytes of a value, so that the padding fits as well


def pcap(frames: Iterable[Frame], link_type: int = 1, snap: int = SNAP_LENGTH) -> Iterable[bytes]:
    """Yield a pcap file, times in microseconds: its header, then record by record."""
    yield _PCAP.pack(_MICROSECONDS, 2, 4, 0, 0, snap, link_type)
    for frame in frames:
        seconds, rest = divmod(frame.time_ns, 10**9)
        yield _RECORD.pack(seconds, rest // 1000, len(frame.data), frame.length) + frame.data


def pcapng(frames: Iterable[Frame], link_type: int = 1, snap: int = SNAP_LENGTH) -> Iterable[bytes]:
    """Yield a pcapng file of one section and one interface, times in microseconds."""
    yield section()
    yield _block(_INTERFACE, struct.pack("<HHI", link_type, 0, snap))
    for frame in frames:
        yield _packet(0, frame.time_ns // 1000, frame.data, frame.length)


def section(*, program: str | None = None, comment: str | None = None) -> bytes:
    """The block that begins a file: who wrote it, and a comment on all of it."""
    options = [(_COMMENT, comment), (_PROGRAM, program)]
    return _block(
        _SECTION,
        struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1),
        [(code, text.encode()) for code, text in options if text is not None],
    )


def interface(link_type: int, name: str, snap: int = SNAP_LENGTH) -> bytes:
    """Describe an interface; the first one is number 0, times count nanoseconds."""
    options = [(_NAME, name.encode()), (_RESOLUTION, _NANOSECONDS)]
    return _block(_INTERFACE, struct.pack("<HHI", link_type, 0, snap), options)


def packet(
    number: int, time_ns: int, data: bytes, length: int, comments: Sequence[str] = ()
) -> bytes:
    """One packet of the interface with that number, `length` bytes long on the wire."""
    return _packet(number, time_ns, data, length, [(_COMMENT, text.encode()) for text in comments])


def _packet(
    number: int, time: int, data: bytes, length: int, options: Sequence[tuple[int, bytes]] = ()
) -> bytes:
    high, low = divmod(time, 1 << 32)
    head = struct.pack("<IIIII", number, high, low, len(data), length)
    return _block(_ENHANCED_PACKET, head + data, options)


def _block(kind: int, body: bytes, options: Sequence[tuple[int, bytes]] = ()) -> bytes:
    body = _padded(body)
    for code, value in options:
        kept = value[:_OPTION_LIMIT]
        body += struct.pack("<HH", code, len(kept)) + _padded(kept)
    if options:
        body += struct.pack("<HH", _END, 0)
    size = len(body) + 12
    return _BLOCK.pack(kind, size) + body + struct.pack("<I", size)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
