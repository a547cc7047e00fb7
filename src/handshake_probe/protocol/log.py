"""The events of one connection, bounded: of a very long conversation the middle is left out.

Steps of a handshake come first and are few. What follows is records without end, so the first and
the last events are kept, and of those between what rules ask of all records: how many, the first
and the last, whether any was bad.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from handshake_probe.packets.units import Direction
from handshake_probe.protocol.events import (
    Event,
    FramingLost,
    LeftOut,
    Message,
    RecordBad,
    RecordSeen,
    RecordsLeftOut,
    SessionKeys,
)

FIRST_KEPT, LAST_KEPT = 5_000, 5_000  # events: ten hours of a talking device, some 6 MB
# Of records that nobody can read only a few are worth keeping; documents show 24.
FIRST_UNREAD, LAST_UNREAD = 24, 4
_TALK = (RecordSeen, RecordBad, Message, FramingLost)


class EventLog:
    """Takes events in order; `events` is what is left of them."""

    __slots__ = ("_first", "_last", "_left_out", "_limits", "_talk")

    def __init__(self) -> None:
        self._first: list[Event] = []
        self._last: deque[Event] | None = None
        self._left_out: dict[Direction, RecordsLeftOut] = {}
        self._limits = FIRST_UNREAD, LAST_UNREAD
        self._talk = 0  # events in the first part that may be left out

    def add(self, event: Event) -> None:
        """Take the next event."""
        if isinstance(event, SessionKeys):
            self._limits = FIRST_KEPT, LAST_KEPT  # from here on the records can be read
        first, last = self._limits
        if self._last is not None:
            self._last.append(event)
            if len(self._last) > last:
                self._leave_out(self._last.popleft())
            return
        self._first.append(event)
        if isinstance(event, _TALK):
            self._talk += 1
            if self._talk >= first:
                self._last = deque()

    def extend(self, events: Iterable[Event]) -> None:
        """Take several."""
        for event in events:
            self.add(event)

    @property
    def events(self) -> tuple[Event, ...]:
        """What is kept, in order; `LeftOut` stands where something is not."""
        last = tuple(self._last or ())
        if not self._left_out:
            return (*self._first, *last)
        edge = last[0] if last else self._first[-1]
        gap = LeftOut(frame=edge.frame, time_ns=edge.time_ns, records=dict(self._left_out))
        return (*self._first, gap, *last)

    def _leave_out(self, event: Event) -> None:
        if not isinstance(event, _TALK):
            self._first.append(event)  # a step is never left out
            return
        known = self._left_out.get(event.direction) or RecordsLeftOut()
        match event:
            case RecordSeen():
                first = known.first or event
                known = known._replace(seen=known.seen + 1, first=first, last=event)
            case RecordBad():
                known = known._replace(bad=known.bad + 1)
            case Message():
                known = known._replace(messages=known.messages + 1)
            case FramingLost():
                known = known._replace(framing_lost=True)
        self._left_out[event.direction] = known
