"""One polite TCP connection: it comes up or not, then listens, then perhaps speaks once."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

from handshake_probe.model.probed import Connect, Ending, TcpProbed
from handshake_probe.probe.endpoint import Endpoint
from handshake_probe.probe.line import connect, leave
from handshake_probe.probe.listen import Listened, first_bytes
from handshake_probe.probe.made_up import made_up_identity
from handshake_probe.probe.patience import PATIENCE, Patience
from handshake_probe.probe.talk import Talked, talk
from handshake_probe.probe.tcp_info import tcp_info
from handshake_probe.protocol.layouts import IDENTITY_SIZE, NONCE_SIZE

BLOCK, IDENTITY = "block", "identity"  # words of `TcpProbed.sent`


class _Course(NamedTuple):
    """What passed over a connection that came up."""

    seconds: float = 0.0
    rtt: float | None = None
    heard: Listened | None = None
    sent: str | None = None
    talked: Talked | None = None

    @property
    def ending(self) -> Ending:
        heard, talked = self.heard, self.talked
        if talked is not None:
            return talked.ending or Ending.OURSELVES
        if heard is None:
            return Ending.OURSELVES
        if heard.ending is not None:
            return heard.ending
        return Ending.OURSELVES if len(heard.data) >= NONCE_SIZE else Ending.SILENCE


async def attempt(
    target: Endpoint,
    *,
    next_id: Callable[[], str],
    purpose: str = "cloud",
    listen: bool = True,
    block: bool = False,
    server_modulus: int | None = None,
    patience: Patience = PATIENCE,
) -> TcpProbed:
    """Connect once, and tell what happened; nothing the network does is raised.

    Args:
        target: Where to.
        next_id: Gives the observation its id.
        purpose: See `TcpProbed`.
        listen: Whether to wait for first bytes; else the connection is closed as it came up.
        block: Send 256 random bytes when nothing came, to see whether they get through.
        server_modulus: The cloud's key: send the identity of a made-up device when a sound nonce
            came, to see whether that gets through. None: do not.
        patience: How long to wait.
    """
    began = time.time()
    dialled = await connect(target, patience.connect)
    course, ending = _Course(), None
    if dialled.sock is not None:
        with dialled.sock as sock:
            course = await _converse(sock, listen, block, server_modulus, patience)
            await leave(sock, patience.goodbye)
        ending = course.ending
    elif dialled.outcome is Connect.CONNECTED:
        ending = Ending.RESET
    heard, talked = course.heard, course.talked
    return TcpProbed(
        id=next_id(),
        time=began,
        target=str(target),
        purpose=purpose,
        outcome=dialled.outcome,
        seconds=dialled.seconds,
        failure=dialled.failure or (talked or heard or dialled).failure,
        local=str(dialled.local) if dialled.local else None,
        icmp=dialled.icmp,
        rtt=course.rtt,
        syn_retransmissions=dialled.syn_retransmissions,
        first=heard.first if heard else None,
        waited=heard.waited if heard else 0.0,
        sent=course.sent,
        delivery=talked.delivery if talked else None,
        retransmissions=talked.retransmissions if talked else 0,
        reply=talked.reply if talked else 0,
        reply_looks_like=talked.reply_looks_like if talked else None,
        ended_by=ending,
        ended_after=(talked.seconds if talked else course.seconds) if ending else None,
    )


async def _converse(
    sock: socket.socket,
    listen: bool,
    block: bool,
    server_modulus: int | None,
    patience: Patience,
) -> _Course:
    loop = asyncio.get_running_loop()
    up = loop.time()
    heard = await first_bytes(sock, patience) if listen else None
    words = _words(heard, block=block, server_modulus=server_modulus)
    talked = await talk(sock, words[1], patience) if words else None
    info = tcp_info(sock)
    return _Course(
        seconds=loop.time() - up,
        rtt=info.min_rtt if info else None,
        heard=heard,
        sent=words[0] if words else None,
        talked=talked,
    )


def _words(
    heard: Listened | None, *, block: bool, server_modulus: int | None
) -> tuple[str, bytes] | None:
    """Choose what to say to what was heard, if anything."""
    if heard is None or heard.ending not in (None, Ending.ICMP):
        return None
    if heard.first is None:
        return (BLOCK, os.urandom(IDENTITY_SIZE)) if block else None
    if server_modulus is None or not heard.first.is_nonce:
        return None
    identity = made_up_identity(server_modulus, heard.data)
    return (IDENTITY, identity) if identity else None
