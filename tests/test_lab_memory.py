"""The in-memory path: frames as others build them, TCP that repairs losses, keys from seeds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from coverage_cases import Case, case
from frames import inet, inet6, l2
from handshake_probe.capture.inputs import open_capture
from handshake_probe.capture.written import pcap, pcapng
from handshake_probe.keys.firmware import read_device_slot, usable_for_decrypting
from handshake_probe.keys.numbers import PUBLIC_EXPONENT
from handshake_probe.lab.damage import slot_of
from handshake_probe.lab.memory import keys, wire
from handshake_probe.lab.memory.cast import device
from handshake_probe.lab.memory.keyfiles import key_files
from handshake_probe.lab.memory.stage import record
from handshake_probe.lab.memory.story import TO_CLOUD, TO_DEVICE, Does, Rule, Story
from handshake_probe.packets.units import Direction, Frame
from handshake_probe.protocol.events import Message

HERE, THERE = bytes((192, 168, 7, 20)), bytes((10, 90, 0, 30))
HERE6 = bytes.fromhex("fd000007000000000000000000000020")
THERE6 = bytes.fromhex("20010db8009000000000000000000030")
MAC, PEER = bytes.fromhex("94944a000020"), bytes.fromhex("02000000fe01")
DEVICE_MODULUS_ENDS = 490426961  # the key of "device", in decimal
payloads = st.binary(max_size=80)


def scapy_ip(version: int) -> Any:
    if version == 4:
        return inet.IP(src="192.168.7.20", dst="10.90.0.30", ttl=61, id=9, flags="DF")
    return inet6.IPv6(src="fd00:7::20", dst="2001:db8:90::30", hlim=61)


def packet(version: int, content: Any, **parts: Any) -> wire.Packet:
    ends = (HERE, THERE) if version == 4 else (HERE6, THERE6)
    return wire.Packet(*ends, content, 61, 9, **parts)


@given(payload=payloads, version=st.sampled_from((4, 6)), flags=st.integers(0, 63))
def test_segments_are_those_of_scapy(payload: bytes, version: int, flags: int) -> None:
    options = wire.tcp_options(1460, 123456)
    ours = wire.Tcp(49152, 5683, 2**32 - 1, 7, flags, payload, options)
    theirs = inet.TCP(
        sport=49152,
        dport=5683,
        seq=2**32 - 1,
        ack=7,
        flags=flags,
        window=29200,
        options=[("MSS", 1460), ("NOP", None), ("NOP", None), ("Timestamp", (123456, 0))],
    )
    assert packet(version, ours).pack() == bytes(scapy_ip(version) / theirs / payload)


@given(payload=payloads, version=st.sampled_from((4, 6)))
def test_datagrams_are_those_of_scapy(payload: bytes, version: int) -> None:
    ours = wire.Udp(40000, 53, payload)
    theirs = inet.UDP(sport=40000, dport=53) / payload
    assert packet(version, ours).pack() == bytes(scapy_ip(version) / theirs)


def test_extension_headers_are_those_of_scapy() -> None:
    ours = packet(6, wire.Udp(1, 2, b"x"), extensions=(wire.HOP_BY_HOP, wire.DESTINATION))
    padding = inet6.PadN(optdata=bytes(4))
    theirs = (
        scapy_ip(6)
        / inet6.IPv6ExtHdrHopByHop(options=[padding])
        / inet6.IPv6ExtHdrDestOpt(options=[padding])
        / inet.UDP(sport=1, dport=2)
        / b"x"
    )
    assert ours.pack() == bytes(theirs)


@pytest.mark.parametrize(("version", "kind", "code"), [(4, 3, 13), (6, 1, 1)])
def test_refusals_are_those_of_scapy(version: int, kind: int, code: int) -> None:
    refused = packet(version, wire.Tcp(49152, 5683, 1, 0, 2))
    ours = refused.refusal(refused.destination, kind, code, 255).pack()
    error = inet.ICMP if version == 4 else inet6.ICMPv6DestUnreach
    theirs = scapy_ip(version) / error(type=kind, code=code) / refused.pack()
    theirs.src, theirs.dst = theirs.dst, theirs.src
    if version == 4:
        theirs.ttl, theirs.id = 255, 0
    else:
        theirs.hlim = 255
    assert ours == bytes(theirs)


@pytest.mark.parametrize("version", [4, 6])
def test_scapy_puts_fragments_together_again(version: int) -> None:
    whole = packet(version, wire.Udp(40000, 53, bytes(range(256)) * 4))
    pieces = whole.fragments(96)
    assert len(pieces) > 2
    if version == 4:
        [again] = inet.defragment([inet.IP(piece) for piece in pieces])
    else:
        again = inet6.defragment6([inet6.IPv6(piece) for piece in pieces])
    assert bytes(again[inet.UDP]) == whole.content.pack(whole.source + whole.destination)


@pytest.mark.parametrize("vlan", [None, 12])
def test_link_headers_are_those_of_scapy(vlan: int | None) -> None:
    data = packet(4, wire.Udp(1, 2, b"some payload that needs no padding at all")).pack()
    header = l2.Ether(src="94:94:4a:00:00:20", dst="02:00:00:00:fe:01")
    tagged = header / l2.Dot1Q(vlan=vlan) if vlan else header
    assert wire.ethernet(MAC, PEER, data, vlan) == bytes(tagged / inet.IP(data))


@pytest.mark.parametrize("write", [pcap, pcapng])
def test_what_is_written_is_read_again(write: Any, tmp_path: Any) -> None:
    frames = [
        Frame(1, 1_700_000_000_123_456_000, 1, 0, b"whole", 5),
        Frame(2, 1_700_000_001_000_001_000, 1, 0, b"cut", 99),
    ]
    path = tmp_path / "written"
    path.write_bytes(b"".join(write(frames, 1, 64)))
    with open_capture(path) as capture:
        assert list(capture) == frames
        assert capture.snap_length == 64


# Keys.


def test_keys_follow_from_their_names_alone() -> None:
    assert keys.device_numbers("device").n % 10**9 == DEVICE_MODULUS_ENDS
    assert keys.device_numbers("device") != keys.device_numbers("second")


@pytest.mark.parametrize(
    "numbers", [keys.device_numbers("device"), keys.cloud_numbers("cloud")], ids=("device", "cloud")
)
def test_keys_are_sound_to_a_library_of_others(numbers: Any) -> None:
    files = key_files({"any": numbers}, {}, {})
    loaded: Any = serialization.load_pem_private_key(files["any_private.pem"], None)
    assert loaded.private_numbers().p == numbers.p
    assert loaded.public_key().public_numbers().e == PUBLIC_EXPONENT


def test_an_unlucky_key_is_sound_and_misread() -> None:
    numbers = keys.unlucky_numbers("device")
    assert numbers.p * numbers.q == numbers.n
    assert not usable_for_decrypting(read_device_slot(slot_of(numbers)))


# The path.


def said(told: Case) -> list[bytes]:
    """What both sides of a case's first connection said in their session."""
    [played, *_] = record(told.story).played
    return [event.plaintext for event in played.events if isinstance(event, Message)]


def test_the_same_story_gives_the_same_bytes() -> None:
    story = case().story
    assert record(story).frames == record(story).frames
    assert record(story).frames != record(replace(story, seed=story.seed + 1)).frames


@given(lost=st.lists(st.integers(0, 12), max_size=2, unique=True), place=st.sampled_from((0, 1, 3)))
def test_tcp_repairs_what_the_path_loses(lost: list[int], place: int) -> None:
    """Any two packets may be lost: both sides say as much all the same."""
    rules = tuple(Rule(does=Does.DROP, place=place, what="cloud", spares=n, times=1) for n in lost)
    told, usual = said(case(rules=rules)), said(case())
    assert sorted(len(message) for message in told) == sorted(len(message) for message in usual)


@pytest.mark.parametrize("mss", [1460, 88, 40])
def test_small_segments_carry_the_same(mss: int) -> None:
    assert said(case(devices=(device(mss=mss),))) == said(case())


@pytest.mark.parametrize("resolver", ["192.168.7.1", "9.9.9.9"])
def test_a_place_may_drop_questions_to_a_resolver_here_or_elsewhere(resolver: str) -> None:
    rules = (Rule(does=Does.DROP, what="dns"),)
    assert record(case(resolver=resolver).story).played
    assert not record(case(resolver=resolver, rules=rules).story).played


@pytest.mark.parametrize("does", [Does.DELAY, Does.RESET])
@pytest.mark.parametrize("way", [TO_CLOUD, TO_DEVICE])
def test_the_access_point_has_rules_as_well(does: Does, way: Direction) -> None:
    rule = Rule(does=does, place=0, way=way, what="cloud", seconds=0.2, times=1, both=True)
    assert bool(said(case(rules=(rule,)))) is (does is Does.DELAY)


def test_frames_are_in_order_of_time() -> None:
    story: Story = case(rules=(Rule(does=Does.DELAY, seconds=0.5, size=384),)).story
    times = [frame.time_ns for frame in record(story).frames]
    assert times == sorted(times)
