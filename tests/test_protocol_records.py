from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vectors
from handshake_probe.packets.units import GapReason, StreamData, StreamGap
from handshake_probe.protocol.cipher import Opened, open_record
from handshake_probe.protocol.layouts import split_session
from handshake_probe.protocol.records import (
    SEARCH_WINDOW,
    Found,
    Lost,
    Record,
    RecordReader,
    is_chain,
)
from handshake_probe.protocol.stream import StreamBuffer

SESSION = split_session(vectors.SESSION)


def frames_of(direction: object) -> list[tuple[bytes, bytes]]:
    return [
        (bytes.fromhex(plaintext), bytes.fromhex(frame))
        for sender, plaintext, frame in vectors.FRAMES
        if sender is direction
    ]


def record(length: int, fill: int = 0xAA) -> bytes:
    return length.to_bytes(2, "big") + bytes([fill]) * length


class Wire:
    """Feeds a reader piece by piece."""

    def __init__(self, *, searching: bool = False) -> None:
        self.buffer = StreamBuffer()
        self.reader = RecordReader(self.buffer, searching=searching)
        self.offset = 0
        self.frame = 0

    def data(self, data: bytes) -> list[Record | Lost | Found]:
        self.frame += 1
        self.buffer.append(StreamData(self.offset, data, self.frame, self.frame * 1000))
        self.offset += len(data)
        return list(self.reader.drain())

    def gap(
        self, length: int, reason: GapReason = GapReason.NOT_CAPTURED
    ) -> list[Record | Lost | Found]:
        self.frame += 1
        self.buffer.append(StreamGap(self.offset, length, reason, self.frame, self.frame * 1000))
        self.offset += length
        return list(self.reader.drain())


def plaintexts(items: list[Record | Lost | Found]) -> list[Opened | None]:
    return [open_record(SESSION, item) for item in items if isinstance(item, Record)]


@pytest.mark.parametrize("direction", [vectors.DEVICE, vectors.CLOUD])
def test_the_vectors_open(direction: object) -> None:
    frames = frames_of(direction)
    items = Wire().data(b"".join(frame for _, frame in frames))
    assert plaintexts(items) == [Opened(plaintext, False, None) for plaintext, _ in frames]


def test_a_hello_of_version_3_opens() -> None:
    assert plaintexts(Wire().data(vectors.HELLO_30_FRAME)) == [
        Opened(vectors.HELLO_30, False, None)
    ]


def test_the_firmwares_own_fixture_opens() -> None:
    [item] = Wire().data(vectors.FIXTURE_FRAME)
    assert isinstance(item, Record)
    session = split_session(vectors.FIXTURE_SESSION)
    assert open_record(session, item) == Opened(vectors.FIXTURE_PLAINTEXT, False, None)
    assert session.seed_be + 1 == 0x97B2


@given(st.lists(st.integers(1, 117), max_size=12))
def test_cuts_do_not_matter(cuts: list[int]) -> None:
    frames = frames_of(vectors.DEVICE)
    stream, wire, items = b"".join(frame for _, frame in frames), Wire(), []
    for cut in cuts:
        items += wire.data(stream[:cut])
        stream = stream[cut:]
    items += wire.data(stream)
    assert plaintexts(items) == [Opened(plaintext, False, None) for plaintext, _ in frames]


def test_a_missing_record_costs_the_head_of_the_next() -> None:
    frames = frames_of(vectors.DEVICE)  # Hello, claim (6 blocks), time request, ping
    wire = Wire()
    assert len(wire.data(frames[0][1])) == 1
    claim, request = frames[1], frames[2]
    lost = wire.gap(18)
    assert [type(item) for item in lost] == [Lost]
    items = wire.data(claim[1])
    assert [type(item) for item in items] == [Found, Record]
    assert items[0] == Found(36, items[0].mark)
    assert plaintexts(items) == [Opened(claim[0][16:], True, None)]
    assert plaintexts(wire.data(request[1])) == [Opened(request[0], False, None)]


def test_a_record_of_one_block_after_a_gap_says_nothing() -> None:
    frames = frames_of(vectors.DEVICE)
    wire = Wire()
    wire.data(frames[0][1])
    wire.gap(len(frames[1][1]))
    assert plaintexts(wire.data(frames[2][1])) == [None]
    assert plaintexts(wire.data(frames[3][1])) == [Opened(frames[3][0], False, None)]


def test_a_snapped_body_keeps_framing_and_the_next_iv() -> None:
    frames = frames_of(vectors.DEVICE)
    wire = Wire()
    wire.data(frames[0][1] + frames[1][1][:30])
    [item] = wire.gap(len(frames[1][1]) - 30, GapReason.SNAPPED)
    assert isinstance(item, Record)
    assert (item.length, item.ciphertext) == (96, None)
    assert plaintexts(wire.data(frames[2][1])) == [Opened(frames[2][0], False, None)]


def test_a_gap_nobody_acknowledged_waits_for_what_follows() -> None:
    wire = Wire()
    assert wire.gap(18, GapReason.NOT_SEEN) == []
    assert [type(item) for item in wire.data(record(16))] == [Lost, Found, Record]


def test_a_gap_within_a_length_loses_framing() -> None:
    wire = Wire()
    assert wire.data(b"\0") == []
    [lost] = wire.gap(17)
    assert isinstance(lost, Lost)
    assert (lost.offset, lost.problem) == (0, "gap")
    assert [type(item) for item in wire.data(record(32))] == [Found, Record]


def test_framing_is_found_within_a_piece_behind_three_records() -> None:
    wire = Wire(searching=True)
    tail = b"\xf7" * 23
    items = wire.data(tail + record(16) + record(32) + record(48) + record(16))
    assert isinstance(items[0], Found)
    assert items[0].offset == len(tail) + 18  # the first of a chain is not believed
    assert [item.length for item in items if isinstance(item, Record)] == [32, 48, 16]


def test_framing_is_found_across_pieces() -> None:
    wire = Wire(searching=True)
    assert wire.data(record(200 // 16 * 16)[:88]) == []
    assert [type(item) for item in wire.data(record(192)[88:])] == [Found, Record]


def test_a_length_within_text_is_not_believed() -> None:
    wire = Wire(searching=True)
    assert wire.data(b"x" * 20 + record(16) + record(16)) == []
    assert wire.data(b"\xff" * 100) == []


@pytest.mark.parametrize("length", [0, 1025, 1040, 0x4854])
def test_a_length_that_is_none_loses_framing(length: int) -> None:
    wire = Wire()
    items = wire.data(length.to_bytes(2, "big") + b"\xbb" * 60)
    assert [(item.problem, item.offset) for item in items if isinstance(item, Lost)] == [
        ("bad_length", 0)
    ]


@pytest.mark.parametrize(("length", "problem"), [(17, "length_not_multiple_of_16"), (0, "empty")])
def test_a_wrong_length_borne_out_by_a_write_is_the_peers_fault(length: int, problem: str) -> None:
    wire = Wire()
    [item] = wire.data(record(length))
    assert isinstance(item, Record)
    assert (item.problem, item.length) == (problem, length)
    [after] = wire.data(record(16))
    assert isinstance(after, Record)
    assert after.number == 1


def test_a_wrong_length_is_settled_at_the_end() -> None:
    wire = Wire()
    assert wire.data(b"\0\x11\xbb") == []
    assert [type(item) for item in wire.reader.drain(final=True)] == [Lost]


def test_the_search_keeps_little() -> None:
    wire = Wire(searching=True)
    for _ in range(100):
        wire.data(b"GET / HTTP/1.1\r\n" * 100)
        wire.gap(1 << 30)
    assert len(wire.buffer) <= SEARCH_WINDOW
    assert wire.buffer.captured <= SEARCH_WINDOW


def test_tiny_pieces_are_searched_in_the_end() -> None:
    wire = Wire(searching=True)
    items = [item for byte in record(16) * 3 for item in wire.data(bytes([byte]))]
    items += wire.reader.drain(final=True)
    assert [item.length for item in items if isinstance(item, Record)][-1] == 16
    assert wire.buffer.offset == wire.offset


def test_a_bad_padding_is_told() -> None:
    frames = frames_of(vectors.DEVICE)
    spoilt = frames[0][1][:-1] + bytes([frames[0][1][-1] ^ 1])
    assert plaintexts(Wire().data(spoilt)) == [Opened(None, False, "padding")]


@given(st.lists(st.one_of(st.binary(max_size=80), st.integers(1, 5000)), max_size=12))
def test_no_stream_raises_and_offsets_add_up(pieces: list[bytes | int]) -> None:
    for searching in (True, False):
        wire = Wire(searching=searching)
        for piece in pieces:
            items = wire.data(piece) if isinstance(piece, bytes) else wire.gap(piece)
            plaintexts(items)
        list(wire.reader.drain(final=True))
        assert wire.buffer.offset + len(wire.buffer) == wire.offset


def test_a_chain_is_whole_records_and_nothing_else() -> None:
    assert is_chain(record(16) + record(1024))
    assert not is_chain(record(16) + b"\0")
    assert not is_chain(record(16)[:-1])
    assert not is_chain(record(1040))
