"""Plays one side of one TCP connection: a `Connection` on a socket, by a script."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from handshake_probe.lab.journal import Entry
from handshake_probe.lab.script import AS_IT_SHOULD, START, Cut, Ending, Script
from handshake_probe.lab.vanishing import close_without_a_word, vanish
from handshake_probe.protocol.connection import Connection
from handshake_probe.protocol.device_errors import DeviceError
from handshake_probe.protocol.events import Event, Message
from handshake_probe.protocol.layouts import IDENTITY_SIZE
from handshake_probe.protocol.played_events import (
    Closed,
    CloseReason,
    FunctionCalled,
    HandshakeComplete,
)
from handshake_probe.protocol.state import Phase

Clock = Callable[[], float]  # Unix time in seconds, never going back
Act = Callable[[Connection, float], list[Event]]  # something to do within the session

_READ = 4096
_NO_LINGER = struct.pack("ii", 1, 0)  # closing then sends a RST
_FAILURES = (CloseReason.VIOLATION, CloseReason.TIMED_OUT)


def unix_clock() -> Clock:
    """Return the time, made of the loop's own clock so that it never jumps."""
    loop = asyncio.get_running_loop()
    offset = time.time() - loop.time()
    return lambda: offset + loop.time()


@dataclass
class Part:
    """How a side is played, and what comes of it.

    Args:
        script: Its faults.
        acts: What it does once the handshake is complete.
        session: Seconds after which it ends its session; None: it stays.
        parting: How it ends its session.
        reactions: What it does when the peer sends a message of a kind.
        on_failure: What is done between an error of ours and our FIN.
    """

    script: Script = AS_IT_SHOULD
    acts: tuple[Act, ...] = ()
    session: float | None = None
    parting: Act = Connection.close
    reactions: Mapping[str, Act] = field(default_factory=dict)
    on_failure: Callable[[], Awaitable[None]] | None = None
    reached: bool = field(default=False, init=False)  # both Hellos came
    kept: bool = field(default=False, init=False)  # and it was we who ended the session
    error: DeviceError | None = field(default=None, init=False)
    reason: CloseReason | None = field(default=None, init=False)  # None: left by the script


class Player:
    """One connection. `play` returns when it is over and the socket closed."""

    def __init__(
        self, connection: Connection, sock: socket.socket, part: Part, clock: Clock, entry: Entry
    ) -> None:
        self._connection = connection
        self._sock = sock
        self._part = part
        self._script = part.script
        self._clock = clock
        self._entry = entry
        self._ends_at: float | None = None
        self._half_closed = False
        self._left: Ending | None = None  # how, when by the script
        self._gone = False  # without a word
        self._reading: asyncio.Task[bytes] | None = None
        self._loop = asyncio.get_running_loop()

    async def play(self) -> None:
        """Play to the end; when cancelled, end the session as if asked to, and close.

        Raises what `Connection` raises for our own mistakes, such as a register's unusable key.
        """
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await self._delay(Phase.IDLE)
            cut = self._script.cut
            if cut is None or cut.at != START:
                cut = await self._run()
            if cut is not None:
                await self._leave_by(cut)
            elif self._part.error is not None and self._part.on_failure is not None:
                await self._part.on_failure()
        except asyncio.CancelledError:
            self._abandon()
            raise
        finally:
            await self._stop_reading()
            self._close()

    async def _run(self) -> Cut | None:
        """Play until it is over; return the cut if that ended it."""
        connection = self._connection
        cut = await self._after(connection.start(self._clock()))
        while cut is None and connection.phase is not Phase.CLOSED:
            cut = await self._after(await self._next_events())
        return cut

    async def _next_events(self) -> list[Event]:
        """Wait for bytes or a deadline, and let them have their effect."""
        connection = self._connection
        deadlines = [at for at in (connection.timer(), self._ends_at) if at is not None]
        wait = max(0.0, min(deadlines) - self._clock()) if deadlines else None
        if self._reading is None:
            self._reading = asyncio.create_task(self._loop.sock_recv(self._sock, _READ))
        # Not cancelled when time is up: what it had read would be lost.
        done, _ = await asyncio.wait({self._reading}, timeout=wait)
        if done:
            reading, self._reading = self._reading, None
            return await self._take(reading)
        now = self._clock()
        if self._ends_at is not None and now >= self._ends_at:
            return self._end_session(now)
        return connection.handle_timer(now)

    async def _take(self, reading: asyncio.Task[bytes]) -> list[Event]:
        connection = self._connection
        try:
            data = reading.result()
        except OSError:
            return connection.receive_eof(self._clock(), reset=True)
        if not data:
            return connection.receive_eof(self._clock())
        await self._delay(connection.phase)
        now = self._clock()
        if self._takes_one_read(data):
            self._entry.say(now, f"    took {len(data)} bytes for the whole identity")
            return connection.close(now)
        if self._script.cut is None:
            return connection.receive_data(data, now)
        # Byte by byte, so that nothing is said of what comes after the cut.
        for index in range(len(data)):
            events = connection.receive_data(data[index : index + 1], now)
            if any(map(self._script.cut.matches, events)):
                return events
            await self._after(events)
        return []

    def _takes_one_read(self, data: bytes) -> bool:
        awaits = self._connection.phase is Phase.HANDSHAKE
        return self._script.single_read and awaits and len(data) < IDENTITY_SIZE

    async def _after(self, events: list[Event]) -> Cut | None:
        """Tell events and send what came of them, unless the script ends it here."""
        cut = self._script.cut
        found = [] if cut is None else [cut.matches(event) for event in events]
        if cut is not None and any(found):
            self._tell(events if cut.sends else events[: found.index(True) + 1])
            if cut.sends:
                await self._flush()
            return cut
        self._tell(events)
        for event in events:
            self._react(event)
        await self._flush()
        return None

    def _react(self, event: Event) -> None:
        """Do what is not the protocol's own business; a device's functions count characters."""
        connection, now = self._connection, self._clock()
        match event:
            case HandshakeComplete():
                self._begin_session(now)
            case FunctionCalled():
                value = len(event.argument)
                self._tell(connection.answer_function(now, event.token, value))
            case Message() if event.direction is not connection.role.sends:
                act = self._part.reactions.get(event.kind)
                if act is not None and connection.phase is Phase.SESSION:
                    self._tell(act(connection, now))

    def _begin_session(self, now: float) -> None:
        for act in self._part.acts:
            if self._connection.phase is Phase.SESSION:
                self._tell(act(self._connection, now))
        if self._part.session is not None:
            self._ends_at = now + self._part.session

    def _end_session(self, now: float) -> list[Event]:
        self._ends_at = None
        self._part.kept = self._part.reached
        return self._part.parting(self._connection, now)

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, HandshakeComplete):
                self._part.reached = True
            elif isinstance(event, Closed):
                self._part.error, self._part.reason = event.error, event.reason
        self._entry.tell(events)

    async def _flush(self) -> None:
        """Send what waits; a peer that is gone shows when reading."""
        data = self._connection.data_to_send()
        split = self._script.split
        try:
            if data and split is not None:
                self._script = self._script._replace(split=None)
                await self._loop.sock_sendall(self._sock, data[: split.size])
                await asyncio.sleep(split.gap)
                data = data[split.size :]
            if data:
                await self._loop.sock_sendall(self._sock, data)
        except OSError:
            return
        if self._connection.phase is Phase.CLOSING:
            self._half_close()

    async def _delay(self, phase: Phase) -> None:
        """Be busy, once, when this is the phase for it."""
        seconds, self._script = self._script.busy(phase)
        if seconds:
            await asyncio.sleep(seconds)

    async def _leave_by(self, cut: Cut) -> None:
        self._left = cut.ending
        self._entry.say(self._clock(), f"    fault: {cut.ending.replace('_', ' ')}")
        if cut.after:
            await self._swallow(cut.after)
        if cut.ending is Ending.VANISH:
            await self._vanish(cut.hold)
        elif cut.ending not in (Ending.CLOSE, Ending.RESET):
            if cut.ending is Ending.HALF_CLOSE:
                self._half_close()
            await self._swallow(cut.hold)

    async def _vanish(self, seconds: float) -> None:
        await vanish(self._sock)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._gone = close_without_a_word(self._sock)

    async def _swallow(self, seconds: float) -> None:
        """Read and drop until the peer closes."""
        try:
            async with asyncio.timeout(seconds):
                while await (self._reading or self._loop.sock_recv(self._sock, _READ)):
                    self._reading = None
            self._entry.say(self._clock(), "    the peer closes")
        except TimeoutError:
            self._reading = None
        except OSError:
            self._reading = None
            self._entry.say(self._clock(), "    the peer resets the connection")

    def _abandon(self) -> None:
        """End it at once, saying goodbye as far as that goes without waiting."""
        now, phase = self._clock(), self._connection.phase
        if self._left is not None:
            return
        if phase is Phase.SESSION:
            self._tell(self._end_session(now))
        elif phase not in (Phase.IDLE, Phase.CLOSED):
            self._tell(self._connection.close(now))
        try:
            self._sock.send(self._connection.data_to_send())
        except OSError:
            return

    async def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    @property
    def _resets(self) -> bool:
        refuses = self._script.resets and self._part.reason in _FAILURES
        return refuses or self._left is Ending.RESET

    def _half_close(self) -> None:
        if not self._half_closed:
            self._half_closed = True
            try:
                self._sock.shutdown(socket.SHUT_WR)
            except OSError:
                return  # the peer was faster

    def _close(self) -> None:
        if self._gone:
            return
        if self._resets:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        else:
            self._half_close()
        self._sock.close()
