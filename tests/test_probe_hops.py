"""The walk from hop to hop over two routers, with something in the way at either of them."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from handshake_probe.lab import network
from handshake_probe.model.probed import Connect, HopProbed
from handshake_probe.probe import hops
from handshake_probe.probe.endpoint import Endpoint
from probe_town import (
    CLOUD_ADDRESS,
    FAR_ROUTER,
    LAPTOP,
    NEAR_ROUTER,
    ROUTER1,
    ROUTER2,
    Town,
    ids,
)

LACK = network.missing()
pytestmark = pytest.mark.skipif(LACK is not None, reason=f"hops not run: {LACK}")

WAIT = 0.4  # seconds for an answer
VERSIONS = (4, 6)
CONTROL = 443  # open on the cloud; so is every port of `WAYS`

# Per port: where a SYN meets what, and the answers a walk is told, hop by hop, of the cloud's port.
# 1 and 2 are the routers' time exceeded, C connected, R reset, P prohibited, - silence.
WAYS = {
    5001: (None, "", "12C"),
    5002: (ROUTER1, "drop", "1--"),
    5003: (ROUTER2, "drop", "12--"),
    5004: (ROUTER1, "reject with tcp reset", "1R"),
    5005: (ROUTER1, "reject with icmpx type admin-prohibited", "1P"),
    5006: (ROUTER2, "reject with tcp reset", "12R"),
}
LOSSY, PROXIED = 5007, 5008
MUTE = ("icmp type time-exceeded drop", "icmpv6 type time-exceeded drop")


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with Town() as town:
        town.build()
        for router in (ROUTER1, ROUTER2):
            mine = [
                f"tcp dport {port} {rule}"
                for port, (host, rule, _) in WAYS.items()
                if host == router
            ]
            lossy = f"tcp dport {LOSSY} numgen inc mod 3 == 0 drop" if router == ROUTER1 else ""
            town.rules(router, "forward", *mine, lossy)
        listeners = [one for port in (CONTROL, LOSSY, *WAYS) for one in town.listen(port)]
        yield town
        for listener in listeners:
            listener.close()


def letter(cell: HopProbed, version: int) -> str:
    if cell.outcome is Connect.REJECTED:
        assert cell.icmp is not None
        routers = {NEAR_ROUTER[version]: "1", FAR_ROUTER[version]: "2"}
        return routers[cell.icmp.source] if cell.expired_at else "P"
    return {Connect.CONNECTED: "C", Connect.REFUSED: "R", Connect.TIMEOUT: "-"}[cell.outcome]


def story(cells: list[HopProbed], purpose: str, port: int | None, version: int) -> str:
    """The last answer of each hop, in one walk."""
    answers = {c.ttl: c for c in cells if c.purpose == purpose and c.local_port == port}
    assert sorted(answers) == list(range(1, len(answers) + 1))
    return "".join(letter(answers[ttl], version) for ttl in sorted(answers))


async def walked(port: int, version: int, **more: int) -> list[HopProbed]:
    cells: list[HopProbed] = []
    cloud, control = (Endpoint(CLOUD_ADDRESS[version], p) for p in (port, CONTROL))
    await hops.walk(cloud, control, next_id=ids(), tell=cells.append, wait=WAIT, **more)
    return cells


def test_ways(town: Town) -> None:
    """All ways side by side; both walks of each tell the same."""
    cases = [(port, version) for port in WAYS for version in VERSIONS]

    async def later(number: int) -> list[HopProbed]:
        await asyncio.sleep(0.03 * number)  # Linux sends 50 ICMP errors at once, then 1000 a second
        return await walked(*cases[number])

    async def walk_all() -> list[list[HopProbed]]:
        return await asyncio.gather(*(later(number) for number in range(len(cases))))

    for (port, version), cells in zip(cases, town.run(walk_all), strict=True):
        walks = {cell.local_port for cell in cells}
        assert len(walks) == 2
        assert len(cells) <= 64
        told = {story(cells, hops.CLOUD, walk, version) for walk in walks}
        beside = {story(cells, hops.CONTROL, walk, version) for walk in walks}
        assert told == {WAYS[port][2]}, port
        assert beside == {"12C"}, port
        assert all(cell.seconds < 1.0 for cell in cells)  # then the kernel repeats the SYN


def test_a_lost_packet_is_no_difference(town: Town) -> None:
    """Every third SYN is lost, first the one to the second router."""
    cells = town.run(lambda: walked(LOSSY, 4, rounds=1))
    assert [c.ttl for c in cells if c.outcome is Connect.TIMEOUT] == [2]
    assert story(cells, hops.CLOUD, cells[0].local_port, 4) == "12C"


def test_no_more_syns_than_allowed(town: Town) -> None:
    cells = town.run(lambda: walked(5003, 4, syns=5, rounds=1))
    assert len(cells) == 5
    both = town.run(lambda: walked(5003, 4, syns=12))
    walks = [sum(c.local_port == walk for c in both) for walk in {c.local_port for c in both}]
    assert len(both) == 12
    assert len(set(walks)) == 2  # the first walk may go further than the other


def test_a_cancelled_walk_leaves_what_it_saw(town: Town) -> None:
    async def cut_short() -> list[HopProbed]:
        cells: list[HopProbed] = []
        cloud, control = (Endpoint(CLOUD_ADDRESS[4], p) for p in (5002, CONTROL))
        walk = asyncio.create_task(hops.walk(cloud, control, next_id=ids(), tell=cells.append))
        await asyncio.sleep(0.3)
        walk.cancel()
        with pytest.raises(asyncio.CancelledError):
            await walk
        return cells

    cells = town.run(cut_short)
    assert {letter(cell, 4) for cell in cells if cell.ttl == 1} == {"1"}
    assert max(cell.ttl for cell in cells) == 2


def test_routers_that_say_nothing() -> None:
    """Then hops are silent for both ports, and nobody can say where one of them is stopped."""
    with Town() as town:
        town.build()
        for router in (ROUTER1, ROUTER2):
            town.rules(router, "output", *MUTE)
        town.rules(ROUTER1, "forward", "tcp dport 5002 drop")
        listeners = town.listen(CONTROL)
        cells = town.run(lambda: walked(5002, 4, rounds=1))
        for listener in listeners:
            listener.close()
    walk = cells[0].local_port
    assert story(cells, hops.CONTROL, walk, 4) == "--C"
    assert story(cells, hops.CLOUD, walk, 4) == "----"


def test_a_port_taken_by_a_box_on_the_way() -> None:
    """Router 1 answers the control port itself; the walk to the cloud goes on to where it ends."""
    with Town() as town:
        town.build()
        town.filter(
            ROUTER1,
            "table ip diversion {\n chain in { type nat hook prerouting priority -100;"
            f" tcp dport {CONTROL} redirect to :8080; }}\n}}\n",
        )
        box = town.within(ROUTER1, lambda: socket.create_server(("0.0.0.0", 8080)))
        town.rules(ROUTER2, "forward", "tcp dport 5003 drop")
        with box:
            cells = town.run(lambda: walked(5003, 4, rounds=1))
    walk = cells[0].local_port
    assert story(cells, hops.CONTROL, walk, 4) == "C"
    assert story(cells, hops.CLOUD, walk, 4) == "12--"


NOBODY = 65534
AS_NOBODY = f"""
import asyncio, os, sys
sys.path[:0] = {sys.path!r}
from test_probe_hops import walked, story, hops
from handshake_probe.probe import error_queue
os.setgroups([])
os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
print(error_queue.supported(), os.geteuid())
for version in (4, 6):
    cells = asyncio.run(walked(5003, version, rounds=1))
    print(story(cells, hops.CLOUD, cells[0].local_port, version))
"""


def test_without_privilege(town: Town) -> None:
    """As a user who may nothing: no raw socket, no packet socket."""
    command = town.command(LAPTOP, sys.executable, "-c", AS_NOBODY)
    here = Path(__file__).parent
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=here)
    assert done.stdout.split() == ["True", str(NOBODY), "12--", "12--"]
