"""What else a scenario needs: names, time, and the boxes on the path that answer for the cloud.

All of it runs in this process, on sockets that were made inside the hosts of a network.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

_DNS_REPLY = 0x8180  # response, recursion desired and available
_DNS_CODES = {"nodata": 0, "servfail": 2, "nxdomain": 3, "refused": 5}
_DNS_A, _DNS_AAAA = 1, 28
_DNS_TTL = 60
_NAME_AT_12 = b"\xc0\x0c"  # a pointer to the question's name
_NTP_EPOCH = 2208988800  # seconds from 1900 to 1970
_NONCE = 40
_PATIENCE = 30.0
_READ = 4096

Replies = Callable[[bytes], Sequence[bytes]]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Datagrams(asyncio.DatagramProtocol):
    """A UDP service: what comes in, and what goes back for it."""

    def __init__(self, replies: Replies) -> None:
        self._replies = replies
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Answer."""
        for reply in self._replies(data):
            if self._transport is not None:
                self._transport.sendto(reply, addr)


class Names:
    """A name server. It is asked with well-formed queries only: it stands in a laboratory.

    Args:
        answers: By name, what each next query for an A record gets; the last entry stays. An entry
            is an address, `nodata`, `nxdomain`, `refused`, `servfail`, or several of these with
            spaces between: as many replies to one query. An empty entry is silence.
        answers6: The same for AAAA.
    """

    def __init__(
        self,
        answers: Mapping[str, Sequence[str]],
        answers6: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._answers = {_DNS_A: answers, _DNS_AAAA: answers6 or {}}
        self._asked: Counter[tuple[str, int]] = Counter()

    def __call__(self, query: bytes) -> list[bytes]:
        """Return the replies to a query."""
        name, end = _question(query)
        (kind,) = struct.unpack_from(">H", query, end - 4)
        if not any(name in answers for answers in self._answers.values()):
            return [_dns_reply(query, end, "nxdomain")]
        entries = self._answers.get(kind, {}).get(name, ("nodata",))
        entry = entries[min(self._asked[name, kind], len(entries) - 1)]
        self._asked[name, kind] += 1
        return [_dns_reply(query, end, word) for word in entry.split()]


def _question(query: bytes) -> tuple[str, int]:
    """Return the name that is asked for, and where the question ends."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels), at + 5


def _dns_reply(query: bytes, end: int, word: str) -> bytes:
    record = b""
    if word not in _DNS_CODES:
        data = socket.inet_pton(family_of(word), word)
        kind = _DNS_AAAA if len(data) > 4 else _DNS_A
        record = _NAME_AT_12 + struct.pack(">HHIH", kind, 1, _DNS_TTL, len(data)) + data
    flags = _DNS_REPLY | _DNS_CODES.get(word, 0)
    header = query[:2] + struct.pack(">5H", flags, 1, 1 if record else 0, 0, 0)
    return header + query[12:end] + record


def tell_time(request: bytes) -> list[bytes]:
    """Return an NTP server's reply: stratum 2, the time of this machine."""
    seconds, fraction = divmod(time.time(), 1)
    now = struct.pack(">II", int(seconds) + _NTP_EPOCH, int(fraction * (1 << 32)))
    head = struct.pack(">BBbb", 0x24, 2, 6, -23) + bytes(8) + b"LOCL"
    return [head + now + request[40:48] + now + now]


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait for the peer's end."""
    await reader.read()


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Do nothing."""


def says(text: bytes, *, stays: bool) -> Serve:
    """Return a service that says something at once, and then waits for the peer's end or not."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()
        if stays:
            await reader.read()
        else:
            await asyncio.sleep(0.02)

    return serve


def answers(text: bytes) -> Serve:
    """Return a service that says something when it was asked anything."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(_READ):
            writer.write(text)
            await writer.drain()

    return serve


def names_over_stream(replies: Replies) -> Serve:
    """Return a name server for TCP: each query and reply behind its length, 2 bytes (RFC 1035)."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            (length,) = struct.unpack(">H", await reader.readexactly(2))
            for reply in replies(await reader.readexactly(length)):
                writer.write(struct.pack(">H", len(reply)) + reply)
            await writer.drain()

    return serve


def relays_nonce(connect: Callable[[], Awaitable[socket.socket]], then: bytes) -> Serve:
    """Return a proxy that passes the cloud's nonce on and answers the identity itself."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cloud, to_cloud = await asyncio.open_connection(sock=await connect())
        writer.write(await cloud.readexactly(_NONCE))
        if await reader.read(_READ):
            writer.write(then)
            await writer.drain()
        to_cloud.close()

    return serve


def service(does: str, text: bytes) -> Serve:
    """Return what a box does with a connection: `silent`, `closes`, `says` or `stays`."""
    table = {
        "silent": silent,
        "closes": closes,
        "says": says(text, stays=False),
        "stays": says(text, stays=True),
    }
    return table[does]


async def serve_stream(listening: socket.socket, serve: Serve) -> asyncio.Server:
    """Serve connections on a listening socket."""

    async def patiently(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(serve(reader, writer), _PATIENCE)
        writer.close()

    return await asyncio.start_server(patiently, sock=listening)


async def serve_datagrams(bound: socket.socket, replies: Replies) -> asyncio.DatagramTransport:
    """Serve datagrams on a bound socket."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Datagrams(replies), sock=bound)
    return transport


def family_of(address: str) -> socket.AddressFamily:
    """Return the family of an address as text."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def stream_socket(address: str, port: int) -> socket.socket:
    """Return a listening TCP socket; to be called within a host."""
    return socket.create_server((address, port), family=family_of(address))


def datagram_socket(address: str, port: int) -> socket.socket:
    """Return a bound UDP socket; to be called within a host."""
    bound = socket.socket(family_of(address), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    bound.bind((address, port))
    return bound
