"""A recorded device's part said again: in its segments, with its pauses, or as a fresh handshake.

`say_again` waits for the other side as the recorded device did: it says nothing before as many
bytes have come as had come by then, so a cloud that refuses what is not fresh is not talked down.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from handshake_probe.model.probed import (
    Connect,
    Delivery,
    Ending,
    FirstBytes,
    HandshakeProbed,
    ReplayProbed,
)
from handshake_probe.packets.recorded_talk import Spoken
from handshake_probe.packets.units import Direction
from handshake_probe.probe.carriage import POLL, Carriage
from handshake_probe.probe.endpoint import Endpoint
from handshake_probe.probe.failure import TIMEOUT
from handshake_probe.probe.line import Dialled, Heard, connect, hear, leave, say
from handshake_probe.probe.listen import inspected
from handshake_probe.probe.patience import PATIENCE, Patience
from handshake_probe.probe.seat import Seat
from handshake_probe.probe.tcp_info import tcp_info
from handshake_probe.protocol.settings import DeviceSettings

FRESH, VERBATIM, RANDOM = "fresh", "verbatim", "random"  # words of `ReplayProbed.content`
REPLAY, RANDOM_CONTROL, OTHER_PORT = "replay", "random", "other_port"  # and of its purpose

MAX_BYTES = 16_384  # of the recorded device's bytes
MAX_PAUSE = 5.0  # seconds; longer recorded pauses are shortened
_UNASKED = 2.0  # seconds to wait for a greeting on a port where none is due
_SETTLE = 1.0  # seconds for the last acknowledgment of a handshake that went well
_KEPT = 4096  # bytes of what comes first


class Arm(NamedTuple):
    """What is sent where, and what it is held beside."""

    content: str
    purpose: str
    target: Endpoint


def randomized(script: Sequence[Spoken]) -> tuple[Spoken, ...]:
    """The same sizes and pauses with random bytes."""
    return tuple(item._replace(data=os.urandom(item.size)) for item in script)


async def say_again(
    arm: Arm,
    script: Sequence[Spoken],
    *,
    next_id: Callable[[], str],
    patience: Patience = PATIENCE,
) -> ReplayProbed:
    """Connect, and say a recorded device's part; nothing the network does is raised.

    Args:
        arm: What this is; for `RANDOM` the bytes are drawn here.
        script: See `RecordedTalk.sayable`.
        next_id: Gives the observation its id.
        patience: How long to wait.
    """
    began = time.time()
    dialled = await connect(arm.target, patience.connect)
    planned = sum(item.size for item in script if item.direction is Direction.DEVICE_TO_CLOUD)
    if dialled.sock is None:
        return _observation(arm, began, dialled, next_id, planned=planned)
    script = randomized(script) if arm.content == RANDOM else script
    with dialled.sock as sock:
        speaker = _Speaker(sock, patience, unasked=arm.purpose == OTHER_PORT)
        await speaker.play(script)
        info = tcp_info(sock)
        await leave(sock, patience.goodbye)
    return _observation(
        arm,
        began,
        dialled,
        next_id,
        planned=planned,
        rtt=info.min_rtt if info else None,
        first=speaker.first,
        carriage=speaker.carriage,
        segments=speaker.segments,
        reply=speaker.reply,
        ending=speaker.ending or Ending.OURSELVES,
        ended_after=speaker.seconds,
        failure=speaker.failure,
    )


class Pace:
    """Sends as the recorded device did: its segment sizes, after its pauses."""

    def __init__(self, sock: socket.socket, script: Sequence[Spoken]) -> None:
        self.carriage = Carriage(sock)
        self.segments = 0
        self._left = [item for item in script if item.direction is Direction.DEVICE_TO_CLOUD]

    async def speak(self, sock: socket.socket, data: bytes) -> Heard:
        """Send some bytes, a step of the handshake or a record, in recorded pieces."""
        while data:
            size = len(data)
            if self._left:
                model = self._left.pop(0)
                size = min(size, model.size)
                await asyncio.sleep(min(model.pause, MAX_PAUSE))
            self.carriage.look()
            self.carriage.add(size)
            stopped = say(sock, data[:size])
            self.segments += 1
            data = data[size:]
            if stopped.ending is not None:
                return stopped
        return Heard()


async def handshake_again(
    arm: Arm,
    script: Sequence[Spoken],
    settings: DeviceSettings,
    *,
    next_id: Callable[[], str],
    patience: Patience = PATIENCE,
) -> tuple[ReplayProbed, HandshakeProbed | None]:
    """Do a fresh handshake in the recorded device's place, at its pace; ping once, say goodbye.

    Of what the device said after its Hello nothing is repeated: it might change something.

    Returns:
        What became of the bytes, and how far the handshake came; None when it never came up.
    """
    began = time.time()
    dialled = await connect(arm.target, patience.connect)
    if dialled.sock is None:
        return _observation(arm, began, dialled, next_id), None
    loop = asyncio.get_running_loop()
    up = loop.time()
    with dialled.sock as sock:
        pace = Pace(sock, script)
        seat = Seat(sock, settings, pace.speak)
        if await seat.sit_down():
            await seat.ping()
        seconds = loop.time() - up
        carriage, segments = pace.carriage, pace.segments
        await _acknowledged(seat, carriage)
        pace.carriage = Carriage(sock)  # the goodbye does not count: nobody waits for its end
        info = tcp_info(sock)
        await seat.stand_up()
    ending = seat.ending or Ending.OURSELVES
    replay = _observation(
        arm,
        began,
        dialled,
        next_id,
        rtt=info.min_rtt if info else None,
        first=inspected(seat.heard[:_KEPT], seat.heard_after) if seat.heard else None,
        carriage=carriage,
        segments=segments,
        reply=seat.received - len(seat.heard),
        ending=ending,
        ended_after=seconds,
        failure=seat.failure if ending is not Ending.OURSELVES else None,
    )
    told = seat.told(next_id(), began, str(arm.target), seconds)
    return replay, told


async def _acknowledged(seat: Seat, carriage: Carriage) -> None:
    """Give the last bytes the moment that their acknowledgment takes."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _SETTLE
    carriage.look()
    while (
        seat.ending is None
        and carriage.delivery is not Delivery.ACKNOWLEDGED
        and loop.time() < until
    ):
        await seat.stay(min(until, loop.time() + POLL))
        carriage.look()


class _Speaker:
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
                self._greeting = (self._greeting + heard.data)[:_KEPT]
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


def _observation(
    arm: Arm,
    began: float,
    dialled: Dialled,
    next_id: Callable[[], str],
    *,
    planned: int = 0,
    rtt: float | None = None,
    first: FirstBytes | None = None,
    carriage: Carriage | None = None,
    segments: int = 0,
    reply: int = 0,
    ending: Ending | None = None,
    ended_after: float | None = None,
    failure: str | None = None,
) -> ReplayProbed:
    if carriage is None and dialled.outcome is Connect.CONNECTED:
        ending, ended_after = Ending.RESET, 0.0  # at once
    sent = carriage.sent if carriage else 0
    return ReplayProbed(
        id=next_id(),
        time=began,
        target=str(arm.target),
        purpose=arm.purpose,
        content=arm.content,
        outcome=dialled.outcome,
        seconds=dialled.seconds,
        failure=failure or dialled.failure,
        icmp=dialled.icmp,
        rtt=rtt,
        syn_retransmissions=dialled.syn_retransmissions,
        first=first,
        planned=planned,
        sent=sent,
        segments=segments,
        acknowledged=carriage.acknowledged if carriage and sent else None,
        delivery=carriage.delivery if carriage and sent else None,
        retransmissions=carriage.again if carriage else 0,
        reply=reply,
        ended_by=ending,
        ended_after=ended_after,
    )
