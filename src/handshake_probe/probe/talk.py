"""What becomes of bytes we send: acknowledged or lost on the way, answered or refused."""

from __future__ import annotations

import asyncio
import socket
from typing import NamedTuple

from handshake_probe.model.probed import Delivery, Ending
from handshake_probe.probe.failure import TIMEOUT
from handshake_probe.probe.line import Heard, hear, say
from handshake_probe.probe.patience import Patience
from handshake_probe.probe.tcp_info import ESTABLISHED, tcp_info
from handshake_probe.protocol.nonce import inspect_nonce

_POLL = 0.05  # seconds between looks at the kernel's numbers
_SURELY_LOST = 3  # retransmissions in vain: no use in waiting longer
_LOST = 2  # so many when time is up say the same
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
    carriage = _Carriage(sock, len(data))
    heard = say(sock, data)
    reply, received = b"", 0
    refused: Heard | None = None  # by the last ICMP error
    while heard.ending in (None, Ending.ICMP) and received < _ENOUGH:
        heard = await hear(sock, min(until, loop.time() + _POLL))
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
        reply_looks_like=inspect_nonce(reply).looks_like,
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


class _Carriage:
    """Whether bytes get through, from the kernel's numbers before and after."""

    def __init__(self, sock: socket.socket, size: int) -> None:
        self.again = 0  # retransmissions
        self._sock = sock
        self._size = size
        self._before = tcp_info(sock)
        self._acknowledged = False

    def look(self) -> bool:
        """Read the numbers; tell whether the acknowledgment is new."""
        before, info = self._before, tcp_info(self._sock)
        if before is None or info is None:
            return False
        self.again = info.total_retrans - before.total_retrans
        known = self._acknowledged
        if before.bytes_acked is None or info.bytes_acked is None:
            self._acknowledged |= info.state == ESTABLISHED and not info.unacked
        else:
            self._acknowledged |= info.bytes_acked - before.bytes_acked >= self._size
        return self._acknowledged and not known

    @property
    def in_vain(self) -> bool:
        """Sent so often that chance no longer explains the silence."""
        return not self._acknowledged and self.again >= _SURELY_LOST

    @property
    def delivery(self) -> Delivery:
        if self._acknowledged:
            return Delivery.ACKNOWLEDGED
        return Delivery.UNACKNOWLEDGED if self.again >= _LOST else Delivery.UNKNOWN
