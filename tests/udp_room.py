"""UDP and TCP services on the loopback that answer as a test says, and ids for observations."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar, cast

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
    seconds: float = 0.05,
) -> AsyncIterator[Endpoint]:
    """The same port for both; the side that is None is closed."""
    stream, datagram = both_sockets(address)
    port = stream.getsockname()[1]
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


def both_sockets(address: str) -> tuple[socket.socket, socket.socket]:
    """A listening TCP socket and a UDP socket with one port number."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(50):
        stream = socket.create_server((address, 0), family=family)
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
