"""A device's seat in a connection: its side of the protocol, played on a socket of ours.

The device's private key is in the settings and nowhere else: nothing here is written down but how
far it came.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace

from handshake_probe.keys.keyring import DeviceKey
from handshake_probe.model.probed import Ending, HandshakeProbed
from handshake_probe.model.vocabulary import Stage
from handshake_probe.probe.failure import TIMEOUT
from handshake_probe.probe.line import Heard, hear, leave, say
from handshake_probe.protocol.connection import Connection
from handshake_probe.protocol.events import (
    BlockState,
    CredentialsReceived,
    CredentialsTest,
    Event,
    IdentitySent,
    Message,
    NonceReceived,
    SignatureTest,
)
from handshake_probe.protocol.kinds import Kind
from handshake_probe.protocol.played_events import Closed, CloseReason, HandshakeComplete
from handshake_probe.protocol.settings import DeviceSettings, Generation, HeldKey
from handshake_probe.protocol.state import Role

Speak = Callable[[socket.socket, bytes], Awaitable[Heard]]  # sends; says what stopped it

_NEVER = 1e9  # seconds: we ping when we want to
_LONGEST = 60.0  # seconds for a handshake; a device waits 44 in all
_STAGES: dict[type[Event], Stage] = {
    NonceReceived: Stage.NONCE_RECEIVED,
    IdentitySent: Stage.IDENTITY_SENT,
    CredentialsReceived: Stage.CREDENTIALS_RECEIVED,
    HandshakeComplete: Stage.SESSION,
}


def seat_settings(
    device_id: str,
    key: DeviceKey,
    server_modulus: int,
    *,
    product_id: int | None = None,
    platform_id: int = 6,
) -> DeviceSettings:
    """Return a device that does the handshake and says nothing about itself after it.

    It is firmware 2.3, with which every known server gets along: it answers requests for a
    description that later firmware refuses, and says goodbye, which earlier firmware cannot.
    Raises LocalProtocolError for values that do not fit.
    """
    return DeviceSettings(
        device_id=device_id,
        key=HeldKey.from_key(key),
        server_modulus=server_modulus,
        generation=Generation.V2_3,
        product_id=platform_id if product_id is None else product_id,
        platform_id=platform_id,
        announces=False,
    )


async def _at_once(sock: socket.socket, data: bytes) -> Heard:
    return say(sock, data)


class Seat:
    """A connection that is up, and what became of it; `speak` says how its bytes leave."""

    def __init__(
        self, sock: socket.socket, settings: DeviceSettings, speak: Speak = _at_once
    ) -> None:
        self.stage = Stage.TCP_ESTABLISHED
        self.credentials_open: bool | None = None
        self.signature_opens: bool | None = None
        self.pings_answered = 0
        self.ending: Ending | None = None  # None: it goes on
        self.failure: str | None = None
        self.heard = b""  # before we spoke
        self.heard_after: float = 0.0  # seconds, of the first byte
        self.received = 0  # bytes in all
        self._spoken = False
        self._loop = asyncio.get_running_loop()
        self._up = self._loop.time()
        self.last_heard = self._loop.time()
        self._sock = sock
        self._speak = speak
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._settings = replace(settings, ping_interval=_NEVER)
        self._connection = Connection(Role.DEVICE, self._settings, entropy=os.urandom)
        self._icmp: str | None = None  # the word of an ICMP error that came

    async def sit_down(self) -> bool:
        """Do the handshake; tell whether a session began."""
        await self._take(self._connection.start(self._loop.time()))
        await self.stay(self._loop.time() + _LONGEST, lambda: self.stage is Stage.SESSION)
        if self.stage is not Stage.SESSION:
            self._end(Ending.SILENCE, TIMEOUT)
        return self.ending is None

    async def ping(self) -> bool:
        """Ping once; tell whether that was answered within the device's ping time-out."""
        if self.ending is not None:
            return False
        before, start = self.pings_answered, self._loop.time()
        await self._take(self._connection.ping(start))
        until = start + self._settings.ping_timeout
        await self.stay(until, lambda: self.pings_answered > before)
        answered = self.pings_answered > before
        if not answered:
            self._end(Ending.SILENCE, TIMEOUT)
        return answered

    async def hears_nothing(self, seconds: float) -> bool:
        """Wait until nothing has come for so long; False when something did, or it ended."""
        since = self.last_heard
        await self.stay(since + seconds, lambda: self.last_heard > since)
        return self.ending is None and self.last_heard == since

    async def stand_up(self) -> None:
        """Say goodbye, if that can be said, and close."""
        if self.ending is None:
            says_goodbye, now = self._settings.traits.describes_itself, self._loop.time()
            end = self._connection.goodbye if says_goodbye else self._connection.close
            await self._take(end(now))
            self._end(Ending.OURSELVES, None)
        await leave(self._sock, self._settings.goodbye_wait)

    def told(
        self, observation_id: str, began: float, target: str, seconds: float
    ) -> HandshakeProbed:
        """Write down how far it came: `began` is a time, `seconds` how long it took."""
        return HandshakeProbed(
            id=observation_id,
            time=began,
            target=target,
            device_id=self._settings.device_id,
            stage=self.stage,
            ended_by=self.ending or Ending.OURSELVES,
            seconds=seconds,
            failure=self.failure,
            credentials_open=self.credentials_open,
            signature_opens=self.signature_opens,
            server_hello=self.stage is Stage.SESSION,
            pings_answered=self.pings_answered,
            product_id=self._settings.product_id,
        )

    async def stay(self, until: float, done: Callable[[], bool] = lambda: False) -> None:
        """Answer what comes, as the device does, until `done`, the end, or a time of the loop."""
        connection = self._connection
        while self.ending is None and not done() and self._loop.time() < until:
            heard = await hear(self._sock, min(until, connection.timer() or until))
            now = self._loop.time()
            if heard.data:
                self.last_heard = now
                self._count(heard.data, now)
                await self._take(connection.receive_data(heard.data, now))
            elif heard.ending is Ending.ICMP:
                self._icmp = heard.failure  # the kernel goes on, and so do we
            elif heard.ending is not None:
                reset = heard.ending is Ending.RESET
                await self._take(connection.receive_eof(now, reset=reset), heard.ending)
            else:
                await self._take(connection.handle_timer(now))

    async def _take(self, events: list[Event], by: Ending = Ending.OURSELVES) -> None:
        """Note what happened, and send what follows; `by` is what ends it if it is over."""
        for event in events:
            stage = _STAGES.get(type(event))
            if stage is not None:
                self._reach(stage)
            match event:
                case CredentialsTest():
                    self.credentials_open = event.firmware_opens
                case SignatureTest():
                    self.signature_opens = event.state is BlockState.OPENED
                case Message() if event.direction is Role.DEVICE.sends:
                    if event.kind == Kind.HELLO:
                        self._reach(Stage.HELLO_SENT)
                case Message():
                    self.pings_answered += event.details.get("answers") == Kind.PING
                case Closed():
                    by = Ending.SILENCE if event.reason is CloseReason.TIMED_OUT else by
                    self._end(by, event.error.name.lower() if event.error else None)
        data = self._connection.data_to_send()
        if data:
            self._spoken = True
            stopped = await self._speak(self._sock, data)
            if stopped.ending is not None:
                self._end(stopped.ending, stopped.failure)

    def _count(self, data: bytes, now: float) -> None:
        self.received += len(data)
        if not self._spoken:
            self.heard_after = self.heard_after or now - self._up
            self.heard += data

    def _reach(self, stage: Stage) -> None:
        if stage.reached(self.stage):
            self.stage = stage

    def _end(self, ending: Ending, failure: str | None) -> None:
        """Note the first ending; an ICMP error explains silence, and reads as a close as well."""
        if self.ending is not None:
            return
        if self._icmp and ending in (Ending.SILENCE, Ending.CLOSED):
            ending, failure = Ending.ICMP, self._icmp
        self.ending, self.failure = ending, failure
