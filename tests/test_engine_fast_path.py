"""The fast path and the flow table together say what the flow table says alone.

Connections go wrong in every way at random, so that they are handed over at every point; limits
are small, so that they are reached.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

import sieving
from handshake_probe.capture import inputs, written
from handshake_probe.capture.fast_path import FastPath
from handshake_probe.capture.inputs import CaptureInput
from handshake_probe.capture.sieve import Selection
from handshake_probe.keys.keyring import Keyring
from handshake_probe.lab.memory.wire import Packet, Tcp, ethernet
from handshake_probe.packets.flows import Limits
from handshake_probe.packets.units import Frame
from handshake_probe.pipeline import reading
from handshake_probe.pipeline.following import Following
from handshake_probe.pipeline.reading import Reading, read_capture, wanted
from sanitizing import needs_compiler, run_sanitized, sanitized

PORTS = frozenset({5683})
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
US = 1_000
MS = 1_000_000
STAMPS = b"\x01\x01\x08\x0a" + bytes(8)
ODD_STAMPS = b"\x08\x0a" + bytes(8) + b"\x01\x01"
MSS = b"\x02\x04\x05\xb4"
CLOUD = bytes([203, 0, 113, 9])
START = 1_700_000_000_000_000_000
ENOUGH = Limits()


class Step(NamedTuple):
    """A segment, and how long after the one before it comes."""

    after: int
    from_device: bool
    packet: Packet
    interface: int = 0
    mac: int = 0
    vlan: int | None = None
    cut: int | None = None


class Talk:
    """One connection: a session as it should be, told step by step."""

    def __init__(self, dice: random.Random, number: int, *, stamped: bool) -> None:
        self.dice = dice
        self.device = bytes([10, 0, number >> 8, number & 255])
        self.port = dice.choice([49152, 49152 + number, 5683])
        self.options = STAMPS if stamped else b""
        # Some devices choose the same start: views of one connection look like that.
        self.sequence = {True: dice.choice([dice.getrandbits(32), 7]), False: dice.getrandbits(32)}
        self.ip_id = dice.getrandbits(15)

    def step(
        self, from_device: bool, payload: bytes = b"", flags: int = ACK, after: int = 20 * MS
    ) -> Step:
        mine, theirs = self.sequence[from_device], self.sequence[not from_device]
        self.sequence[from_device] = mine + len(payload) + bool(flags & (SYN | FIN)) & 0xFFFFFFFF
        self.ip_id += 1
        ends = (self.device, self.port), (CLOUD, 5683)
        source, destination = ends if from_device else ends[::-1]
        segment = Tcp(
            source[1],
            destination[1],
            mine,
            theirs if flags & ACK else 0,
            flags,
            payload,
            MSS if flags & SYN else self.options,
            4000,
        )
        ttl = 128 if from_device else 52
        packet = Packet(source[0], destination[0], segment, ttl, self.ip_id)
        return Step(after, from_device, packet)

    def script(self) -> Iterator[Step]:
        dice = self.dice
        yield self.step(True, flags=SYN)
        yield self.step(False, flags=SYN | ACK)
        if dice.random() < 0.9:
            yield self.step(True)
        messages = [(False, 40), (True, 256), (False, 384)]
        messages += [
            (dice.random() < 0.6, dice.choice([18, 34, 66])) for _ in range(dice.randrange(12))
        ]
        for from_device, size in messages:
            data = dice.randbytes(size)
            if size < 40:
                data = (size - 2).to_bytes(2, "big") + data[2:]
            parts = [data] if dice.random() < 0.8 else [data[:7], data[7:]]
            for part in parts:
                yield self.step(from_device, part, PSH | ACK)
            if dice.random() < 0.8:
                yield self.step(not from_device, after=dice.choice([US, 2 * MS, 30 * MS]))
        if dice.random() < 0.8:
            first = dice.random() < 0.5
            yield self.step(first, flags=FIN | ACK)
            yield self.step(not first, after=dice.choice([0, MS]))
            yield self.step(not first, flags=FIN | ACK, after=dice.choice([0, MS, 9 * MS]))
            yield self.step(first)
            if dice.random() < 0.3:
                yield self.step(first, after=dice.choice([US, 20 * MS]))


def twice(dice: random.Random, step: Step) -> list[Step]:
    return [step, step._replace(after=dice.choice([0, US, 3 * MS, 200 * MS]))]


def changed(step: Step, **fields: object) -> list[Step]:
    tcp = step.packet.content
    assert isinstance(tcp, Tcp)
    return [step._replace(packet=step.packet._replace(content=tcp._replace(**fields)))]  # type: ignore[arg-type]


def refused(step: Step) -> list[Step]:
    """An ICMP error about the segment, from a router."""
    return [step, step._replace(packet=step.packet.refusal(bytes([10, 9, 9, 9]), 3, 13, 60))]


def reset(step: Step) -> list[Step]:
    tcp = step.packet.content
    assert isinstance(tcp, Tcp)
    return [
        step,
        *changed(step, flags=RST | ACK, payload=b"", sequence=tcp.sequence + len(tcp.payload)),
    ]


def behind_nat(step: Step) -> list[Step]:
    """The same packet on the other side of a router."""
    packet, wan = step.packet, bytes([198, 51, 100, 4])
    outside = packet._replace(ttl=packet.ttl - 1)
    if step.from_device:
        return [step, step._replace(after=US, packet=outside._replace(source=wan))]
    inside = outside._replace(ttl=packet.ttl)
    return [step._replace(packet=inside._replace(destination=wan)), step._replace(after=US)]


MISHAPS: list[Callable[[random.Random, Step], list[Step]]] = [
    lambda dice, step: [],
    twice,
    lambda dice, step: [step._replace(after=dice.choice([0, -MS, -50 * MS, 90_000 * MS]))],
    lambda dice, step: [step._replace(vlan=7)],
    lambda dice, step: [step._replace(interface=1)],
    lambda dice, step: [step._replace(mac=1)],
    lambda dice, step: [step._replace(cut=dice.randrange(14, 80))],
    lambda dice, step: [step._replace(packet=step.packet._replace(ttl=dice.randrange(1, 200)))],
    lambda dice, step: changed(
        step, options=dice.choice([STAMPS, ODD_STAMPS, b"", b"\x05\x01\0\0"])
    ),
    lambda dice, step: changed(step, window=dice.randrange(9)),
    lambda dice, step: changed(step, flags=dice.randrange(64)),
    lambda dice, step: changed(step, sequence=dice.choice([0, 1, dice.getrandbits(32)])),
    lambda dice, step: changed(step, acknowledgment=dice.choice([0, 7, dice.getrandbits(32)])),
    lambda dice, step: changed(step, payload=dice.randbytes(dice.randrange(20))),
    lambda dice, step: refused(step),
    lambda dice, step: reset(step),
    lambda dice, step: behind_nat(step),
]


def mixed(seed: int, talks: int, mishaps: float) -> list[Frame]:
    """Connections that overlap in time; some use the ends of an earlier one again."""
    dice = random.Random(seed)
    timed: list[tuple[int, int, Step]] = []
    for number in range(talks):
        reused = number // 2 if dice.random() < 0.2 else number
        talk = Talk(dice, reused, stamped=dice.random() < 0.5)
        at = dice.randrange(3_000) * MS
        nat = dice.random() < mishaps
        for step in talk.script():
            steps = behind_nat(step) if nat else [step]
            if dice.random() < mishaps / 4:
                steps = dice.choice(MISHAPS)(dice, step)
            for one in steps:
                at += one.after
                timed.append((at, len(timed), one))
            if dice.random() < mishaps / 20:
                break
    backwards = [item[2].after < 0 for item in timed]
    order = sorted(range(len(timed)), key=lambda i: timed[i][0] + 60 * MS * backwards[i])
    frames: list[Frame] = []
    for index in order:
        at, _, step = timed[index]
        macs = bytes([2, 0, 0, 0, 0, step.mac]), bytes([2, 0, 0, 0, 1, step.mac])
        source, destination = macs if step.from_device else macs[::-1]
        data = ethernet(source, destination, step.packet.pack(), step.vlan)
        kept = data[: step.cut]
        frames.append(Frame(len(frames) + 1, START + at, 1, step.interface, kept, len(data)))
    return frames


def as_pcapng(frames: list[Frame]) -> Iterator[bytes]:
    yield written.section()
    for name in ("one", "two"):
        yield written.interface(1, name)
    for frame in frames:
        yield written.packet(frame.interface, frame.time_ns, frame.data, frame.length)


def read(path: Path, monkeypatch: pytest.MonkeyPatch, limits: Limits, *, fast: bool) -> Reading:
    """Read with the compiled sieve, with or without the fast path."""
    monkeypatch.setattr(inputs, "WORTH_SIEVING", 0)
    monkeypatch.setattr(inputs, "make_sieve", sieving.SIEVES["compiled"])
    monkeypatch.setattr(reading, "Following", partial(Following, limits=limits))
    with CaptureInput(path) as given:
        selection = wanted(given, PORTS)
        assert selection is not None
        if not fast:
            selection = Selection(*selection[:-1])
        with given.open(selection) as capture:
            return read_capture(given, capture, Keyring(), PORTS)


def same(one: Reading, other: Reading) -> None:
    assert len(one.paths) == len(other.paths)
    for mine, theirs in zip(one.paths, other.paths, strict=True):
        assert mine == theirs
        assert one.events.get(mine.number) == other.events.get(mine.number)
    assert one.events.keys() == other.events.keys()
    for name in ("last_ns", "forgotten", "skipped", "interrupted"):
        assert getattr(one, name) == getattr(other, name)


LIMITS = [ENOUGH, Limits(closed=3), Limits(connections=9, closed=2, bare=5), Limits(bare=2)]


@pytest.mark.parametrize("seed", range(24))
def test_alone_and_together(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = mixed(seed, 40, [0.0, 0.05, 0.3, 0.8][seed % 4])
    path = tmp_path / "mixed"
    path.write_bytes(b"".join(written.pcap(frames) if seed % 3 else as_pcapng(frames)))
    handed_over = 0
    read_one = FastPath._read

    def counting(self: FastPath, size: int) -> object:
        nonlocal handed_over
        handed_over += size > 0
        return read_one(self, size)

    monkeypatch.setattr(FastPath, "_read", counting)
    for limits in LIMITS:
        together = read(path, monkeypatch, limits, fast=True)
        same(together, read(path, monkeypatch, limits, fast=False))
    assert handed_over or seed % 4 == 0


def test_an_icmp_error_meets_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that begin after it have numbers of their own."""
    dice = random.Random(1)
    steps: list[Step] = []
    for number in range(8):
        script = list(Talk(dice, number, stamped=False).script())
        steps += refused(script[0]) if number in {2, 5} else script
    frames = []
    for index, step in enumerate(steps):
        data = ethernet(bytes(6), bytes(6), step.packet.pack(), None)
        frames.append(Frame(index + 1, START + index * MS, 1, 0, data, len(data)))
    path = tmp_path / "limit"
    path.write_bytes(b"".join(written.pcap(frames)))
    limits = Limits(connections=3)
    together = read(path, monkeypatch, limits, fast=True)
    same(together, read(path, monkeypatch, limits, fast=False))
    assert len({facts.number for facts in together.paths}) == len(together.paths) > 3


def place(sequence: int) -> int:
    """Where the fast path looks for a start, in the smallest table."""
    golden, low = 0x9E3779B97F4A7C15, (1 << 64) - 1
    hashed = sequence * golden & low
    hashed = (hashed ^ hashed >> 32) * golden & low
    return (hashed ^ hashed >> 32) & 1023


def test_chosen_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starts that are all looked for at one place do not make a long way of every frame."""
    dice = random.Random(1)
    starts = [start for start in (dice.getrandbits(32) for _ in range(600_000)) if not place(start)]
    frames: list[Frame] = []
    for number, start in enumerate(starts):
        talk = Talk(dice, number, stamped=False)
        talk.sequence[True] = start
        data = ethernet(bytes(6), bytes(6), talk.step(True, flags=SYN).packet.pack(), None)
        frames.append(Frame(number + 1, START + number, 1, 0, data, len(data)))
    path = tmp_path / "chosen"
    path.write_bytes(b"".join(written.pcap(frames)))
    given_up = []
    hand_over_any = FastPath.hand_over_any

    def counting(self: FastPath) -> object:
        given_up.append(True)
        return hand_over_any(self)

    monkeypatch.setattr(FastPath, "hand_over_any", counting)
    together = read(path, monkeypatch, ENOUGH, fast=True)
    assert 100 < len(given_up) < len(starts)
    same(together, read(path, monkeypatch, ENOUGH, fast=False))


# Memory is watched while connections are followed, handed over at every point, and forgotten.
UNDER_SANITIZERS = """
import sys
from pathlib import Path
import pytest
import sieving
import test_engine_fast_path as here
from handshake_probe.capture import sift

library = sift.load(Path(sys.argv[1]))
assert library is not None
sieving.SIEVES["compiled"] = lambda selection: sift.CompiledSieve(selection, library)
path = Path(sys.argv[2])
for seed in range(12):
    frames = here.mixed(seed, 30, 0.2)
    path.write_bytes(b"".join(here.written.pcap(frames)))
    for limits in here.LIMITS:
        with pytest.MonkeyPatch.context() as patch:
            together = here.read(path, patch, limits, fast=True)
            here.same(together, here.read(path, patch, limits, fast=False))
print("followed")
"""


@needs_compiler
def test_under_sanitizers(tmp_path: Path) -> None:
    library = sanitized(tmp_path)
    done = run_sanitized(UNDER_SANITIZERS, str(library), str(tmp_path / "mixed"))
    assert done.stdout == "followed\n", done.stderr[-3000:]
