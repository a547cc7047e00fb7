"""Very long conversations: memory is bounded, and what rules ask of them stays exact."""

from __future__ import annotations

import random
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

import observed
import vectors
from handshake_probe.diagnose.entries import tell
from handshake_probe.diagnose.heard import Heard
from handshake_probe.diagnose.observe_session import observe_session
from handshake_probe.diagnose.observe_steps import read_records
from handshake_probe.keys.keyring import Keyring
from handshake_probe.packets.units import Direction, StreamData
from handshake_probe.protocol import events as ev
from handshake_probe.protocol import log
from handshake_probe.protocol.coap import CoapMessage, Type, encode
from handshake_probe.protocol.layouts import split_session
from handshake_probe.protocol.log import EventLog
from handshake_probe.protocol.transcript import Transcript

DEVICE, CLOUD = Direction.DEVICE_TO_CLOUD, Direction.CLOUD_TO_DEVICE
HANDSHAKE = (
    (CLOUD, vectors.NONCE),
    (DEVICE, vectors.IDENTITY_LONG),
    (CLOUD, vectors.CIPHERTEXT + vectors.SIGNATURE),
)


class Feed:
    """Feeds a transcript, one piece per frame, or cut in two."""

    def __init__(self, keyring: Keyring) -> None:
        self.transcript = Transcript(keyring)
        self._frame = 0
        self._offset = dict.fromkeys(Direction, 0)

    def say(self, direction: Direction, data: bytes, cut: int = 0) -> None:
        for part in (data[:cut], data[cut:]):
            if part:
                offset = self._offset[direction]
                self._frame += not cut or part == data[cut:]
                piece = StreamData(offset, part, self._frame, self._frame * 10**9)
                self.transcript.feed(direction, piece)
                self._offset[direction] += len(part)


def records(count: int) -> list[tuple[Direction, bytes]]:
    dice = random.Random(count)
    sizes = [dice.choice((16, 32)) for _ in range(count)]
    parts = [size.to_bytes(2, "big") + dice.randbytes(size) for size in sizes]
    return [(dice.choice((DEVICE, CLOUD)), part) for part in parts]


@pytest.mark.parametrize("count", [20, 33, 500])
def test_records_taken_at_once_are_those_taken_in_pieces(count: int) -> None:
    whole, cut = Feed(Keyring()), Feed(Keyring())
    for direction, data in (*HANDSHAKE, (DEVICE, records(1)[0][1]), *records(count)):
        whole.say(direction, data)
        cut.say(direction, data, cut=7 if len(data) < 40 else 0)
    assert whole.transcript.events == cut.transcript.events
    assert len(whole.transcript.events) < 50


def test_records_left_out_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = [(DEVICE, records(1)[0][1]), *records(400), (CLOUD, b"\0\0")]
    seen = []
    for first, last in ((24, 8), (10_000, 10_000)):
        monkeypatch.setattr(log, "FIRST_UNREAD", first)
        monkeypatch.setattr(log, "LAST_UNREAD", last)
        feed = Feed(Keyring())
        for direction, data in (*HANDSHAKE, *spoken):
            feed.say(direction, data)
        events = feed.transcript.events
        seen.append([read_records(Heard.of(events), direction) for direction in Direction])
    assert seen[0] == seen[1]
    assert seen[0][0].count + seen[0][1].count == len(spoken)


def message(kind: Type, number: int) -> bytes:
    return encode(CoapMessage(kind, 0, number % 65536))


class Talk:
    """Encrypted records of a session, each direction with its own chain."""

    def __init__(self) -> None:
        self._session = split_session(vectors.SESSION)
        self._iv = dict.fromkeys(Direction, self._session.iv)

    def record(self, direction: Direction, plaintext: bytes) -> bytes:
        fill = 16 - len(plaintext) % 16
        key, iv = algorithms.AES(self._session.key), modes.CBC(self._iv[direction])
        ciphertext = Cipher(key, iv).encryptor().update(plaintext + bytes([fill]) * fill)
        self._iv[direction] = ciphertext[:16]
        return len(ciphertext).to_bytes(2, "big") + ciphertext


@pytest.mark.parametrize("answered", [True, False])
def test_an_endless_session_is_bounded(monkeypatch: pytest.MonkeyPatch, answered: bool) -> None:
    monkeypatch.setattr(log, "FIRST_KEPT", 40)
    monkeypatch.setattr(log, "LAST_KEPT", 40)
    feed, talk = Feed(vectors.ALL_KEYS), Talk()
    for direction, data in HANDSHAKE:
        feed.say(direction, data)
    for number in range(300):
        feed.say(DEVICE, talk.record(DEVICE, message(Type.CON, number)))
        if answered or number < 297:
            feed.say(CLOUD, talk.record(CLOUD, message(Type.ACK, number)))
    events = feed.transcript.events
    assert len(events) < 100
    [gap] = [event for event in events if isinstance(event, ev.LeftOut)]
    assert gap.records[DEVICE].messages > 250
    session = observe_session(Heard.of(events))
    assert session is not None
    assert session.messages == (600 if answered else 597)
    assert session.pings_unanswered == (0 if answered else 3)
    assert read_records(Heard.of(events), DEVICE).count == 300


@pytest.mark.parametrize("keyring", [Keyring(), vectors.ALL_KEYS], ids=["none", "all"])
@pytest.mark.parametrize("count", [2, 12, 13, 28, 29, 30, 200])
def test_the_ladder_tells_of_every_record(
    monkeypatch: pytest.MonkeyPatch, keyring: Keyring, count: int
) -> None:
    monkeypatch.setattr(log, "FIRST_KEPT", 40)
    monkeypatch.setattr(log, "LAST_KEPT", 40)
    feed, talk = Feed(keyring), Talk()
    for direction, data in HANDSHAKE:
        feed.say(direction, data)
    for number in range(count):
        direction = CLOUD if number % 2 else DEVICE
        feed.say(direction, talk.record(direction, message(Type.CON, number)))
    seen = observed.connection().seen()
    listed = [
        entry
        for entry in tell(seen, Heard.of(feed.transcript.events)).events
        if "record" in entry.event
    ]
    assert sum(entry.records or 1 for entry in listed) == count
    frames = [entry.frame for entry in listed]
    assert frames == sorted(frames)
    first, last = len(HANDSHAKE) + 1, len(HANDSHAKE) + count
    assert frames[0] == first
    assert frames[-4:] == list(range(max(first, last - 3), last + 1))
    gaps = [entry for entry in listed if entry.records]
    assert len(gaps) == (count > (28 if keyring is vectors.ALL_KEYS else 12))
    assert all(entry.frame == last - 4 for entry in gaps)


STEP = ev.Ended(frame=1, time_ns=1, direction=DEVICE, kind="fin")


@given(st.lists(st.sampled_from(["step", "record", "bad"]), max_size=120))
def test_steps_are_never_left_out(kinds: list[str]) -> None:
    kept = EventLog()
    made: dict[str, Any] = {"step": lambda frame: STEP}
    made["record"] = lambda frame: ev.RecordSeen(
        frame=frame, time_ns=0, direction=CLOUD, index=frame, length=16, whole=True
    )
    made["bad"] = lambda frame: ev.RecordBad(
        frame=frame, time_ns=0, direction=CLOUD, index=frame, problem="empty"
    )
    for frame, kind in enumerate(kinds):
        kept.add(made[kind](frame))
    events = kept.events
    assert sum(event is STEP for event in events) == kinds.count("step")
    assert sum(event is not STEP for event in events) <= log.FIRST_UNREAD + log.LAST_UNREAD + 1
    records_seen = read_records(Heard.of(events), CLOUD)
    if kinds.count("record"):
        assert (records_seen.count, records_seen.bad) == (kinds.count("record"), kinds.count("bad"))
