"""Classic pcap files (draft-ietf-opsawg-pcap).

File header, 24 bytes: magic (4), version major (2), minor (2), reserved (8), snap length (4), link
type (4; the upper 16 bits say how long the frame check sequence is). Each record: seconds (4),
microseconds or nanoseconds (4), captured length (4), length on the wire (4), frame.
"""

from __future__ import annotations

import struct
from collections.abc import Generator

from handshake_probe.capture.facts import FRAME_LIMIT, CaptureFacts, CaptureInterface
from handshake_probe.capture.sieve import Sieve
from handshake_probe.capture.source import ByteSource, DamageError
from handshake_probe.packets.units import Frame

HEADER_LENGTH = 24
# magic as it lies in the file → (byte order, nanoseconds per fraction unit)
MAGICS: dict[bytes, tuple[str, int]] = {
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\x3c\x4d": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
}
_RECORD = 16


def read_pcap(
    source: ByteSource, buffer: bytes, facts: CaptureFacts, sieve: Sieve | None = None
) -> Generator[Frame, None, None]:
    """Read the frames of a classic pcap file.

    Args:
        source: where the bytes after `buffer` come from.
        buffer: the start of the file, at least the 24 bytes of its header.
        facts: gets the interface, the frame count and the times.
        sieve: frames that are boring for it are counted and left out.

    Raises:
        DamageError: (while iterating) the file cannot be read further.
    """
    return _records(source, buffer, facts, sieve, _begin(buffer, facts, sieve))


def _begin(buffer: bytes, facts: CaptureFacts, sieve: Sieve | None) -> tuple[str, int, int]:
    """Begin with a file header: byte order, nanoseconds per fraction unit, link type."""
    order, unit = MAGICS[buffer[:4]]
    link_type = describe_pcap(buffer, facts)
    if sieve is not None:
        sieve.begin(order)
        sieve.add_interface(link_type, unit)
    return order, unit, link_type


def _is_header(buffer: bytes, at: int) -> bool:
    """Whether a file header lies where a record should: files that were joined with `cat`.

    As a record it would be an empty frame of the year 2055.
    """
    magic = MAGICS.get(buffer[at : at + 4])
    return magic is not None and buffer[at + 4 : at + 8] == struct.pack(magic[0] + "HH", 2, 4)


def describe_pcap(buffer: bytes, facts: CaptureFacts) -> int:
    """Enter what the 24 bytes of the file header say into `facts`; return the link type."""
    order, _ = MAGICS[buffer[:4]]
    snap_length, link_field = struct.unpack_from(order + "II", buffer, 16)
    link_type: int = link_field & 0xFFFF
    facts.interfaces.append(
        CaptureInterface(len(facts.interfaces), None, link_type, snap_length, None)
    )
    return link_type


def _records(
    source: ByteSource,
    buffer: bytes,
    facts: CaptureFacts,
    sieve: Sieve | None,
    layout: tuple[str, int, int],
) -> Generator[Frame, None, None]:
    order, unit, link_type = layout
    unpack = struct.Struct(order + "IIII").unpack_from
    number = interface = 0
    last = -1  # latest time
    base = 0  # file offset of buffer[0]
    at = HEADER_LENGTH
    while True:
        if sieve is not None and number:  # the first frame gives the first time
            at = sieve.walk_pcap(buffer, at, number)
            number += sieve.passed
            facts.frames = number
            if sieve.passed and sieve.latest_ns > last:
                last = sieve.latest_ns
                facts.note_time(last)
        if len(buffer) - at < _RECORD:
            base += at
            buffer = source.more(buffer[at:], _RECORD)
            at = 0
            if not buffer:
                return
            if len(buffer) < _RECORD:
                raise DamageError(f"file ends inside frame {number + 1}", base, truncated=True)
            continue
        seconds, fraction, captured, length = unpack(buffer, at)
        if not captured and _is_header(buffer, at):
            if len(buffer) - at < HEADER_LENGTH:
                base += at
                buffer = source.more(buffer[at:], HEADER_LENGTH)
                at = 0
            if len(buffer) - at < HEADER_LENGTH:
                raise DamageError("file ends inside a second file header", base, truncated=True)
            order, unit, link_type = _begin(buffer[at : at + HEADER_LENGTH], facts, sieve)
            unpack = struct.Struct(order + "IIII").unpack_from
            interface += 1
            at += HEADER_LENGTH
            continue
        if captured > FRAME_LIMIT:
            raise DamageError(f"frame {number + 1} claims {captured} captured bytes", base + at)
        end = at + _RECORD + captured
        if end > len(buffer):
            base += at
            buffer = source.more(buffer[at:], end - at)
            end -= at
            at = 0
            if end > len(buffer):
                raise DamageError(f"file ends inside frame {number + 1}", base, truncated=True)
            continue
        number += 1
        facts.frames = number
        time_ns = seconds * 1_000_000_000 + fraction * unit
        if time_ns > last:
            last = time_ns
            facts.note_time(time_ns)
        data = buffer[at + _RECORD : end]
        at = end
        on_wire = length if length > captured else captured
        yield Frame(number, time_ns, link_type, interface, data, on_wire)
