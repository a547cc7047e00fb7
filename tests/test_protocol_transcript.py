from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vectors
from handshake_probe.keys.keyring import Keyring
from handshake_probe.packets.units import (
    Direction,
    GapReason,
    StreamData,
    StreamEnd,
    StreamGap,
    StreamPiece,
)
from handshake_probe.protocol import events as ev
from handshake_probe.protocol.side import HELD
from handshake_probe.protocol.transcript import Transcript

DEVICE, CLOUD = vectors.DEVICE, vectors.CLOUD
NOT_CAPTURED, SNAPPED, NOT_SEEN = GapReason.NOT_CAPTURED, GapReason.SNAPPED, GapReason.NOT_SEEN
CREDENTIALS = vectors.CIPHERTEXT + vectors.SIGNATURE
FRAMES = [(direction, bytes.fromhex(frame)) for direction, _, frame in vectors.FRAMES]
PLAINTEXTS = [(direction, bytes.fromhex(plain)) for direction, plain, _ in vectors.FRAMES]
HANDSHAKE = [(CLOUD, vectors.NONCE), (DEVICE, vectors.IDENTITY_LONG), (CLOUD, CREDENTIALS)]
PAGE = b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\nContent-Length: 0\r\n\r\n"
NOISE = bytes(range(7, 247)) * 4


class Watch:
    """A transcript with a clock: every piece is a frame of its own."""

    def __init__(self, keyring: Keyring = vectors.ALL_KEYS, *, midstream: bool = False) -> None:
        self.transcript = Transcript(keyring, midstream=midstream)
        self.offset = dict.fromkeys(Direction, 0)
        self.frame = 0

    def _feed(self, direction: Direction, piece: StreamPiece, length: int) -> list[ev.Event]:
        self.offset[direction] += length
        return self.transcript.feed(direction, piece)

    def data(self, direction: Direction, data: bytes) -> list[ev.Event]:
        self.frame += 1
        piece = StreamData(self.offset[direction], data, self.frame, self.frame * 1000)
        return self._feed(direction, piece, len(data))

    def gap(
        self, direction: Direction, length: int, reason: GapReason = NOT_CAPTURED
    ) -> list[ev.Event]:
        self.frame += 1
        piece = StreamGap(self.offset[direction], length, reason, self.frame, self.frame * 1000)
        return self._feed(direction, piece, length)

    def end(self, direction: Direction, kind: str = "fin") -> list[ev.Event]:
        self.frame += 1
        piece = StreamEnd(self.offset[direction], kind, self.frame, self.frame * 1000)
        return self._feed(direction, piece, 0)

    def turns(self, *turns: tuple[Direction, bytes]) -> Watch:
        for direction, data in turns:
            self.data(direction, data)
        return self

    def finish(self) -> tuple[ev.Event, ...]:
        self.transcript.finish(self.frame * 1000, self.frame)
        return self.transcript.events


def of(events: Any, *kinds: type[ev.Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kinds)]


def names(events: Any) -> list[str]:
    return [event.name for event in events]


def bare(event: ev.Event) -> tuple[object, ...]:
    """Everything but when and in how many segments it came."""
    dropped = ("frame", "time_ns", "pieces")
    return event.name, *(getattr(event, f) for f in event.__struct_fields__ if f not in dropped)


def messages(events: Any) -> list[tuple[Direction, bytes]]:
    return [(event.direction, event.plaintext) for event in of(events, ev.Message)]


def test_the_vectors_make_a_whole_session() -> None:
    watch = Watch().turns(*HANDSHAKE, *FRAMES)
    watch.end(DEVICE)
    watch.end(CLOUD, "rst")
    events = watch.finish()
    assert names(events) == [
        "nonce_received",
        "identity_sent",
        "identity_test",
        "credentials_received",
        "signature_test",
        "credentials_test",
        "credentials_test",
        "session_keys",
        *["record", "message"] * 7,
        "ended",
        "ended",
    ]
    assert messages(events) == PLAINTEXTS
    assert [event.frame for event in events[:4]] == [1, 2, 2, 3]
    nonce, sent, opened, received, signed, private, public, session = events[:8]
    assert isinstance(nonce, ev.NonceReceived)
    assert (nonce.nonce, nonce.surplus) == (vectors.NONCE, 0)
    assert isinstance(sent, ev.IdentitySent)
    assert (sent.blob, sent.pieces, sent.before_nonce) == (vectors.IDENTITY_LONG, 1, False)
    assert isinstance(opened, ev.IdentityTest)
    assert (opened.state, opened.device_id) == (ev.BlockState.OPENED, vectors.DEVICE_ID.hex())
    assert isinstance(received, ev.CredentialsReceived)
    assert (received.ciphertext, received.signature) == (vectors.CIPHERTEXT, vectors.SIGNATURE)
    assert isinstance(signed, ev.SignatureTest)
    assert signed.state is ev.BlockState.OPENED
    assert isinstance(private, ev.CredentialsTest)
    assert (private.private, private.state) == (True, ev.BlockState.OPENED)
    assert isinstance(public, ev.CredentialsTest)
    assert (public.private, public.state) == (False, ev.BlockState.FITS)
    assert isinstance(session, ev.SessionKeys)
    assert (session.session, session.proven) == (vectors.SESSION, True)
    hello, answer, claim = of(events, ev.Message)[:3]
    assert (hello.kind, hello.details["seed"]) == ("hello", "LE")
    assert "seed" not in answer.details
    assert (claim.kind, claim.index) == ("claim_code", 1)
    assert [event.kind for event in of(events, ev.Ended)] == ["fin", "rst"]


def test_the_seed_tells_firmware_classes_apart() -> None:
    """A Hello whose id follows the seed the other way, and one that follows none."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    for message_id, word in ((0x3413, "BE"), (0x1235, "LE"), (0x0001, "none")):
        plaintext = b"\x50\x02" + message_id.to_bytes(2, "big") + b"\xb1h"
        pad = 16 - len(plaintext)
        aes = Cipher(
            algorithms.AES(vectors.SESSION[:16]), modes.CBC(vectors.SESSION[16:32])
        ).encryptor()
        frame = b"\0\x10" + aes.update(plaintext + bytes([pad]) * pad)
        events = Watch().turns(*HANDSHAKE, (DEVICE, frame)).finish()
        assert of(events, ev.Message)[0].details["seed"] == word


def test_the_short_identity_makes_a_session_too() -> None:
    turns = [HANDSHAKE[0], (DEVICE, vectors.IDENTITY_SHORT), HANDSHAKE[2], *FRAMES]
    events = Watch().turns(*turns).finish()
    [test] = of(events, ev.IdentityTest)
    assert (test.plaintext_length, test.device_key) == (52, None)
    assert messages(events) == PLAINTEXTS


@given(st.data())
def test_cuts_do_not_matter(data: st.DataObject) -> None:
    expected = [bare(event) for event in Watch().turns(*HANDSHAKE, *FRAMES).finish()]
    watch = Watch()
    for direction, turn in [*HANDSHAKE, *FRAMES]:
        cuts = sorted(data.draw(st.sets(st.integers(1, len(turn) - 1), max_size=5)))
        for start, stop in zip([0, *cuts], [*cuts, len(turn)], strict=True):
            watch.data(direction, turn[start:stop])
    assert [bare(event) for event in watch.finish()] == expected


@given(st.lists(st.integers(1, 400), max_size=6))
def test_segments_of_many_turns_do_not_matter(cuts: list[int]) -> None:
    """One direction's stream cut without regard to its turns, as a sender may coalesce them."""
    expected = Watch().turns(*HANDSHAKE, *FRAMES).finish()
    late = b"".join(frame for direction, frame in FRAMES if direction is DEVICE)
    watch, left = Watch().turns(*HANDSHAKE), late
    for cut in cuts:
        watch.data(DEVICE, left[:cut] or b"")
        left = left[cut:]
    watch.data(DEVICE, left)
    for direction, frame in FRAMES:
        if direction is CLOUD:
            watch.data(CLOUD, frame)
    got = messages(watch.finish())
    for direction in Direction:
        assert [p for d, p in got if d is direction] == [
            p for d, p in messages(expected) if d is direction
        ]


def test_without_keys_steps_and_records_are_seen() -> None:
    events = Watch(Keyring()).turns(*HANDSHAKE, *FRAMES).finish()
    steps = ["nonce_received", "identity_sent", "credentials_received"]
    assert names(events) == [*steps, *["record"] * 7]


@pytest.mark.parametrize("reason", [NOT_CAPTURED, SNAPPED])
def test_a_step_with_a_gap_is_a_step(reason: GapReason) -> None:
    watch = Watch()
    watch.data(CLOUD, vectors.NONCE[:30])
    watch.gap(CLOUD, 10, reason)
    watch.data(DEVICE, vectors.IDENTITY_LONG[:30])
    watch.gap(DEVICE, 226, reason)
    watch.data(CLOUD, CREDENTIALS[:30])
    watch.gap(CLOUD, 354, reason)
    watch.turns(*FRAMES)
    events = watch.finish()
    steps = ["nonce_received", "identity_sent", "credentials_received"]
    assert names(events) == [*steps, *["record"] * 7]
    nonce, identity, credentials = events[:3]
    assert isinstance(nonce, ev.NonceReceived)
    assert (nonce.nonce, nonce.flaws) == (None, ())
    assert isinstance(identity, ev.IdentitySent)
    assert (identity.blob, identity.pieces, identity.before_nonce) == (None, 1, False)
    assert isinstance(credentials, ev.CredentialsReceived)
    assert (credentials.ciphertext, credentials.signature) == (None, None)


def test_half_of_the_credentials_is_enough_for_a_session() -> None:
    watch = Watch().turns(*HANDSHAKE[:2], (CLOUD, CREDENTIALS[:200]))
    watch.gap(CLOUD, 184)
    watch.turns(*FRAMES)
    events = watch.finish()
    test = of(events, ev.CredentialsTest)[0]
    assert test.state is ev.BlockState.UNPROVEN
    [session] = of(events, ev.SessionKeys)
    assert (session.proven, session.frame) == (False, of(events, ev.RecordSeen)[0].frame)
    assert messages(events) == PLAINTEXTS


@pytest.mark.parametrize("goes_on", [False, True])
def test_halves_in_the_wrong_order_are_told_when_the_device_gives_up(goes_on: bool) -> None:
    watch = Watch().turns(*HANDSHAKE[:2], (CLOUD, vectors.SIGNATURE + vectors.CIPHERTEXT))
    if goes_on:
        watch.data(DEVICE, b"\x00\x10" + bytes(16))
    states = [test.state for test in of(watch.finish(), ev.SignatureTest)]
    assert (ev.BlockState.MISPLACED in states) is not goes_on


def test_an_unproven_session_that_reads_nothing_is_not_believed() -> None:
    keys = Keyring(devices=(vectors.device_key(),))
    events = Watch(keys).turns(*HANDSHAKE, (DEVICE, b"\0\x20" + bytes(32))).finish()
    assert of(events, ev.CredentialsTest)[0].state is ev.BlockState.UNPROVEN
    assert of(events, ev.SessionKeys, ev.Message, ev.RecordBad) == []


def test_a_session_refuted_once_stays_refuted() -> None:
    keys = Keyring(devices=(vectors.device_key(),))
    garbage = b"\0\x10" + bytes(16)
    events = Watch(keys).turns(*HANDSHAKE, (DEVICE, garbage), *FRAMES[1:]).finish()
    assert of(events, ev.SessionKeys, ev.Message, ev.RecordBad) == []


def test_a_nonce_that_was_not_captured_shows_late() -> None:
    watch = Watch()
    assert watch.data(DEVICE, vectors.IDENTITY_LONG) == []
    new = watch.gap(CLOUD, 40)
    assert names(new) == ["nonce_received", "identity_sent", "identity_test"]
    assert of(new, ev.IdentityTest)[0].state is ev.BlockState.UNPROVEN
    assert of(new, ev.IdentitySent)[0].before_nonce is False
    watch.turns(HANDSHAKE[2], *FRAMES)
    assert messages(watch.finish()) == PLAINTEXTS


def test_an_identity_that_was_not_captured_shows_late() -> None:
    watch = Watch().turns(HANDSHAKE[0], HANDSHAKE[2])
    new = watch.gap(DEVICE, 256)
    assert names(new)[:2] == ["identity_sent", "credentials_received"]
    assert of(new, ev.SurplusAfterNonce) == []
    watch.turns(*FRAMES)
    assert messages(watch.finish()) == PLAINTEXTS


def test_a_gap_over_a_step_and_records_is_told_apart() -> None:
    watch = Watch().turns(HANDSHAKE[0])
    watch.gap(DEVICE, 256 + 18)
    watch.turns(HANDSHAKE[2], *FRAMES[1:])
    events = watch.finish()
    assert names(of(events, ev.FramingLost, ev.FramingFound)) == ["framing_lost", "framing_found"]
    got = of(events, ev.Message)
    claim = next(event for event in got if event.truncated_head)
    assert claim.plaintext == PLAINTEXTS[2][1][16:]
    assert [m.plaintext for m in got if m is not claim] == [p for _, p in PLAINTEXTS[1:2]] + [
        p for _, p in PLAINTEXTS[3:]
    ]


def test_credentials_nobody_acknowledged_were_not_received() -> None:
    watch = Watch().turns(*HANDSHAKE[:2])
    watch.gap(CLOUD, 384, NOT_SEEN)
    watch.end(CLOUD)
    assert of(watch.finish(), ev.CredentialsReceived, ev.CredentialsShort) == []


def test_credentials_with_a_part_nobody_acknowledged_were_not_received() -> None:
    watch = Watch().turns(*HANDSHAKE[:2])
    watch.gap(CLOUD, 128, NOT_SEEN)
    watch.data(CLOUD, vectors.SIGNATURE)
    watch.end(DEVICE)
    events = watch.finish()
    assert of(events, ev.CredentialsReceived) == []
    assert of(events, ev.CredentialsShort)[0].received == 256


def test_credentials_nobody_acknowledged_are_borne_out_by_a_hello() -> None:
    watch = Watch().turns(*HANDSHAKE[:2])
    watch.gap(CLOUD, 384, NOT_SEEN)
    watch.turns(*FRAMES[:2])
    assert names(watch.finish())[-3:] == ["credentials_received", "record", "record"]


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 403 Forbidden"])
def test_a_short_nonce_is_told_at_the_end(sent: bytes) -> None:
    watch = Watch()
    if sent:
        watch.data(CLOUD, sent)
    [short, ended] = watch.end(CLOUD)
    assert isinstance(short, ev.NonceShort)
    assert (short.received, short.looks_like) == (len(sent), "http" if sent else None)
    assert short.excerpt == sent
    assert ended.name == "ended"
    assert names(watch.finish()) == ["nonce_short", "ended"]


def test_a_device_that_speaks_first_is_told() -> None:
    events = Watch().turns((DEVICE, vectors.IDENTITY_LONG)).finish()
    assert names(events) == ["nonce_short", "identity_sent", "identity_test"]
    assert of(events, ev.IdentitySent)[0].before_nonce is True


def test_an_identity_before_the_nonce_is_told() -> None:
    events = Watch().turns((DEVICE, vectors.IDENTITY_LONG), HANDSHAKE[0]).finish()
    assert names(events)[:2] == ["nonce_received", "identity_sent"]
    assert of(events, ev.IdentitySent)[0].before_nonce is True


def test_a_portals_page_is_no_nonce() -> None:
    watch = Watch().turns((CLOUD, PAGE), (DEVICE, vectors.IDENTITY_LONG))
    watch.end(CLOUD)
    events = watch.finish()
    [nonce] = of(events, ev.NonceReceived)
    assert ev.NonceFlaw.KNOWN_PREFIX in nonce.flaws
    assert (nonce.looks_like, nonce.excerpt) == ("http", PAGE)
    assert nonce.surplus == len(PAGE) - 40
    assert names(events)[1:] == ["identity_sent", "identity_test", "ended"]
    assert of(events, ev.IdentityTest)[0].state is ev.BlockState.NONCE_DIFFERS


def test_a_page_long_enough_for_credentials_is_none() -> None:
    page = PAGE + b"<html>" + b" " * 600
    events = Watch().turns((CLOUD, page), (DEVICE, vectors.IDENTITY_LONG), (CLOUD, PAGE)).finish()
    assert names(events) == ["nonce_received", "identity_sent", "identity_test"]


def test_bytes_that_came_before_the_identity_do_not_answer_it() -> None:
    nonce, identity, credentials = HANDSHAKE
    early = Watch().turns(nonce, credentials, identity).finish()
    assert of(early, ev.CredentialsReceived, ev.CredentialsShort) == []
    assert of(early, ev.SurplusAfterNonce)[0].received == 384
    part = Watch().turns(nonce, (CLOUD, b"x" * 9), identity, (CLOUD, b"y" * 30)).finish()
    assert of(part, ev.CredentialsShort)[0].received == 30


def test_surplus_that_comes_later_is_told_when_the_device_speaks() -> None:
    watch = Watch().turns((CLOUD, PAGE[:40]), (CLOUD, PAGE[40:]))
    [surplus, *_] = watch.data(DEVICE, vectors.IDENTITY_LONG)
    assert isinstance(surplus, ev.SurplusAfterNonce)
    assert (surplus.received, surplus.excerpt) == (len(PAGE) - 40, PAGE)


def test_surplus_of_a_silent_device_is_told_at_the_end() -> None:
    events = Watch().turns((CLOUD, vectors.NONCE), (CLOUD, b"x" * 500)).finish()
    assert names(events) == ["nonce_received", "surplus_after_nonce"]


def test_short_steps_are_told() -> None:
    watch = Watch().turns(HANDSHAKE[0], (DEVICE, vectors.IDENTITY_LONG[:200]))
    assert names(watch.end(DEVICE)) == ["identity_short", "ended"]
    assert of(watch.finish(), ev.IdentityShort)[0].received == 200
    events = Watch().turns(*HANDSHAKE[:2], (CLOUD, CREDENTIALS[:128])).finish()
    assert of(events, ev.CredentialsShort)[0].received == 128


def test_credentials_of_another_size_are_told_at_the_end() -> None:
    watch = Watch().turns(*HANDSHAKE[:2], (CLOUD, bytes(range(256)) * 2))
    watch.end(DEVICE)
    events = watch.finish()
    [odd] = of(events, ev.CredentialsOddSize)
    assert odd.received == 512
    assert of(events, ev.FramingLost, ev.RecordSeen) == []


def test_a_cloud_that_greets_early_is_heard_after_the_device() -> None:
    cloud_hello, device_hello = FRAMES[1], FRAMES[0]
    watch = Watch().turns(*HANDSHAKE, cloud_hello)
    assert of(watch.transcript.events, ev.Message) == []
    watch.turns(device_hello)
    assert messages(watch.finish()) == PLAINTEXTS[:2]
    alone = Watch().turns(*HANDSHAKE, cloud_hello).finish()
    assert messages(alone) == PLAINTEXTS[1:2]
    assert of(alone, ev.CredentialsOddSize) == []


def test_a_spoilt_record_is_told_and_the_next_one_opens() -> None:
    spoilt = FRAMES[0][1][:-1] + b"\0"
    events = Watch().turns(*HANDSHAKE, (DEVICE, spoilt), FRAMES[1]).finish()
    assert [event.problem for event in of(events, ev.RecordBad)] == ["padding"]
    assert messages(events) == PLAINTEXTS[1:2]


def test_midstream_records_are_framed() -> None:
    watch = Watch(midstream=True).turns((DEVICE, FRAMES[2][1][40:]), *FRAMES[3:])
    watch.end(DEVICE, "rst")
    events = watch.finish()
    assert [event.length for event in of(events, ev.RecordSeen)] == [16, 16, 16, 16]
    assert {event.direction for event in of(events, ev.FramingFound)} == set(Direction)
    assert of(events, ev.NonceShort, ev.IdentityShort, ev.FramingLost) == []


def test_a_capture_begun_just_before_the_nonce_is_read_whole() -> None:
    expected = Watch().turns(*HANDSHAKE, *FRAMES).finish()
    assert Watch(midstream=True).turns(*HANDSHAKE, *FRAMES).finish() == expected


@pytest.mark.parametrize(
    "turns",
    [
        [(CLOUD, NOISE[:40])],
        [(CLOUD, NOISE[:40]), (DEVICE, NOISE[:30])],
        [(CLOUD, NOISE[:40]), (DEVICE, NOISE[:30]), (CLOUD, NOISE[:9])],
        [(CLOUD, NOISE[:39]), (DEVICE, NOISE)],
        [(DEVICE, NOISE)],
    ],
)
def test_other_midstream_openings_are_no_handshake(turns: list[tuple[Direction, bytes]]) -> None:
    assert Watch(midstream=True).turns(*turns).finish() == ()


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("turns", [[], HANDSHAKE[:1], HANDSHAKE[:2], HANDSHAKE])
def test_another_protocol_does_not_pile_up(
    direction: Direction, turns: list[tuple[Direction, bytes]]
) -> None:
    watch = Watch().turns(*turns)
    for _ in range(200):
        watch.data(direction, NOISE)
    for side in (watch.transcript._cloud, watch.transcript._device):
        assert side.buffer.captured <= HELD + len(NOISE)
    assert len(watch.finish()) < 30


def test_nothing_fed_is_nothing_told() -> None:
    assert Watch().finish() == ()
    watch = Watch().turns(HANDSHAKE[0])
    assert watch.finish() == watch.finish()


PIECES = st.one_of(
    st.tuples(st.just("data"), st.binary(min_size=1, max_size=600)),
    st.tuples(st.just("data"), st.sampled_from([CREDENTIALS, vectors.IDENTITY_LONG, PAGE])),
    st.tuples(st.just("gap"), st.tuples(st.integers(1, 1 << 31), st.sampled_from(GapReason))),
    st.tuples(st.just("gap"), st.tuples(st.integers(1, 500), st.sampled_from(GapReason))),
    st.tuples(st.just("end"), st.sampled_from(["fin", "rst"])),
)


@given(
    st.lists(st.tuples(st.sampled_from(Direction), PIECES), max_size=12),
    st.booleans(),
    st.integers(0, 5),
)
def test_no_conversation_raises(
    script: list[tuple[Direction, tuple[str, Any]]], midstream: bool, beginning: int
) -> None:
    watch = Watch(midstream=midstream).turns(*[*HANDSHAKE, *FRAMES][:beginning])
    told: list[ev.Event] = list(watch.transcript.events)
    for direction, (what, value) in script:
        if what == "data":
            told += watch.data(direction, value)
        elif what == "gap":
            told += watch.gap(direction, *value)
        else:
            told += watch.end(direction, value)
    told += watch.transcript.finish(0, 0)
    assert tuple(told) == watch.transcript.events
    assert len(of(told, ev.NonceReceived, ev.NonceShort)) <= 1
    assert len(of(told, ev.IdentitySent)) <= 1
    assert len(of(told, ev.CredentialsReceived)) <= 1
