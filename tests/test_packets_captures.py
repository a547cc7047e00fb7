"""The recordings, from frame to stream, beside what tshark sees in them."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path

import pytest

from frames import CAPTURES, tshark_rows
from handshake_probe.capture.inputs import open_capture
from handshake_probe.packets.decode import decode
from handshake_probe.packets.flows import FlowPiece, FlowTable
from handshake_probe.packets.units import (
    Direction,
    Icmp,
    Segment,
    StreamData,
    StreamEnd,
    StreamGap,
)

PORT = 5683


def follow(path: Path) -> tuple[FlowTable, list[FlowPiece], dict[int, Segment]]:
    table = FlowTable(lambda port: port == PORT)
    pieces: list[FlowPiece] = []
    segments: dict[int, Segment] = {}
    with open_capture(path) as capture:
        for frame in capture:
            packet = decode(frame)
            if isinstance(packet, Segment):
                segments[packet.frame] = packet
                if PORT in (packet.source.port, packet.destination.port):
                    pieces += table.feed(packet)
            elif isinstance(packet, Icmp):
                table.feed_icmp(packet)
    pieces += table.finish()
    return table, pieces, segments


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_recordings_decode_as_in_tshark(path: Path) -> None:
    table, pieces, segments = follow(path)
    rows = [row for row in tshark_rows(path) if row.stream is not None]
    assert set(segments) == {row.number for row in rows}
    streams: dict[tuple[int, bool], dict[int, int]] = defaultdict(dict)
    numbers: dict[int, int] = {}  # our connection by tshark's stream
    for row in rows:
        segment = segments[row.number]
        assert segment.source.port == row.source_port
        if len(row.payload) < segment.payload_length:  # tshark leaves snapped payloads out
            assert len(segment.payload) < segment.payload_length
        else:
            assert segment.payload == row.payload
        if PORT not in (segment.source.port, segment.destination.port):
            continue
        assert row.stream is not None
        assert row.sequence is not None
        if row.stream not in numbers:
            numbers[row.stream] = len(numbers)
        stream = streams[numbers[row.stream], segment.destination.port == PORT]
        if segment.flags & 4 or segment.payload_length == 0:
            continue
        for index, byte in enumerate(segment.payload):
            stream.setdefault(row.sequence - 1 + index, byte)
    assert [item.facts.number for item in table.connections] == list(range(len(numbers)))
    for connection in table.connections:
        for direction in Direction:
            expected = streams[connection.facts.number, direction is Direction.DEVICE_TO_CLOUD]
            got: dict[int, int] = {}
            missing = 0
            for owner, sender, piece in pieces:
                if owner is not connection or sender is not direction:
                    continue
                if isinstance(piece, StreamData):
                    got.update(enumerate(piece.data, piece.offset))
                elif isinstance(piece, StreamGap):
                    missing += piece.length
                else:
                    assert isinstance(piece, StreamEnd)
            assert got == expected
            facts = connection.facts.directions[direction]
            assert facts.captured_bytes == len(expected)
            assert facts.missing_bytes == missing
            assert facts.conflicting_bytes == 0


def test_recordings_are_there() -> None:
    assert len(CAPTURES) > 20


def one(name: str) -> tuple[FlowTable, list[FlowPiece]]:
    (path,) = [path for path in CAPTURES if path.stem == name]
    table, pieces, _ = follow(path)
    return table, pieces


def test_bytes_dropped_before_the_capture_point() -> None:
    table, pieces = one("blocked-credentials-dropped")
    facts = table.connections[0].facts
    cloud = facts.from_cloud
    assert (cloud.sent_up_to, cloud.claimed_up_to, cloud.missing_bytes) == (41, 425, 384)
    assert cloud.acknowledged_up_to == 41
    assert facts.from_device.acknowledged_up_to == 258
    gaps = [piece for owner, _, piece in pieces if owner is table.connections[0]]
    assert [piece.reason for piece in gaps if isinstance(piece, StreamGap)] == ["not_seen"]


def test_heavy_loss_leaves_no_gap() -> None:
    table, _ = one("healthy-heavy-packet-loss")
    facts = table.connections[0].facts
    assert facts.from_device.missing_bytes == facts.from_cloud.missing_bytes == 0
    assert len(facts.from_device.retransmissions) == 2
    assert [item.acknowledged for item in facts.from_cloud.retransmissions] == [True, True]
    syns = [control.frame for control in facts.from_device.controls if control.flags == 2]
    assert len(syns) == 3


def test_short_snap_length() -> None:
    table, _ = one("healthy-snap-length-96")
    for facts in table.connections[0].facts.directions.values():
        assert facts.snapped_bytes == facts.missing_bytes > 300


def test_capture_that_starts_mid_session() -> None:
    table, pieces = one("healthy-capture-starts-mid-session")
    facts = table.connections[0].facts
    assert facts.midstream
    assert facts.orientation_known
    first = pieces[0][2]
    assert isinstance(first, StreamData)
    assert first.offset == 0


def test_errors_of_a_firewall() -> None:
    table, _ = one("blocked-icmp-admin-prohibited")
    for connection in table.connections:
        (error,) = connection.facts.icmp_errors
        assert (error.type, error.code) == (3, 13)


def test_refusals_of_a_firewall() -> None:
    table, _ = one("blocked-syn-reset-by-router")
    for connection in table.connections:
        assert connection.closed
        assert connection.facts.established_ns is None
        assert connection.facts.from_cloud.controls
