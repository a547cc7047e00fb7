"""What the fast engine leaves out changes nothing: same documents, byte for byte."""

from __future__ import annotations

import gzip
import importlib
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frames import CAPTURES, ethernet, frame, inet, inet6, ipv4, ipv6, l2, tcp
from handshake_probe import pipeline
from handshake_probe.capture.inputs import CaptureInput, Engine
from handshake_probe.capture.libpcap import Refused
from handshake_probe.capture.sieve import Selection, boring_expression, sieve
from handshake_probe.model.measurement import to_json
from handshake_probe.packets.decode import decode
from handshake_probe.packets.units import Datagram, Segment

cypcap = pytest.importorskip("cypcap")

WANTED = Selection(frozenset({53, 5683}), frozenset({53, 67, 68, 123, 5683, 5684}))
CLOUDS = frozenset({bytes([203, 0, 113, 9]), bytes.fromhex("20010db8000000000000000000000009")})
SELECTIONS = [
    WANTED,
    Selection(frozenset(), frozenset(), all_tcp=True),
    Selection(
        frozenset({53}), WANTED.udp_ports, sources=CLOUDS, passed_over=frozenset({5683, 8080})
    ),
]


def measure(path: Path, engine: Engine, keys: Path | None = None) -> bytes:
    keyring, _ = pipeline.load_keys([str(keys)] if keys else [], [])
    return to_json(pipeline.analyze(str(path), keyring=keyring, engine=engine))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_recordings_are_judged_alike(path: Path) -> None:
    keys = path.with_suffix(".keys")
    assert measure(path, Engine.LIBPCAP, keys) == measure(path, Engine.OWN, keys)


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


@pytest.mark.parametrize("link", LINKS)
def test_generated_frames_are_judged_alike(tmp_path: Path, link: int) -> None:
    records = [LINKS[link](packet) for packet in ODD]
    records += [record[:cut] for record in records[:3] + records[-2:] for cut in range(14, 60)]
    path = write(tmp_path / "odd.pcap", records, link)
    assert measure(path, Engine.LIBPCAP) == measure(path, Engine.OWN)
    assert measure(path, Engine.AUTO) == measure(path, Engine.OWN)
    packed = tmp_path / "odd.pcap.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))  # our reader with the Python predicate
    assert measure(packed, Engine.LIBPCAP) == measure(packed, Engine.OWN)


@pytest.mark.parametrize("suffix", ["pcap", "pcap.gz"])
def test_hop_limits_of_a_cloud_on_other_ports_count(tmp_path: Path, suffix: str) -> None:
    records = [
        bytes(ethernet() / ipv4(src="203.0.113.9", dst="192.168.1.20", ttl=9) / other(flags="A")),
        bytes(ethernet() / ipv4() / tcp(flags="S")),
    ]
    path = write(tmp_path / "some.pcap", records)
    data = gzip.compress(path.read_bytes()) if suffix.endswith("gz") else path.read_bytes()
    (tmp_path / suffix).write_bytes(data)
    document = measure(tmp_path / suffix, Engine.LIBPCAP)
    assert document == measure(tmp_path / suffix, Engine.OWN)
    assert b'"ttls":[9]' in document


def read_by_libpcap(path: Path) -> int:
    """Frames that libpcap delivers, by itself."""
    with CaptureInput(path, Engine.LIBPCAP) as given, given.open(WANTED) as capture:
        assert type(capture._backing).__name__ == "LibpcapFrames"
        return len(list(capture))


def test_the_engine_does_leave_frames_out(tmp_path: Path) -> None:
    plain = [bytes(packet) for packet in ODD[-2:]]
    assert read_by_libpcap(write(tmp_path / "plain.pcap", plain * 5)) == 5


@pytest.mark.parametrize("end", [b"\0" * 7, struct.pack("<IIII", 5, 5, 2**31, 2**31)])
def test_damage_starts_again_with_our_reader(tmp_path: Path, end: bytes) -> None:
    path = write(tmp_path / "damaged.pcap", [bytes(packet) for packet in ODD])
    path.write_bytes(path.read_bytes() + end)
    with pytest.raises(Refused):
        read_by_libpcap(path)
    document = measure(path, Engine.LIBPCAP)
    assert document == measure(path, Engine.OWN)
    assert b'"damage":"f' in document


def test_a_lying_snap_length_starts_again(tmp_path: Path) -> None:
    path = write(tmp_path / "snap.pcap", [bytes(packet) for packet in ODD], snap=70)
    with pytest.raises(Refused, match="snap length"):
        read_by_libpcap(path)
    assert measure(path, Engine.LIBPCAP) == measure(path, Engine.OWN)


def test_without_cypcap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "odd.pcap", [bytes(packet) for packet in ODD])
    document = measure(path, Engine.OWN)
    monkeypatch.setitem(importlib.import_module("sys").modules, "cypcap", None)
    assert measure(path, Engine.LIBPCAP) == document


@pytest.mark.parametrize(
    "name", ["healthy-brewskey-device-os-2.3.1", "blocked-credentials-dropped"]
)
def test_handshakes_on_other_ports_are_found(tmp_path: Path, name: str) -> None:
    (original,) = [path for path in CAPTURES if path.stem == name]
    path = tmp_path / original.name
    path.write_bytes(original.read_bytes().replace(b"\x16\x33", b"\x22\xb3"))
    document = measure(path, Engine.LIBPCAP)
    assert document == measure(path, Engine.OWN)
    assert b'"other_port":8883' in document


def compiled(link: int, selection: Selection) -> Callable[[bytes], bool]:
    expression = boring_expression(link, selection)
    assert expression is not None
    with (
        tempfile.TemporaryDirectory() as folder,
        cypcap.open_offline(str(write(Path(folder) / "empty", [], link))) as capture,
    ):
        program = capture.compile(expression)

    def boring(data: bytes) -> bool:
        return bool(program.offline_filter(cypcap.Pkthdr(0.0, len(data), len(data)), data))

    return boring


SIEVES = [
    (link, selection, sieve(link, selection), compiled(link, selection))
    for link in (1, 101, 113, 276)
    for selection in SELECTIONS
]


@given(
    st.sampled_from(ODD + ODD[-2:] * 10),
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), max_size=2),
    st.integers(0, 200),
    st.sampled_from(SIEVES),
)
def test_boring_frames_are_what_they_seem(
    packet: Any, damages: list[tuple[int, int]], length: int, tools: Any
) -> None:
    link, selection, predicate, program = tools
    data = bytearray(LINKS[link](packet))
    for at, value in damages:
        data[at % len(data)] = value
    content = bytes(data[: max(length, 1)])
    assert predicate(content) == program(content)
    if not predicate(content):
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
