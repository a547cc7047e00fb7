"""Says a script on a connection that is up.

It waits for the other side as the recorded device did, and says nothing before as many bytes have
come as had come by then, so a cloud that refuses what is not fresh is not talked down.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from handshake_probe.model.probed import Ending, FirstBytes
from handshake_probe.packets.recorded_talk import Spoken
from handshake_probe.packets.units import Direction
from handshake_probe.probe.carriage import POLL, Carriage
from handshake_probe.probe.failure import TIMEOUT
from handshake_probe.probe.line import Heard, hear, say
from handshake_probe.probe.listen import inspected
from handshake_probe.probe.patience import Patience

MAX_PAUSE = 5.0  # seconds; longer recorded pauses are shortened
KEPT = 4096  # bytes of what comes first
_UNASKED = 2.0  # seconds to wait for a greeting on a port where none is due


class Speaker:
    """One connection on which a script is said."""

    def __init__(self, sock: socket.socket, patience: Patience, *, unasked: bool) -> None:
        self.first: FirstBytes | None = None
        self.segments = self.reply = 0
        self.ending: Ending | None = None
        self.failure: str | None = None
        self.carriage = Carriage(sock)
        self._sock = sock
        self._patience = patience
        self._unasked = unasked  # speak even if nothing was said before
        self._loop = asyncio.get_running_loop()
        self._up = self._last = self._loop.time()  # last: when either side said anything
        self._received = 0
        self._greeting = b""
        self._greeted: float | None = None  # when
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def seconds(self) -> float:
        """Since the connection was up."""
        return self._loop.time() - self._up

    async def play(self, script: Sequence[Spoken]) -> None:
        """Say it until it is said, refused, or stopped."""
        wanted = 0
        for item in script:
            if item.direction is Direction.CLOUD_TO_DEVICE:
                wanted += item.size
                continue
            if not await self._hear(wanted) and not self._speaks_unasked():
                break
            await self._pause(item.pause)
            if self.ending is not None:
                break
            self._say(item.data or b"")
        else:
            await self._hear(wanted + 1)  # whether it was taken, and what is made of it
        if self.ending is None and not self.reply:
            self.ending, self.failure = Ending.SILENCE, TIMEOUT
        self._note_greeting()

    def _speaks_unasked(self) -> bool:
        return self._unasked and self.ending is None and not self.carriage.sent

    async def _hear(self, wanted: int) -> bool:
        """Wait until so many bytes have come in all; False when they do not.

        As long as what we sent is on its way, the patience is that for its delivery.
        """
        began = self._loop.time()
        if self.carriage.sent:
            limit, after = self._patience.delivery, self._patience.reply
        else:
            limit = after = _UNASKED if self._unasked else self._patience.nonce
        until = began + limit
        while self.ending is None and self._received < wanted:
            heard = await hear(self._sock, min(until, self._loop.time() + POLL))
            if self.carriage.sent and self.carriage.look():
                until = self._loop.time() + after
            self._take(heard)
            over = self._loop.time() >= until
            if not heard.data and (over or (self.carriage.sent and self.carriage.in_vain)):
                break
        return self._received >= wanted

    async def _pause(self, seconds: float) -> None:
        """Wait as the device did, and notice what comes meanwhile."""
        until = self._last + min(seconds, MAX_PAUSE)
        while self.ending is None and self._loop.time() < until:
            self._take(await hear(self._sock, until))

    def _take(self, heard: Heard) -> None:
        if heard.data:
            self._last = self._loop.time()
            self._received += len(heard.data)
            if self.carriage.sent:
                self.reply += len(heard.data)
            else:
                self._greeted = self._greeted or self.seconds
                self._greeting = (self._greeting + heard.data)[:KEPT]
        elif heard.ending is Ending.ICMP:
            self.failure = heard.failure  # the kernel goes on, and so do we
        elif heard.ending is not None:
            self.ending, self.failure = heard.ending, self.failure or heard.failure
            self.carriage.look()

    def _say(self, data: bytes) -> None:
        self._note_greeting()
        self.carriage.look()
        self.carriage.add(len(data))
        self.segments += 1
        stopped = say(self._sock, data)
        self._last = self._loop.time()
        if stopped.ending is not None:
            self.ending, self.failure = stopped.ending, stopped.failure
            self.carriage.look()

    def _note_greeting(self) -> None:
        if self.first is None and self._greeting:
            self.first = inspected(self._greeting, self._greeted or 0.0)
