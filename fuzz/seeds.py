"""First inputs of every harness: recordings, keys, and scripts of a whole handshake."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

CAPTURES = Path(__file__).resolve().parent.parent / "captures"
_FILE_LIMIT = 40_000  # bytes; small inputs mutate faster
_FRAMES = 60
_HEADER = 24  # bytes of a pcap file before its first record

# Stream pieces (see `grammar.pieces`): nonce, identity, credentials, records both ways, both ends.
_HANDSHAKE = bytes((16, 4, 17, 6, 16, 7, 9, 3, 8, 3, 9, 1, 8, 1, 31, 0, 30, 0))
# Segments (see `grammar.segments`): three to open, data and acknowledgments in turn, FINs.
_CONNECTION = b"".join(
    bytes((who, kind, 0, 0, size, 40))
    for who, kind, size in (
        (1, 18, 0),
        (0, 19, 0),
        (1, 0, 0),
        (0, 1, 3),
        (1, 0, 0),
        (1, 1, 6),
        (0, 0, 0),
        (0, 1, 7),
        (1, 0, 0),
        (1, 1, 4),
        (0, 1, 4),
        (1, 4, 0),
        (0, 4, 0),
        (1, 5, 0),
    )
)


def write_seeds(name: str, folder: Path) -> None:
    """Write the seeds of one harness to `folder`, named by their content."""
    for seed in _seeds(name):
        (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)


def _seeds(name: str) -> Iterator[bytes]:
    if name == "capture":
        for path in sorted(CAPTURES.glob("*.pcap*")):
            if path.is_file() and path.stat().st_size <= _FILE_LIMIT:
                yield path.read_bytes()[:4096]
    elif name == "sieves":
        for frame in _frames():
            size = struct.pack("<I", len(frame))
            yield b"\2\0\0" + 2 * (bytes(8) + size + size + frame)
            total = struct.pack("<I", 32 + len(frame) + -len(frame) % 4)
            padded = frame + bytes(-len(frame) % 4)
            yield b"\2\0\0\6\0\0\0" + total + bytes(12) + size + size + padded + total
    elif name == "decode":
        for frame in _frames():
            yield b"\0\0" + frame
    elif name == "names":
        for frame in _frames():
            yield frame[42:]
    elif name == "flows":
        yield _CONNECTION
    elif name == "keys":
        for path in sorted(CAPTURES.glob("*.keys/*")):
            yield path.read_bytes()
    elif name == "messages":
        yield b"\x14\x50\x02\x00\x01\xb1h\xff\x00\x06\x00\x02\x00\x00\x00\x06\x00\x00\x00\x00"
        yield b"\x04\x40\x00\x00\x02\x04\x60\x00\x00\x02"
        yield b"\x0e\x40\x02\x00\x03\xb1E\x05spark\xffx"
    elif name == "blocks":
        yield b"\0\2" + b"\xaa" * 85 + b"\0" + b"s" * 40
        yield b"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n"
    else:
        yield _HANDSHAKE


def _frames() -> Iterator[bytes]:
    """Frames of the small classic captures, the first few of each."""
    for path in sorted(CAPTURES.glob("*.pcap")):
        if path.stat().st_size > _FILE_LIMIT:
            continue
        data, at = path.read_bytes(), _HEADER
        for _ in range(_FRAMES):
            size = int.from_bytes(data[at + 8 : at + 12], "little")
            if not size or at + 16 + size > len(data):
                break
            yield data[at + 16 : at + 16 + size]
            at += 16 + size
