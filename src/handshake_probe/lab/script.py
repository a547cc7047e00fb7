"""What a faulty side does beside the protocol: when it ends, waits, or falls silent, and how."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from handshake_probe.protocol.events import Event, Message
from handshake_probe.protocol.state import Phase

START = "start"  # a moment before any event: the transport is connected


class Ending(StrEnum):
    """How a side stops playing."""

    CLOSE = "close"  # a FIN
    RESET = "reset"  # a RST
    HALF_CLOSE = "half_close"  # a FIN, then it reads on until the peer closes
    SILENCE = "silence"  # says nothing more, reads on until the peer closes
    VANISH = "vanish"  # as if switched off: see `lab.vanishing`


class Cut(NamedTuple):
    """Where a side leaves the protocol."""

    at: str  # name of an event, or START
    ending: Ending
    kind: str | None = None  # of a message, when `at` is "message"
    sends: bool = False  # what the event made it say still goes out
    hold: float = 60.0  # seconds that silence and absence last at most
    after: float = 0.0  # seconds of silence before the ending

    def matches(self, event: Event) -> bool:
        """Tell whether this is the moment."""
        if event.name != self.at:
            return False
        return self.kind is None or (isinstance(event, Message) and event.kind == self.kind)


class Delay(NamedTuple):
    """A side that is busy for a while when it should go on."""

    phase: Phase  # IDLE: before it starts, else before it reads anything in this phase
    seconds: float


class Split(NamedTuple):
    """A side whose first bytes leave in two pieces."""

    size: int  # of the first piece
    gap: float  # seconds


class Script(NamedTuple):
    """All of it; the defaults are a sound side."""

    cut: Cut | None = None
    delays: tuple[Delay, ...] = ()  # one in a phase
    split: Split | None = None
    single_read: bool = False  # takes what one read gives for the whole identity
    resets: bool = False  # ends with a RST when the peer did something wrong

    def busy(self, phase: Phase) -> tuple[float, Script]:
        """Seconds to be busy in a phase that is come to, and what of the script remains then."""
        seconds = sum(delay.seconds for delay in self.delays if delay.phase is phase)
        left = tuple(delay for delay in self.delays if delay.phase is not phase)
        return seconds, self._replace(delays=left)


AS_IT_SHOULD = Script()
