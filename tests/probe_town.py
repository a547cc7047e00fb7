"""A laptop, two routers and a cloud, each in its own network namespace, for probes over TCP.

    laptop 10.1.0.2 ── 10.1.0.1 router1 10.2.0.1 ── 10.2.0.2 router2 10.3.0.1 ── 10.3.0.2 cloud

IPv6 is the same below fd00:1::, fd00:2:: and fd00:3::.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from handshake_probe.lab.network import End, Network
from handshake_probe.model.probed import Connect
from handshake_probe.probe.endpoint import Endpoint
from handshake_probe.probe.line import Dialled, connect

T = TypeVar("T")
Serve = Callable[[socket.socket], Awaitable[None]]

LAPTOP, ROUTER1, ROUTER2, CLOUD = "laptop", "router1", "router2", "cloud"
CLOUD_ADDRESS = {4: "10.3.0.2", 6: "fd00:3::2"}
NEAR_ROUTER = {4: "10.1.0.1", 6: "fd00:1::1"}
FAR_ROUTER = {4: "10.2.0.2", 6: "fd00:2::2"}
_GATEWAYS = {
    LAPTOP: ("10.1.0.1", "fd00:1::1"),
    ROUTER1: ("10.2.0.2", "fd00:2::2"),
    ROUTER2: ("10.2.0.1", "fd00:2::1"),
    CLOUD: ("10.3.0.1", "fd00:3::1"),
}
_LINKS = ((LAPTOP, ROUTER1), (ROUTER1, ROUTER2), (ROUTER2, CLOUD))


class Town(Network):
    """The four hosts and the cables between them."""

    def build(self) -> None:
        for host in (LAPTOP, ROUTER1, ROUTER2, CLOUD):
            self.add_host(host)
            for setting in ("disable_ipv6", "accept_dad"):  # addresses are good at once
                self.set(host, {f"ipv6/conf/{kind}/{setting}": "0" for kind in ("all", "default")})
        for number, (near, far) in enumerate(_LINKS, 1):
            sides = ((near, 1 if number > 1 else 2), (far, 2 if number > 1 else 1))
            near_end, far_end = (
                End(host, name, [f"10.{number}.0.{last}/24", f"fd00:{number}::{last}/64 nodad"])
                for (host, last), name in zip(sides, (f"out{number}", f"in{number}"), strict=True)
            )
            self.join(near_end, far_end)
        for host, via in _GATEWAYS.items():
            self.configure(host, *(f"route add default via {address}" for address in via))
        for router in (ROUTER1, ROUTER2):
            forwards = {"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1"}
            unlimited = {"ipv4/icmp_ratelimit": "0", "ipv6/icmp/ratelimit": "0"}
            self.set(router, forwards | unlimited)

        self.run(_settle)

    def rules(self, host: str, chain: str, *rules: str, hook: str | None = None) -> None:
        """Add nft rules to a chain of a host; `hook` if it is not the chain's name."""
        head = f"type filter hook {hook or chain} priority 0;"
        body = "\n  ".join(rules)
        self.filter(host, f"table inet town {{\n chain {chain} {{\n  {head}\n  {body}\n }}\n}}\n")

    def listen(self, port: int) -> list[socket.socket]:
        """Listen on a port of the cloud, once per IP version."""
        return [self.within(CLOUD, partial(_listener, CLOUD_ADDRESS[v], port)) for v in (4, 6)]

    def run(self, act: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine on the laptop."""
        return self.within(LAPTOP, lambda: asyncio.run(act()))


async def _settle() -> None:
    """Wait until all find their neighbours: that takes IPv6 a moment."""
    for version in (4, 6):
        async with asyncio.timeout(10):
            while (await _knock(version)).outcome is not Connect.REFUSED:
                pass


def _knock(version: int) -> Awaitable[Dialled]:
    return connect(Endpoint(CLOUD_ADDRESS[version], 9), 0.25)


def _listener(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, port), family=family, backlog=64)
    listener.setblocking(False)
    return listener


class Serving:
    """Listeners that serve while the context is open."""

    def __init__(self, services: list[tuple[socket.socket, Serve]]) -> None:
        self._services = services
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> None:
        for listener, serve in self._services:
            self._start(self._accept(listener, serve))

    async def __aexit__(self, *_: object) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for service in self._services:
            service[0].close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket, serve: Serve) -> None:
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(listener)
            self._start(self._serve(sock, serve))

    async def _serve(self, sock: socket.socket, serve: Serve) -> None:
        with sock:
            try:
                await serve(sock)
            except OSError:
                return  # the probe closed first, or was cut off


def ids() -> Callable[[], str]:
    """Numbers for observations."""
    return map("o{}".format, itertools.count(1)).__next__
