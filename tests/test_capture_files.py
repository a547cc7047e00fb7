"""Capture files of every kind are read as Wireshark reads them, damaged ones up to the damage."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frames import (
    CAPTURES,
    TsharkRow,
    block,
    enhanced,
    interface,
    option,
    pcap,
    section,
    tshark_rows,
)
from handshake_probe.capture.facts import FRAME_LIMIT, CaptureInterface
from handshake_probe.capture.files import CaptureFile
from handshake_probe.capture.inputs import open_capture
from handshake_probe.capture.source import CHUNK
from handshake_probe.errors import UnreadableInput
from handshake_probe.packets.units import Frame

SECOND = 1_000_000_000
NEEDS_TSHARK = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
# tshark's numbers for link types
ENCAPSULATIONS = {1: 1, 7: 101, 25: 113, 210: 276}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    def write_file(content: bytes) -> Path:
        path = tmp_path / "capture"
        path.write_bytes(content)
        return path

    return write_file


def read(path: Path) -> tuple[list[Frame], CaptureFile]:
    with open_capture(path) as capture:
        frames = list(capture)
        assert capture.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    return frames, capture


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_pcap(write: Callable[[bytes], Path], order: str, nano: bool) -> None:
    path = write(pcap([b"one", b""], order, nano=nano, link=113))
    frames, capture = read(path)
    fraction = 5 if nano else 5000
    assert frames == [
        Frame(1, fraction, 113, 0, b"one", 13),
        Frame(2, SECOND + fraction, 113, 0, b"", 10),
    ]
    assert (capture.format, capture.frames, capture.snap_length) == ("pcap", 2, 96)
    assert (capture.damage, capture.truncated) == (None, False)
    assert capture.interfaces == [CaptureInterface(0, None, 113, 96, None)]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("cut", [0, 8, 20])
def test_joined_pcap_files(write: Callable[[bytes], Path], order: str, cut: int) -> None:
    """As `cat` joins them; read as one record, the second header is a frame of the year 2055."""
    second = pcap([b"two"], order, nano=True, link=113)
    frames, capture = read(write(pcap([b"one"]) + (second[:cut] if cut else second)))
    assert frames[0] == Frame(1, 5000, 1, 0, b"one", 13)
    if cut:
        assert (len(frames), capture.truncated) == (1, True)
        return
    assert frames[1:] == [Frame(2, 5, 113, 1, b"two", 13)]
    assert capture.damage is None
    assert [item.link_type for item in capture.interfaces] == [1, 113]


def test_upper_bits_of_the_link_type_are_no_part_of_it(write: Callable[[bytes], Path]) -> None:
    frames, _ = read(write(pcap([b"x"], link=0x5400_0001)))
    assert frames[0].link_type == 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng(write: Callable[[bytes], Path], order: str) -> None:
    options = option(2, b"eth0\0", order) + option(9, b"\x09", order)
    path = write(
        section(order)
        + block(0x1234, b"unknown", order)
        + interface(1, 96, options, order)
        + interface(101, 0, b"", order)
        + enhanced(b"first", 123, 0, order)
        + enhanced(b"second", 7_000_000, 1, order)
        + block(2, struct.pack(order + "HHIIII", 0, 9, 0, 456, 5, 6) + b"third", order)
        + block(3, struct.pack(order + "I", 200) + b"4" * 96, order)
        + block(5, struct.pack(order + "III", 0, 0, 0) + statistics(order), order)
    )
    frames, capture = read(path)
    assert frames == [
        Frame(1, 123, 1, 0, b"first", 5),
        Frame(2, 7 * SECOND, 101, 1, b"second", 6),
        Frame(3, 456, 1, 0, b"third", 6),
        Frame(4, 456, 1, 0, b"4" * 96, 200),
    ]
    assert (capture.format, capture.frames, capture.snap_length) == ("pcapng", 4, 96)
    assert capture.interfaces == [
        CaptureInterface(0, "eth0", 1, 96, 7),
        CaptureInterface(1, None, 101, 0, None),
    ]
    assert capture.damage is None


def statistics(order: str) -> bytes:
    drops = (option(code, struct.pack(order + "Q", n), order) for code, n in ((5, 3), (7, 4)))
    return b"".join(drops)


def test_sections_number_their_interfaces_anew(write: Callable[[bytes], Path]) -> None:
    path = write(
        section("<")
        + interface(1)
        + enhanced(b"first", 1)
        + section(">")
        + interface(113, order=">")
        + enhanced(b"second", 2, order=">")
    )
    frames, capture = read(path)
    assert [(item.number, item.interface, item.link_type) for item in frames] == [
        (1, 0, 1),
        (2, 1, 113),
    ]
    assert len(capture.interfaces) == 2


@pytest.mark.parametrize(
    ("options", "units", "time_ns"),
    [
        (b"", 5, 5000),
        (option(9, b"\x00"), 5, 5 * SECOND),
        (option(9, b"\x03"), 5, 5_000_000),
        (option(9, b"\x0c"), 5999, 5),
        (option(9, b"\x7f"), 5, 0),
        (option(9, b"\x8a"), 1024, SECOND),
        (option(9, b"\xff"), 5, 0),
        (option(14, struct.pack("<q", 100)), 5, 100 * SECOND + 5000),
        (option(14, struct.pack("<q", -100)), 5, 0),
        (option(9, b"\x00"), 2**64 - 1, 2**63 - 1),
    ],
)
def test_clocks(write: Callable[[bytes], Path], options: bytes, units: int, time_ns: int) -> None:
    frames, _ = read(write(section() + interface(options=options) + enhanced(b"x", units)))
    assert frames[0].time_ns == time_ns


GOOD_PCAPNG = section() + interface() + enhanced(b"first", 1)


@pytest.mark.parametrize(
    ("content", "frames", "truncated", "damage"),
    [
        (pcap([b"a", b"bcd"])[:-1], 1, True, "file ends inside frame 2 at byte offset 41"),
        (pcap([b"a"]) + bytes(15), 1, True, "file ends inside frame 2 at byte offset 41"),
        (
            pcap([b"a"]) + struct.pack("<IIII", 0, 0, FRAME_LIMIT + 1, 0),
            1,
            False,
            "frame 2 claims 262145 captured bytes at byte offset 41",
        ),
        (GOOD_PCAPNG[:-1], 0, True, "file ends inside a block at byte offset 48"),
        (GOOD_PCAPNG + b"\6\0\0\0", 1, True, "file ends inside a block at byte offset 88"),
        (
            GOOD_PCAPNG + struct.pack("<IIII", 6, 8, 0, 0),
            1,
            False,
            "block claims 8 bytes at byte offset 88",
        ),
        (
            GOOD_PCAPNG + struct.pack("<IIII", 6, 2**31, 0, 0),
            1,
            False,
            "block claims 2147483648 bytes at byte offset 88",
        ),
        (
            GOOD_PCAPNG + struct.pack("<IIII", 9, 16, 0, 12),
            1,
            False,
            "block lengths at start and end differ at byte offset 88",
        ),
        (
            GOOD_PCAPNG + enhanced(b"x", 1, index=1),
            1,
            False,
            "frame of an interface never described at byte offset 88",
        ),
        (
            section() + block(3, struct.pack("<I", 1) + b"x"),
            0,
            False,
            "frame of an interface never described at byte offset 28",
        ),
        (
            GOOD_PCAPNG + block(6, struct.pack("<IIIII", 0, 0, 0, 5, 5) + b"abcd"),
            1,
            False,
            "frame claims 5 captured bytes at byte offset 88",
        ),
        (
            GOOD_PCAPNG + block(6, bytes(8)),
            1,
            False,
            "block of type 6 is too short at byte offset 88",
        ),
        (
            GOOD_PCAPNG + block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 2, 0, -1)),
            1,
            False,
            "pcapng version 2, only version 1 is known at byte offset 88",
        ),
    ],
)
def test_damage_ends_the_reading(
    write: Callable[[bytes], Path], content: bytes, frames: int, truncated: bool, damage: str
) -> None:
    got, capture = read(write(content))
    assert len(got) == capture.frames == frames
    assert (capture.damage, capture.truncated) == (damage, truncated)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"hello\nworld, with an umlaut: \xc3\xbc\n", "plain text"),
        (b'\xef\xbb\xbf  {"a": 1}', "JSON text"),
        (b"<!DOCTYPE HTML><p>", "an HTML page"),
        (b"<?xml version='1.0'?>", "an XML document"),
        (b"-----BEGIN RSA PRIVATE KEY-----\n", "a PEM key"),
        (b"\x30\x82\x02\x5c\x02\x01\x00", "a DER key"),
        (b"\x7fELF\x02\x01", "an ELF program"),
        (b"\xde\xad\xbe\xef\x00\x01", "unknown binary data"),
        (gzip.compress(b"hello", mtime=0), "gzip data around plain text"),
        (
            gzip.compress(pcap([])[:20], mtime=0),
            "gzip data around a pcap file cut off in its header",
        ),
        (gzip.compress(pcap([b"x"]), mtime=0)[:9], "gzip data end early at byte offset 9"),
        (b"\x28\xb5\x2f\xfd\x00", "zstd data end early"),
        (b"\xfd7zXZ\x00" + bytes(30), "xz data are damaged (LZMAError)"),
        (pcap([])[:20], "a pcap file cut off in its header"),
        (section()[:12], "section header cut off"),
        (section()[:8] + b"abcd" + bytes(16), "without a byte-order mark"),
    ],
)
def test_what_is_no_capture_is_named(
    write: Callable[[bytes], Path], content: bytes, words: str
) -> None:
    with pytest.raises(UnreadableInput) as error:
        open_capture(write(content))
    assert words in str(error.value)
    assert str(error.value).isprintable()


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path, words in (
        (tmp_path, "is a directory"),
        (tmp_path / "pipe", "is a pipe, socket or device"),
        (Path("/dev/zero"), "is a pipe, socket or device"),
        (tmp_path / "new\nline\x1b[2J", r"new\nline\x1b[2J: no such file or directory"),
        (tmp_path / "loop", "symbolic links"),
        (Path("nul\0byte"), "is not a file name"),
    ):
        with pytest.raises(UnreadableInput) as error:
            open_capture(path)
        assert words in str(error.value)
        assert str(error.value).isprintable()


def test_no_permission(write: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(pcap([]))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root would be let in
    with pytest.raises(UnreadableInput, match="permission denied"):
        open_capture(path)


def test_files_larger_than_the_buffer(write: Callable[[bytes], Path]) -> None:
    records = [bytes([index % 251]) * 60_000 for index in range(3 * CHUNK // 60_000)]
    frames, _ = read(write(pcap(records)))
    assert [item.data for item in frames] == records
    blocks = (enhanced(record, 1) for record in records)
    frames, _ = read(write(section() + interface() + b"".join(blocks)))
    assert [item.data for item in frames] == records


def test_the_hash_covers_what_was_not_read(write: Callable[[bytes], Path]) -> None:
    path = write(pcap([bytes(60_000)] * 50))
    with open_capture(path) as capture:
        assert next(iter(capture)).number == 1
        assert capture.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert list(capture) == []
        assert (capture.frames, capture.damage) == (1, None)


def test_no_hash_of_half_a_file(write: Callable[[bytes], Path]) -> None:
    path = write(pcap([bytes(60_000)] * 50))
    with open_capture(path) as capture:
        next(iter(capture))
    assert list(capture) == []
    with pytest.raises(ValueError, match="closed"):
        assert capture.sha256


SEEDS = [
    pcap([b"one" * 20, b"two" * 30]),
    pcap([b"one" * 20, b"two" * 30], ">", nano=True),
    GOOD_PCAPNG + block(5, struct.pack("<III", 0, 0, 0) + statistics("<")) + enhanced(b"y", 2),
    section(">")
    + interface(order=">", options=option(9, b"\x06", ">"))
    + enhanced(b"z", 3, 0, ">"),
    GOOD_PCAPNG + block(3, struct.pack("<I", 4) + b"abcd") + GOOD_PCAPNG,
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=5),
    st.integers(0, 400),
)
def test_mutated_files_never_raise_anything_else(
    write: Callable[[bytes], Path], seed: bytes, changes: list[tuple[int, int]], length: int
) -> None:
    content = bytearray(seed)
    for at, value in changes:
        content[at % len(content)] = value
    path = write(bytes(content[:length]))
    try:
        frames, capture = read(path)
    except UnreadableInput:
        return
    assert len(frames) <= capture.frames
    for item in frames:
        assert len(item.data) <= min(item.length, FRAME_LIMIT)
        assert 0 <= item.time_ns < 2**63


@NEEDS_TSHARK
def test_frame_numbers_are_those_of_wireshark(write: Callable[[bytes], Path]) -> None:
    ethernet = bytes(12) + b"\x88\xb5" + bytes(46)
    content = section() + interface(snap=80)
    for kind in (4, 5, 9, 0xBAD, 0x40000BAD, 0x80000001, 0x1234):
        body = b"__REALTIME_TIMESTAMP=1\n" if kind == 9 else bytes(12)
        content += block(kind, body) + enhanced(ethernet, kind)
    content += block(3, struct.pack("<I", 90) + bytes(80)) + section() + interface()
    content += enhanced(ethernet, 99)
    path = write(content)
    frames, capture = read(path)
    rows = tshark_rows(path)
    numbers = [row.number for row in rows if row.captured == len(ethernet) or row.captured == 80]
    assert [item.number for item in frames] == numbers
    assert len(frames) == 9
    assert capture.frames == len(rows) == 12


@NEEDS_TSHARK
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_recordings_are_read_as_tshark_reads_them(path: Path) -> None:
    frames, capture = read(path)
    assert capture.damage is None
    assert [_row(item) for item in frames] == [_expected(row) for row in tshark_rows(path)]


def _row(item: Frame) -> tuple[int, int, int, int, int]:
    return item.number, item.time_ns, len(item.data), item.length, item.link_type


def _expected(row: TsharkRow) -> tuple[int, int, int, int, int]:
    link_type = ENCAPSULATIONS[row.encapsulation]
    return row.number, row.time_ns, row.captured, row.length, link_type
