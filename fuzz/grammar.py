"""Turns any bytes into segments or stream pieces that look enough like real ones to get far."""

from __future__ import annotations

from collections.abc import Iterator

from handshake_probe.packets.units import (
    Direction,
    Endpoint,
    GapReason,
    Icmp,
    Quote,
    Segment,
    StreamData,
    StreamEnd,
    StreamGap,
    StreamPiece,
    TcpFlags,
)

_MS = 1_000_000
_CLOUD = Endpoint(b"\x34\x01\x02\x03", 5683)
_STARTS = {True: 2**32 - 50, False: 2**31 - 20}  # numbers that wrap, or change their sign
_FLAGS = (
    TcpFlags.ACK,
    TcpFlags.PSH | TcpFlags.ACK,
    TcpFlags.SYN,
    TcpFlags.SYN | TcpFlags.ACK,
    TcpFlags.FIN | TcpFlags.ACK,
    TcpFlags.RST,
    TcpFlags.RST | TcpFlags.ACK,
)
_OPTIONS = (b"", b"\x02\x04\x05\xb4", b"\x01\x01\x08\x0a" + bytes(8), b"\x08\xff")
_SIZES = (0, 0, 1, 40, 50, 128, 256, 384)
_PIECES = (1, 2, 16, 18, 40, 66, 256, 384)


def segments(data: bytes) -> Iterator[Segment | Icmp]:
    """Six bytes each: who and what, flags, sequence, acknowledgment, size, time since the last.

    Numbers mostly go on where the last segment of that side stopped.
    """
    time_ns = 1_700_000_000 * 1000 * _MS
    following: dict[tuple[int, bool], int] = {}
    for index in range(0, len(data) - 5, 6):
        who, kind, step, ack, size, pause = data[index : index + 6]
        port, from_device = 1024 + (who >> 1) % 4, bool(who & 1)
        device = Endpoint(b"\x0a\0\0\x05", port)
        frame = index // 6 + 1
        time_ns += pause * _MS // 4 if pause < 250 else (pause - 254) * 100 * _MS
        here = following.get((port, from_device), 0)
        there = following.get((port, not from_device), 0)
        position = here + (step - 128 if step > 64 else 0)
        sequence = (_STARTS[from_device] + position) % 2**32
        if who >= 250:
            quote = Quote(6, device, _CLOUD, sequence, 3)
            yield Icmp(
                frame, time_ns, 0, 4, b"\x0a\0\0\1", device.address, 3, 13, 64, quote, None, None
            )
            continue
        flags = _FLAGS[kind % len(_FLAGS)]
        length = _SIZES[size % len(_SIZES)]
        captured = length if size < 224 else length // 2
        payload = bytes(index + at & 0xFF for at in range(captured))
        yield Segment(
            frame,
            time_ns,
            who >> 5 & 1,
            device if from_device else _CLOUD,
            _CLOUD if from_device else device,
            sequence,
            (_STARTS[not from_device] + there + (ack - 128 if ack > 64 else 0)) % 2**32,
            int(flags),
            1000,
            _OPTIONS[kind >> 4 & 3],
            payload,
            length,
            64 - (who >> 4 & 1),
            frame if size & 8 else 7,
            b"\2\0\0\0\0\1" if from_device else b"\2\0\0\0\0\2",
            None,
        )
        reach = position + length + bool(flags & (TcpFlags.SYN | TcpFlags.FIN))
        following[port, from_device] = max(here, reach)


def pieces(data: bytes) -> Iterator[tuple[Direction, StreamPiece]]:
    """Two bytes each (what and how much), and for some the bytes that follow as their content."""
    offsets = dict.fromkeys(Direction, 0)
    at, frame = 0, 0
    while at + 2 <= len(data):
        what, much = data[at], data[at + 1]
        at, frame = at + 2, frame + 1
        direction = Direction.DEVICE_TO_CLOUD if what & 1 else Direction.CLOUD_TO_DEVICE
        offset, kind = offsets[direction], what >> 1 & 15
        if kind == 15:
            yield direction, StreamEnd(offset, "rst" if much & 1 else "fin", frame, frame * _MS)
            continue
        if kind >= 13:
            length = (much + 1) ** 3 if much > 200 else much + 1
            reason = list(GapReason)[what >> 5 & 1]
            yield direction, StreamGap(offset, length, reason, frame, frame * _MS)
            offsets[direction] += length
            continue
        if kind < 4:  # exactly what follows
            content = data[at : at + much + 1]
            at += much + 1
        elif kind < 8:  # a record of the right form
            size = 16 * (much % 65)
            content = size.to_bytes(2, "big") + bytes((what + n * 31) & 0xFF for n in range(size))
        else:
            content = bytes((much + n * 37) & 0xFF for n in range(_PIECES[much % len(_PIECES)]))
        if content:
            yield direction, StreamData(offset, content, frame, frame * _MS)
            offsets[direction] += len(content)
