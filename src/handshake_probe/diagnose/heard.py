"""A transcript's events, sorted once by what observations and ladders ask them for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from handshake_probe.protocol.events import Event, Message, RecordSeen


class Heard(NamedTuple):
    """What one connection's transcript told. Every list is in the transcript's order."""

    events: Sequence[Event]  # all of them
    records: list[RecordSeen]
    messages: list[Message]
    steps: list[Event]  # the few that are neither

    @classmethod
    def of(cls, events: Iterable[Event]) -> Heard:
        """Sort the events: most are records, and most questions are about the others."""
        heard = cls(tuple(events), [], [], [])
        for event in heard.events:
            if type(event) is RecordSeen:  # far quicker than `isinstance`
                heard.records.append(event)
            elif type(event) is Message:
                heard.messages.append(event)
            else:
                heard.steps.append(event)
        return heard
