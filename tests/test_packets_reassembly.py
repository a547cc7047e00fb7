"""Streams come out as they went in, and what is missing stays missing, with a reason."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_probe.packets.path import DirectionFacts
from handshake_probe.packets.reassembly import StreamReassembler
from handshake_probe.packets.sequence import relative
from handshake_probe.packets.units import (
    GapReason,
    StreamData,
    StreamEnd,
    StreamGap,
    StreamPiece,
)

MS = 1_000_000


class Stream:
    """A reassembler fed with numbered packets, one millisecond apart."""

    def __init__(self, limit: int = 1 << 20) -> None:
        self.facts = DirectionFacts()
        self.machine = StreamReassembler(self.facts, limit)
        self.pieces: list[StreamPiece] = []
        self.frame = 0

    def next(self) -> tuple[int, int]:
        self.frame += 1
        self.machine.tick(self.frame * MS)
        return self.frame, self.frame * MS

    def send(self, sequence: int, payload: bytes, length: int | None = None) -> int:
        length = len(payload) if length is None else length
        fresh = self.machine.add(sequence, payload, length, *self.next())
        self.collect()
        return fresh

    def acknowledge(self, sequence: int) -> None:
        self.machine.acknowledge(sequence, *self.next())
        self.collect()

    def end(self, kind: str, sequence: int | None) -> None:
        self.machine.end(kind, sequence, *self.next())
        self.collect()

    def finish(self) -> list[str]:
        self.machine.finish()
        self.collect()
        return self.shown()

    def collect(self) -> None:
        self.pieces += self.machine.take()

    def shown(self) -> list[str]:
        """The pieces in words, neighbouring data joined; offsets are checked on the way."""
        words: list[str] = []
        offset, joined = 0, b""
        for piece in self.pieces:
            assert piece.offset == offset
            if isinstance(piece, StreamData):
                joined += piece.data
                offset += len(piece.data)
                continue
            if joined:
                words.append(joined.decode())
                joined = b""
            if isinstance(piece, StreamGap):
                words.append(f"{piece.reason.value} {piece.length}")
                offset += piece.length
            else:
                words.append(piece.kind)
        return [*words, joined.decode()] if joined else words


def test_order_does_not_matter() -> None:
    stream = Stream()
    stream.send(4, b"def")
    stream.send(7, b"ghi")
    assert stream.pieces == []
    stream.send(1, b"abc")
    assert stream.shown() == ["abcdefghi"]
    assert stream.pieces[1] == StreamData(3, b"def", 1, MS)


def test_first_copy_wins_and_differences_are_counted() -> None:
    stream = Stream()
    stream.send(1, b"abc")
    assert stream.send(2, b"BCd") == 1
    stream.send(7, b"ghi")
    assert stream.send(5, b"efG") == 2
    assert stream.send(1, b"abcdefghi") == 0
    assert stream.finish() == ["abcdefghi"]
    assert stream.facts.conflicting_bytes == 3
    assert stream.facts.captured_bytes == 9


def test_unacknowledged_hole_is_waited_for_until_the_end() -> None:
    stream = Stream()
    stream.send(1, b"abc")
    for sequence in range(7, 40, 3):
        stream.send(sequence, b"xyz")
    assert stream.shown() == ["abc"]
    stream.send(4, b"def")
    assert stream.finish() == ["abcdef" + "xyz" * 11]


def test_unacknowledged_hole_is_not_seen() -> None:
    stream = Stream()
    stream.send(1, b"abc")
    stream.send(7, b"ghi")
    assert stream.finish() == ["abc", "not_seen 3", "ghi"]
    assert stream.pieces[1] == StreamGap(3, 3, GapReason.NOT_SEEN, 2, 2 * MS)
    assert stream.facts.missing_bytes == 3


def test_acknowledged_hole_is_not_captured_after_32_packets() -> None:
    stream = Stream()
    stream.send(7, b"ghi")
    stream.acknowledge(10)
    assert stream.machine.waiting
    for _ in range(32):
        stream.next()
        assert stream.machine.take() == []
    stream.next()
    stream.collect()
    assert stream.shown() == ["not_captured 6", "ghi"]
    assert isinstance(gap := stream.pieces[0], StreamGap)
    assert gap.frame == 2
    assert not stream.machine.waiting


def test_acknowledged_hole_is_not_captured_after_a_second() -> None:
    stream = Stream()
    stream.send(7, b"ghi")
    stream.acknowledge(10)
    stream.machine.tick(1002 * MS - 1)
    assert stream.machine.take() == []
    stream.machine.tick(1002 * MS)
    stream.collect()
    assert stream.shown() == ["not_captured 6", "ghi"]


def test_bytes_that_turn_up_after_the_grace_are_late_and_counted_once() -> None:
    stream = Stream()
    stream.send(7, b"ghi")
    stream.acknowledge(10)
    stream.machine.tick(1002 * MS)
    for _ in range(2):
        assert stream.send(3, b"cd") == 0
    assert stream.finish() == ["not_captured 6", "ghi"]
    assert (stream.facts.missing_bytes, stream.facts.late_bytes) == (6, 2)


def test_late_bytes_fill_an_acknowledged_hole_within_the_grace() -> None:
    stream = Stream()
    stream.acknowledge(4)
    stream.send(1, b"abc")
    assert stream.shown() == ["abc"]
    assert stream.facts.missing_bytes == 0
    assert not stream.machine.waiting


def test_partly_acknowledged_hole_has_both_reasons() -> None:
    stream = Stream()
    stream.acknowledge(4)
    stream.send(7, b"ghi")
    assert stream.finish() == ["not_captured 3", "not_seen 3", "ghi"]


def test_snapped_bytes_become_a_gap_when_the_stream_goes_on() -> None:
    stream = Stream()
    stream.send(1, b"ab", 5)
    assert stream.shown() == ["ab"]
    stream.send(6, b"fgh")
    assert stream.shown() == ["ab", "snapped 3", "fgh"]
    assert (stream.facts.snapped_bytes, stream.facts.missing_bytes) == (3, 3)


def test_snapped_bytes_become_a_gap_when_acknowledged() -> None:
    stream = Stream()
    stream.send(1, b"ab", 5)
    stream.acknowledge(6)
    assert stream.shown() == ["ab", "snapped 3"]


def test_a_retransmission_brings_snapped_bytes_back() -> None:
    stream = Stream()
    stream.send(1, b"ab", 8)
    assert stream.send(4, b"de") == 0
    assert stream.finish() == ["ab", "snapped 1", "de", "snapped 3"]


def test_ends() -> None:
    stream = Stream()
    stream.send(1, b"abc")
    stream.end("fin", 4)
    assert stream.pieces[-1] == StreamEnd(3, "fin", 2, 2 * MS)
    stream.end("rst", 5)
    stream.acknowledge(5)
    assert stream.finish() == ["abc", "fin"]
    assert stream.facts.claimed_up_to == 4
    assert stream.facts.missing_bytes == 0


def test_fin_ahead_of_missing_bytes_waits_for_them() -> None:
    stream = Stream()
    stream.send(1, b"abc")
    stream.end("fin", 7)
    assert stream.shown() == ["abc"]
    stream.send(4, b"def")
    assert stream.shown() == ["abcdef", "fin"]


def test_fin_shows_bytes_that_never_came() -> None:
    stream = Stream()
    stream.send(1, b"abc")
    stream.end("fin", 7)
    assert stream.finish() == ["abc", "not_seen 3", "fin"]


def test_reset_ahead_of_missing_bytes_is_told_after_the_grace() -> None:
    stream = Stream()
    stream.end("rst", 385)
    for _ in range(33):
        assert stream.machine.take() == []
        stream.next()
    stream.collect()
    assert stream.shown() == ["not_seen 384", "rst"]


def test_reset_at_an_unknown_place_ends_at_once() -> None:
    stream = Stream()
    stream.end("rst", None)
    assert stream.finish() == ["rst"]


@pytest.mark.parametrize("shown_by", ["acknowledgment", "claim"])
def test_the_number_of_an_uncaptured_fin_is_no_missing_byte(shown_by: str) -> None:
    stream = Stream()
    stream.send(1, b"abc")
    if shown_by == "claim":
        stream.machine.claim(5, *stream.next())
    else:
        stream.acknowledge(5)
    assert not stream.machine.waiting
    assert stream.finish() == ["abc"]
    assert stream.facts.missing_bytes == 0


def test_memory_is_bounded() -> None:
    stream = Stream(limit=4000)
    for index in range(100):
        stream.send(11 + 20 * index, b"x" * 10)
    assert stream.machine.capped
    gaps = [piece for piece in stream.pieces if isinstance(piece, StreamGap)]
    assert len(gaps) > 80
    stream.send(11 + 2000, b"x")
    stream.finish()
    assert stream.facts.captured_bytes == 1001
    assert stream.facts.missing_bytes == 1010


@given(st.data())
def test_any_segmentation_order_and_repetition_gives_the_same_bytes(data: st.DataObject) -> None:
    content = data.draw(st.binary(min_size=1, max_size=60))
    cuts = data.draw(st.lists(st.integers(0, len(content)), max_size=8))
    edges = sorted({0, len(content), *cuts})
    segments = list(pairwise(edges))
    span = st.tuples(st.integers(0, len(content)), st.integers(0, len(content)))
    segments += [(min(pair), max(pair)) for pair in data.draw(st.lists(span, max_size=6))]
    stream = Stream()
    for start, end in data.draw(st.permutations(segments)):
        stream.send(start + 1, content[start:end])
    stream.machine.finish()
    stream.collect()
    pieces = stream.pieces
    assert all(isinstance(piece, StreamData) for piece in pieces)
    assert b"".join(p.data for p in pieces if isinstance(p, StreamData)) == content
    assert stream.facts.conflicting_bytes == 0
    assert stream.facts.captured_bytes == len(content) == stream.facts.sent_up_to - 1


@given(st.data())
def test_whatever_is_lost_cut_or_acknowledged_no_byte_is_invented(data: st.DataObject) -> None:
    content = bytes(range(60))
    stream = Stream(limit=data.draw(st.sampled_from([1 << 20, 1500])))
    for _ in range(data.draw(st.integers(0, 12))):
        start = data.draw(st.integers(0, 60))
        end = data.draw(st.integers(start, 60))
        kept = data.draw(st.integers(start, end))
        action = data.draw(st.sampled_from(["send", "send", "send", "ack", "claim", "fin", "rst"]))
        if action == "send":
            if start < end:
                stream.send(start + 1, content[start:kept], end - start)
        elif action == "ack":
            stream.acknowledge(end + 1)
        elif action == "claim":
            stream.machine.claim(end + 1, *stream.next())
        else:
            stream.end(action, end + 1)
    stream.machine.finish()
    stream.collect()
    offset = 0
    missing = 0
    for piece in stream.pieces:
        if isinstance(piece, StreamEnd):
            continue
        assert piece.offset == offset
        if isinstance(piece, StreamData):
            assert piece.data == content[offset : offset + len(piece.data)]
            offset += len(piece.data)
        else:
            assert piece.length > 0
            offset += piece.length
            missing += piece.length
    facts = stream.facts
    assert facts.missing_bytes == missing
    assert sum(isinstance(piece, StreamEnd) for piece in stream.pieces) <= 1
    assert facts.sent_up_to <= offset + 1
    assert offset + 1 <= max(1, facts.claimed_up_to, facts.acknowledged_up_to)


@pytest.mark.parametrize("base", [0, 5, 2**31, 2**32 - 1])
@given(st.integers(-(2**31), 2**40), st.integers(-(2**31) + 1, 2**31 - 1))
def test_numbers_unwrap(base: int, position: int, off: int) -> None:
    assert relative((base + position) % 2**32, base, position + off) == position
