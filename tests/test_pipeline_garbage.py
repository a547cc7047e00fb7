"""An analysis leaves no reference cycles: it runs with the collector off."""

from __future__ import annotations

import gc
import random
import shutil
from pathlib import Path

import pytest
from scripts.bench.captures import dense, write

from handshake_probe.keys.keyring import Keyring
from handshake_probe.pipeline import analyze, load_keys

CAPTURES = Path(__file__).parent.parent / "captures"
RECORDED = (
    sorted((CAPTURES / "synthetic").glob("*.pcap"))[::6] + sorted(CAPTURES.glob("*.pcap"))[::6]
)


def left_behind(capture: Path, keyring: Keyring) -> int:
    """Objects that only the collector frees after an analysis, whose document is kept."""
    analyze(str(capture), keyring=keyring)  # what is made once, at the first call, is no garbage
    gc.collect()
    gc.disable()
    try:
        kept = analyze(str(capture), keyring=keyring)
        found = gc.collect()
        assert kept.observations
    finally:
        gc.enable()
    return found


@pytest.mark.parametrize("capture", RECORDED, ids=lambda path: path.stem)
def test_no_cycles_are_left_behind(capture: Path) -> None:
    keys = capture.with_suffix(".keys")
    keyring, _ = load_keys([str(keys)] if keys.exists() else [], [])
    assert left_behind(capture, keyring) == 0


def damage(capture: Path, seed: int) -> None:
    """Turn over one bit in every third frame or so."""
    rng = random.Random(seed)
    data = bytearray(capture.read_bytes())
    at = 24
    while at < len(data):
        length = int.from_bytes(data[at + 8 : at + 12], "little")
        if rng.random() < 0.3:
            data[at + 16 + rng.randrange(length)] ^= 1 << rng.randrange(8)
        at += 16 + length
    capture.write_bytes(data)


@pytest.mark.parametrize("seed", range(4))
def test_nor_are_they_by_a_damaged_capture(tmp_path: Path, seed: int) -> None:
    capture = tmp_path / "damaged.pcap"
    shutil.copy(CAPTURES / "healthy-heavy-packet-loss.pcap", capture)
    damage(capture, seed)
    assert left_behind(capture, Keyring()) == 0


def test_nor_is_the_table_of_a_large_captures_connections(tmp_path: Path) -> None:
    """Large enough for the fast path, whose buffers are types of ctypes: a few objects."""
    capture = tmp_path / "large.pcap"
    write(capture, dense(40))
    damage(capture, 1)
    assert left_behind(capture, Keyring()) < 50
