"""How long a path keeps a silent connection: a search, and a box that forgets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vectors
from handshake_probe.lab import network
from handshake_probe.lab.cloud import Cloud, cloud_settings, listen
from handshake_probe.lab.faults import LAB_ID
from handshake_probe.model.probed import Ending, IdleProbed
from handshake_probe.probe import idle
from handshake_probe.probe.endpoint import Endpoint, endpoint_of
from handshake_probe.probe.seat import seat_settings
from handshake_probe.protocol.settings import Manner, Patience
from lab_room import Told
from probe_town import CLOUD, CLOUD_ADDRESS, ROUTER1, Serving, Town, ids

LACK = network.missing()
WAIT = 0.5


def found(silence: float, kept: bool | None) -> IdleProbed:
    return IdleProbed(id="o", time=0.0, target="t", silence=silence, kept=kept)


def searched(forgets: float, side_by_side: int, *, closes: float = 1e9) -> list[IdleProbed]:
    """Search a path that forgets after some seconds, to a peer that closes after some."""
    seen: list[IdleProbed] = []

    async def step(silence: float) -> IdleProbed:
        if silence >= closes:
            return found(closes, None)
        return found(silence, silence < forgets)

    asyncio.run(idle.search(step, tell=seen.append, side_by_side=side_by_side))
    return seen


@given(st.floats(10.1, 959.0), st.integers(1, 3))
def test_a_search_ends_near_the_truth(forgets: float, side_by_side: int) -> None:
    seen = searched(forgets, side_by_side)
    kept = max(one.silence for one in seen if one.kept)
    lost = min(one.silence for one in seen if not one.kept)
    assert kept < forgets <= lost <= kept * 1.2
    assert len(seen) <= 16


@pytest.mark.parametrize("side_by_side", [1, 2, 3])
def test_the_ends_of_a_search(side_by_side: int) -> None:
    assert all(one.kept for one in searched(1e9, side_by_side))
    assert not any(one.kept for one in searched(5.0, side_by_side))
    impatient = searched(1e9, side_by_side, closes=31.0)
    assert 31.0 / 1.2 < max(one.silence for one in impatient if one.kept) < 31.0


DROPS, RESETS, KEEPS = 6001, 6002, 6003
SHORT, LONG = 1.1, 2.8  # seconds; the box forgets after two, and keep-alive needs one
PATIENT = Patience(identity=None, hello=None, handshake=None, idle=None, describe=None)
DEVICE = replace(
    seat_settings(LAB_ID, vectors.device_key(), vectors.CLOUD_NUMBERS.n),
    ping_timeout=WAIT,
    goodbye_wait=0.3,
)

Fate = tuple[bool | None, Ending | None]


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with Town() as town:
        town.build()
        town.rules(
            ROUTER1,
            "forward",
            f"tcp dport {{ {DROPS}, {DROPS + 10} }} ct state invalid drop",
            f"tcp dport {RESETS} ct state invalid reject with tcp reset",
        )
        forgets = {"nf_conntrack_tcp_timeout_established": "2", "nf_conntrack_tcp_loose": "0"}
        town.set(ROUTER1, {f"netfilter/{name}": value for name, value in forgets.items()})
        yield town


def fate(seen: IdleProbed) -> Fate:
    return seen.kept, seen.ended_by


needs_network = pytest.mark.skipif(LACK is not None, reason=f"idle paths not tried: {LACK}")


@needs_network
def test_plain_connections(town: Town) -> None:
    wanted: dict[tuple[int, float], Fate] = {
        (DROPS, SHORT): (True, Ending.OURSELVES),
        (DROPS, LONG): (False, Ending.SILENCE),
        (RESETS, SHORT): (True, Ending.OURSELVES),
        (RESETS, LONG): (False, Ending.RESET),
        (KEEPS, LONG): (True, Ending.OURSELVES),
    }

    async def holds(sock: socket.socket) -> None:
        await asyncio.sleep(30)

    async def try_all() -> list[IdleProbed]:
        ports = (DROPS, RESETS, KEEPS)
        async with Serving([(one, holds) for port in ports for one in town.listen(port)]):
            return await asyncio.gather(
                *(
                    idle.bare_step(
                        Endpoint(CLOUD_ADDRESS[4], port), silence, next_id=ids(), wait=WAIT
                    )
                    for port, silence in wanted
                )
            )

    tried = town.run(try_all)
    assert [fate(seen) for seen in tried] == list(wanted.values())
    for seen, (_, silence) in zip(tried, wanted, strict=True):
        assert seen.silence >= silence


@needs_network
def test_sessions(town: Town) -> None:
    cases: list[tuple[int, float, float | None, Fate]] = [
        (DROPS, SHORT, None, (True, Ending.OURSELVES)),
        (DROPS + 10, LONG, None, (False, Ending.SILENCE)),
        (RESETS, LONG, None, (False, Ending.RESET)),
        (KEEPS, LONG, None, (True, Ending.OURSELVES)),
        (KEEPS + 1, LONG, 1.5, (None, Ending.CLOSED)),  # the cloud wants to hear something
    ]

    async def try_one(port: int, silence: float, patience: float | None) -> Fate:
        sound = cloud_settings(
            vectors.cloud_key(), lambda _: vectors.registered_key(), Manner.COMPARES
        )
        settings = replace(sound, patience=PATIENT._replace(idle=patience))
        target = Endpoint(CLOUD_ADDRESS[4], port)
        with town.within(CLOUD, partial(listen, *target)) as listener:
            serving = asyncio.create_task(Cloud(settings, Told().journal()).serve(listener))
            seen = await idle.session_step(target, DEVICE, silence, next_id=ids())
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        assert seen.session
        return fate(seen)

    async def try_all() -> list[Fate]:
        return await asyncio.gather(*(try_one(*case[:3]) for case in cases))

    assert town.run(try_all) == [wanted for *_, wanted in cases]


def test_a_peer_that_ends_it_tells_nothing_of_the_path() -> None:
    async def closes(sock: socket.socket) -> None:
        await asyncio.sleep(0.2)

    async def try_it() -> IdleProbed:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        async with Serving([(listener, closes)]):
            target = endpoint_of(listener.getsockname())
            return await idle.bare_step(target, 5.0, next_id=ids(), wait=WAIT)

    seen = asyncio.run(try_it())
    assert fate(seen) == (None, Ending.CLOSED)
    assert seen.silence < 5.0
