"""Tshark's reading of every recording agrees with ours, from the link layer to the verdict."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from frames import CAPTURES, ethernet, inet, ipv4, l2, pcap, tcp
from handshake_probe import pipeline
from handshake_probe.capture.inputs import Engine, open_capture
from handshake_probe.capture.tshark import TsharkFailed, tshark_segments
from handshake_probe.cli import main
from handshake_probe.model.measurement import to_json
from handshake_probe.packets.decode import Decoder
from handshake_probe.packets.units import Segment

pytest.importorskip("pyshark")
NEEDS_TSHARK = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
PORTS = frozenset({5683})


def measure(path: Path, engine: Engine, keys: Path | None = None) -> bytes:
    keyring, _ = pipeline.load_keys([str(keys)] if keys else [], [])
    return to_json(pipeline.analyze(str(path), keyring=keyring, engine=engine))


@NEEDS_TSHARK
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_recordings_are_judged_alike(path: Path) -> None:
    keys = path.with_suffix(".keys")
    assert measure(path, Engine.TSHARK, keys) == measure(path, Engine.OWN, keys)


@NEEDS_TSHARK
def test_segments_come_from_tshark(tmp_path: Path) -> None:
    tag = l2.Dot1Q(vlan=7)
    whole = ipv4() / tcp(flags="PA", options=[("MSS", 1460)]) / bytes(range(250))
    parts = [bytes(ethernet() / part) for part in inet.fragment(whole, 104)]
    records = [bytes(ethernet() / tag / whole), *parts]
    path = tmp_path / "some.pcap"
    path.write_bytes(pcap(records))
    theirs = list(tshark_segments(path, PORTS))
    decoder = Decoder()
    with open_capture(path) as capture:
        ours = [item for frame in capture if isinstance(item := decoder.decode(frame), Segment)]
    assert theirs == ours
    assert [item.frame for item in theirs] == [1, len(records)]


@NEEDS_TSHARK
def test_a_cut_off_file_ends_for_both(tmp_path: Path) -> None:
    (original,) = [path for path in CAPTURES if path.stem == "healthy-brewskey-device-os-2.3.1"]
    path = tmp_path / "cut.pcap"
    path.write_bytes(original.read_bytes()[:-20])
    assert measure(path, Engine.TSHARK) == measure(path, Engine.OWN)


def test_without_tshark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TsharkFailed, match="not installed"):
        list(tshark_segments(CAPTURES[0], PORTS))
    assert main(["analyze", str(CAPTURES[0]), "--engine", "tshark"]) == 4


def test_without_pyshark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyshark", None)
    with pytest.raises(TsharkFailed, match="package pyshark"):
        list(tshark_segments(CAPTURES[0], PORTS))
