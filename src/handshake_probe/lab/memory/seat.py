"""Plays one side of one simulated TCP connection: a `Connection` on a `TcpEnd`, by a script.

It is to the in-memory path what `lab.play` is to sockets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from handshake_probe.lab.memory.schedule import EPOCH, Schedule
from handshake_probe.lab.memory.tcp import TcpEnd
from handshake_probe.lab.play import Part
from handshake_probe.lab.script import START, Cut, Ending
from handshake_probe.protocol.connection import Connection
from handshake_probe.protocol.events import Event, Message
from handshake_probe.protocol.layouts import IDENTITY_SIZE
from handshake_probe.protocol.played_events import (
    Closed,
    CloseReason,
    FunctionCalled,
    HandshakeComplete,
)
from handshake_probe.protocol.state import Phase, Role

# Seconds a side takes for each thing it reads; a device's RSA takes longer.
_THINKS = {Role.CLOUD: 0.003, Role.DEVICE: 0.002}
_COMPUTES = 0.14
_FAILURES = (CloseReason.VIOLATION, CloseReason.TIMED_OUT)


class Seat:
    """One side of one connection; `done` is called once its end is closed.

    Everything the side saw and said is in `events`.
    """

    def __init__(
        self,
        schedule: Schedule,
        end: TcpEnd,
        connection: Connection,
        part: Part,
        done: Callable[[], None],
    ) -> None:
        self.connection = connection
        self.end = end
        self.part = part
        self.events: list[Event] = []
        self.over = False
        self.begun = False  # the transport is connected
        self.before_closing: Callable[[Callable[[], None]], None] | None = None
        """What a device does after a failure, before it closes."""
        self._schedule = schedule
        self._done = done
        self._script = part.script
        self._came: deque[bytes | bool] = deque()  # bytes, or whether an end was a reset
        self._busy = False
        self._watch = 0
        self._ends_at: float | None = None
        self._left: Cut | None = None
        end.user = self

    def connected(self) -> None:
        """Begin as the script says."""
        self._busy = self.begun = True
        self._schedule.after(self._takes(Phase.IDLE), self._start)

    def data(self, data: bytes) -> None:
        """Read it after a moment."""
        self._take(data)

    def ended(self, *, reset: bool) -> None:
        """Notice it after a moment."""
        self._take(reset)

    def _take(self, item: bytes | bool) -> None:
        self._came.append(item)
        if not self._busy:
            self._busy = True
            self._schedule.after(self._takes(self.connection.phase), self._read)

    def _takes(self, phase: Phase) -> float:
        """How long the side is busy before it goes on in this phase."""
        role = self.connection.role
        seconds = _THINKS[role]
        if role is Role.DEVICE and phase is Phase.HANDSHAKE:
            seconds += _COMPUTES
        delay, self._script = self._script.busy(phase)
        return seconds + delay

    def _start(self) -> None:
        cut = self._script.cut
        if cut is not None and cut.at == START:
            self._leave_by(cut)
        else:
            self._after(self.connection.start(self._schedule.unix))
        self._go_on()

    def _go_on(self) -> None:
        """Read what came meanwhile, else wait."""
        self._busy = False
        if self.over:
            return
        if self._came:
            self._take(self._came.pop())
        self._wake_at_deadline()

    def _read(self) -> None:
        data = b""
        while self._came and isinstance(self._came[0], bytes):  # one read takes all there is
            data += bytes(self._came.popleft())
        if self.over:
            return
        if data:
            self._receive(data)
        elif self._came:
            self._receive_end(reset=bool(self._came.popleft()))
        self._go_on()

    def _receive(self, data: bytes) -> None:
        connection, now = self.connection, self._schedule.unix
        if self._left is not None or connection.phase is Phase.CLOSED:
            return
        awaits = connection.phase is Phase.HANDSHAKE
        if self._script.single_read and awaits and len(data) < IDENTITY_SIZE:
            self._after(connection.close(now))
        elif self._script.cut is None:
            self._after(connection.receive_data(data, now))
        else:  # byte by byte, so that nothing is said of what comes after the cut
            for index in range(len(data)):
                self._after(connection.receive_data(data[index : index + 1], now))
                if self._left is not None:
                    return

    def _receive_end(self, *, reset: bool) -> None:
        if not self.begun:  # refused
            self._finish()
        elif self._left is not None:
            if self._left.ending is not Ending.VANISH:
                self._finish()
        elif self.connection.phase is not Phase.CLOSED:
            self._after(self.connection.receive_eof(self._schedule.unix, reset=reset))

    def _after(self, events: Sequence[Event]) -> None:
        """Send what came of events, unless the script ends it here."""
        cut = self._script.cut
        index = next((i for i, e in enumerate(events) if cut and cut.matches(e)), None)
        if cut is not None and index is not None:
            self._note(events if cut.sends else events[: index + 1])
            if cut.sends:
                self._flush()
            self._leave_by(cut)
            return
        self._note(events)
        for event in events:
            self._react(event)
        self._flush()
        if self.connection.phase is Phase.CLOSED:
            if self.part.error is not None and self.before_closing is not None:
                self.before_closing(self._finish)
            else:
                self._finish()
        elif self.connection.phase is Phase.CLOSING:
            self.end.close(reads_on=True)

    def _react(self, event: Event) -> None:
        connection, now = self.connection, self._schedule.unix
        match event:
            case HandshakeComplete():
                for act in self.part.acts:
                    if connection.phase is Phase.SESSION:
                        self._note(act(connection, now))
                if self.part.session is not None:
                    self._ends_at = now + self.part.session
            case FunctionCalled():
                value = len(event.argument)
                self._note(connection.answer_function(now, event.token, value))
            case Message() if event.direction is not connection.role.sends:
                reaction = self.part.reactions.get(event.kind)
                if reaction is not None and connection.phase is Phase.SESSION:
                    self._note(reaction(connection, now))

    def _note(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, HandshakeComplete):
                self.part.reached = True
            elif isinstance(event, Closed):
                self.part.error, self.part.reason = event.error, event.reason
        self.events += events

    def _flush(self) -> None:
        data, split = self.connection.data_to_send(), self._script.split
        if data and split is not None:
            self._script = self._script._replace(split=None)
            self.end.send(data[: split.size])
            rest = data[split.size :]
            self._schedule.after(split.gap, lambda: self.end.send(rest))
        elif data:
            self.end.send(data)

    def _wake_at_deadline(self) -> None:
        deadlines = [at for at in (self.connection.timer(), self._ends_at) if at is not None]
        if not deadlines or self._left is not None:
            return
        self._watch += 1
        watch, at = self._watch, min(deadlines)
        self._schedule.after(at - EPOCH - self._schedule.now, lambda: self._wake(watch, at))

    def _wake(self, watch: int, at: float) -> None:
        if watch != self._watch or self.over or self._busy or self._left is not None:
            return
        if self._ends_at is not None and at >= self._ends_at:
            self._ends_at = None
            self.part.kept = self.part.reached
            self._after(self.part.parting(self.connection, at))
        else:
            self._after(self.connection.handle_timer(at))
        self._go_on()

    def _leave_by(self, cut: Cut) -> None:
        self._left = cut
        if cut.after:
            self._schedule.after(cut.after, lambda: self._end_by(cut))
        else:
            self._end_by(cut)

    def _end_by(self, cut: Cut) -> None:
        if cut.ending in (Ending.CLOSE, Ending.RESET):
            self._finish()
            return
        if cut.ending is Ending.HALF_CLOSE:
            self.end.close(reads_on=True)
        self._schedule.after(cut.hold, self._finish)

    def _finish(self) -> None:
        if self.over:
            return
        self.over = True
        left_by_reset = self._left is not None and self._left.ending is Ending.RESET
        if left_by_reset or (self._script.resets and self.part.reason in _FAILURES):
            self.end.abort()
        else:
            self.end.close()
        self._done()
