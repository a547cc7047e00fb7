"""UDP and TCP services on the loopback that answer as a test says, and ids for observations."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, TypeVar, cast

from handshake_probe.lab.network import End, Network
from handshake_probe.lab.stand_ins import Datagrams, Replies
from handshake_probe.probe.endpoint import Endpoint

T = TypeVar("T")

HERE = "127.0.0.1"


def ids() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"o{next(numbers)}"


def within_time(work: Coroutine[Any, Any, T]) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(20):
            return await work

    return asyncio.run(bounded())


class Late(Datagrams):
    """A UDP service whose replies after the first come later."""

    def __init__(self, replies: Replies, seconds: float) -> None:
        super().__init__(replies)
        self._every, self._seconds = replies, seconds
        self._sender: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._sender = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        loop = asyncio.get_running_loop()
        for number, reply in enumerate(self._every(data)):
            loop.call_later(number * self._seconds, self._sender.sendto, reply, addr)


@asynccontextmanager
async def serving(
    udp: Replies | None = None,
    tcp: Callable[[bytes], bytes] | None = None,
    *,
    address: str = HERE,
    sockets: tuple[socket.socket, socket.socket] | None = None,
    seconds: float = 0.05,
) -> AsyncIterator[Endpoint]:
    """The same port for both; the side that is None is closed."""
    stream, datagram = sockets or both_sockets(address)
    address, port = stream.getsockname()[:2]
    loop = asyncio.get_running_loop()
    server = transport = None
    if tcp is not None:
        server = await asyncio.start_server(partial(_serve, tcp), sock=stream)
    else:
        stream.close()
    if udp is not None:
        transport, _ = await loop.create_datagram_endpoint(
            lambda: Late(udp, seconds), sock=datagram
        )
    else:
        datagram.close()
    try:
        yield Endpoint(address, port)
    finally:
        if server is not None:
            server.close()
            await server.wait_closed()
        if transport is not None:
            transport.close()


def both_sockets(address: str, port: int = 0) -> tuple[socket.socket, socket.socket]:
    """A listening TCP socket and a UDP socket with one port number."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(50):
        stream = socket.create_server((address, port), family=family)
        datagram = socket.socket(family, socket.SOCK_DGRAM)
        datagram.setblocking(False)
        try:
            datagram.bind((address, stream.getsockname()[1]))
        except OSError:
            stream.close()
            datagram.close()
        else:
            return stream, datagram
    raise AssertionError("no port is free for both")


async def _serve(
    answer: Callable[[bytes], bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        length = int.from_bytes(await reader.readexactly(2), "big")
        writer.write(answer(await reader.readexactly(length)))
        await writer.drain()
    except (OSError, EOFError):
        pass
    finally:
        writer.close()


def silent(data: bytes) -> Sequence[bytes]:
    return ()


LAPTOP, ROUTER, OUTSIDE = "10.66.0.2", "10.66.0.1", "198.51.100.53"


@contextmanager
def home(rules: str = "") -> Iterator[Network]:
    """A laptop, its router with nft rules for what it forwards, and a server outside."""
    with Network() as net:
        for host in ("laptop", "router", "outside"):
            net.add_host(host)
        net.join(End("laptop", "eth0", [f"{LAPTOP}/24"]), End("router", "lan", [f"{ROUTER}/24"]))
        net.join(
            End("router", "wan", ["198.51.100.1/24"]), End("outside", "eth0", [f"{OUTSIDE}/24"])
        )
        net.set("router", {"ipv4/ip_forward": "1"})
        net.configure("laptop", f"route add default via {ROUTER}")
        net.configure("outside", "route add default via 198.51.100.1")
        if rules:
            net.filter("router", rules)
        yield net


def forwarding(rule: str) -> str:
    return f"table inet t {{ chain c {{ type filter hook forward priority 0; {rule}; }}; }}"
