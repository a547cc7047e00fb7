"""What was said on a recorded connection, and which one it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from handshake_probe.errors import UnreadableInput
from handshake_probe.keys.keyring import Keyring
from handshake_probe.packets.recorded_talk import Spoken, recorded_talk
from handshake_probe.packets.units import (
    Direction,
    GapReason,
    StreamData,
    StreamEnd,
    StreamGap,
    StreamPiece,
)
from handshake_probe.pipeline.recorded import recorded

CAPTURES = Path(__file__).parent.parent / "captures"
D, C = Direction.DEVICE_TO_CLOUD, Direction.CLOUD_TO_DEVICE
MS = 1_000_000


def piece(data: bytes, at: int, offset: int = 0) -> StreamPiece:
    return StreamData(offset, data, at, at * MS)


def gap(length: int, at: int) -> StreamPiece:
    return StreamGap(0, length, GapReason.NOT_CAPTURED, at, at * MS)


def test_segments_pauses_and_the_end() -> None:
    talk = recorded_talk(
        0,
        [
            (C, piece(b"n" * 40, 20)),
            (D, piece(b"i" * 100, 50)),
            (D, piece(b"i" * 156, 51)),
            (C, StreamEnd(40, "fin", 9, 80 * MS)),
            (D, piece(b"late", 90)),
        ],
    )
    assert talk.sizes(D) == [100, 156]
    assert [round(item.pause, 6) for item in talk.spoken] == [0.02, 0.03, 0.001]
    assert (talk.ended_by, talk.ended_with) == (C, "fin")
    assert talk.ending_pause == pytest.approx(0.029)


def test_nothing_is_said_from_a_gap_on() -> None:
    talk = recorded_talk(
        0, [(C, gap(40, 1)), (D, piece(b"ab", 2)), (D, gap(5, 3)), (D, piece(b"c", 4))]
    )
    assert [(item.size, item.data) for item in talk.sayable(D, 100)] == [(40, None), (2, b"ab")]
    assert recorded_talk(0, [(D, gap(5, 3)), (D, piece(b"c", 4))]).sayable(D, 100) == ()


def test_no_more_than_the_cap_is_said() -> None:
    talk = recorded_talk(
        0, [(D, piece(b"a" * 60, 1)), (C, piece(b"x", 2)), (D, piece(b"b" * 60, 3))]
    )
    assert talk.sayable(D, 100) == (Spoken(D, 0.001, 60, b"a" * 60, 1),)


def test_a_recorded_handshake() -> None:
    found = recorded(str(CAPTURES / "healthy-brewskey-device-os-1.0.0.pcap"), keyring=Keyring())
    sizes = [(item.direction, item.size) for item in found.talk.spoken[:3]]
    assert sizes == [(C, 40), (D, 256), (C, 384)]
    assert all(item.data is not None for item in found.talk.spoken)


def test_the_most_telling_connection_is_one_on_which_the_device_spoke() -> None:
    path = str(CAPTURES / "blocked-session-reset-by-router-recovered.pcap")
    chosen = recorded(path, keyring=Keyring())
    assert chosen.connection.cause == chosen.device.verdict.cause
    assert sum(chosen.talk.sizes(D)) >= 256
    numbers = [c.stream for c in chosen.device.connections]
    for number in numbers:
        assert recorded(path, keyring=Keyring(), stream=number).connection.stream == number
    with pytest.raises(UnreadableInput, match="has no connection 9999"):
        recorded(path, keyring=Keyring(), stream=9999)


def test_standard_input_is_refused() -> None:
    with pytest.raises(UnreadableInput, match="name a file"):
        recorded("-", keyring=Keyring())
