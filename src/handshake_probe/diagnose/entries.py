"""Ladder steps and messages of one connection, as the document shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from handshake_probe.diagnose.heard import Heard
from handshake_probe.model.measurement import EventEntry, MessageEntry
from handshake_probe.model.observations import ConnectionSeen, ControlSeen
from handshake_probe.packets.units import Direction
from handshake_probe.protocol import events as ev
from handshake_probe.protocol.events import LeftOut, RecordSeen

# Records listed per connection: the first and, since trouble shows there, the last. The counts of
# all are in the observations.
FIRST_LISTED, LAST_LISTED = 24, 4
_TIME, _FRAME = attrgetter("t"), attrgetter("frame")
_OPENING = {"SYN": "syn", "SYN-ACK": "syn_ack"}  # who sends them goes without saying
_RECORD = {
    Direction.DEVICE_TO_CLOUD: "device_record",
    Direction.CLOUD_TO_DEVICE: "cloud_record",
}


class Told(NamedTuple):
    """What the document tells of one connection step by step."""

    events: list[EventEntry]
    messages: list[MessageEntry]


def tell(connection: ConnectionSeen, heard: Heard) -> Told:
    """Steps and messages of a connection."""
    return Told(_event_entries(connection, heard), _message_entries(connection, heard.messages))


def _event_entries(connection: ConnectionSeen, heard: Heard) -> list[EventEntry]:
    """Control packets, handshake steps, first and last records, in order of their frames."""
    started = connection.started
    entries = [_control_entry(started, control) for control in connection.controls]
    entries += [
        EventEntry(
            event="icmp",
            frame=message.frame,
            t=since(started, message.time),
            note=f"from {message.source}, type {message.type} code {message.code}",
        )
        for message in connection.icmp[:4]
    ]
    said = {(message.direction, message.index): message.summary for message in heard.messages}
    last = len(heard.records) - LAST_LISTED
    number = 0
    unlisted: list[RecordSeen] = []
    for event in heard.events:
        if type(event) is RecordSeen:
            number += 1
            if FIRST_LISTED < number <= last:
                unlisted.append(event)
                continue
            entries.append(
                EventEntry(
                    event=_RECORD[event.direction],
                    frame=event.frame,
                    t=since(started, event.time_ns / 1e9),
                    bytes=event.length + 2,
                    message=said.get((event.direction, event.index)) if said else None,
                )
            )
        elif (told := _TOLD.get(type(event))) is not None and (step := told(event)) is not None:
            entries.append(
                EventEntry(
                    event=event.name,
                    frame=event.frame,
                    t=since(started, event.time_ns / 1e9),
                    bytes=step.size,
                    note=step.note,
                )
            )
    if unlisted or heard.gap is not None:
        entries += _unlisted_entries(started, unlisted, heard.gap)
    entries.sort(key=_TIME)
    entries.sort(key=_FRAME)  # within a frame, by time; twice one key is quicker than once a pair
    return entries


def _unlisted_entries(
    started: float, unlisted: Sequence[RecordSeen], gap: LeftOut | None
) -> list[EventEntry]:
    """Say how many records are not listed, at the last of them."""
    count, last = len(unlisted), list(unlisted[-1:])
    for between in gap.records.values() if gap is not None else ():
        count += between.seen
        last += [between.last] if between.last is not None else []
    if not count:
        return []
    edge = max(last, key=_FRAME)
    return [
        EventEntry(
            event="records_unlisted",
            frame=edge.frame,
            t=since(started, edge.time_ns / 1e9),
            records=count,
        )
    ]


def since(started: float, time: float) -> float:
    """Return `round(time - started, 6)`, for most times in half the time that takes."""
    millionths = (time - started) * 1e6
    nearest = round(millionths)
    if 0 < nearest < 1e14 and abs(millionths - nearest) < 0.4:
        return nearest / 1e6  # the float nearest to that decimal number, as `round` finds it
    return round(time - started, 6)


def _control_entry(started: float, control: ControlSeen) -> EventEntry:
    return EventEntry(
        event=_OPENING.get(control.flags) or f"{control.sender}_{control.flags.lower()}",
        frame=control.frame,
        t=since(started, control.time),
    )


class _Step(NamedTuple):
    """What an entry tells of a step of the handshake."""

    size: int | None = None
    note: str | None = None


def _nonce(event: ev.NonceReceived) -> _Step:
    return _Step(40, f"no nonce: {event.looks_like or 'not random'}" if event.flaws else None)


def _short(event: ev.NonceShort | ev.IdentityShort | ev.CredentialsShort) -> _Step | None:
    return _Step(event.received) if event.received else None


def _identity(event: ev.IdentitySent) -> _Step:
    return _Step(256, f"in {event.pieces} segments" if event.pieces > 1 else None)


def _keys(event: ev.SessionKeys) -> _Step:
    return _Step(note="decrypted" if event.proven else "decrypted, without a signature to prove it")


# What is told of each kind of event; kinds that are not here are no steps to show.
_TOLD: dict[type[ev.Event], Callable[[Any], _Step | None]] = {
    ev.NonceReceived: _nonce,
    ev.NonceShort: _short,
    ev.IdentitySent: _identity,
    ev.IdentityShort: _short,
    ev.CredentialsReceived: lambda event: _Step(384),
    ev.CredentialsShort: _short,
    ev.CredentialsOddSize: lambda event: _Step(event.received),
    ev.SessionKeys: _keys,
}


def _message_entries(
    connection: ConnectionSeen, messages: Sequence[ev.Message]
) -> list[MessageEntry]:
    """Every decrypted message, in capture order."""
    return [
        MessageEntry(
            direction=str(event.direction),
            frame=event.frame,
            t=since(connection.started, event.time_ns / 1e9),
            hex=event.plaintext.hex(),
            summary=event.summary,
            partial=event.truncated_head,
        )
        for event in messages
    ]
