"""What the other side says first: a cloud sends 40 random bytes at once, and then waits."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from typing import NamedTuple

from handshake_probe.model.probed import Ending, FirstBytes
from handshake_probe.probe.failure import TIMEOUT
from handshake_probe.probe.line import hear
from handshake_probe.probe.patience import Patience
from handshake_probe.protocol.layouts import NONCE_SIZE
from handshake_probe.protocol.nonce import inspect_nonce
from handshake_probe.protocol.text import ascii_excerpt

_ENOUGH = 4096  # bytes; nobody's greeting needs to be heard to its end
_DIGEST = 16  # hex digits


class Listened(NamedTuple):
    """What came before we said anything; `ending` is None while the connection is up."""

    data: bytes
    waited: float
    first: FirstBytes | None
    ending: Ending | None
    failure: str | None


async def first_bytes(sock: socket.socket, patience: Patience) -> Listened:
    """Gather bytes, in as many segments as they come, until 40 are here and no more follow."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    until, last = start + patience.nonce, start + patience.nonce + patience.more
    data, first_at = b"", start
    icmp = failure = ending = None
    while ending is None and len(data) < _ENOUGH:
        heard = await hear(sock, until)
        now = loop.time()
        if heard.data:
            first_at = first_at if data else now
            data += heard.data
            if len(data) >= NONCE_SIZE:
                until = min(now + patience.more, last)
        elif heard.ending is Ending.ICMP:
            icmp, failure = heard.ending, heard.failure  # the kernel goes on, and so do we
        elif heard.ending is None:
            break
        else:
            # A connection that an ICMP error has ended reads as if the other side had closed it.
            ending = icmp or heard.ending
            failure = failure or heard.failure
    if ending is None:
        whole = len(data) >= NONCE_SIZE
        ending, failure = (None, None) if whole else (icmp, failure or TIMEOUT)
    first = inspected(data, first_at - start) if data else None
    return Listened(data, loop.time() - start, first, ending, failure)


def inspected(data: bytes, seconds: float) -> FirstBytes:
    """Look at what came first, so many seconds after the connection was up."""
    flaws, looks_like = inspect_nonce(data)
    whole = len(data) >= NONCE_SIZE
    odd = len(data) != NONCE_SIZE or flaws or looks_like
    return FirstBytes(
        seconds=seconds,
        received=len(data),
        flaws=[str(flaw) for flaw in flaws],
        looks_like=looks_like,
        excerpt=ascii_excerpt(data) if odd else None,
        digest=hashlib.sha256(data[:NONCE_SIZE]).hexdigest()[:_DIGEST] if whole else None,
    )
