"""A recorded device's part said again: its segments and pauses, or a fresh handshake."""

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
from handshake_probe.probe.line import Dialled, Heard, connect, leave, say
from handshake_probe.probe.listen import inspected
from handshake_probe.probe.patience import PATIENCE, Patience
from handshake_probe.probe.seat import Seat
from handshake_probe.probe.speaker import KEPT, MAX_PAUSE, Speaker
from handshake_probe.probe.tcp_info import tcp_info
from handshake_probe.protocol.settings import DeviceSettings

FRESH, VERBATIM, RANDOM = "fresh", "verbatim", "random"  # words of `ReplayProbed.content`
REPLAY, RANDOM_CONTROL, OTHER_PORT = "replay", "random", "other_port"  # and of its purpose

MAX_BYTES = 16_384  # of the recorded device's bytes
_SETTLE = 1.0  # seconds for the last acknowledgment of a handshake that went well


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
        speaker = Speaker(sock, patience, unasked=arm.purpose == OTHER_PORT)
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
        first=inspected(seat.heard[:KEPT], seat.heard_after) if seat.heard else None,
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
