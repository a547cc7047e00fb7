"""Frames built by scapy are decoded; whatever else comes is skipped with a fixed reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frames import ethernet, frame, inet, inet6, ipv4, ipv6, l2, tcp
from handshake_probe.packets.decode import SKIP_REASONS, Decoder, decode
from handshake_probe.packets.units import Arp, Datagram, Endpoint, Icmp, Segment, Skipped

IPV4_DEVICE = Endpoint(bytes([192, 168, 1, 20]), 41224)
IPV4_CLOUD = Endpoint(bytes([203, 0, 113, 9]), 5683)
LINK_TYPES = [0, 1, 9, 12, 14, 50, 101, 105, 108, 113, 127, 228, 229, 276]


def segment_of(packet: Any, link_type: int = 1) -> Segment:
    decoded = decode(frame(bytes(packet), link_type))
    assert isinstance(decoded, Segment)
    return decoded


def reason_of(data: bytes, link_type: int = 1) -> str:
    decoded = decode(frame(data, link_type))
    assert isinstance(decoded, Skipped)
    return decoded.reason


def test_every_field_of_a_segment() -> None:
    options = [("MSS", 1460), ("NOP", None), ("WScale", 2)]
    packet = ethernet() / ipv4() / tcp(flags="PA", window=4321, options=options) / b"payload"
    assert segment_of(packet) == Segment(
        1,
        1_000_000_000,
        0,
        IPV4_DEVICE,
        IPV4_CLOUD,
        1000,
        2000,
        0x18,
        4321,
        b"\x02\x04\x05\xb4\x01\x03\x03\x02",
        b"payload",
        7,
        63,
        77,
        b"\x02\0\0\0\0\x01",
        b"\x02\0\0\0\0\x02",
    )


def test_ethernet_padding_is_no_payload() -> None:
    data = bytes(ethernet() / ipv4() / tcp()) + bytes(6)
    assert segment_of(data)[10:12] == (b"", 0)


def test_missing_total_length_means_what_was_on_the_wire() -> None:
    data = bytes(ethernet() / ipv4(len=0) / tcp() / bytes(30))
    decoded = decode(frame(data[:-10], length=len(data)))
    assert isinstance(decoded, Segment)
    assert (len(decoded.payload), decoded.payload_length) == (20, 30)


@pytest.mark.parametrize("cut", [1, 200, 255, 256])
def test_snapped_payload_keeps_its_length(cut: int) -> None:
    data = bytes(ethernet() / ipv4() / tcp() / bytes(256))
    decoded = decode(frame(data[:-cut], length=len(data)))
    assert isinstance(decoded, Segment)
    assert (len(decoded.payload), decoded.payload_length) == (256 - cut, 256)


@pytest.mark.parametrize(
    "tags",
    [
        [{"type": 0x8100}],
        [{"type": 0x88A8}, {"type": 0x8100}],
        [{"type": 0x9100}, {"type": 0x8100}, {"type": 0x8100}, {"type": 0x8100}],
    ],
)
def test_any_depth_of_vlan_tags(tags: list[dict[str, int]]) -> None:
    packet = ethernet(type=tags[0]["type"])
    for tag in [*tags[1:], {"type": 0x0800}]:
        packet = packet / l2.Dot1Q(vlan=7, type=tag["type"])
    assert segment_of(packet / ipv4() / tcp() / b"x").payload == b"x"


@pytest.mark.parametrize("vlan", [False, True])
def test_linux_cooked(vlan: bool) -> None:
    tag = l2.Dot1Q(vlan=3) if vlan else None
    inner = tag / ipv4() / tcp() / b"x" if vlan else ipv4() / tcp() / b"x"
    proto = 0x8100 if vlan else 0x0800
    mac = b"\x02\0\0\0\0\x07"
    first = l2.CookedLinux(lladdrlen=6, src=mac, proto=proto) / inner
    second = l2.CookedLinuxV2(lladdrlen=6, src=mac, proto=proto) / inner
    for packet, link_type in ((first, 113), (second, 276)):
        decoded = segment_of(packet, link_type)
        assert decoded.payload == b"x"
        assert decoded.link_source == mac
        assert decoded.link_destination is None


@pytest.mark.parametrize("link_type", [12, 14, 101, 228])
def test_raw_ip(link_type: int) -> None:
    decoded = segment_of(ipv4() / tcp() / b"x", link_type)
    assert (decoded.payload, decoded.link_source) == (b"x", None)


@pytest.mark.parametrize("header", [b"\2\0\0\0", b"\0\0\0\2"])
def test_loopback_in_either_byte_order(header: bytes) -> None:
    for link_type in (0, 108):
        assert segment_of(header + bytes(ipv4() / tcp() / b"x"), link_type).payload == b"x"
    assert segment_of(b"\x1e\0\0\0" + bytes(ipv6() / tcp() / b"6"), 0).payload == b"6"


def test_ipv4_options_are_passed_over() -> None:
    packet = ethernet() / ipv4(options=[inet.IPOption_NOP()] * 8) / tcp() / b"x"
    assert segment_of(packet).payload == b"x"


def test_ipv6_extension_headers_are_passed_over() -> None:
    packet = (
        ethernet()
        / ipv6()
        / inet6.IPv6ExtHdrHopByHop(options=[inet6.PadN(optdata=bytes(12))])
        / inet6.IPv6ExtHdrRouting(addresses=["2001:db8::1"])
        / inet6.IPv6ExtHdrDestOpt()
        / inet6.IPv6ExtHdrFragment()
        / tcp()
        / b"x"
    )
    decoded = segment_of(packet)
    assert (decoded.payload, decoded.ttl, decoded.ip_id) == (b"x", 61, None)
    assert decoded.source.address.hex() == "fd000000000000000000000000000020"


@pytest.mark.parametrize(
    "packet",
    [
        ipv4(flags="MF") / tcp() / b"1234",
        ipv4(frag=5) / b"later",
        ipv6() / inet6.IPv6ExtHdrFragment(m=1) / tcp() / b"1234",
        ipv6() / inet6.IPv6ExtHdrFragment(offset=5) / b"later fragment",
    ],
)
def test_a_part_of_a_packet_by_itself_is_skipped(packet: Any) -> None:
    assert reason_of(bytes(ethernet() / packet)) == "fragment"


def test_datagram() -> None:
    decoded = decode(frame(bytes(ethernet() / ipv4() / inet.UDP(sport=53, dport=1025) / b"dns")))
    assert isinstance(decoded, Datagram)
    assert (decoded.source.port, decoded.destination.port) == (53, 1025)
    assert (decoded.payload, decoded.payload_length, decoded.ttl) == (b"dns", 3, 63)


@pytest.mark.parametrize("length", [8, 28])
def test_icmp_error_quotes_whose_packet_was_refused(length: int) -> None:
    quoted = bytes(ipv4(ttl=62) / tcp(seq=0xDEAD))[: 20 + length]
    packet = ethernet() / ipv4(src="10.0.0.1", dst="192.168.1.20") / inet.ICMP(type=3, code=13)
    decoded = decode(frame(bytes(packet / quoted)))
    assert isinstance(decoded, Icmp)
    assert (decoded.type, decoded.code, decoded.mtu) == (3, 13, None)
    assert decoded.source == bytes([10, 0, 0, 1])
    assert decoded.quote == (6, IPV4_DEVICE, IPV4_CLOUD, 0xDEAD, 62)


def test_icmp_tells_the_next_hop_mtu() -> None:
    quoted = bytes(ipv4() / tcp())
    message = inet.ICMP(type=3, code=4, nexthopmtu=1400)
    decoded = decode(frame(bytes(ethernet() / ipv4() / message / quoted)))
    assert isinstance(decoded, Icmp)
    assert decoded.mtu == 1400
    quoted = bytes(ipv6() / tcp(seq=9))
    packet = ethernet() / ipv6() / inet6.ICMPv6PacketTooBig(mtu=1280) / quoted
    decoded = decode(frame(bytes(packet)))
    assert isinstance(decoded, Icmp)
    assert (decoded.version, decoded.mtu) == (6, 1280)
    assert decoded.quote is not None
    assert (decoded.quote.sequence, decoded.quote.ttl) == (9, 61)


def test_echo_quotes_nothing() -> None:
    decoded = decode(frame(bytes(ethernet() / ipv4() / inet.ICMP(type=8) / bytes(40))))
    assert isinstance(decoded, Icmp)
    assert decoded.quote is None


def test_arp() -> None:
    packet = ethernet(dst="ff:ff:ff:ff:ff:ff") / l2.ARP(
        op=1, hwsrc="02:00:00:00:00:01", psrc="192.168.1.20", pdst="192.168.1.1"
    )
    decoded = decode(frame(bytes(packet) + bytes(18)))
    sender, target = bytes([192, 168, 1, 20]), bytes([192, 168, 1, 1])
    assert decoded == Arp(1, 1_000_000_000, 0, 1, b"\x02\0\0\0\0\x01", sender, target)


@pytest.mark.parametrize("port", [4789, 37008])
def test_an_answer_of_dns_to_the_port_of_a_tunnel_is_none(port: int) -> None:
    decoded = decode(frame(bytes(ethernet() / ipv4() / inet.UDP(sport=53, dport=port) / b"dns")))
    assert isinstance(decoded, Datagram)


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (ethernet(type=0x88CC) / b"lldp", "ethertype"),
        (ethernet(type=40) / b"802.3 length", "ethertype"),
        (ethernet(type=40) / b"\xaa\xaa\x03\0\0\x0c\x20\0 of Cisco", "ethertype"),
        (ethernet() / ipv4(proto=47) / b"gre, of no interest", "tunnel"),
        (ethernet() / ipv4() / ipv4() / tcp(), "tunnel"),
        (ethernet() / ipv4() / inet.UDP(sport=50000, dport=4789) / b"vxlan", "tunnel"),
        (ethernet() / ipv4() / inet.UDP(sport=50000, dport=37008) / b"tzsp", "tunnel"),
        (ethernet(type=0x8847) / b"\0\x01\x01\x40" / ipv4() / tcp(), "tunnel"),
        (ethernet() / ipv4(proto=50) / b"esp", "protocol"),
        (ethernet() / ipv4(ihl=4) / tcp(), "malformed"),
        (ethernet() / ipv4(len=19) / tcp(), "malformed"),
        (ethernet() / ipv4(version=5) / tcp(), "malformed"),
        (ethernet() / ipv4(len=39) / tcp(), "malformed"),
        (ethernet() / ipv4() / tcp(dataofs=4), "malformed"),
        (ethernet() / ipv4() / tcp(dataofs=6), "malformed"),
        (ethernet() / ipv4() / inet.UDP(len=7), "malformed"),
        (ethernet() / ipv6(plen=10) / inet6.IPv6ExtHdrHopByHop() / tcp(), "malformed"),
    ],
)
def test_reasons(packet: Any, reason: str) -> None:
    assert reason_of(bytes(packet)) == reason


def test_cut_headers_are_truncated() -> None:
    data = bytes(ethernet() / ipv4() / tcp())
    for length in range(len(data)):
        decoded = decode(frame(data[:length], length=len(data)))
        assert isinstance(decoded, Skipped)
        assert decoded.reason == "truncated", length
    assert reason_of(b"anything", 147) == "link_type"


@given(st.binary(max_size=120), st.sampled_from([*LINK_TYPES, 7]), st.integers(0, 2**18))
def test_random_bytes_never_raise(data: bytes, link_type: int, length: int) -> None:
    decoded = decode(frame(data, link_type, max(length, len(data))))
    if isinstance(decoded, Skipped):
        assert decoded.reason in SKIP_REASONS


GOOD = [
    bytes(ethernet() / ipv4() / tcp() / b"payload"),
    bytes(ethernet() / ipv6() / inet6.IPv6ExtHdrHopByHop() / tcp() / b"payload"),
    bytes(ethernet() / ipv4() / inet.UDP() / b"payload"),
    bytes(ethernet() / ipv4() / inet.ICMP(type=3, code=1) / ipv4() / tcp()),
    bytes(ethernet() / ipv6() / inet6.ICMPv6DestUnreach() / ipv6() / tcp()),
    bytes(ethernet() / l2.ARP()),
]


@given(
    st.sampled_from(GOOD),
    st.lists(st.tuples(st.integers(12, 120), st.integers(0, 255)), max_size=4),
    st.integers(0, 120),
)
def test_damaged_frames_never_raise(
    good: bytes, damages: list[tuple[int, int]], length: int
) -> None:
    data = bytearray(good)
    for at, value in damages:
        data[at % len(data)] = value
    decoded = decode(frame(bytes(data[:length]), length=len(data)))
    if isinstance(decoded, Segment | Datagram):
        assert decoded.payload_length >= len(decoded.payload)


@given(
    st.sampled_from([*GOOD, bytes(ethernet() / ipv4() / tcp(flags="PA") / b"payload") + bytes(9)]),
    st.lists(st.tuples(st.integers(12, 60), st.integers(0, 255)), max_size=2),
    st.integers(40, 160),
)
def test_the_common_case_is_decoded_alike_at_once(
    good: bytes, damages: list[tuple[int, int]], length: int
) -> None:
    data = bytearray(good)
    for at, value in damages:
        data[at % len(data)] = value
    captured = frame(bytes(data[:length]), length=len(data))
    at_once = Decoder()._decode_plain(captured)
    assert at_once is None or at_once == Decoder()._decode(captured)


def test_what_is_remembered_of_conversations_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handshake_probe.packets.decode._REMEMBERED", 3)
    decoder = Decoder()
    for port in range(1000, 1010):
        decoded = decoder.decode(frame(bytes(ethernet() / ipv4() / tcp(sport=port))))
        assert isinstance(decoded, Segment)
        assert decoded.source.port == port
    assert len(decoder._ends) <= 3
