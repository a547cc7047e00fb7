"""A transcript's events, sorted once by what observations and ladders ask them for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from handshake_probe.protocol.events import (
    CredentialsOddSize,
    CredentialsReceived,
    CredentialsShort,
    CredentialsTest,
    Event,
    FramingLost,
    IdentitySent,
    IdentityShort,
    IdentityTest,
    LeftOut,
    Message,
    NonceReceived,
    NonceShort,
    RecordBad,
    RecordSeen,
    SessionKeys,
    SignatureTest,
    SurplusAfterNonce,
)

_NONCE = frozenset({NonceReceived, SurplusAfterNonce, NonceShort})
_IDENTITY = frozenset({IdentitySent, IdentityShort})
_CREDENTIALS = frozenset({CredentialsReceived, CredentialsOddSize, CredentialsShort})
_TESTS = frozenset({IdentityTest, SignatureTest, CredentialsTest})
_FLAWS = frozenset({RecordBad, FramingLost})


@dataclass(slots=True)
class Heard:
    """What one connection's transcript told. Every list is in the transcript's order."""

    events: Sequence[Event]  # all of them
    nonce: list[Event]
    identity: list[Event]
    credentials: list[Event]
    tests: list[Event]  # of keys
    keys: SessionKeys | None
    records: list[RecordSeen]
    flaws: list[Event]  # of records
    messages: list[Message]
    gap: LeftOut | None  # where something is left out

    @classmethod
    def of(cls, events: Sequence[Event]) -> Heard:
        """Sort the events: dozens are records, and most questions are about the others."""
        heard = cls(events, [], [], [], [], None, [], [], [], None)
        records = heard.records
        for event in events:
            kind = type(event)  # far quicker than `isinstance`, which asks a struct's metaclass
            if type(event) is RecordSeen:
                records.append(event)
            elif type(event) is Message:
                heard.messages.append(event)
            elif kind in _NONCE:
                heard.nonce.append(event)
            elif kind in _IDENTITY:
                heard.identity.append(event)
            elif kind in _CREDENTIALS:
                heard.credentials.append(event)
            elif kind in _TESTS:
                heard.tests.append(event)
            elif kind in _FLAWS:
                heard.flaws.append(event)
            elif type(event) is SessionKeys:
                heard.keys = heard.keys or event
            elif type(event) is LeftOut:
                heard.gap = event
        return heard
