"""The events a watched or played handshake yields, as frozen values.

Every event names the frame and the time (ns since the epoch) that completed it. A violation by a
peer is an event like any other; nothing here is an exception.

They are structs of msgspec because dozens are made of every session: one takes a fifth of the time
of a frozen dataclass. `gc=False`: no event holds anything that could lead back to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, NamedTuple

import msgspec

from handshake_probe.packets.units import Direction


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of all events; `name` is the word used in documents."""

    name: ClassVar[str] = "event"
    frame: int
    time_ns: int


class NonceFlaw(StrEnum):
    """Why 40 bytes do not look like a nonce (error rates: at most 4e-6 per handshake)."""

    KNOWN_PREFIX = "known_prefix"
    PRINTABLE = "printable"
    FEW_VALUES = "few_values"
    RUN = "run"
    BIT_COUNT = "bit_count"


class NonceReceived(Event, frozen=True, kw_only=True, gc=False):
    """The cloud's first 40 bytes are whole."""

    name: ClassVar[str] = "nonce_received"
    nonce: bytes | None  # 40 bytes, None when a gap lies in it
    flaws: tuple[NonceFlaw, ...]  # empty: looks like a nonce
    looks_like: str | None  # a word of protocol.nonce: "http", "tls", "ssh", …, "text"
    excerpt: bytes  # first bytes of the cloud's stream when it is flawed (at most 120), else b""
    surplus: int  # bytes beyond 40 the cloud sent before the device spoke


class SurplusAfterNonce(Event, frozen=True, kw_only=True, gc=False):
    """The cloud sent more than the nonce before the device spoke, and `surplus` had missed some."""

    name: ClassVar[str] = "surplus_after_nonce"
    received: int  # bytes beyond 40, all that came before the device spoke
    excerpt: bytes  # first bytes of the cloud's stream when the nonce is flawed (at most 120)


class NonceShort(Event, frozen=True, kw_only=True, gc=False):
    """The cloud's stream ended, or the device spoke, before 40 bytes were whole."""

    name: ClassVar[str] = "nonce_short"
    received: int
    looks_like: str | None
    excerpt: bytes


class IdentitySent(Event, frozen=True, kw_only=True, gc=False):
    """The device's 256-byte identity is whole in the stream (captured or in part a gap)."""

    name: ClassVar[str] = "identity_sent"
    blob: bytes | None  # 256 bytes, None when a gap lies in it
    pieces: int  # segments it came in
    before_nonce: bool  # the device spoke before a whole nonce was seen


class IdentityShort(Event, frozen=True, kw_only=True, gc=False):
    """The device sent something, but fewer than 256 bytes before the stream ended."""

    name: ClassVar[str] = "identity_short"
    received: int


class BlockState(StrEnum):
    """What a raw RSA operation on an encrypted or signed block showed."""

    OPENED = "opened"  # proven: nonce echo, or HMAC match, or signature pattern
    NOT_BELOW_MODULUS = "not_below_modulus"  # integer >= N: made with another key, certain
    PADDING_BAD = "padding_bad"  # not 00 02 / 00 01 …: another key (or a damaged one)
    PADDING_GOOD_LENGTH_ODD = "padding_good_length_odd"  # PKCS#1 form, plaintext length wrong
    NONCE_DIFFERS = "nonce_differs"  # opened, but the nonce inside is another one
    MISPLACED = "misplaced"  # no signature where it belongs, but one before the ciphertext
    DIGEST_INFO = "digest_info"  # signature opens, body carries a DigestInfo
    HMAC_DIFFERS = "hmac_differs"  # 40 bytes opened, but the signed HMAC is another one
    UNPROVEN = "unproven"  # PKCS#1 form and 40 bytes, but no HMAC to compare with
    KEY_DAMAGED = "key_damaged"  # the private half opens nothing at all, whatever the block
    FITS = "fits"  # only the public key: integer < N, nothing more can be said


class IdentityTest(Event, frozen=True, kw_only=True, gc=False):
    """One cloud key tried on the identity."""

    name: ClassVar[str] = "identity_test"
    key: str  # fingerprint of the cloud key (see keys.fingerprint)
    private: bool  # tried with the private key
    state: BlockState
    plaintext_length: int | None  # 52 or 214 when opened
    device_id: str | None  # 24 hex digits when opened
    device_key: bytes | None  # 162-byte SPKI as sent, when the long form opened


class CredentialsReceived(Event, frozen=True, kw_only=True, gc=False):
    """The cloud's 384 bytes are whole in the stream."""

    name: ClassVar[str] = "credentials_received"
    ciphertext: bytes | None  # 128 bytes, None when a gap lies in it
    signature: bytes | None  # 256 bytes, None when a gap lies in it


class CredentialsShort(Event, frozen=True, kw_only=True, gc=False):
    """The cloud answered the identity with fewer than 384 bytes before its stream ended."""

    name: ClassVar[str] = "credentials_short"
    received: int  # bytes after the device spoke
    excerpt: bytes  # the first captured of these bytes, at most 120


class CredentialsOddSize(Event, frozen=True, kw_only=True, gc=False):
    """The cloud sent more than 384 bytes and the device never spoke again.

    `CredentialsReceived` with the first 384 came before; its split and the tests on it then mean
    little (512 bytes: the cloud has a 2048-bit device key on file).
    """

    name: ClassVar[str] = "credentials_odd_size"
    received: int  # bytes after the nonce


class SignatureTest(Event, frozen=True, kw_only=True, gc=False):
    """One cloud public key tried on the signature."""

    name: ClassVar[str] = "signature_test"
    key: str
    state: (
        BlockState  # OPENED, NOT_BELOW_MODULUS, PADDING_BAD, PADDING_GOOD_LENGTH_ODD, DIGEST_INFO,
        # MISPLACED
    )
    body_length: int | None


class CredentialsTest(Event, frozen=True, kw_only=True, gc=False):
    """One device key tried on the 128-byte ciphertext of the credentials."""

    name: ClassVar[str] = "credentials_test"
    key: str
    private: bool
    state: BlockState  # the better of both readings of a private key
    plaintext_length: int | None
    firmware_opens: bool | None  # the firmware's reading and CRT yields 40 bytes; None if public


class RecordSeen(Event, frozen=True, kw_only=True, gc=False):
    """One length-prefixed AES record is whole in the stream (captured or in part a gap)."""

    name: ClassVar[str] = "record"
    direction: Direction
    index: int  # 0 is the direction's first record (counted from the first one seen)
    length: int  # ciphertext bytes, LEN itself excluded
    whole: bool  # every byte captured


class RecordBad(Event, frozen=True, kw_only=True, gc=False):
    """A record decrypted to something that is no message."""

    name: ClassVar[str] = "record_bad"
    direction: Direction
    index: int
    problem: str  # "padding", "length_not_multiple_of_16", "empty"


class Message(Event, frozen=True, kw_only=True, gc=False):
    """One decrypted CoAP message."""

    name: ClassVar[str] = "message"
    direction: Direction
    index: int  # record index
    plaintext: bytes  # without padding; empty never
    truncated_head: bool  # first 16 bytes unknown (record after a gap): plaintext starts at byte 16
    kind: str  # protocol.messages.Kind value: "hello", "ping", "event", …
    summary: str  # one line, safe ASCII/UTF-8 as decoded; not yet escaped for terminals
    details: dict[str, str | int | bool | None]


class FramingLost(Event, frozen=True, kw_only=True, gc=False):
    """Record framing broke: a gap, or lengths that are none."""

    name: ClassVar[str] = "framing_lost"
    direction: Direction
    offset: int
    problem: str  # "gap", "bad_length"
    excerpt: bytes  # bytes that did not parse, at most 40


class FramingFound(Event, frozen=True, kw_only=True, gc=False):
    """Record framing was found again."""

    name: ClassVar[str] = "framing_found"
    direction: Direction
    offset: int


class SessionKeys(Event, frozen=True, kw_only=True, gc=False):
    """Session material was recovered and believed (never written to any document)."""

    name: ClassVar[str] = "session_keys"
    key: str  # fingerprint of the device key that opened the credentials
    proven: bool  # HMAC matched; False: the first records decrypted to well-formed messages
    session: bytes  # 40 bytes


class Ended(Event, frozen=True, kw_only=True, gc=False):
    """One direction ended."""

    name: ClassVar[str] = "ended"
    direction: Direction
    kind: str  # "fin" or "rst"


class RecordsLeftOut(NamedTuple):
    """What is still known of events of one direction that were not kept."""

    seen: int = 0  # `RecordSeen`
    first: RecordSeen | None = None
    last: RecordSeen | None = None
    bad: int = 0  # `RecordBad`
    messages: int = 0  # `Message`
    framing_lost: bool = False


class LeftOut(Event, frozen=True, kw_only=True, gc=False):
    """Stands for the events between: there were too many to keep them all."""

    name: ClassVar[str] = "left_out"
    records: Mapping[Direction, RecordsLeftOut]
