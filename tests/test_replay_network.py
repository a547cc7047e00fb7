"""Replays in a real network: nothing blocked, blocked by content, by port, by shape; ten times."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from functools import partial

import pytest

from handshake_probe.diagnose.active.document import build_probe_measurement
from handshake_probe.lab import network
from handshake_probe.lab.injector import sniffing_socket
from handshake_probe.model.measurement import Measurement, Software, Source
from handshake_probe.model.vocabulary import Cause, Mechanism
from handshake_probe.packets.decode import Decoder
from handshake_probe.packets.recorded_talk import Spoken
from handshake_probe.packets.units import Direction, Frame, Segment
from handshake_probe.pipeline.probing import numbered
from handshake_probe.probe.patience import Patience
from handshake_probe.probe.replay import OTHER_PORT, RANDOM_CONTROL, REPLAY
from handshake_probe.probe.replay_run import ReplayPlan, ReplayRun
from handshake_probe.protocol.layouts import IDENTITY_SIZE, NONCE_SIZE
from lab_room import noise
from probe_town import CLOUD_ADDRESS, ROUTER1, Serve, Serving, Town

LACK = network.missing()
pytestmark = pytest.mark.skipif(LACK is not None, reason=f"replays not run: {LACK}")

# Long where an answer comes, which ends the wait.
QUICK = Patience(connect=1.5, nonce=5.0, delivery=5.0, reply=5.0, goodbye=0.3)
IDENTITY = noise(2 * IDENTITY_SIZE)[IDENTITY_SIZE:]  # nothing but itself looks like it
SCRIPT = (
    Spoken(Direction.CLOUD_TO_DEVICE, 0.01, NONCE_SIZE, None, 4),
    Spoken(Direction.DEVICE_TO_CLOUD, 0.05, 100, IDENTITY[:100], 6),
    Spoken(Direction.DEVICE_TO_CLOUD, 0.01, 156, IDENTITY[100:], 7),
)
RUNS = 10
OTHER = 9500
# The first bytes of the payload, behind 32 bytes of TCP header (timestamps).
_MARK = f"@th,256,64 0x{IDENTITY[:8].hex()}"
_PAYLOAD = "meta length > 140"
_RULES = {
    9000: None,
    9001: f"tcp dport 9001 {_MARK} reject with tcp reset",
    9002: f"tcp dport 9002 {_MARK} drop",
    9003: f"tcp dport 9003 {_PAYLOAD} reject with tcp reset",
    9004: "tcp dport 9004 reject with tcp reset",
    9005: "tcp dport 9005 drop",
    9006: f"tcp dport {{ 9006, 9506 }} {_PAYLOAD} reject with tcp reset",
    9007: None,
}
RESETS_ALL = 9007  # a cloud that resets what it cannot read


async def refuses(sock: socket.socket) -> None:
    """As a cloud: a nonce, and a FIN to an identity that does not open."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, noise(NONCE_SIZE))
    taken = b""
    while len(taken) < IDENTITY_SIZE:
        data = await loop.sock_recv(sock, 4096)
        if not data:
            return
        taken += data
    if sock.getsockname()[1] == RESETS_ALL:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with Town() as town:
        town.build()
        town.rules(ROUTER1, "forward", *(rule for rule in _RULES.values() if rule))
        yield town


def compared(town: Town, port: int, other: int = OTHER, runs: int = 1) -> list[Measurement]:
    """Compare, that many times side by side."""
    services: list[tuple[socket.socket, Serve]] = [
        (sock, refuses) for p in (port, other) for sock in town.listen(p)
    ]

    async def all_runs() -> list[Measurement]:
        async with Serving(services):
            return await asyncio.gather(*(one_run(port, other) for _ in range(runs)))

    return town.run(all_runs)


async def one_run(port: int, other: int) -> Measurement:
    plan = ReplayPlan(
        host=CLOUD_ADDRESS[4],
        port=port,
        script=SCRIPT,
        arms=(REPLAY, RANDOM_CONTROL, OTHER_PORT),
        other_port=other,
        patience=QUICK,
        spacing=0.05,
    )
    run = ReplayRun(plan, lambda told: None)
    await run.go()
    return build_probe_measurement(
        source=Source(path="test", sha256="", frames=0, truncated=False, format="replay"),
        software=Software(name="test", version="0"),
        keys=[],
        observations=numbered(run.seen),
        kind="replay",
    )


BLOCKED, UNDECIDED = Cause.NETWORK_BLOCKED, Cause.INCONCLUSIVE


@pytest.mark.parametrize(
    ("port", "other", "code", "cause", "mechanism"),
    [
        (9000, OTHER, "HP189", Cause.HEALTHY, None),
        (9001, OTHER, "HP186", BLOCKED, Mechanism.RESET_AFTER_IDENTITY),
        (9002, OTHER, "HP186", BLOCKED, Mechanism.IDENTITY_DROPPED),
        (9003, OTHER, "HP187", BLOCKED, Mechanism.RESET_AFTER_IDENTITY),
        (9004, OTHER, "HP187", UNDECIDED, Mechanism.CONNECTION_REFUSED),
        (9005, OTHER, "HP187", BLOCKED, Mechanism.SYN_DROPPED),
        (9006, 9506, "HP188", BLOCKED, Mechanism.RESET_AFTER_IDENTITY),
        (RESETS_ALL, OTHER, "HP187", UNDECIDED, Mechanism.RESET_AFTER_IDENTITY),
    ],
)
def test_ten_of_ten(
    town: Town, port: int, other: int, code: str, cause: Cause, mechanism: Mechanism | None
) -> None:
    told = [
        (m.verdict.findings, m.verdict.cause, m.verdict.mechanism)
        for m in compared(town, port, other, RUNS)
    ]
    assert told == [([code], cause, mechanism)] * RUNS


def test_recorded_segments_leave_as_they_were(town: Town) -> None:
    sniffer = town.within(ROUTER1, partial(sniffing_socket, "in1", 4))
    with sniffer:
        compared(town, 9000)
        decoder, said = Decoder(), list[tuple[int, bytes]]()
        while True:
            try:
                data = sniffer.recv(65_536)
            except BlockingIOError:
                break
            seen = decoder.decode(Frame(1, 0, 1, 0, data, len(data)))
            if isinstance(seen, Segment) and seen.payload and seen.source.port not in (9000, OTHER):
                said.append((seen.destination.port, seen.payload))
    verbatim = [(port, payload) for port, payload in said if payload in IDENTITY]
    recorded = [IDENTITY[:100], IDENTITY[100:]]
    assert [payload for port, payload in verbatim if port == 9000] == recorded * 2
    assert [payload for port, payload in verbatim if port == OTHER] == recorded * 2
    random = [payload for port, payload in said if port == 9000 and payload not in IDENTITY]
    assert list(map(len, random)) == [100, 156] * 2
    assert len(set(random)) == 4
