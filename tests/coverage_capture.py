"""The stories of HP6xx: what a capture is worth as evidence."""

from __future__ import annotations

from typing import Any

from coverage_cases import (
    Case,
    but,
    case,
    other_cloud,
    until,
)
from coverage_parts import (
    HEALTHY,
    LONG,
    NEVER,
    C,
    M,
    Told,
)
from handshake_probe.lab.memory.cast import cloud, device
from handshake_probe.lab.memory.story import View
from handshake_probe.lab.memory.wire import Other, Packet, Udp, checksum, ethernet

# The capture.

MAC, GATEWAY = bytes.fromhex("94944a000020"), bytes.fromhex("02000000fe01")
SOURCE, TARGET = bytes((192, 168, 7, 20)), bytes((10, 90, 0, 30))


def framed(content: Any, **parts: Any) -> bytes:
    return ethernet(MAC, GATEWAY, Packet(SOURCE, TARGET, content, **parts).pack())


def piece(at: int, data: bytes) -> bytes:
    """A fragment of one packet, its later part."""
    [head, *_] = Packet(SOURCE, TARGET, Other(17, bytes(64)), ident=9).fragments(32)
    return ethernet(MAC, GATEWAY, _patched(head, at) + data)


def _patched(head: bytes, at: int) -> bytes:
    fields = bytearray(head[:20])
    fields[6:8] = (0x2000 | at // 8).to_bytes(2, "big")
    fields[10:12] = b"\0\0"
    fields[10:12] = checksum(bytes(fields)).to_bytes(2, "big")
    return bytes(fields)


def beside(*frames: bytes, **parts: Any) -> Case:
    """Frames at 0.1, 0.2 … s, of nobody's connection."""
    return case(beside=tuple((0.1 * n, data) for n, data in enumerate(frames, 1)), **parts)


def time_requests(count: int) -> tuple[tuple[float, bytes], ...]:
    request = framed(Udp(40000, 123, bytes((0x23,)) + bytes(47)))
    return tuple((10.0 + n * 0.001, request) for n in range(count))


ASLEEP = (device(start=NEVER),)
BEGUN = but(LONG, view={"start": 5.0})
SNAPPED = but(HEALTHY, view={"snap": 96})
LOST = but(HEALTHY, view={"loses": frozenset({12})})  # the credentials
MALFORMED = ethernet(MAC, GATEWAY, b"\x41" + bytes(45))
UNREADABLE = beside(MALFORMED, devices=ASLEEP)
OTHER_PORT = case(devices=(device(),), clouds=(cloud(port=6000),))
OVERLAP = beside(piece(0, b"a" * 32), piece(16, b"b" * 32))
GRE = beside(framed(Other(47, bytes(4) + b"\x45" + bytes(40))), devices=ASLEEP)
DTLS = beside(framed(Udp(40000, 5684, b"\x16\xfe\xfd" + bytes(40))))
FLOOD = case(beside=time_requests(4001))
ONE_SIDE = but(HEALTHY, view={"sides": "device"})
# Nonce and identity, then what others say: no acknowledgment, no end, nothing sent again.
FILTERED = but(HEALTHY, view={"loses": frozenset(range(1, 30)) - {8, 10}})
HIDDEN = but(HEALTHY, view={"encrypted": True})
# Two devices behind a router that translates addresses, captured behind it.
SHARED = case(
    devices=(
        device(stays=None),
        device("other", start=5.0, address="192.168.7.21", mac="94:94:4a:00:00:21", port=50000),
    ),
    clouds=(cloud(knows=("device", "other")),),
    nat=True,
    seconds=60.0,
    view=View(point="wan"),
)

CAPTURE = {
    "HP601": Told(
        reached=but(HEALTHY, cut=7),
        cause=C.HEALTHY,
        mechanism=None,
        near=HEALTHY,
        thin=but(HEALTHY, cut=76),  # the last frame and its record header: nothing is missed
    ),
    "HP602": Told(
        reached=SNAPPED,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(SNAPPED, view={"snap": 1500}),
        thin=until(SNAPPED, 0.53),
    ),
    "HP603": Told(
        reached=BEGUN,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(BEGUN, view={"start": 0.0}),
        thin=until(BEGUN, 6.0),
    ),
    "HP604": Told(
        reached=LOST,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(LOST, view={"loses": frozenset()}),
        thin=until(LOST, 0.7),
    ),
    "HP605": Told(
        reached=until(HEALTHY, 0.6),
        cause=C.INCONCLUSIVE,
        mechanism=M.CAPTURE_TOO_SHORT,
        near=HEALTHY,
        thin=until(HEALTHY, 0.3),
    ),
    "HP606": Told(
        reached=case(devices=ASLEEP),
        cause=C.INCONCLUSIVE,
        mechanism=M.NO_TRAFFIC,
        near=HEALTHY,
        thin=until(HEALTHY, 0.5003),
    ),
    "HP607": Told(
        reached=DTLS,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(DTLS, beside=((0.1, framed(Udp(40000, 5685, bytes(43)))),)),
        thin=but(DTLS, view={"snap": 36}),
    ),
    "HP608": Told(
        reached=OTHER_PORT,
        cause=C.HEALTHY,
        mechanism=None,
        near=other_cloud(OTHER_PORT, port=5683),
        thin=until(OTHER_PORT, 0.6),
    ),
    "HP610": Told(
        reached=FLOOD,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(FLOOD, beside=time_requests(4000)),
        thin=until(FLOOD, 13.9),
    ),
    "HP611": Told(
        reached=UNREADABLE,
        cause=C.INCONCLUSIVE,
        mechanism=M.NO_TRAFFIC,
        near=but(UNREADABLE, beside=((0.1, framed(Udp(40000, 9, b"well"))),)),
        thin=until(UNREADABLE, 0.05),
    ),
    "HP612": Told(
        reached=ONE_SIDE,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(ONE_SIDE, view={"sides": "both"}),
        thin=until(ONE_SIDE, 0.51),
    ),
    "HP613": Told(
        reached=HIDDEN,
        cause=C.INCONCLUSIVE,
        mechanism=M.NO_TRAFFIC,
        near=but(HIDDEN, view={"encrypted": False}),
        thin=until(HIDDEN, 0.1),
    ),
    "HP614": Told(
        reached=OVERLAP,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(OVERLAP, beside=((0.1, piece(0, b"a" * 32)), (0.2, piece(32, b"b" * 32)))),
        thin=but(OVERLAP, view={"loses": frozenset({2})}),
    ),
    "HP615": Told(
        reached=GRE,
        cause=C.INCONCLUSIVE,
        mechanism=M.NO_TRAFFIC,
        near=but(GRE, beside=((0.1, framed(Other(50, bytes(44)))),)),
        thin=until(GRE, 0.05),
    ),
    "HP617": Told(
        reached=SHARED,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(SHARED, nat=False),
        thin=until(SHARED, 5.2),
    ),
    "HP616": Told(
        reached=FILTERED,
        cause=C.INCONCLUSIVE,
        mechanism=M.CAPTURE_INCOMPLETE,
        near=but(FILTERED, view={"loses": frozenset(range(1, 30)) - {8, 10, 11}}),
        thin=until(FILTERED, 5.0),
    ),
}
