"""Writes the captures the benchmarks read: classic pcap, Ethernet, IPv4, microseconds.

- `dense`: nothing but device sessions on port 5683, 100 frames each, all interleaved.
- `crypto`: the same with real RSA and AES; the keys go to `<name>.keys/`.
- `lan`: sizes as on the internet (IMIX) on other ports, 0.05 % of the frames on port 5683.
- `flood`: SYNs from addresses nobody holds, and one real session in their midst.

The same seed gives the same file, keys included.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import NamedTuple

from scripts.bench.conversation import DEVICE, Script, keyless_script

from handshake_probe.capture.written import pcap
from handshake_probe.lab.memory.wire import Packet, Tcp, Udp, ethernet
from handshake_probe.packets.units import Frame

PORT = 5683
SESSION_FRAMES = 100
_START = 1_700_000_000_000_000  # microseconds
_FIN, _SYN, _PSH, _ACK = 1, 2, 8, 16
_MAC, _PEER_MAC = bytes.fromhex("020000000002"), bytes.fromhex("020000000001")
_ETHERNET = 1
_IMIX = ((60, 46), (128, 16), (576, 26), (1514, 12))  # frame size, share in percent

Timed = tuple[int, bytes]  # microseconds since the start, frame


class Ends(NamedTuple):
    """The two ends of a conversation."""

    device: bytes
    device_port: int
    cloud: bytes
    cloud_port: int


def write(path: Path, frames: Iterable[Timed]) -> int:
    """Write a capture; return how many frames it has."""
    numbers = count(1)
    wrapped = (
        Frame(next(numbers), (_START + at) * 1000, _ETHERNET, 0, frame, len(frame))
        for at, frame in frames
    )
    with path.open("wb", buffering=1 << 20) as out:
        out.writelines(pcap(wrapped, _ETHERNET))
    return next(numbers) - 1


def dense(
    sessions: int, seed: int = 1, script: Callable[[], Script] | None = None
) -> Iterator[Timed]:
    """Sessions spread over an hour, each some five minutes long, merged by time."""
    rng = random.Random(seed)
    make = script or keyless_script(rng)
    starts = sorted(rng.randrange(3_600_000_000) for _ in range(sessions))
    upcoming = iter(enumerate(starts))
    begin = next(upcoming, None)
    heap: list[tuple[int, int, bytes, Iterator[Timed]]] = []
    while heap or begin:
        if begin and (not heap or begin[1] <= heap[0][0]):
            number, start = begin
            ends = Ends(_device(number), 49152 + number * 7919 % 16000, b"\x34\x01\x02\x03", PORT)
            frames = session(ends, make(), rng, start)
            at, frame = next(frames)
            heappush(heap, (at, number, frame, frames))
            begin = next(upcoming, None)
            continue
        at, number, frame, frames = heappop(heap)
        yield at, frame
        following = next(frames, None)
        if following is not None:
            heappush(heap, (following[0], number, following[1], frames))


def lan(frames: int, seed: int = 1, share: float = 0.0005) -> Iterator[Timed]:
    """Background over ten minutes, `share` of the frames belonging to device sessions."""
    rng = random.Random(seed)
    sessions = max(1, round(frames * share / SESSION_FRAMES))
    wanted = dense(sessions, seed)
    squeezed = ((at // 7, frame) for at, frame in wanted)
    following = next(squeezed, None)
    step = 600_000_000 / frames
    background = _background(rng)
    for number in range(frames - sessions * SESSION_FRAMES):
        at = int(number * step)
        while following and following[0] <= at:
            yield following
            following = next(squeezed, None)
        yield at, next(background)
    while following:
        yield following
        following = next(squeezed, None)


def flood(syns: int, seed: int = 1) -> Iterator[Timed]:
    """One SYN each from `syns` random addresses, and a device's session between them."""
    rng = random.Random(seed)
    victim = Ends(b"\xc0\xa8\x01\x32", 50123, b"\x34\x01\x02\x03", PORT)
    real = session(victim, keyless_script(rng)(), rng, 10_000_000)
    following = next(real, None)
    for number in range(syns):
        at = number * 100
        while following and following[0] <= at:
            yield following
            following = next(real, None)
        source = rng.randbytes(4)
        yield (
            at,
            _tcp(
                source, rng.randrange(1024, 65536), victim.cloud, PORT, rng.getrandbits(32), 0, _SYN
            ),
        )
    while following:
        yield following
        following = next(real, None)


def session(ends: Ends, script: Script, rng: random.Random, start: int) -> Iterator[Timed]:
    """A whole session: three frames to open, each message with its acknowledgment."""
    forth, back = rng.getrandbits(32), rng.getrandbits(32)  # next sequence numbers
    at = start

    def device(flags: int, payload: bytes = b"") -> bytes:
        acknowledged = back if flags & _ACK else 0
        return _tcp(
            ends.device,
            ends.device_port,
            ends.cloud,
            ends.cloud_port,
            forth,
            acknowledged,
            flags,
            payload,
        )

    def cloud(flags: int, payload: bytes = b"") -> bytes:
        return _tcp(
            ends.cloud, ends.cloud_port, ends.device, ends.device_port, back, forth, flags, payload
        )

    yield at, device(_SYN)
    forth = forth + 1 & 0xFFFFFFFF
    yield at + 20_000, cloud(_SYN | _ACK)
    back = back + 1 & 0xFFFFFFFF
    at += 21_000
    yield at, device(_ACK)
    for message in script:
        at += message.pause
        if message.sender is DEVICE:
            yield at, device(_PSH | _ACK, message.data)
            forth = forth + len(message.data) & 0xFFFFFFFF
            at += 20_000
            yield at, cloud(_ACK)
        else:
            yield at, cloud(_PSH | _ACK, message.data)
            back = back + len(message.data) & 0xFFFFFFFF
            at += 1_000
            yield at, device(_ACK)
    at += 1_000_000
    yield at, device(_FIN | _ACK)
    forth = forth + 1 & 0xFFFFFFFF
    yield at + 20_000, cloud(_FIN | _ACK)
    back = back + 1 & 0xFFFFFFFF
    yield at + 21_000, device(_ACK)


def _device(number: int) -> bytes:
    return (0x0A100000 + number).to_bytes(4, "big")


def _tcp(
    source: bytes,
    source_port: int,
    target: bytes,
    target_port: int,
    sequence: int,
    acknowledgment: int,
    flags: int,
    payload: bytes = b"",
) -> bytes:
    tcp = Tcp(source_port, target_port, sequence, acknowledgment, flags, payload, window=64240)
    return _framed(Packet(source, target, tcp, ident=sequence >> 3))


def _udp(source: bytes, source_port: int, target: bytes, target_port: int, payload: bytes) -> bytes:
    return _framed(Packet(source, target, Udp(source_port, target_port, payload)))


def _framed(packet: Packet) -> bytes:
    return ethernet(_MAC, _PEER_MAC, packet.pack())


def _background(rng: random.Random) -> Iterator[bytes]:
    """Flows of unequal weight, four in five TCP; those on 443 carry TLS application records.

    TLS of the right form keeps dissectors from searching random bytes for messages.
    """
    pool = rng.randbytes(1 << 16)
    sizes = [size for size, share in _IMIX for _ in range(share)]
    flows: list[tuple[Ends, bool]] = []
    for number in range(20_000):
        tcp = rng.random() < 0.8
        server = 443 if tcp and rng.random() < 0.6 else rng.randrange(20_000, 32_000)
        local = b"\x0a\0" + rng.randbytes(2)
        remote = bytes([rng.randrange(11, 126)]) + rng.randbytes(3)
        flows.append((Ends(local, 1024 + number % 30_000, remote, server), tcp))
    following = [rng.getrandbits(32) for _ in flows]  # sequence numbers
    while True:
        which = int(rng.paretovariate(1.1) * 40) % len(flows)
        size = sizes[int(rng.random() * 100)]
        ends, tcp = flows[which]
        start = int(rng.random() * 60_000)
        if not tcp:
            yield _udp(*ends, pool[start : start + size - 42])
            continue
        payload = pool[start : start + max(0, size - 60)]
        if ends.cloud_port == 443 and payload:
            payload = b"\x17\x03\x03" + len(payload).to_bytes(2, "big") + payload
        flags = _PSH | _ACK if payload else _ACK
        yield _tcp(*ends, following[which], 1, flags, payload)
        following[which] = following[which] + len(payload) & 0xFFFFFFFF
