"""Ladder steps and messages of one connection, as the document shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handshake_probe.model.measurement import EventEntry, MessageEntry
from handshake_probe.model.observations import ConnectionSeen, ControlSeen
from handshake_probe.packets.units import Direction
from handshake_probe.protocol import events as ev

RECORDS_SHOWN = 24  # per connection; the counts of all are in the observations


def event_entries(connection: ConnectionSeen, events: Sequence[ev.Event]) -> list[EventEntry]:
    """Control packets, handshake steps and the first records, in order of their frames."""
    entries = [_control_entry(connection, control) for control in connection.controls]
    entries += [
        EventEntry(
            event="icmp",
            frame=message.frame,
            t=_since(connection, message.time),
            note=f"from {message.source}, type {message.type} code {message.code}",
        )
        for message in connection.icmp[:4]
    ]
    said = {
        (event.direction, event.index): event.summary
        for event in events
        if isinstance(event, ev.Message)
    }
    records = 0
    for event in events:
        if isinstance(event, ev.RecordSeen):
            records += 1
            if records > RECORDS_SHOWN:
                continue
        entry = _event_entry(connection, event, said)
        if entry is not None:
            entries.append(entry)
    entries.sort(key=lambda entry: (entry.frame, entry.t))
    return entries


def _since(connection: ConnectionSeen, time: float) -> float:
    return round(time - connection.started, 6)


def _control_entry(connection: ConnectionSeen, control: ControlSeen) -> EventEntry:
    word = control.flags.lower().replace("-", "_")
    return EventEntry(
        event=word if word in ("syn", "syn_ack") else f"{control.sender}_{word}",
        frame=control.frame,
        t=_since(connection, control.time),
    )


def _event_entry(
    connection: ConnectionSeen, event: ev.Event, said: Mapping[tuple[Direction, int], str]
) -> EventEntry | None:
    size: int | None = None
    note: str | None = None
    message: str | None = None
    name = event.name
    if isinstance(event, ev.NonceReceived):
        size, note = 40, (f"no nonce: {event.looks_like or 'not random'}" if event.flaws else None)
    elif isinstance(event, (ev.NonceShort, ev.IdentityShort, ev.CredentialsShort)):
        if not event.received:
            return None
        size = event.received
    elif isinstance(event, ev.CredentialsOddSize):
        size = event.received
    elif isinstance(event, ev.IdentitySent):
        size = 256
        note = f"in {event.pieces} segments" if event.pieces > 1 else None
    elif isinstance(event, ev.CredentialsReceived):
        size = 384
    elif isinstance(event, ev.RecordSeen):
        size, name = event.length + 2, f"{event.direction.value.split('_')[0]}_record"
        message = said.get((event.direction, event.index))
    elif isinstance(event, ev.SessionKeys):
        note = "decrypted" if event.proven else "decrypted, without a signature to prove it"
    else:
        return None
    return EventEntry(
        event=name,
        frame=event.frame,
        t=_since(connection, event.time_ns / 1e9),
        bytes=size,
        note=note,
        message=message,
    )


def message_entries(connection: ConnectionSeen, events: Sequence[ev.Event]) -> list[MessageEntry]:
    """Every decrypted message, in capture order."""
    return [
        MessageEntry(
            direction=str(event.direction),
            frame=event.frame,
            t=_since(connection, event.time_ns / 1e9),
            hex=event.plaintext.hex(),
            summary=event.summary,
            partial=event.truncated_head,
        )
        for event in events
        if isinstance(event, ev.Message)
    ]
