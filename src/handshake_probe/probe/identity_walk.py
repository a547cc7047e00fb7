"""Where an identity stops: one connection, on which the 256 bytes are sent with few hops.

The connection comes up as usual and the nonce is read. Then the hop limit is lowered to one and the
identity sent: the first router answers "time exceeded", the kernel sends the bytes again, with one
hop more each time. A reset that comes before the bytes can have reached the cloud was made by a box
on the way; silence where other packets still find routers shows where they are dropped.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

from handshake_probe.model.probed import Connect, Ending, HopProbed
from handshake_probe.probe import error_queue
from handshake_probe.probe.endpoint import Endpoint
from handshake_probe.probe.line import connect, hear, leave, limit_hops, say
from handshake_probe.probe.listen import first_bytes
from handshake_probe.probe.made_up import made_up_identity
from handshake_probe.probe.patience import PATIENCE, Patience
from handshake_probe.probe.tcp_info import TcpInfo, tcp_info

IDENTITY = "identity"  # a word of `HopProbed.purpose`

_LONGEST = 8.0  # seconds; the kernel waits twice as long each time
_POLL = 0.05
_IN_VAIN = 2  # times sent with the same hops without an answer, before that is believed


async def walk_identity(
    cloud: Endpoint,
    server_modulus: int,
    *,
    next_id: Callable[[], str],
    tell: Callable[[HopProbed], None],
    patience: Patience = PATIENCE,
) -> None:
    """Send one identity hop by hop; `tell` takes each observation as it comes.

    Nothing is sent where the system does not say who sent an ICMP error, or without a nonce.
    """
    if not error_queue.supported():
        return
    dialled = await connect(cloud, patience.connect)
    if dialled.sock is None:
        return
    with dialled.sock as sock:
        heard = await first_bytes(sock, patience)
        sound = heard.first is not None and heard.first.is_nonce and heard.ending is None
        identity = made_up_identity(server_modulus, heard.data) if sound else None
        if identity is not None:
            await _Walk(sock, cloud, next_id, tell).go(identity)
        limit_hops(sock, None)
        await leave(sock, patience.goodbye)


class _Walk:
    def __init__(
        self,
        sock: socket.socket,
        cloud: Endpoint,
        next_id: Callable[[], str],
        tell: Callable[[HopProbed], None],
    ) -> None:
        self._sock, self._cloud, self._next_id, self._tell = sock, cloud, next_id, tell
        self._hops = 1

    async def go(self, identity: bytes) -> None:
        sock, loop = self._sock, asyncio.get_running_loop()
        until = loop.time() + _LONGEST
        limit_hops(sock, self._hops)
        start = tcp_info(sock)
        if start is None:
            return
        # What left with as many hops as now, and how often of that nothing came back.
        before, vain, began = start.total_retrans - 1, 0, loop.time()
        heard = say(sock, identity)
        while heard.ending in (None, Ending.ICMP) and loop.time() < until and vain < _IN_VAIN:
            heard = await hear(sock, loop.time() + _POLL)
            info = tcp_info(sock)
            if info is None:
                return
            if heard.ending is Ending.RESET:
                self._say(Connect.REFUSED, began)
                return
            if heard.data or heard.ending is Ending.CLOSED or _arrived(start, info, identity):
                self._say(Connect.CONNECTED, began)
                return
            left = info.total_retrans - before
            if heard.ending is Ending.ICMP and left:  # else it answers what left with fewer hops
                self._say(Connect.REJECTED, began)  # its sender is told for a SYN only
                self._hops += 1
                limit_hops(sock, self._hops)
                before, vain, began = info.total_retrans, 0, loop.time()
            elif left - 1 > vain:
                vain += 1
                self._say(Connect.TIMEOUT, began)

    def _say(self, outcome: Connect, began: float) -> None:
        self._tell(
            HopProbed(
                id=self._next_id(),
                time=time.time(),
                target=str(self._cloud),
                purpose=IDENTITY,
                ttl=self._hops,
                outcome=outcome,
                seconds=asyncio.get_running_loop().time() - began,
            )
        )


def _arrived(start: TcpInfo, info: TcpInfo, identity: bytes) -> bool:
    if start.bytes_acked is None or info.bytes_acked is None:
        return False
    return info.bytes_acked - start.bytes_acked >= len(identity)
