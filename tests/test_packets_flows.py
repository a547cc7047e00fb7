"""Segments are sorted into connections; the facts about the path are kept."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frames import ACK, CLOUD, DEVICE, FIN, PSH, RST, SYN, segment
from handshake_probe.packets.connection import Connection
from handshake_probe.packets.flows import FlowPiece, FlowTable, Limits
from handshake_probe.packets.units import (
    Direction,
    Endpoint,
    Icmp,
    Quote,
    Segment,
    StreamData,
    StreamEnd,
    StreamGap,
)

MS = 1_000_000
STAMP = b"\x01\x01\x08\x0a" + bytes(8)
NONCE, IDENTITY, CREDENTIALS = b"n" * 40, b"i" * 256, b"c" * 384
DEVICE_ISN, CLOUD_ISN = 2**32 - 10, 2**31  # the device's numbers wrap inside the identity
WAN = Endpoint(bytes([198, 51, 100, 4]), 61000)


class Watch:
    """A flow table fed with segments ten milliseconds apart."""

    def __init__(self, **limits: int) -> None:
        self.table = FlowTable(lambda port: port == 5683, Limits(**limits))
        self.pieces: list[FlowPiece] = []
        self.frame = 0

    def feed(self, one: Segment, after: int = 10 * MS) -> None:
        self.frame += 1
        self.time = getattr(self, "time", 0) + after
        self.pieces += self.table.feed(one._replace(frame=self.frame, time_ns=self.time))

    def device(self, sequence: int, ack: int | None, payload: bytes = b"", **more: Any) -> None:
        raw = None if ack is None else CLOUD_ISN + ack
        self.feed(segment(True, DEVICE_ISN + sequence, raw, payload, **more))

    def cloud(self, sequence: int, ack: int | None, payload: bytes = b"", **more: Any) -> None:
        raw = None if ack is None else DEVICE_ISN + ack
        self.feed(segment(False, CLOUD_ISN + sequence, raw, payload, **more))

    def open(self) -> None:
        self.device(0, None, flags=SYN)
        self.cloud(0, 1, flags=SYN)
        self.device(1, 1)

    def finish(self) -> list[str]:
        self.pieces += self.table.finish()
        return self.shown()

    def shown(self) -> list[str]:
        """The pieces in words: who, and how many bytes, which gap or which end."""
        words = []
        for connection, direction, piece in self.pieces:
            word = f"{connection.facts.number}{direction.value[0]} "
            if isinstance(piece, StreamData):
                word += str(len(piece.data))
            elif isinstance(piece, StreamGap):
                word += f"{piece.reason.value} {piece.length}"
            else:
                word += piece.kind
            words.append(word)
        return words

    @property
    def only(self) -> Connection:
        (connection,) = self.table.connections
        return connection


def error(sequence: int | None, **fields: Any) -> Icmp:
    quote = Quote(6, DEVICE, CLOUD, sequence, 63)
    values: dict[str, Any] = {"type": 3, "code": 13, "frame": 9, "time_ns": 0, **fields}
    return Icmp(
        interface=0,
        version=4,
        source=bytes([10, 0, 0, 1]),
        destination=DEVICE.address,
        ttl=64,
        quote=quote,
        mtu=None,
        link_source=None,
        **values,
    )


def test_a_whole_connection() -> None:
    watch = Watch()
    watch.open()
    watch.cloud(1, 1, NONCE)
    watch.device(1, 41, IDENTITY)
    watch.cloud(41, 257, CREDENTIALS)
    watch.device(257, 425, flags=FIN)
    watch.cloud(425, 258, flags=FIN)
    watch.device(258, 426)
    assert watch.finish() == ["0c 40", "0d 256", "0c 384", "0d fin", "0c fin"]
    connection = watch.only
    facts = connection.facts
    assert connection.closed
    assert (facts.device, facts.cloud) == (DEVICE, CLOUD)
    assert (facts.orientation_known, facts.midstream, facts.capped) == (True, False, False)
    assert (facts.first_frame, facts.last_frame) == (1, 9)
    assert (facts.first_ns, facts.last_ns) == (10 * MS, 90 * MS)
    assert facts.established_ns == 30 * MS
    assert facts.min_rtt_ns == 10 * MS
    device, cloud = facts.from_device, facts.from_cloud
    assert (device.packets, cloud.packets) == (5, 4)
    assert (device.sent_up_to, device.claimed_up_to, device.acknowledged_up_to) == (257, 257, 258)
    assert (cloud.sent_up_to, cloud.claimed_up_to, cloud.acknowledged_up_to) == (425, 425, 426)
    assert (cloud.captured_bytes, cloud.data_segments, cloud.missing_bytes) == (424, 2, 0)
    assert (cloud.first_data_frame, cloud.first_data_ns) == (4, 40 * MS)
    assert (cloud.last_data_frame, cloud.last_packet_frame) == (6, 8)
    assert (device.ttls, cloud.ttls) == ({64: 5}, {50: 4})
    controls = [(c.frame, c.flags, c.sequence, c.acknowledgment) for c in device.controls]
    assert controls == [(1, SYN, 0, None), (7, FIN | ACK, 257, 425)]
    controls = [(c.frame, c.flags, c.sequence, c.acknowledgment) for c in cloud.controls]
    assert controls == [(2, SYN | ACK, 0, 1), (8, FIN | ACK, 425, 258)]


def test_options_and_link_addresses() -> None:
    watch = Watch()
    options = bytes.fromhex("020405b4 01 080a00000001 00000000 00")
    watch.device(0, None, flags=SYN, options=options, window=777, ip_id=5, link_source=b"abcdef")
    device = watch.only.facts.from_device
    control = device.controls[0]
    assert (control.options, control.mss, control.window, control.ip_id) == ((2, 8), 1460, 777, 5)
    assert device.uses_timestamps
    assert device.link_sources == {b"abcdef": 1}
    watch.device(1, None, flags=RST, link_source=b"ABCDEF", ttl=255)
    assert device.ttls == {64: 1}
    assert device.link_sources == {b"abcdef": 1, b"ABCDEF": 1}


def test_dropped_credentials_are_claimed_but_not_seen() -> None:
    watch = Watch()
    watch.open()
    watch.cloud(1, 1, NONCE)
    watch.device(1, 41, IDENTITY)
    watch.cloud(41, 257)
    watch.device(257, 41, flags=FIN)
    watch.cloud(425, 258)
    assert watch.finish()[-2:] == ["0d fin", "0c not_seen 384"]
    cloud = watch.only.facts.from_cloud
    assert (cloud.sent_up_to, cloud.claimed_up_to, cloud.acknowledged_up_to) == (41, 425, 41)
    assert cloud.missing_bytes == 384


def test_bytes_lost_by_the_capture_come_before_their_answer() -> None:
    watch = Watch()
    watch.open()
    watch.device(1, 41, IDENTITY)
    assert watch.pieces == []  # the nonce may still turn up
    watch.cloud(41, 257, CREDENTIALS)
    watch.device(257, 425)
    watch.cloud(425, 257)
    watch.device(257, 425, b"hello")
    assert watch.finish() == ["0c not_captured 40", "0d 256", "0c 384", "0d 5"]
    assert watch.only.facts.from_cloud.missing_bytes == 40


def test_bytes_captured_late_come_before_their_answer() -> None:
    watch = Watch()
    watch.open()
    watch.device(1, 41, IDENTITY)
    watch.cloud(1, 1, NONCE)
    assert watch.shown() == ["0c 40", "0d 256"]


HANDSHAKE: list[
    tuple[bool, int, int | None, bytes, int]
] = [  # 10 ms apart: from the device, numbers, payload, flags
    (True, 0, None, b"", SYN),
    (False, 0, 1, b"", SYN),
    (True, 1, 1, b"", 0),
    (False, 1, 1, NONCE, 0),
    (True, 1, 41, IDENTITY, 0),
    (False, 41, 257, CREDENTIALS, 0),
    (True, 257, 425, b"hello", 0),
    (False, 425, 262, b"hello", 0),
    (True, 262, 430, b"", FIN),
    (False, 430, 263, b"", FIN),
]


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("steps", [1, 2, 5, 8, 40])
def test_a_side_captured_late_is_heard_in_its_place(late: bool, steps: int) -> None:
    """Two network cards whose clocks differ, merged by time."""
    timed = [(n + steps * (one[0] is late), one) for n, one in enumerate(HANDSHAKE)]
    watch = Watch()
    for _, (device, sequence, ack, payload, flags) in sorted(timed, key=lambda one: one[0]):
        (watch.device if device else watch.cloud)(sequence, ack, payload, flags=flags)
    said = [word for word in watch.finish() if not word.endswith("fin")]
    assert said == ["0c 40", "0d 256", "0c 384", "0d 5", "0c 5"]
    assert watch.only.facts.from_device.missing_bytes == 0
    assert watch.only.facts.from_cloud.missing_bytes == 0


def test_a_refusal_captured_before_what_it_refuses() -> None:
    watch = Watch()
    watch.feed(segment(False, 0, DEVICE_ISN + 1, flags=RST))
    watch.device(0, None, flags=SYN)
    assert not watch.only.facts.midstream
    assert [control.flags for control in watch.only.facts.from_device.controls] == [SYN]


def test_open_holes_are_settled_at_the_end_of_the_capture() -> None:
    watch = Watch()
    watch.open()
    watch.device(1, 41, IDENTITY)
    assert watch.finish() == ["0c not_captured 40", "0d 256"]


def test_retransmissions_and_whether_they_were_needed() -> None:
    watch = Watch()
    watch.open()
    watch.cloud(1, 1, NONCE)
    watch.device(1, 41, IDENTITY)
    watch.device(1, 41, IDENTITY)
    watch.cloud(41, 257)
    watch.device(129, 41, IDENTITY[128:])
    device = watch.only.facts.from_device
    assert [tuple(item)[0:1] + tuple(item)[2:] for item in device.retransmissions] == [
        (6, 1, 256, False),
        (8, 129, 128, True),
    ]
    assert (device.data_segments, device.captured_bytes, device.last_data_frame) == (1, 256, 8)


def test_round_trip_time_leaves_out_what_was_sent_twice() -> None:
    watch = Watch()
    watch.device(0, None, flags=SYN)
    watch.device(0, None, flags=SYN)
    watch.cloud(0, 1, flags=SYN)
    assert watch.only.facts.min_rtt_ns is None
    watch.device(1, 1, b"x" * 10)
    watch.device(11, 1, b"x" * 10)
    watch.cloud(1, 21)
    assert watch.only.facts.min_rtt_ns == 10 * MS
    watch.device(21, 1, b"x", flags=PSH)
    watch.device(21, 1, b"x")
    watch.feed(segment(False, CLOUD_ISN + 1, DEVICE_ISN + 22), after=1 * MS)
    assert watch.only.facts.min_rtt_ns == 10 * MS


@pytest.mark.parametrize("garbage", [b"", b"\0"])
def test_keepalives_are_neither_data_nor_retransmissions(garbage: bytes) -> None:
    watch = Watch()
    watch.open()
    watch.cloud(1, 1, NONCE)
    watch.cloud(40, 1, garbage)
    watch.cloud(40, 1, garbage)
    cloud = watch.only.facts.from_cloud
    assert (cloud.keepalives, cloud.data_segments, cloud.retransmissions) == (2, 1, [])
    assert (cloud.conflicting_bytes, cloud.claimed_up_to) == (0, 41)


def test_an_injected_answer_is_told_from_the_real_one() -> None:
    watch = Watch()
    watch.open()
    watch.cloud(1, 1, b"HTTP/1.1 302 FOUND" + bytes(22), ttl=64)
    watch.cloud(1, 1, NONCE)
    cloud = watch.only.facts.from_cloud
    assert cloud.conflicting_bytes == 40
    assert cloud.ttls == {50: 2, 64: 1}


def test_bytes_after_the_own_reset() -> None:
    watch = Watch()
    watch.open()
    watch.cloud(1, None, flags=RST, ttl=64)
    watch.cloud(1, 1, NONCE)
    assert watch.finish() == ["0c rst", "0c 40"]
    cloud = watch.only.facts.from_cloud
    assert cloud.after_reset_data == 40
    assert cloud.ttls == {50: 2}


def test_the_acknowledgment_of_a_reset_proves_nothing() -> None:
    watch = Watch()
    watch.open()
    watch.device(1, 1, IDENTITY)
    watch.cloud(1, 257, flags=RST)
    facts = watch.only.facts
    assert facts.from_device.acknowledged_up_to == 1
    assert facts.from_cloud.controls[-1].acknowledgment == 257


def test_refused_syn() -> None:
    watch = Watch()
    watch.device(0, None, flags=SYN)
    watch.feed(segment(False, 0, DEVICE_ISN + 1, flags=RST))
    assert watch.finish() == ["0c rst"]
    facts = watch.only.facts
    assert facts.from_cloud.controls[0][2:5] == (RST | ACK, 0, 1)
    assert (facts.established_ns, facts.min_rtt_ns, facts.midstream) == (None, None, False)


@pytest.mark.parametrize("flags", [RST, FIN])
def test_wild_numbers_end_nothing(flags: int) -> None:
    watch = Watch()
    watch.open()
    watch.cloud(2**30, 1, flags=flags)
    watch.cloud(1, 1, NONCE)
    assert watch.finish() == ["0c 40"]
    facts = watch.only.facts
    assert facts.from_cloud.controls[-1].sequence == 2**30
    assert facts.from_cloud.claimed_up_to == 41


def test_syn_sent_again_is_the_same_connection() -> None:
    watch = Watch()
    for wait in (1000 * MS, 2000 * MS, 4000 * MS):
        watch.feed(segment(True, DEVICE_ISN, None, flags=SYN), after=wait)
    assert len(watch.only.facts.from_device.controls) == 3


def test_the_same_ports_used_again() -> None:
    watch = Watch()
    watch.open()
    watch.cloud(1, 1, NONCE)
    watch.device(1, 41, flags=RST)
    watch.feed(segment(True, 5000, None, flags=SYN))
    watch.feed(segment(False, 9000, 5001, flags=SYN))
    watch.feed(segment(True, 5001, 9001, IDENTITY))
    watch.cloud(41, 1, b"late")  # still belongs to the first one
    assert watch.finish() == ["0c 40", "0d rst", "1d 256", "0c 4"]
    assert [item.facts.midstream for item in watch.table.connections] == [False, False]


def test_an_answer_to_the_older_connection_does_not_mislead_the_newer() -> None:
    watch = Watch()
    watch.feed(segment(True, 5000, None, flags=SYN))
    watch.cloud(41, 1)  # the cloud still knows a connection from before the capture
    watch.feed(segment(True, DEVICE_ISN + 1, None, flags=RST))
    watch.feed(segment(True, 5000, None, flags=SYN), after=1000 * MS)
    watch.feed(segment(False, 9000, 5001, flags=SYN))
    watch.feed(segment(True, 5001, 9001))
    watch.feed(segment(False, 9001, 5001, NONCE))
    facts = watch.only.facts
    assert facts.from_cloud.sent_up_to == 41
    assert facts.from_cloud.controls[-1].sequence == 0


def test_numbers_far_away_after_the_end_are_another_connection() -> None:
    watch = Watch()
    watch.open()
    watch.device(1, 1, flags=RST)
    watch.feed(segment(True, 2**30, 2**29, b"x"))
    assert [item.facts.midstream for item in watch.table.connections] == [False, True]


def test_mid_stream() -> None:
    watch = Watch()
    watch.cloud(5000, 900, b"abc")
    watch.device(900, 5003, b"de")
    assert watch.finish() == ["0c 3", "0d 2"]
    facts = watch.only.facts
    assert (facts.midstream, facts.orientation_known, facts.device) == (True, True, DEVICE)
    assert facts.from_cloud.sent_up_to == 4
    assert facts.established_ns == 10 * MS
    assert watch.pieces[0][2] == StreamData(0, b"abc", 1, 10 * MS)


@pytest.mark.parametrize(
    ("ports", "flags", "device_port", "known"),
    [
        ((5683, 5683), 0, 5683, False),
        ((4000, 7000), 0, 7000, False),
        ((7000, 4000), 0, 7000, False),
        ((4000, 7000), SYN, 4000, True),
        ((4000, 7000), SYN | ACK, 7000, True),
        ((5683, 7000), SYN, 5683, True),
        ((5683, 7000), 0, 7000, True),
        ((7000, 5683), 0, 7000, True),
    ],
)
def test_who_is_the_device(
    ports: tuple[int, int], flags: int, device_port: int, known: bool
) -> None:
    source, destination = Endpoint(b"\x0a\0\0\1", ports[0]), Endpoint(b"\x0a\0\0\2", ports[1])
    watch = Watch()
    watch.feed(
        segment(True, 1, 1, flags=flags)._replace(
            source=source, destination=destination, flags=flags
        )
    )
    facts = watch.only.facts
    assert (facts.device.port, facts.orientation_known) == (device_port, known)


def test_the_same_packet_captured_twice_counts_once() -> None:
    watch = Watch()
    watch.open()
    nonce = segment(False, CLOUD_ISN + 1, DEVICE_ISN + 1, NONCE, ip_id=9)
    watch.feed(nonce)
    watch.feed(nonce._replace(interface=1, ttl=49), after=MS)
    watch.feed(nonce._replace(ip_id=10), after=MS)  # a quick retransmission
    watch.feed(nonce, after=200 * MS)
    cloud = watch.only.facts.from_cloud
    assert cloud.duplicate_frames == 1
    assert [item.frame for item in cloud.retransmissions] == [6, 7]
    assert cloud.ttls == {50: 3, 49: 1}


@pytest.mark.parametrize("lan_first", [True, False])
def test_of_a_router_s_two_views_that_on_the_device_s_side_counts(lan_first: bool) -> None:
    lan: dict[str, Any] = {"link_source": b"router"}
    wan: dict[str, Any] = {"link_source": b"beyond", "interface": 1}
    syn = segment(True, DEVICE_ISN, None, flags=SYN, ip_id=3)
    refusal = segment(False, 0, DEVICE_ISN + 1, flags=RST | ACK, ip_id=4)
    watch = Watch()
    for packet, forwarded in (
        (syn._replace(ttl=64), syn._replace(ttl=63, **wan)),
        (refusal._replace(ttl=63, **lan), refusal._replace(ttl=64, **wan)),
    ):
        views = [packet, forwarded] if lan_first else [forwarded, packet]
        watch.feed(views[0])
        watch.feed(views[1], after=MS)
    device, cloud = watch.only.facts.from_device, watch.only.facts.from_cloud
    assert device.ttls == {64: 1}
    assert [control.ttl for control in device.controls] == [64]
    assert [(control.ttl, control.link_source) for control in cloud.controls] == [(63, b"router")]
    assert cloud.link_sources == {b"router": 1}


@pytest.mark.parametrize(
    ("change", "after", "copies"),
    [
        ({}, MS // 2, 1),
        ({}, 3 * MS, 0),
        ({"interface": 1}, 3 * MS, 1),
        ({"ttl": 49}, 3 * MS, 1),
        ({"link_source": b"router"}, 3 * MS, 1),
        ({"ttl": 40}, 3 * MS, 0),
    ],
)
def test_copies_without_identification(change: dict[str, Any], after: int, copies: int) -> None:
    watch = Watch()
    watch.open()
    nonce = segment(False, CLOUD_ISN + 1, DEVICE_ISN + 1, NONCE)
    watch.feed(nonce)
    watch.feed(nonce._replace(**change), after=after)
    cloud = watch.only.facts.from_cloud
    assert (cloud.duplicate_frames, len(cloud.retransmissions)) == (copies, 1 - copies)


def behind_nat(one: Segment) -> Segment:
    """The same packet on the other side of a router."""
    if one.source == DEVICE:
        return one._replace(source=WAN, ttl=one.ttl - 1)
    return one._replace(destination=WAN, ttl=one.ttl + 1)


def redirected(one: Segment) -> Segment:
    """The same packet behind a router that sends it to another cloud."""
    if one.source == DEVICE:
        return one._replace(destination=WAN, ttl=one.ttl - 1)
    return one._replace(source=WAN, ttl=one.ttl + 1)


def test_both_sides_of_a_redirecting_router_are_one_device() -> None:
    watch = Watch()
    for one in (segment(True, 77, None, flags=SYN), segment(False, 99, 78, flags=SYN)):
        watch.feed(one, after=MS)
        watch.feed(redirected(one), after=MS)
    near, far = (item.facts for item in watch.table.connections)
    assert (near.cloud, near.same_as) == (CLOUD, None)
    assert (far.cloud, far.same_as) == (WAN, near.number)


@pytest.mark.parametrize("near_first", [True, False])
def test_both_sides_of_a_router_are_one_device(near_first: bool) -> None:
    watch = Watch()
    for one in (
        segment(True, 77, None, flags=SYN, ip_id=3),
        segment(False, 99, 78, flags=SYN),
        segment(True, 78, 100, IDENTITY, ip_id=4),
    ):
        for view in (one, behind_nat(one))[:: 1 if near_first else -1]:
            watch.feed(view, after=MS // 10)
    watch.finish()
    first, second = (item.facts for item in watch.table.connections)
    near, far = (first, second) if near_first else (second, first)
    assert (near.device, near.same_as) == (DEVICE, None)
    assert (far.device, far.same_as) == (WAN, near.number)


@pytest.mark.parametrize(("ip_id", "paired"), [(3, True), (4, False)])
def test_unanswered_syn_on_both_sides_of_a_router(ip_id: int, paired: bool) -> None:
    watch = Watch()
    syn = segment(True, 77, None, flags=SYN, ip_id=3)
    watch.feed(syn)
    watch.feed(behind_nat(syn)._replace(ip_id=ip_id), after=MS)
    watch.finish()
    near, far = (item.facts for item in watch.table.connections)
    assert (near.same_as, far.same_as) == (None, 0 if paired else None)


def test_two_devices_that_choose_the_same_numbers_stay_two() -> None:
    watch = Watch()
    syn = segment(True, 77, None, flags=SYN, ip_id=3)
    twin = syn._replace(source=Endpoint(bytes([192, 168, 1, 21]), DEVICE.port))
    watch.feed(syn)
    watch.feed(twin, after=MS)
    watch.feed(segment(False, 99, 78, flags=SYN))
    watch.feed(segment(False, 555, 78, flags=SYN)._replace(destination=twin.source))
    watch.finish()
    assert [item.facts.same_as for item in watch.table.connections] == [None, None]


def test_errors_are_attached_to_what_they_quote() -> None:
    watch = Watch()
    watch.device(0, None, flags=SYN)
    assert watch.table.feed_icmp(error(DEVICE_ISN)) is watch.only
    assert watch.table.feed_icmp(error(None, time_ns=50 * MS)) is watch.only
    assert watch.table.feed_icmp(error(DEVICE_ISN, time_ns=100 * MS, frame=10)) is watch.only
    assert [item.frame for item in watch.only.facts.icmp_errors] == [9, 9, 10]


def test_an_error_captured_twice_counts_once() -> None:
    watch = Watch()
    watch.device(0, None, flags=SYN)
    watch.table.feed_icmp(error(DEVICE_ISN))
    watch.table.feed_icmp(error(DEVICE_ISN, time_ns=MS, frame=10))
    assert [item.frame for item in watch.only.facts.icmp_errors] == [9]


def test_an_error_goes_to_the_connection_with_its_numbers() -> None:
    watch = Watch()
    watch.device(0, None, flags=SYN)
    watch.feed(segment(True, 2**30, None, flags=SYN))
    watch.table.feed_icmp(error(DEVICE_ISN))
    watch.table.feed_icmp(error(2**30))
    assert [len(item.facts.icmp_errors) for item in watch.table.connections] == [1, 1]


def test_an_error_captured_before_its_packet() -> None:
    watch = Watch()
    assert watch.table.feed_icmp(error(DEVICE_ISN)) is None
    watch.device(0, None, flags=SYN)
    watch.finish()
    assert len(watch.only.facts.icmp_errors) == 1


def test_connections_are_limited() -> None:
    watch = Watch(connections=3)
    for port in range(1, 6):
        syn = segment(True, 7, None, flags=SYN)
        watch.feed(syn._replace(source=DEVICE._replace(port=port)))
        if port == 2:
            watch.feed(
                segment(False, 0, 8, flags=RST)._replace(destination=DEVICE._replace(port=port))
            )
    assert [item.facts.device.port for item in watch.table.connections] == [3, 4, 5]
    assert (watch.table.started, watch.table.evicted) == (5, 2)


def test_a_flood_leaves_the_newest_and_those_that_tried_twice() -> None:
    watch = Watch(bare=3)
    for port in (1, 1, 2, 3, 4, 5):
        syn = segment(True, 7, None, flags=SYN)
        watch.feed(syn._replace(source=DEVICE._replace(port=port)))
    assert [item.facts.device.port for item in watch.table.connections] == [1, 4, 5]
    assert watch.table.evicted == 2
    assert [item.facts.device.port for item in watch.table.take_ended()] == [2, 3]
    assert all(item.bare for item in watch.table.connections)


def test_payload_takes_a_connection_out_of_the_flood() -> None:
    watch = Watch(bare=1)
    watch.open()
    watch.cloud(1, 1, NONCE)
    watch.feed(segment(True, 7, None, flags=SYN)._replace(source=DEVICE._replace(port=9)))
    watch.feed(segment(True, 7, None, flags=SYN)._replace(source=DEVICE._replace(port=10)))
    assert [item.facts.device.port for item in watch.table.connections] == [DEVICE.port, 10]


def test_closed_connections_are_handed_out_once_there_are_many() -> None:
    watch = Watch(closed=1)
    for port in (1, 2):
        for one in (
            segment(True, 0, None, flags=SYN),
            segment(True, 1, 1, NONCE),
            segment(True, 41, 1, flags=RST),
        ):
            watch.feed(one._replace(source=DEVICE._replace(port=port)))
    (ended,) = watch.table.take_ended()
    assert ended.facts.device.port == 1
    assert ended.facts.from_device.captured_bytes == len(NONCE)
    assert not ended.facts.capped
    assert watch.table.take_ended() == []
    assert [item.facts.device.port for item in watch.table.connections] == [2]
    assert watch.table.evicted == 0


def test_a_connection_cut_short_says_so() -> None:
    watch = Watch(connections=1)
    watch.open()
    watch.cloud(1, 1, NONCE)
    watch.feed(segment(True, 7, None, flags=SYN)._replace(source=DEVICE._replace(port=9)))
    (cut,) = watch.table.take_ended()
    assert cut.facts.capped
    assert watch.table.evicted == 1


@pytest.mark.parametrize("seed", range(8))
def test_the_common_case_is_taken_as_any_other(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Facts and pieces are the same when every segment takes the long way."""
    script = session(random.Random(seed))
    quick, slow = Watch(), Watch()
    taken = 0
    common = Connection.follow

    def counting(self: Connection, one: Segment, *, from_device: bool) -> StreamData | bool:
        nonlocal taken
        piece = common(self, one, from_device=from_device)
        taken += piece is not False
        return piece

    monkeypatch.setattr(Connection, "follow", counting)
    for one, after in script:
        quick.feed(one, after=after)
    monkeypatch.setattr(Connection, "follow", lambda self, one, from_device: False)
    for one, after in script:
        slow.feed(one, after=after)
    assert quick.finish() == slow.finish()
    assert [piece for _, _, piece in quick.pieces] == [piece for _, _, piece in slow.pieces]
    assert quick.only.facts == slow.only.facts
    assert taken > 10


def session(rng: random.Random) -> list[tuple[Segment, int]]:
    """A session of some messages each way: acknowledged late, lost, repeated, swapped, copied."""
    sent = {True: 1, False: 1}
    isn = {True: DEVICE_ISN, False: CLOUD_ISN}

    def one(device: bool, payload: bytes = b"", flags: int = ACK) -> Segment:
        mine, peer = isn[device] + sent[device], isn[not device] + sent[not device]
        made = segment(device, mine, peer, payload, flags=flags)
        sent[device] += len(payload)
        return made._replace(ip_id=rng.randrange(1, 9), options=rng.choice([b"", b"\1" * 4, STAMP]))

    script = [(segment(True, DEVICE_ISN, None, flags=SYN), 10 * MS)]
    script.append((segment(False, CLOUD_ISN, DEVICE_ISN + 1, flags=SYN | ACK), 10 * MS))
    script.append((one(True), MS))
    for _ in range(60):
        device = rng.random() < 0.5
        message = one(device, rng.randbytes(rng.choice([1, 16, 18, 300])), PSH | ACK)
        answer = one(not device)
        chance = rng.random()
        if chance < 0.05:
            steps = [answer]
        elif chance < 0.1:
            steps = [message, message, answer]
        elif chance < 0.15:
            steps = [answer, message]
        elif chance < 0.2:
            steps = [message._replace(payload=message.payload[:3]), answer]
        elif chance < 0.3:
            steps = [message]
        else:
            steps = [message, answer]
        script += [(step, rng.choice([0, 1, 3 * MS, 40 * MS, -MS])) for step in steps]
    script.append((one(True, flags=FIN | ACK), MS))
    return script


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from([0, 1, 2, 41, 300, 2**31, 2**32 - 1]),
            st.sampled_from([None, 0, 1, 41, 300, 2**31]),
            st.integers(0, 63),
            st.binary(max_size=8),
            st.integers(0, 3),
            st.integers(-MS, 300 * MS),
        ),
        max_size=20,
    )
)
def test_anything_may_come_in_any_order(packets: list[tuple[Any, ...]]) -> None:
    watch = Watch()
    for from_device, sequence, ack, flags, payload, cut, after in packets:
        one = segment(from_device, sequence, ack, payload, flags=flags, length=len(payload) + cut)
        watch.feed(one, after=after)
    watch.finish()
    for connection in watch.table.connections:
        for direction in Direction:
            facts = connection.facts.directions[direction]
            position = 0
            for owner, sender, piece in watch.pieces:
                if owner is not connection or sender is not direction:
                    continue
                assert piece.offset == position or isinstance(piece, StreamEnd)
                if isinstance(piece, StreamData):
                    position += len(piece.data)
                elif isinstance(piece, StreamGap):
                    position += piece.length
            assert facts.captured_bytes + facts.missing_bytes == position


def test_every_device_of_a_site_keeps_an_attempt() -> None:
    """What goes is an earlier attempt of a device, not the only one; a flood goes before both."""
    watch = Watch(bare=5)

    def tries(host: int, port: int, times: int = 2) -> None:
        syn = segment(True, 7, None, flags=SYN)
        source = Endpoint(bytes((10, 0, 0, host)), port)
        for _ in range(times):
            watch.feed(syn._replace(source=source))

    for port in (1, 2):
        for host in (1, 2, 3):
            tries(host, port)
    tries(4, 9)
    tries(99, 1, times=1)
    for port in (3, 4):
        tries(1, port)
    left = [(c.facts.device.address[-1], c.facts.device.port) for c in watch.table.connections]
    assert left == [(2, 2), (3, 2), (4, 9), (1, 3), (1, 4)]
