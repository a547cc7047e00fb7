"""The events of one connection, bounded: of a very long conversation the middle is left out.

Steps of a handshake come first and are few. What follows is records without end, so the first and
the last events are kept, and of those between what rules ask of all records: how many, the first
and the last, whether any was bad.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

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
from handshake_probe.protocol.layouts import LENGTH_SIZE
from handshake_probe.protocol.pieces import CLOUD, DEVICE, Heard, Run

FIRST_KEPT, LAST_KEPT = 5_000, 5_000  # events: ten hours of a talking device, some 6 MB
FIRST_UNREAD, LAST_UNREAD = 8, 4  # records that nobody can read all look alike
_DIRECTIONS = (Direction.DEVICE_TO_CLOUD, Direction.CLOUD_TO_DEVICE)  # of DEVICE and CLOUD
_TALK = (RecordSeen, RecordBad, Message, FramingLost)


class EventLog:
    """Takes events in order; `events` is what is left of them."""

    __slots__ = ("_first", "_last", "_left_out", "_limits", "_talk", "told")

    def __init__(self) -> None:
        self.told: list[Event] = []  # what `add` took since its user last put a new list here
        self._first: list[Event] = []
        self._last: deque[Event] | None = None
        self._left_out: dict[Direction, RecordsLeftOut] = {}
        self._limits = FIRST_UNREAD, LAST_UNREAD
        self._talk = 0  # events in the first part that may be left out

    def add(self, event: Event) -> None:
        """Take the next event."""
        self.told.append(event)
        if type(event) in _TALK:
            self.add_talk((event,))
            return
        if type(event) is SessionKeys:
            self._limits = FIRST_KEPT, LAST_KEPT  # from here on the records can be read
        if self._last is None:
            self._first.append(event)
        else:
            self._last.append(event)
            self._shorten(self._last)

    def add_all(self, events: Iterable[Event]) -> None:
        """Take the next events as they come."""
        for event in events:
            self.add(event)

    def add_talk(self, talk: Sequence[Event]) -> None:
        """Take records and what they say, in order, and nothing else."""
        if self._last is None:
            first, _ = self._limits
            room = first - self._talk
            self._first += talk[:room]
            self._talk += min(room, len(talk))
            if self._talk < first:
                return
            self._last = deque()
            talk = talk[room:]
        self._last += talk
        self._shorten(self._last)

    def add_unread(self, run: Run, before: Sequence[int]) -> None:
        """Take records in a row that nobody can read; `before` is how many came of each sender.

        Does what `add` would do with an event of each, but makes only the events that are kept.
        """
        first, last = self._limits
        counts = list(before)
        kept = min(first - self._talk if self._last is None else 0, len(run.senders))
        edge = max(kept, len(run.senders) - last)

        def seen(start: int, end: int) -> list[RecordSeen]:
            events = []
            for sender, heard in zip(run.senders[start:end], run.heard(start, end), strict=True):
                events.append(_seen(_DIRECTIONS[sender], heard, counts[sender]))
                counts[sender] += 1
            return events

        self.add_talk(seen(0, kept))
        if edge > kept and self._last is not None:
            for event in self._last:
                self._leave_out(event)
            self._last.clear()
            begun_by_device = run.senders.startswith(DEVICE, kept)
            for sender in (DEVICE, CLOUD) if begun_by_device else (CLOUD, DEVICE):
                places = run.ends(sender, kept, edge)
                if places is not None:
                    [whose], count = sender, run.senders.count(sender, kept, edge)
                    indices = counts[whose], counts[whose] + count - 1
                    counts[whose] += count
                    direction = _DIRECTIONS[whose]
                    ends = [
                        _seen(direction, heard, index)
                        for place, index in zip(places, indices, strict=True)
                        for heard in run.heard(place, place + 1)
                    ]
                    self._count(direction, count, *ends)
        self.add_talk(seen(edge, len(run.senders)))

    @property
    def events(self) -> tuple[Event, ...]:
        """What is kept, in order; `LeftOut` stands where something is not."""
        last = tuple(self._last or ())
        if not self._left_out:
            return (*self._first, *last)
        edge = last[0] if last else self._first[-1]
        gap = LeftOut(frame=edge.frame, time_ns=edge.time_ns, records=dict(self._left_out))
        return (*self._first, gap, *last)

    def _shorten(self, last: deque[Event]) -> None:
        while len(last) > self._limits[1]:
            self._leave_out(last.popleft())

    def _leave_out(self, event: Event) -> None:
        if not isinstance(event, _TALK):
            self._first.append(event)  # a step is never left out
            return
        if isinstance(event, RecordSeen):
            self._count(event.direction, 1, event, event)
            return
        known = self._left_out.get(event.direction) or RecordsLeftOut()
        match event:
            case RecordBad():
                known = known._replace(bad=known.bad + 1)
            case Message():
                known = known._replace(messages=known.messages + 1)
            case FramingLost():
                known = known._replace(framing_lost=True)
        self._left_out[event.direction] = known

    def _count(self, direction: Direction, count: int, first: RecordSeen, last: RecordSeen) -> None:
        """Leave out records of one direction."""
        known = self._left_out.get(direction) or RecordsLeftOut()
        self._left_out[direction] = RecordsLeftOut(
            known.seen + count, known.first or first, last, *known[3:]
        )


def _seen(direction: Direction, heard: Heard, index: int) -> RecordSeen:
    """Make the event of a piece that is a record alone."""
    frame, time_ns, length = heard
    return RecordSeen(
        frame=frame,
        time_ns=time_ns,
        direction=direction,
        index=index,
        length=length - LENGTH_SIZE,
        whole=True,
    )
