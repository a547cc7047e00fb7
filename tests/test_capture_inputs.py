"""Compressed captures, standard input, and what pcapng files say about themselves."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import lz4.frame
import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frames import CAPTURES, block, enhanced, interface, option, pcap, section
from handshake_probe import pipeline
from handshake_probe.capture import compressed
from handshake_probe.capture.facts import INTERFACE_LIMIT
from handshake_probe.capture.inputs import CaptureInput, open_capture
from handshake_probe.errors import UnreadableInput
from handshake_probe.model.measurement import Measurement, to_json
from handshake_probe.packets.decode import Decoder
from handshake_probe.packets.units import Frame

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "lz4": lz4.frame.compress,
}
# Content that does not shrink, larger than several buffers.
CONTENT = pcap([os.urandom(60_000) for _ in range(50)])
EXAMPLE = next(path for path in CAPTURES if path.stem == "healthy-brewskey-device-os-2.3.1")


def read(path: Path) -> tuple[list[Frame], Any]:
    with open_capture(path) as capture:
        frames = list(capture)
        assert capture.sha256 == sha256(path.read_bytes()).hexdigest()
    return frames, capture


@pytest.fixture
def plain(tmp_path: Path) -> list[Frame]:
    path = tmp_path / "plain"
    path.write_bytes(CONTENT)
    return read(path)[0]


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_compressed(tmp_path: Path, plain: list[Frame], name: str) -> None:
    path = tmp_path / "capture"
    path.write_bytes(COMPRESSIONS[name](CONTENT))
    frames, capture = read(path)
    assert frames == plain
    assert (capture.compression, capture.damage, capture.format) == (name, None, "pcap")


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_several_members_follow_one_another(tmp_path: Path, plain: list[Frame], name: str) -> None:
    path = tmp_path / "capture"
    halves = CONTENT[:1_000_003], CONTENT[1_000_003:]
    path.write_bytes(b"".join(map(COMPRESSIONS[name], halves)) + bytes(64))
    assert read(path)[0] == plain


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_cut_off_compressed_data(tmp_path: Path, plain: list[Frame], name: str) -> None:
    path = tmp_path / "capture"
    path.write_bytes(COMPRESSIONS[name](CONTENT)[:-500_000])
    frames, capture = read(path)
    assert 10 < len(frames) < 50
    assert frames == plain[: len(frames)]
    assert capture.truncated
    assert "end early" in capture.damage


def test_a_short_start_of_compressed_data_counts(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(gzip.compress(pcap([b"one", b"two"]))[:-8])
    frames, capture = read(path)
    assert len(frames) == 2
    assert "gzip data end early" in capture.damage


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_damaged_compressed_data(tmp_path: Path, plain: list[Frame], name: str) -> None:
    data = bytearray(COMPRESSIONS[name](CONTENT))
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    path = tmp_path / "capture"
    path.write_bytes(data)
    frames, capture = read(path)
    assert [item.data for item in frames] != [item.data for item in plain]
    assert frames[:20] == plain[: len(frames[:20])]
    assert capture.damage


@pytest.mark.parametrize("missing", ["isal", "backports", "lz4.frame"])
def test_missing_libraries(
    tmp_path: Path, plain: list[Frame], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    name = {"isal": "gzip", "backports": "zstd", "lz4.frame": "lz4"}[missing]
    path = tmp_path / "capture"
    path.write_bytes(COMPRESSIONS[name](CONTENT) * 2)
    if name == "gzip":
        assert read(path)[0][:50] == plain  # the standard library's, slower
        path.write_bytes(gzip.compress(CONTENT)[:-9])
        assert "end early" in read(path)[1].damage
    else:
        with pytest.raises(UnreadableInput, match="is missing"):
            open_capture(path)


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_what_expands_beyond_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(compressed, "FREE_LENGTH", 3_000_000)
    path = tmp_path / "capture"
    path.write_bytes(COMPRESSIONS[name](pcap([bytes(60_000)] * 300)))
    frames, capture = read(path)
    if len(frames) == 300:
        assert name == "lz4"  # shrinks to 1/255 at best, and not so much here
    else:
        assert 30 < len(frames) < 100
        assert "expand beyond all measure" in capture.damage


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(COMPRESSIONS)),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=3),
    st.integers(0, 10_000),
)
def test_damaged_compressed_files_raise_nothing_else(
    tmp_path: Path, name: str, changes: list[tuple[int, int]], length: int
) -> None:
    data = bytearray(COMPRESSIONS[name](pcap([bytes(range(200))] * 9)))
    for at, value in changes:
        data[at % len(data)] = value
    path = tmp_path / "capture"
    path.write_bytes(bytes(data[: length % len(data) + 1]))
    try:
        read(path)
    except UnreadableInput:
        return


def analyzed(path: Path | str, **options: Any) -> Measurement:
    keyring, _ = pipeline.load_keys([], [])
    return pipeline.analyze(str(path), keyring=keyring, **options)


def probe(*arguments: str, stdin: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "handshake_probe", "analyze", *arguments]
    return subprocess.run(command, stdin=stdin, capture_output=True, timeout=60)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("port", [5683, 8883])
def test_standard_input(tmp_path: Path, packed: bool, port: int) -> None:
    content = EXAMPLE.read_bytes().replace(b"\x16\x33", port.to_bytes(2, "big"))
    path = tmp_path / "capture"
    path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    expected = to_json(analyzed(path)).replace(str(path).encode(), b"-")
    reader, writer = os.pipe()

    def feed() -> None:
        with open(writer, "wb", buffering=0) as pipe:
            for at in range(0, len(path.read_bytes()), 100):
                pipe.write(path.read_bytes()[at : at + 100])

    thread = threading.Thread(target=feed)
    thread.start()
    done = probe("-", "--format", "json", stdin=reader)
    os.close(reader)
    thread.join()
    assert done.stdout.rstrip() == expected
    assert done.returncode == 0


def test_standard_input_that_is_no_capture(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("hello")
    for content, words in ((path, b"not a capture"), (Path(os.devnull), b"an empty file")):
        with content.open("rb") as stream:
            done = probe("-", stdin=stream)
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"standard input: " in done.stderr
        assert words in done.stderr
    with EXAMPLE.open("rb") as stream:
        done = probe("-", "--engine", "tshark", stdin=stream)
    assert done.returncode == 2
    assert b"tshark reads files" in done.stderr


def test_a_terminal_is_no_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(UnreadableInput, match="is a terminal"), CaptureInput("-") as given:
        given.open()


def test_a_growing_file_is_read_up_to_its_half_record(tmp_path: Path) -> None:
    path = tmp_path / "growing"
    path.write_bytes(EXAMPLE.read_bytes()[:-11])
    measurement = analyzed(path)
    assert measurement.verdict.cause == "healthy"
    assert measurement.source.truncated
    assert [finding.code for finding in measurement.findings].count("HP601") == 1


def test_what_pcapng_says_about_itself(tmp_path: Path) -> None:
    comment = option(1, b"why")
    drops = option(5, struct.pack("<Q", 3))
    head = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    fields = struct.pack("<IIIII", 0, 0, 5, 3, 3)
    content = (
        block(0x0A0D0D0A, head + comment + comment)
        + interface(options=option(2, b"eth0") + comment)
        + interface(options=option(2, b"wlan0\x1b[2J"))
        + block(6, fields + b"abc\0" + comment + option(0, b""))
        + block(6, fields + b"abc\0" + option(2, b"\0\0\0\0") + comment + comment)
        + enhanced(b"abcd", 6)
        + block(5, struct.pack("<III", 0, 0, 0) + drops)
        + section()
        + interface(options=option(2, b"eth1"))
        + enhanced(b"x", 7)
        + block(5, struct.pack("<III", 0, 0, 0) + drops)
    )
    path = tmp_path / "capture.pcapng"
    path.write_bytes(content)
    (seen,) = [item for item in analyzed(path).observations if item.id == "o1"]
    assert seen.interfaces == ["eth0", "wlan0\x1b[2J", "eth1"]  # type: ignore[union-attr]
    assert seen.sections == 2  # type: ignore[union-attr]
    assert seen.comments == 6  # type: ignore[union-attr]
    assert seen.drops == 6  # type: ignore[union-attr]


def test_interfaces_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcapng"
    path.write_bytes(section() + interface() * (INTERFACE_LIMIT + 1) + enhanced(b"x", 1))
    frames, capture = read(path)
    assert (frames, len(capture.interfaces)) == ([], INTERFACE_LIMIT)
    assert "interfaces" in capture.damage


def test_ctrl_c_judges_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    decode = Decoder.decode

    def interrupt(self: Any, frame: Frame) -> Any:
        if frame.number == 30:
            raise KeyboardInterrupt
        return decode(self, frame)

    monkeypatch.setattr(Decoder, "decode", interrupt)
    with pytest.raises(pipeline.Interrupted) as stop:
        analyzed(EXAMPLE)
    measurement = stop.value.measurement
    assert measurement.source.frames == 30
    assert measurement.source.truncated
    assert measurement.source.sha256 == ""
    assert measurement.devices
    assert "interrupted" in next(f.text for f in measurement.findings if f.code == "HP601")


def test_ctrl_c_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    from handshake_probe.cli import main

    decode = Decoder.decode

    def interrupt(self: Any, frame: Frame) -> Any:
        if frame.number == 30:
            raise KeyboardInterrupt
        return decode(self, frame)

    monkeypatch.setattr(Decoder, "decode", interrupt)
    assert main(["analyze", str(EXAMPLE), str(EXAMPLE), "--format", "json"]) == 130
    out, err = capsysbinary.readouterr()
    assert out.count(b"\n") == 1
    assert b"verdict over what was read" in err


def test_progress_tells_bytes(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(CONTENT)
    calls: list[tuple[int, int | None]] = []
    analyzed(path, progress=lambda done, total: calls.append((done, total)))
    assert (len(CONTENT), len(CONTENT)) in calls
    assert all(total == len(CONTENT) for _, total in calls)
