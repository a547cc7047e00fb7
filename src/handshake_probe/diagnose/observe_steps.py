"""The steps of a handshake as observations, read from a transcript's events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from operator import attrgetter
from typing import TypedDict

from handshake_probe.diagnose.heard import Heard
from handshake_probe.keys.fingerprint import describe_sent_key, fingerprint, read_spki
from handshake_probe.model.observations import (
    CredentialsSeen,
    IdentitySeen,
    KeyTest,
    NonceSeen,
    RecordsSeen,
)
from handshake_probe.packets.units import Direction
from handshake_probe.protocol import events as ev
from handshake_probe.protocol.nonce import looks_like
from handshake_probe.protocol.text import ascii_excerpt

NONCE_SIZE, IDENTITY_SIZE, CREDENTIALS_SIZE = 40, 256, 384
_INDEX = attrgetter("index")  # of records in their direction


def seconds(time_ns: int) -> float:
    """Nanoseconds since the epoch as seconds."""
    return time_ns / 1e9


def _digest(data: bytes | None) -> str | None:
    return hashlib.sha256(data).hexdigest()[:16] if data else None


def _share(block: bytes | None) -> float | None:
    """A block of an RSA key's size as a number, in units of what such a block can hold."""
    return int.from_bytes(block, "big") / (1 << 8 * len(block)) if block else None


def read_nonce(events: Iterable[ev.Event]) -> NonceSeen | None:
    """The cloud's first bytes; None when it sent none."""
    found: NonceSeen | None = None
    for event in events:
        if isinstance(event, ev.NonceReceived):
            found = NonceSeen(
                frame=event.frame,
                time=seconds(event.time_ns),
                received=NONCE_SIZE + event.surplus,
                whole=True,
                flaws=[str(flaw) for flaw in event.flaws],
                looks_like=_protocol(event.looks_like),
                excerpt=ascii_excerpt(event.excerpt),
                digest=_digest(event.nonce),
            )
        elif isinstance(event, ev.SurplusAfterNonce) and found is not None:
            found = found.with_surplus(event.received, ascii_excerpt(event.excerpt))
        elif isinstance(event, ev.NonceShort) and event.received:
            found = NonceSeen(
                frame=event.frame,
                time=seconds(event.time_ns),
                received=event.received,
                whole=False,
                looks_like=_protocol(event.looks_like),
                excerpt=ascii_excerpt(event.excerpt),
            )
    return found


def _protocol(word: str | None) -> str | None:
    """A protocol's name; mere text names none, and a broken cloud may send it."""
    return None if word == "text" else word


def read_identity(events: Iterable[ev.Event]) -> IdentitySeen | None:
    """The device's 256 bytes, or how many of them came; None for none."""
    for event in events:
        if isinstance(event, ev.IdentitySent):
            return IdentitySeen(
                frame=event.frame,
                time=seconds(event.time_ns),
                received=IDENTITY_SIZE,
                captured=event.blob is not None,
                pieces=event.pieces,
                digest=_digest(event.blob),
                share=_share(event.blob),
            )
        if isinstance(event, ev.IdentityShort):
            return IdentitySeen(
                frame=event.frame,
                time=seconds(event.time_ns),
                received=event.received,
                captured=False,
            )
    return None


def read_credentials(events: Iterable[ev.Event]) -> CredentialsSeen | None:
    """The cloud's answer, whole, short or too long; None for none."""
    found = None
    for event in events:
        if isinstance(event, ev.CredentialsReceived):
            found = CredentialsSeen(
                frame=event.frame,
                time=seconds(event.time_ns),
                received=CREDENTIALS_SIZE,
                whole=True,
                captured=event.ciphertext is not None and event.signature is not None,
                share=_share(event.ciphertext),
                **_foreign(event.ciphertext or b""),
            )
        elif isinstance(event, ev.CredentialsOddSize):
            found = CredentialsSeen(
                frame=event.frame,
                time=seconds(event.time_ns),
                received=event.received,
                whole=True,
                captured=True,
                looks_like=found.looks_like if found else None,
                excerpt=found.excerpt if found else None,
            )
        elif isinstance(event, ev.CredentialsShort) and event.received:
            found = CredentialsSeen(
                frame=event.frame,
                time=seconds(event.time_ns),
                received=event.received,
                whole=False,
                captured=True,
                **_foreign(event.excerpt),
            )
    return found


class _Foreign(TypedDict):
    looks_like: str | None
    excerpt: str | None


def _foreign(data: bytes) -> _Foreign:
    """Another protocol in place of the credentials."""
    word = looks_like(data[:NONCE_SIZE])
    return {"looks_like": _protocol(word), "excerpt": ascii_excerpt(data) if word else None}


def read_key_tests(events: Iterable[ev.Event]) -> list[KeyTest]:
    """Every key that was tried, in the order of the blocks."""
    tests: list[KeyTest] = []
    for event in events:
        if isinstance(event, ev.IdentityTest):
            key = fingerprint_of_sent(event.device_key)
            tests.append(
                KeyTest(
                    frame=event.frame,
                    block="identity",
                    key=event.key,
                    role="cloud",
                    private=event.private,
                    state=event.state,
                    length=event.plaintext_length,
                    device_id=event.device_id,
                    sent_key=key,
                    sent_key_flaw=describe_sent_key(event.device_key) if event.device_key else None,
                )
            )
        elif isinstance(event, ev.SignatureTest):
            tests.append(
                KeyTest(
                    frame=event.frame,
                    block="signature",
                    key=event.key,
                    role="cloud",
                    private=False,
                    state=event.state,
                    length=event.body_length,
                )
            )
        elif isinstance(event, ev.CredentialsTest):
            tests.append(
                KeyTest(
                    frame=event.frame,
                    block="credentials",
                    key=event.key,
                    role="device" if event.private else "sent",
                    private=event.private,
                    state=event.state,
                    length=event.plaintext_length,
                    firmware_opens=event.firmware_opens,
                )
            )
    return tests


@lru_cache(maxsize=1024)  # a device sends the same one every time
def fingerprint_of_sent(spki: bytes | None) -> str | None:
    """Fingerprint of the device key inside an identity; None when it is no key at all."""
    numbers = read_spki(spki) if spki else None
    return fingerprint(*numbers) if numbers else None


def read_records(heard: Heard, direction: Direction) -> RecordsSeen:
    """The records of one direction, counted."""
    told = [record for record in heard.records if record.direction is direction]
    count, bad, lost = len(told), 0, False
    for event in heard.flaws:
        if isinstance(event, ev.RecordBad) and event.direction is direction:
            bad += 1
        elif isinstance(event, ev.FramingLost) and event.direction is direction:
            lost = True
    between = heard.gap.records.get(direction) if heard.gap else None
    if between is not None:
        count += between.seen
        unheard = [record for record in (between.first, between.last) if record is not None]
        told = sorted([*told[:1], *told[-1:], *unheard], key=_INDEX)
        bad += between.bad
        lost = lost or between.framing_lost
    if not told:
        return RecordsSeen(framing_lost=lost)
    first, last = told[0], told[-1]
    return RecordsSeen(
        count=count,
        first_frame=first.frame,
        first_time=seconds(first.time_ns),
        first_length=first.length,
        last_time=seconds(last.time_ns),
        last_frame=last.frame,
        bad=bad,
        framing_lost=lost,
    )
