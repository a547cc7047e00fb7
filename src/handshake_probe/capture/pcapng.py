"""pcapng files (draft-ietf-opsawg-pcapng): several sections, several interfaces.

Every block: type (4), total length (4), body padded to 4 bytes, total length again (4). A section
header sets the byte order and starts a new list of interfaces. Frame numbers are Wireshark's,
which also counts journal entries, custom blocks and system-call events.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import NamedTuple

from handshake_probe.capture.facts import (
    FRAME_LIMIT,
    INTERFACE_LIMIT,
    CaptureFacts,
    CaptureInterface,
    bounded_time,
)
from handshake_probe.capture.sieve import Sieve
from handshake_probe.capture.source import ByteSource, DamageError
from handshake_probe.packets.units import Frame

MAGIC = b"\x0a\x0d\x0d\x0a"
BYTE_ORDERS: dict[bytes, str] = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_BLOCK_LIMIT = 16 << 20  # Wireshark's limit
_SECTION = 0x0A0D0D0A
_INTERFACE = 1
_PACKET = 2  # obsolete packet block
_SIMPLE_PACKET = 3
_STATISTICS = 5
_ENHANCED_PACKET = 6
# Blocks without a frame that Wireshark 4 shows in the packet list: systemd journal, custom blocks
# (copyable or not), system-call events.
_NUMBERED = frozenset({9, 0xBAD, 0x40000BAD, 0x204, 0x216, 0x221})

_OPTION_COMMENT = 1
_OPTION_NAME = 2
_OPTION_TIME_RESOLUTION = 9
_OPTION_TIME_OFFSET = 14
_OPTION_CAPTURE_END = 3
_OPTION_INTERFACE_DROPS = 5
_OPTION_SYSTEM_DROPS = 7


class _Clock(NamedTuple):
    """How an interface counts time: nanoseconds are units * multiplier // divisor + offset."""

    multiplier: int
    divisor: int
    offset: int

    @property
    def unit(self) -> int:
        """Nanoseconds per unit where that says it all; 0 otherwise."""
        whole = self.offset == 0 and self.multiplier % self.divisor == 0
        return self.multiplier // self.divisor if whole else 0


class _Layouts(NamedTuple):
    """Compiled field layouts of one byte order."""

    order: str
    head: struct.Struct  # block type, total length
    word: struct.Struct
    interface: struct.Struct  # link type, reserved, snap length
    enhanced: struct.Struct  # interface, time high, time low, captured, length
    packet: struct.Struct  # interface, drops, time high, time low, captured, length


def _layouts(order: str) -> _Layouts:
    fields = ("II", "I", "HHI", "IIIII", "HHIIII")
    return _Layouts(order, *(struct.Struct(order + layout) for layout in fields))


def section_fault(head: bytes) -> str | None:
    """Say why a section header's first 16 bytes cannot be read; None when they can."""
    order = BYTE_ORDERS.get(head[8:12])
    if order is None:
        return "section header without a byte-order mark"
    if len(head) < 16:
        return "section header cut off"
    major = struct.unpack_from(order + "H", head, 12)[0]
    return None if major == 1 else f"pcapng version {major}, only version 1 is known"


class PcapngReader:
    """Reads the frames of a pcapng file; `facts` gets what the file says about itself.

    Frames that are boring for `sieve` are counted and left out.
    """

    def __init__(
        self,
        source: ByteSource,
        buffer: bytes,
        facts: CaptureFacts,
        sieve: Sieve | None = None,
    ) -> None:
        self._source = source
        self._buffer = buffer
        self._facts = facts
        self._facts.sections = 0
        self._sieve = sieve
        self._layouts = _layouts("<")
        self._clocks: list[_Clock] = []  # of the current section's interfaces
        self._first = 0  # index of the current section's first interface
        self._time = 0  # of the last frame that had one

    def frames(self) -> Generator[Frame, None, None]:
        """Yield the frames in file order.

        Raises:
            DamageError: (while iterating) the file cannot be read further.
        """
        buffer, at, base = self._buffer, 0, 0
        self._buffer = b""
        while True:
            if self._sieve is not None and self._facts.first_ns is not None:
                at = self._walk(self._sieve, buffer, at)
            # 16 bytes, so that a section header's byte order and version are in sight.
            if len(buffer) - at < 16:
                base += at
                buffer = self._source.more(buffer[at:], 16)
                at = 0
                if not buffer:
                    return
                if len(buffer) < 12:
                    raise DamageError("file ends inside a block", base, truncated=True)
            if buffer[at : at + 4] == MAGIC:
                self._start_section(buffer[at : at + 16], base + at)
            kind, total = self._layouts.head.unpack_from(buffer, at)
            # Some writers leave the padding out of the length; Wireshark forgives it as well.
            size = total + (-total % 4)
            if not 12 <= size <= _BLOCK_LIMIT:
                raise DamageError(f"block claims {total} bytes", base + at)
            if at + size > len(buffer):
                base += at
                buffer = self._source.more(buffer[at:], size)
                at = 0
                if size > len(buffer):
                    raise DamageError("file ends inside a block", base, truncated=True)
            end = at + size
            if self._layouts.word.unpack_from(buffer, end - 4)[0] != total:
                raise DamageError("block lengths at start and end differ", base + at)
            frame = self._block(kind, buffer[at + 8 : end - 4], base + at)
            if frame is not None:
                yield frame
            at = end

    def _walk(self, sieve: Sieve, buffer: bytes, at: int) -> int:
        """Pass over boring frames; return where that ends."""
        at = sieve.walk_pcapng(buffer, at, self._facts.frames)
        if sieve.passed:
            self._facts.frames += sieve.passed
            self._facts.note_time(sieve.latest_ns)
            self._time = sieve.time_ns
        return at

    def _start_section(self, head: bytes, offset: int) -> None:
        fault = section_fault(head)
        if fault is not None:
            raise DamageError(fault, offset)
        order = BYTE_ORDERS[head[8:12]]
        self._layouts = _layouts(order)
        if self._sieve is not None:
            self._sieve.begin(order)
        self._clocks.clear()
        self._facts.sections += 1
        self._first = len(self._facts.interfaces)

    def _block(self, kind: int, body: bytes, offset: int) -> Frame | None:
        try:
            if kind == _ENHANCED_PACKET:
                interface, high, low, captured, length = self._layouts.enhanced.unpack_from(body)
                if len(body) > 23 + captured:  # the frame is padded to 4 bytes, options follow
                    at = 20 + captured + (-captured % 4)
                    self._facts.packet_comments += self._comments(body, at)
                return self._frame(interface, (high, low), (body, 20), (captured, length), offset)
            if kind == _PACKET:
                interface, _, high, low, captured, length = self._layouts.packet.unpack_from(body)
                return self._frame(interface, (high, low), (body, 20), (captured, length), offset)
            if kind == _SIMPLE_PACKET:
                return self._simple(body, offset)
            if kind == _INTERFACE:
                self._add_interface(body, offset)
            elif kind == _STATISTICS:
                self._add_statistics(body)
            elif kind == _SECTION:
                self._facts.section_comments += self._comments(body, 16)
        except struct.error:
            raise DamageError(f"block of type {kind} is too short", offset) from None
        if kind in _NUMBERED:
            self._facts.frames += 1
        return None

    def _simple(self, body: bytes, offset: int) -> Frame:
        length = self._layouts.word.unpack_from(body)[0]
        if not self._clocks:
            raise DamageError("frame of an interface never described", offset)
        snap_length = self._facts.interfaces[self._first].snap_length or length
        # Without a captured length the smaller of the two limits counts; the block is padded.
        captured = min(length, snap_length)
        return self._frame(0, None, (body, 4), (captured, length), offset)

    def _frame(
        self,
        interface: int,
        stamp: tuple[int, int] | None,
        content: tuple[bytes, int],
        lengths: tuple[int, int],
        offset: int,
    ) -> Frame:
        captured, length = lengths
        body, start = content
        if interface >= len(self._clocks):
            raise DamageError("frame of an interface never described", offset)
        if captured > FRAME_LIMIT or captured > len(body) - start:
            raise DamageError(f"frame claims {captured} captured bytes", offset)
        if stamp is not None:
            multiplier, divisor, shift = self._clocks[interface]
            units = stamp[0] << 32 | stamp[1]
            self._time = bounded_time(units * multiplier // divisor + shift)
        index = self._first + interface
        facts = self._facts
        facts.frames += 1
        facts.note_time(self._time)
        link_type = facts.interfaces[index].link_type
        data = body[start : start + captured]
        return Frame(
            facts.frames,
            self._time,  # a simple packet block has no time: the last frame's is the nearest
            link_type,
            index,
            data,
            max(length, captured),
        )

    def _add_interface(self, body: bytes, offset: int) -> None:
        if len(self._facts.interfaces) >= INTERFACE_LIMIT:
            raise DamageError(f"more than {INTERFACE_LIMIT} interfaces", offset)
        link_type, _, snap_length = self._layouts.interface.unpack_from(body)
        options = self._options(body, 8)
        name = options.get(_OPTION_NAME)
        clock = _clock(options, self._layouts.order)
        self._clocks.append(clock)
        if self._sieve is not None:
            self._sieve.add_interface(link_type, clock.unit)
        self._facts.interfaces.append(
            CaptureInterface(
                len(self._facts.interfaces),
                None if name is None else name.rstrip(b"\0").decode("utf-8", "replace"),
                link_type,
                snap_length,
                None,
                self._comments(body, 8),
            )
        )

    def _add_statistics(self, body: bytes) -> None:
        interface = self._layouts.word.unpack_from(body)[0]
        if interface >= len(self._clocks):
            return
        options = self._options(body, 12)
        end = options.get(_OPTION_CAPTURE_END, b"")
        if len(end) == 8 and self._facts.first_ns is not None:
            # It listened until then: silence after the last frame is seen, too.
            high, low = struct.unpack(self._layouts.order + "II", end)
            multiplier, divisor, shift = self._clocks[interface]
            units = high << 32 | low
            self._facts.note_time(bounded_time(units * multiplier // divisor + shift))
        counters = [
            int.from_bytes(options[code], "little" if self._layouts.order == "<" else "big")
            for code in (_OPTION_INTERFACE_DROPS, _OPTION_SYSTEM_DROPS)
            if len(options.get(code, b"")) == 8
        ]
        if counters:
            index = self._first + interface
            known = self._facts.interfaces[index]
            self._facts.interfaces[index] = replace(known, drops=sum(counters))

    def _comments(self, body: bytes, at: int) -> int:
        return sum(code == _OPTION_COMMENT for code, _ in self._each_option(body, at))

    def _options(self, body: bytes, at: int) -> dict[int, bytes]:
        """Read options, the first of each code."""
        options: dict[int, bytes] = {}
        for code, value in self._each_option(body, at):
            options.setdefault(code, value)
        return options

    def _each_option(self, body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
        """Read options: code (2), length (2), value padded to 4 bytes; stops where they break."""
        while at + 4 <= len(body):
            code, length = struct.unpack_from(self._layouts.order + "HH", body, at)
            value = body[at + 4 : at + 4 + length]
            if code == 0 or len(value) < length:
                return
            yield code, value
            at += 4 + length + (-length % 4)


def _clock(options: dict[int, bytes], order: str) -> _Clock:
    resolution = options.get(_OPTION_TIME_RESOLUTION, b"\x06")[:1] or b"\x06"
    exponent = resolution[0] & 0x7F
    divisor = (2 if resolution[0] & 0x80 else 10) ** exponent
    shift = options.get(_OPTION_TIME_OFFSET, b"")
    seconds = struct.unpack(order + "q", shift)[0] if len(shift) == 8 else 0
    return _Clock(1_000_000_000, divisor, seconds * 1_000_000_000)
