"""A TCP connection as a probe sees it: how it came up, what was heard on it, how it is left.

What the network does is a value here, never an exception.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import NamedTuple

from handshake_probe.model.probed import Connect, Ending, IcmpAnswer
from handshake_probe.probe import error_queue
from handshake_probe.probe.endpoint import Endpoint, endpoint_of
from handshake_probe.probe.failure import EOF, RESET, TIMEOUT, failure_word
from handshake_probe.probe.tcp_info import tcp_info

_READ = 4096
_RESETS = (errno.ECONNRESET, errno.EPIPE)
_WAITING = (errno.EINPROGRESS, errno.EAGAIN, errno.EALREADY)
_TCP_USER_TIMEOUT, _ORPHANED_MS = 18, 10_000  # <linux/tcp.h>; for data nobody acknowledges
_HOPS = {
    socket.AF_INET: (socket.IPPROTO_IP, socket.IP_TTL),
    socket.AF_INET6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
}


class Dialled(NamedTuple):
    """A connection attempt."""

    outcome: Connect
    seconds: float
    failure: str | None = None
    sock: socket.socket | None = None  # while it is up; None and CONNECTED: reset at once
    local: Endpoint | None = None
    icmp: IcmpAnswer | None = None
    syn_retransmissions: int = 0


class Heard(NamedTuple):
    """What came: bytes, or an ending, or within the time nothing."""

    data: bytes = b""
    ending: Ending | None = None
    failure: str | None = None


async def connect(
    target: Endpoint, limit: float, *, hops: int | None = None, port: int = 0
) -> Dialled:
    """Connect within `limit` seconds.

    Args:
        target: Where to.
        limit: Seconds. The kernel repeats the SYN after one second, then again and again.
        hops: Routers that may pass the packets on (TTL, hop limit); None: the system's default.
        port: Of our side; 0: any.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    try:
        sock = socket.socket(target.family, socket.SOCK_STREAM)
    except OSError as error:
        return Dialled(Connect.NOT_SENT, 0.0, failure_word(error.errno))
    dialled = None
    try:
        error_queue.enable(sock)
        sock.setblocking(False)
        number: int | None = _begin(sock, target, hops, port)
        at_once = number not in _WAITING  # what `connect` itself says comes from this machine
        if not at_once:
            number = await _finish(sock, start + limit)
        dialled = _outcome(sock, target, number, at_once, loop.time() - start)
        return dialled
    finally:
        if dialled is None or dialled.sock is None:
            sock.close()


def _begin(sock: socket.socket, target: Endpoint, hops: int | None, port: int) -> int:
    """Send the SYN; return an errno."""
    try:
        if hops is not None:
            limit_hops(sock, hops)
        if port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("0.0.0.0" if target.version == 4 else "::", port))
    except OSError as error:
        return error.errno or errno.EINVAL
    return sock.connect_ex(tuple(target))


async def _finish(sock: socket.socket, until: float) -> int | None:
    """Wait for the answer to the SYN; return an errno, None when time was up."""
    if not await ready(sock, until, write=True):
        return None
    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if not number and _peer(sock) is None:
        return errno.EHOSTUNREACH  # an ICMP error is queued, and the kernel still tries
    return number


def _outcome(
    sock: socket.socket, target: Endpoint, number: int | None, at_once: bool, seconds: float
) -> Dialled:
    answers = error_queue.read(sock)
    icmp = answers[0] if answers else None
    local, info = _local(sock), tcp_info(sock)
    again = info.total_retrans if info else 0
    if number == 0 or number in _RESETS:
        failure = RESET if number else None
        up = None if number else sock
        return Dialled(Connect.CONNECTED, seconds, failure, up, local, icmp, again)
    if number is None:
        return Dialled(Connect.TIMEOUT, seconds, TIMEOUT, None, local, icmp, again)
    if number == errno.ETIMEDOUT:
        outcome = Connect.TIMEOUT
    elif icmp is not None:
        # An error from our own address: no such neighbour, or a filter on this machine.
        ours = local is not None and icmp.source == local.address != target.address
        outcome = Connect.NOT_SENT if ours else Connect.REJECTED
    elif number == errno.ECONNREFUSED:
        outcome = Connect.REFUSED
    else:  # when it came from the network: by whom, this system does not tell
        outcome = Connect.NOT_SENT if at_once else Connect.REJECTED
    return Dialled(outcome, seconds, failure_word(number), None, local, icmp, again)


def limit_hops(sock: socket.socket, hops: int | None) -> None:
    """Let the next packets pass this many routers less one; None: as many as usual."""
    usual = -1  # the system's default, for both versions
    sock.setsockopt(*_HOPS[socket.AddressFamily(sock.family)], usual if hops is None else hops)


async def ready(sock: socket.socket, until: float, *, write: bool = False) -> bool:
    """Wait until a socket can be read (or written), or has failed; False when time is up.

    `until` is a time of the loop's clock.
    """
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not woken.done():
            woken.set_result(None)

    add, remove = (
        (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)
    )
    add(sock, wake)
    try:
        async with asyncio.timeout_at(until):
            await woken
    except TimeoutError:
        return False
    finally:
        remove(sock)
    return True


async def hear(sock: socket.socket, until: float) -> Heard:
    """Return the next bytes, or what ended them, or nothing when time is up."""
    while await ready(sock, until):
        try:
            data = sock.recv(_READ)
        except BlockingIOError:
            error_queue.read(sock)  # else it would wake us for ever
            continue
        except OSError as error:
            return _failed(error)
        return Heard(data) if data else Heard(b"", Ending.CLOSED, EOF)
    return Heard()


def say(sock: socket.socket, data: bytes) -> Heard:
    """Send a few bytes at once; say what stopped it, if anything did."""
    heard = Heard()
    for _ in range(2):  # an ICMP error that came before is told once, and nothing sent
        try:
            whole = sock.send(data) == len(data)
        except BlockingIOError:
            whole = False
        except OSError as error:
            heard = _failed(error)
            if heard.ending is Ending.ICMP:
                continue
            return heard
        # Else the other side has taken nothing for as long as a buffer holds.
        return Heard() if whole else Heard(b"", Ending.SILENCE, TIMEOUT)
    return heard


def _failed(error: OSError) -> Heard:
    word = failure_word(error.errno)
    if error.errno in _RESETS:
        return Heard(b"", Ending.RESET, word)
    if error.errno == errno.ETIMEDOUT:
        return Heard(b"", Ending.SILENCE, TIMEOUT)
    return Heard(b"", Ending.ICMP, word)


async def leave(sock: socket.socket, patience: float) -> None:
    """Close with a FIN: end our half, and read away what still comes so that no reset is sent.

    Bytes nobody acknowledges are not repeated for minutes after that.
    """
    until = asyncio.get_running_loop().time() + patience
    try:
        if error_queue.exists():
            sock.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, _ORPHANED_MS)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        return  # gone already
    heard = Heard(b"-")
    while heard.data:
        heard = await hear(sock, until)


def _local(sock: socket.socket) -> Endpoint | None:
    try:
        return endpoint_of(sock.getsockname())
    except OSError:
        return None


def _peer(sock: socket.socket) -> Endpoint | None:
    try:
        return endpoint_of(sock.getpeername())
    except OSError:
        return None
