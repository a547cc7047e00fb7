"""Many pieces handed over at once are read as if they had come one by one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
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
from handshake_probe.protocol.coap import CoapMessage, Option, Type, encode
from handshake_probe.protocol.layouts import split_session
from handshake_probe.protocol.log import FIRST_UNREAD
from handshake_probe.protocol.pieces import ListedPieces
from handshake_probe.protocol.seal import Seal, encrypt_record, frame_record
from handshake_probe.protocol.transcript import Transcript

DEVICE, CLOUD = Direction.DEVICE_TO_CLOUD, Direction.CLOUD_TO_DEVICE
HANDSHAKE = [
    (CLOUD, vectors.NONCE),
    (DEVICE, vectors.IDENTITY_LONG),
    (CLOUD, vectors.CIPHERTEXT + vectors.SIGNATURE),
]
KEYRINGS = {
    "none": Keyring(),
    "cloud's public": Keyring(cloud=(vectors.cloud_key(public_only=True),)),
    "device's": Keyring(devices=(vectors.device_key(),)),
    "all": vectors.ALL_KEYS,
}
SAID = (
    encode(CoapMessage(Type.CON, 0, 7)),
    encode(CoapMessage(Type.ACK, 0, 7)),
    encode(CoapMessage(Type.CON, 2, 8, b"t", ((Option.URI_PATH, b"E"), (11, b"name")), b"data")),
    encode(CoapMessage(Type.NON, 2, 0x1235, b"", ((Option.URI_PATH, b"h"),), bytes(8))),
    b"\0no message",
    bytes(500),
)
Piece = tuple[Direction, StreamPiece]


class Path:
    """Numbers the pieces of a conversation as they come."""

    def __init__(self) -> None:
        self._at = dict.fromkeys(Direction, 0)
        self._frame = 0

    def data(self, direction: Direction, data: bytes) -> Iterator[Piece]:
        if data:
            self._frame += 1
            piece = StreamData(self._at[direction], data, self._frame, self._frame * 1000)
            self._at[direction] += len(data)
            yield direction, piece

    def gap(self, direction: Direction, length: int, reason: GapReason) -> Iterator[Piece]:
        self._frame += 1
        piece = StreamGap(self._at[direction], length, reason, self._frame, self._frame * 1000)
        self._at[direction] += length
        yield direction, piece

    def end(self, direction: Direction) -> Iterator[Piece]:
        self._frame += 1
        yield direction, StreamEnd(self._at[direction], "fin", self._frame, self._frame * 1000)


@st.composite
def conversations(draw: st.DrawFn) -> list[Piece]:
    """A handshake and records, most of them whole, with what a path or a peer may do to them."""
    path, session = Path(), split_session(vectors.SESSION)
    iv = dict.fromkeys(Direction, session.iv)
    pieces: list[Piece] = []

    def say(direction: Direction, data: bytes, odds: int) -> None:
        fate = draw(st.integers(0, odds))
        cut = draw(st.integers(0, len(data))) if fate in (1, 2, 3) else 0
        match fate:
            case 1:
                pieces.extend(path.data(direction, data[:cut]))
                pieces.extend(path.data(direction, data[cut:]))
            case 2:
                pieces.extend(path.gap(direction, len(data), draw(st.sampled_from(GapReason))))
            case 3:
                pieces.extend(path.data(direction, data[:cut]))
                lost = len(data) - cut
                pieces.extend(path.gap(direction, lost, draw(st.sampled_from(GapReason))))
            case 4:
                pieces.extend(path.data(direction, draw(st.binary(max_size=60))))
            case 5:
                pieces.extend(path.end(direction))
            case _:
                pieces.extend(path.data(direction, data))

    for direction, data in HANDSHAKE[draw(st.sampled_from((0, 0, 0, 1, 2, 3))) :]:
        say(direction, data, 40)
    for _ in range(draw(st.integers(0, 70))):
        direction = draw(st.sampled_from((DEVICE, CLOUD)))
        ciphertext = encrypt_record(session.key, iv[direction], draw(st.sampled_from(SAID)))
        iv[direction] = Seal().next_iv(session.iv, ciphertext)
        say(direction, frame_record(ciphertext), 60)
    for direction in draw(st.lists(st.sampled_from((DEVICE, CLOUD)), max_size=2)):
        pieces.extend(path.end(direction))
    return pieces


def one_by_one(keyring: Keyring, pieces: list[Piece], *, midstream: bool) -> tuple[ev.Event, ...]:
    transcript = Transcript(keyring, midstream=midstream)
    for direction, piece in pieces:
        transcript.feed(direction, piece)
    transcript.finish(10**9, 10**6)
    return transcript.events


@settings(deadline=None, max_examples=150)
@given(conversations(), st.sampled_from(sorted(KEYRINGS)), st.booleans(), st.data())
def test_all_at_once_is_one_by_one(
    pieces: list[Piece], keys: str, midstream: bool, data: st.DataObject
) -> None:
    transcript = Transcript(KEYRINGS[keys], midstream=midstream)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(pieces)), max_size=3)))
    for number, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(pieces)], strict=True)):
        if number % 2:
            for direction, piece in pieces[start:stop]:
                transcript.feed(direction, piece)
        else:
            transcript.feed_all(ListedPieces(pieces[start:stop]))
    transcript.finish(10**9, 10**6)
    expected = one_by_one(KEYRINGS[keys], pieces, midstream=midstream)
    assert transcript.events == expected
    assert repr(transcript.events) == repr(expected)  # which tells the order in mappings, too


@pytest.mark.parametrize("first", list(Direction))
def test_directions_are_left_out_in_the_order_they_came(first: Direction) -> None:
    """The device speaks until no more first records are kept, then one of the two, then both."""
    path, record = Path(), frame_record(bytes(16))
    turns = [*HANDSHAKE, *[(DEVICE, record)] * FIRST_UNREAD]
    turns += [(direction, record) for direction in (first, DEVICE, CLOUD) for _ in range(20)]
    pieces = [piece for turn in turns for piece in path.data(*turn)]
    transcript = Transcript(Keyring())
    transcript.feed_all(ListedPieces(pieces))
    for events in (transcript.events, one_by_one(Keyring(), pieces, midstream=False)):
        [gap] = [event for event in events if isinstance(event, ev.LeftOut)]
        assert next(iter(gap.records)) is first
        assert len(gap.records) == 2


def test_a_long_session_of_whole_records_is_taken_at_once() -> None:
    """More records than are kept, readable or not."""
    session, path = split_session(vectors.SESSION), Path()
    iv = dict.fromkeys(Direction, session.iv)
    pieces = [piece for turn in HANDSHAKE for piece in path.data(*turn)]
    for number in range(6000):
        direction = CLOUD if number % 3 else DEVICE
        ciphertext = encrypt_record(session.key, iv[direction], SAID[number % 3])
        iv[direction] = ciphertext[:16]
        pieces.extend(path.data(direction, frame_record(ciphertext)))
    for keyring in KEYRINGS.values():
        transcript = Transcript(keyring)
        transcript.feed_all(ListedPieces(pieces))
        transcript.finish(10**9, 10**6)
        events = transcript.events
        assert events == one_by_one(keyring, pieces, midstream=False)
        assert sum(isinstance(event, ev.LeftOut) for event in events) == 1
