"""What a sieve leaves out changes nothing: same documents, byte for byte."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frames import (
    CAPTURES,
    enhanced,
    ethernet,
    frame,
    inet,
    inet6,
    interface,
    ipv4,
    ipv6,
    l2,
    option,
    section,
    tcp,
)
from handshake_probe.capture.inputs import CaptureInput, open_capture
from handshake_probe.capture.sieve import LINKS as KNOWN_LINKS
from handshake_probe.capture.sieve import Selection, Sieve
from handshake_probe.packets.decode import decode
from handshake_probe.packets.units import Datagram, Segment
from sieving import SIEVES, compiled_sieve, judged, sieving

WANTED = Selection(frozenset({53, 5683}), frozenset({53, 67, 68, 123, 5683, 5684}))
CLOUDS = frozenset({bytes([203, 0, 113, 9]), bytes.fromhex("20010db8000000000000000000000009")})
SELECTIONS = [
    WANTED,
    Selection(frozenset(), frozenset(), all_tcp=True),
    Selection(
        frozenset({53}), WANTED.udp_ports, sources=CLOUDS, passed_over=frozenset({5683, 8080})
    ),
]


@pytest.mark.parametrize("how", SIEVES)
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_recordings_are_judged_alike(path: Path, how: str) -> None:
    keys = path.with_suffix(".keys")
    assert judged(path, how, keys) == judged(path, keys=keys)


def other(**fields: Any) -> Any:
    """A TCP header between ports of no interest."""
    return tcp(**{"dport": 443, **fields})


def fragments(packet: Any, size: int = 64) -> list[Any]:
    return [ethernet() / part for part in inet.fragment(packet, size)]


ICMP_ERROR = inet.ICMP(type=3, code=13)
TAG = l2.Dot1Q(vlan=7)
ODD: list[Any] = [
    ethernet() / TAG / ipv4() / tcp(flags="S"),
    ethernet() / TAG / TAG / ipv4(src="203.0.113.9", dst="192.168.1.20") / tcp(sport=5683),
    ethernet(type=0x88A8) / TAG / ipv4() / tcp(flags="PA") / b"provider tag",
    *fragments(ipv4() / tcp(flags="PA", seq=1001) / bytes(range(200))),
    *fragments(ipv4(id=9) / inet.UDP(sport=53, dport=4000) / bytes(300)),
    *fragments(ipv4(id=10) / other() / bytes(300)),
    ethernet() / ipv6() / inet6.IPv6ExtHdrHopByHop() / tcp(flags="S"),
    ethernet() / ipv6() / inet6.IPv6ExtHdrFragment() / other(flags="S"),
    ethernet() / ipv6() / inet6.IPv6ExtHdrFragment(m=1, id=5) / tcp(flags="PA") / bytes(44),
    ethernet() / ipv6() / other(flags="S"),
    ethernet() / ipv6(src="2001:db8::9", dst="fd00::20", hlim=3) / other(sport=443, flags="SA"),
    ethernet() / ipv4(src="10.0.0.1", dst="192.168.1.20") / ICMP_ERROR / ipv4() / tcp(),
    ethernet() / ipv6() / inet6.ICMPv6DestUnreach() / ipv6() / tcp(),
    ethernet() / ipv4(options=[inet.IPOption_NOP()] * 4) / tcp(flags="S"),
    ethernet() / ipv4(options=[inet.IPOption_NOP()] * 4) / other(flags="S"),
    ethernet() / ipv4(src="203.0.113.9", dst="192.168.1.20", ttl=9) / other(sport=443, flags="A"),
    ethernet() / ipv4(dst="8.8.8.8") / tcp(dport=53, flags="S"),
    ethernet() / ipv4(dst="8.8.8.8") / inet.UDP(sport=4000, dport=4000) / b"x",
    ethernet() / ipv4(dst="192.168.1.1") / inet.UDP(sport=9, dport=4789) / bytes(60),
    ethernet() / ipv4(src="203.0.113.9", ttl=8) / inet.UDP(sport=9, dport=9) / bytes(60),
    ethernet() / ipv4(len=39) / other(),
    ethernet() / ipv4(len=0) / other() / b"offload",
    ethernet() / ipv4() / other(dataofs=4),
    ethernet() / ipv4() / other(dataofs=15),
    ethernet() / ipv4() / inet.UDP(sport=9, dport=9, len=7),
    ethernet() / ipv4() / inet.UDP(sport=9, dport=9, len=0),
    ethernet() / ipv4(proto=47) / b"gre",
    ethernet(type=0x8864) / (b"\x11\0\0\1\0\x2c\0\x21" + bytes(ipv4() / tcp(flags="S"))),
    ethernet(type=40) / (b"\xaa\xaa\x03\0\0\0\x08\0" + bytes(ipv4() / tcp(flags="S"))),
    ethernet(type=0x88CC) / b"lldp",
    ethernet() / l2.ARP(hwsrc="02:00:00:00:00:01", psrc="192.168.1.20", pdst="192.168.1.1"),
    ethernet() / ipv4() / other(sport=5683),
    ethernet() / ipv4() / other() / b"of no interest",
]


def write(path: Path, records: list[bytes], link: int = 1, snap: int = 262144) -> Path:
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snap, link)
    body = b"".join(
        struct.pack("<IIII", 1_700_000_000 + at, at, len(data), len(data)) + data
        for at, data in enumerate(records)
    )
    path.write_bytes(head + body)
    return path


def without_ethernet(packet: Any) -> bytes:
    return bytes(packet)[14:]


LINKS: dict[int, Callable[[Any], bytes]] = {
    1: bytes,
    101: without_ethernet,
    113: lambda packet: bytes(8) + bytes(6) + bytes(packet)[12:],
    276: lambda packet: bytes(packet)[12:14] + bytes(18) + bytes(packet)[14:],
    0: lambda packet: b"\2\0\0\0" + without_ethernet(packet),
}


def odd_records(link: int) -> list[bytes]:
    records = [LINKS[link](packet) for packet in ODD]
    return records + [r[:cut] for r in records[:3] + records[-2:] for cut in range(14, 60)]


def write_ng(path: Path, records: list[bytes], link: int = 1, order: str = "<") -> Path:
    """Two interfaces of one kind, the second counts nanoseconds from 2020 on."""
    nanoseconds = option(9, b"\x09", order=order)
    body = section(order) + interface(link, order=order)
    body += interface(link, options=nanoseconds, order=order)
    for at, data in enumerate(records):
        time = 1_700_000_000_000_000 + at
        body += enhanced(data, time * (1000 if at % 2 else 1), index=at % 2, order=order)
    path.write_bytes(body)
    return path


@pytest.mark.parametrize("how", SIEVES)
@pytest.mark.parametrize("link", LINKS)
def test_generated_frames_are_judged_alike(tmp_path: Path, link: int, how: str) -> None:
    path = write(tmp_path / "odd.pcap", odd_records(link), link)
    assert judged(path, how) == judged(path)
    packed = tmp_path / "odd.pcap.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert judged(packed, how) == judged(packed)


@pytest.mark.parametrize("how", SIEVES)
@pytest.mark.parametrize("order", ["<", ">"])
def test_generated_pcapng_is_judged_alike(tmp_path: Path, order: str, how: str) -> None:
    path = write_ng(tmp_path / "odd.pcapng", odd_records(1), order=order)
    assert judged(path, how) == judged(path)


@pytest.mark.parametrize("how", SIEVES)
@pytest.mark.parametrize("suffix", ["pcap", "pcap.gz"])
def test_hop_limits_of_a_cloud_on_other_ports_count(tmp_path: Path, suffix: str, how: str) -> None:
    records = [
        bytes(ethernet() / ipv4(dst="198.51.100.1") / other()),
        bytes(ethernet() / ipv4(src="203.0.113.9", dst="192.168.1.20", ttl=9) / other(flags="A")),
        bytes(ethernet() / ipv4() / tcp(flags="S")),
    ]
    path = write(tmp_path / "some.pcap", records)
    data = gzip.compress(path.read_bytes()) if suffix.endswith("gz") else path.read_bytes()
    (tmp_path / suffix).write_bytes(data)
    document = judged(tmp_path / suffix, how)
    assert document == judged(tmp_path / suffix)
    assert b'"ttls":[9]' in document


@pytest.mark.parametrize("how", SIEVES)
@pytest.mark.parametrize("name", ["plain.pcap", "plain.pcapng"])
def test_frames_are_left_out_and_counted(tmp_path: Path, name: str, how: str) -> None:
    plain = [bytes(packet) for packet in ODD[-2:]]
    make = write_ng if name.endswith("ng") else write
    path = make(tmp_path / name, plain * 5)
    with open_capture(path) as capture:
        everything = list(capture)
    with sieving(how), CaptureInput(path) as given:
        assert given.sieved
        with given.open(WANTED) as capture:
            frames = list(capture)
        assert [item.number for item in frames] == [1, 3, 5, 7, 9]
        assert frames == everything[::2]
        assert (capture.frames, given.passed_over(frozenset({plain[1][26:30]}))) == (10, True)


@pytest.mark.parametrize("how", SIEVES)
@pytest.mark.parametrize("end", [b"\0" * 7, struct.pack("<IIII", 5, 5, 2**31, 2**31)])
def test_damage_is_told_alike(tmp_path: Path, end: bytes, how: str) -> None:
    path = write(tmp_path / "damaged.pcap", [bytes(packet) for packet in ODD])
    path.write_bytes(path.read_bytes() + end)
    document = judged(path, how)
    assert document == judged(path)
    assert b'"damage":"f' in document


@pytest.mark.parametrize("how", SIEVES)
@pytest.mark.parametrize(
    "name", ["healthy-brewskey-device-os-2.3.1", "blocked-credentials-dropped"]
)
def test_handshakes_on_other_ports_are_found(tmp_path: Path, name: str, how: str) -> None:
    (original,) = [path for path in CAPTURES if path.stem == name]
    path = tmp_path / original.name
    path.write_bytes(original.read_bytes().replace(b"\x16\x33", b"\x22\xb3"))
    document = judged(path, how)
    assert document == judged(path)
    assert b'"other_port":8883' in document


def record(data: bytes) -> bytes:
    return struct.pack("<IIII", 7, 9, len(data), len(data)) + data


def boring(sieve: Sieve, link: int, data: bytes) -> bool:
    """Whether the one record is passed over, in a pcap and in a pcapng file."""
    sieve.begin("<")
    sieve.add_interface(link, 1000)
    content = record(data)
    at = sieve.walk_pcap(content, 0, 0)
    assert at == (len(content) if sieve.passed else 0)
    if sieve.passed:
        assert sieve.time_ns == sieve.latest_ns == 7_000_009_000
    verdict = bool(sieve.passed)
    content = enhanced(data, 7_000_009)
    at = sieve.walk_pcapng(content, 0, 0)
    assert (at, bool(sieve.passed)) == ((len(content), True) if verdict else (0, False))
    return verdict


@given(
    st.sampled_from(ODD + ODD[-2:] * 10),
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), max_size=2),
    st.integers(0, 200),
    st.sampled_from([1, 101, 113, 276]),
    st.sampled_from(SELECTIONS),
)
def test_boring_frames_are_what_they_seem(
    packet: Any,
    damages: list[tuple[int, int]],
    length: int,
    link: int,
    selection: Selection,
) -> None:
    data = bytearray(LINKS[link](packet))
    for at, value in damages:
        data[at % len(data)] = value
    content = bytes(data[: max(length, 1)])
    verdict = boring(SIEVES["python"](selection), link, content)
    if not verdict:
        return
    decoded = decode(frame(content, link))
    assert isinstance(decoded, Segment | Datagram)
    ports = {decoded.source.port, decoded.destination.port}
    if isinstance(decoded, Datagram):
        assert not ports & selection.udp_ports
        assert decoded.source.address not in selection.sources
    else:
        assert not selection.all_tcp
        assert not ports & selection.tcp_ports
        assert decoded.source.address not in selection.sources or ports & selection.passed_over


BLOCKS = [record(bytes(packet)) for packet in ODD] + [enhanced(bytes(p), 5) for p in ODD]


@given(
    st.lists(st.sampled_from([*BLOCKS, bytes(7), BLOCKS[-1] * 3]), max_size=6),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=3),
    st.integers(0, 20),
    st.sampled_from("<>"),
    st.lists(
        st.tuples(st.sampled_from([*KNOWN_LINKS, 0, 127]), st.sampled_from([0, 1, 1000, 10**9])),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(SELECTIONS),
)
def test_both_sieves_walk_alike(
    blocks: list[bytes],
    damages: list[tuple[int, int]],
    cut: int,
    order: str,
    interfaces: list[tuple[int, int]],
    selection: Selection,
) -> None:
    content = bytearray(b"".join(blocks))
    for at, value in damages:
        content[at % max(len(content), 1) : at % max(len(content), 1) + 1] = bytes([value])
    buffer = bytes(content[: len(content) - cut])
    one, other = SIEVES["python"](selection), compiled_sieve(selection)
    for sieve in (one, other):
        sieve.begin(order)
        for link, unit in interfaces:
            sieve.add_interface(link, unit)
    for walk in ("walk_pcap", "walk_pcapng"):
        at = 0
        while at <= len(buffer):
            ends = [getattr(sieve, walk)(buffer, at, 0) for sieve in (one, other)]
            assert ends[0] == ends[1]
            assert one.passed == other.passed
            if one.passed:
                assert (one.time_ns, one.latest_ns) == (other.time_ns, other.latest_ns)
            at = ends[0] + 4
    for source in CLOUDS:
        assert one.may_have_seen(frozenset({source})) <= other.may_have_seen(frozenset({source}))
