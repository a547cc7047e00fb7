"""The shaper, between two hosts of a real network of namespaces."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import pytest

from handshake_probe.lab import network, shaper
from handshake_probe.lab.network import End, Network
from handshake_probe.lab.scenario import Shaper
from handshake_probe.lab.shaper import Bridge, bridging_socket, send_as_on_a_wire
from handshake_probe.lab.stand_ins import datagram_socket

LACK = network.missing()
pytestmark = pytest.mark.skipif(LACK is not None, reason=f"shaper not run: {LACK}")

EXPERIMENT = bytes.fromhex("88b5")  # an EtherType that nobody answers
HOSTS = ("left", "right")


class Cable(Network):
    """Two hosts, and a third one in the middle of their cable."""

    def build(self) -> None:
        self.add_host("middle")
        for number, host in enumerate(HOSTS, 1):
            self.add_host(host)
            self.join(End(host, "eth0", [f"10.0.0.{number}/24"]), End("middle", host, []))

    def ends(self) -> list[socket.socket]:
        return [self.within(host, partial(bridging_socket, "eth0")) for host in HOSTS]


@asynccontextmanager
async def bridged(faults: Shaper) -> AsyncIterator[Cable]:
    with Cable() as cable:
        cable.build()
        one, other = (cable.within("middle", partial(bridging_socket, host)) for host in HOSTS)
        bridge = Bridge(one, other, faults, "seed")
        try:
            yield cable
        finally:
            bridge.close()


def frame(number: int) -> bytes:
    return bytes(6) + bytes(6) + EXPERIMENT + number.to_bytes(2, "big") + bytes(44)


async def arrivals(end: socket.socket, seconds: float) -> list[tuple[float, bytes]]:
    """The frames of ours that come within some seconds, and when."""
    loop = asyncio.get_running_loop()
    came: list[tuple[float, bytes]] = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                data = await loop.sock_recv(end, 4096)
                if data[12:14] == EXPERIMENT:
                    came.append((loop.time(), data))
    except TimeoutError:
        return came


async def pass_through(
    faults: Shaper, count: int, *, backwards: bool = False
) -> list[tuple[float, int]]:
    """Send numbered frames; return when each came, seconds after the first was sent."""
    async with bridged(faults) as cable:
        left, right = cable.ends()
        source, sink = (right, left) if backwards else (left, right)
        with left, right:
            start = asyncio.get_running_loop().time()
            for number in range(count):
                source.send(frame(number))
            came = await arrivals(sink, 0.4)
    for _, data in came:
        assert data == frame(int.from_bytes(data[14:16], "big"))
    return [(at - start, int.from_bytes(data[14:16], "big")) for at, data in came]


def numbers(came: Sequence[tuple[float, int]]) -> list[int]:
    return [number for _, number in came]


@pytest.mark.parametrize("backwards", [False, True])
def test_frames_come_late_as_they_were(backwards: bool) -> None:
    came = asyncio.run(pass_through(Shaper(delay=0.1), 3, backwards=backwards))
    assert numbers(came) == [0, 1, 2]
    assert all(0.1 <= at < 0.3 for at, _ in came)


def test_jitter_keeps_the_order() -> None:
    came = asyncio.run(pass_through(Shaper(jitter=0.05), 50))
    assert numbers(came) == [*range(50)]


def test_frames_held_back_are_overtaken() -> None:
    came = asyncio.run(pass_through(Shaper(reorder=0.5), 50))
    assert sorted(numbers(came)) == [*range(50)]
    assert numbers(came) != [*range(50)]
    late = [number for at, number in came if at >= shaper.HOLD]
    assert 10 < len(late) < 40
    assert numbers(came)[-len(late) :] == late


def test_frames_come_twice() -> None:
    came = asyncio.run(pass_through(Shaper(duplicate=1.0), 3))
    assert numbers(came) == [0, 0, 1, 1, 2, 2]


def test_frames_are_lost() -> None:
    came = asyncio.run(pass_through(Shaper(loss=0.5), 50))
    assert 10 < len(came) < 40
    assert numbers(came) == sorted(numbers(came))


def test_a_full_queue_loses_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shaper, "QUEUE", 3)
    came = asyncio.run(pass_through(Shaper(delay=0.1), 5))
    assert numbers(came) == [0, 1, 2]


def test_a_datagram_is_whole_on_the_wire() -> None:
    """The kernel that receives it checks its checksum, and fragments come one by one."""
    text = bytes(range(256)) * 20

    async def run() -> bytes:
        async with bridged(Shaper()) as cable:
            cable.within("left", partial(send_as_on_a_wire, "eth0"))
            sender = cable.within("left", partial(datagram_socket, "10.0.0.1", 0))
            receiver = cable.within("right", partial(datagram_socket, "10.0.0.2", 4000))
            with sender, receiver:
                for part in (text[:100], text):
                    sender.sendto(part, ("10.0.0.2", 4000))
                loop = asyncio.get_running_loop()
                async with asyncio.timeout(5):
                    assert await loop.sock_recv(receiver, 100) == text[:100]
                    return await loop.sock_recv(receiver, 8192)

    assert asyncio.run(run()) == text
