"""What becomes of bytes we send: acknowledged or lost on the way, answered or refused."""

from __future__ import annotations

import asyncio
import socket
from typing import NamedTuple

from handshake_probe.model.probed import Delivery, Ending
from handshake_probe.probe.carriage import POLL, Carriage
from handshake_probe.probe.failure import TIMEOUT
from handshake_probe.probe.line import Heard, hear, say
from handshake_probe.probe.patience import Patience
from handshake_probe.protocol.nonce import looks_like

_EXCERPT = 120  # bytes of the reply that are looked at
_ENOUGH = 4096  # bytes of a reply


class Talked(NamedTuple):
    """What came of it; `ending` is None when there was a reply and the connection is still up."""

    seconds: float
    delivery: Delivery
    retransmissions: int
    reply: int
    reply_looks_like: str | None
    ending: Ending | None
    failure: str | None


async def talk(sock: socket.socket, data: bytes, patience: Patience) -> Talked:
    """Send `data` and watch: acknowledgment, reply, FIN, reset, ICMP error, or none of them."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    last = start + patience.delivery + patience.reply
    until = start + patience.delivery
    carriage = Carriage(sock)
    carriage.add(len(data))
    heard = say(sock, data)
    reply, received = b"", 0
    refused: Heard | None = None  # by the last ICMP error
    while heard.ending in (None, Ending.ICMP) and received < _ENOUGH:
        heard = await hear(sock, min(until, loop.time() + POLL))
        now = loop.time()
        if carriage.look():
            until = now + patience.reply
        if heard.data:
            reply, received = (reply + heard.data)[:_EXCERPT], received + len(heard.data)
            until = min(now + patience.more, last)
        elif heard.ending is Ending.ICMP:
            refused = heard  # the kernel goes on, and so do we
        elif heard.ending is None and (now >= until or carriage.in_vain):
            break
    ending, failure = _conclusion(heard, refused, answered=received > 0)
    return Talked(
        seconds=loop.time() - start,
        delivery=carriage.delivery,
        retransmissions=carriage.again,
        reply=received,
        reply_looks_like=looks_like(reply),
        ending=ending,
        failure=failure,
    )


def _conclusion(
    last: Heard, refused: Heard | None, *, answered: bool
) -> tuple[Ending | None, str | None]:
    """Say what ended it and OONI's word for it; both None when it is up and was answered."""
    goes_on = last.ending in (None, Ending.ICMP)
    if goes_on and answered:
        return None, None
    # What an ICMP error has ended reads as if the other side had closed it.
    if refused and not answered and (goes_on or last.ending is Ending.CLOSED):
        return refused.ending, refused.failure
    return (Ending.SILENCE, TIMEOUT) if goes_on else (last.ending, last.failure)
