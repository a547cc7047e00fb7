"""An analysis leaves no reference cycles: it runs with the collector off."""

from __future__ import annotations

import gc
import random
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("seed", range(4))
def test_nor_are_they_by_a_damaged_capture(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray((CAPTURES / "healthy-heavy-packet-loss.pcap").read_bytes())
    at = 24
    while at < len(data):
        length = int.from_bytes(data[at + 8 : at + 12], "little")
        if rng.random() < 0.3:
            data[at + 16 + rng.randrange(length)] ^= 1 << rng.randrange(8)
        at += 16 + length
    capture = tmp_path / "damaged.pcap"
    capture.write_bytes(data)
    assert left_behind(capture, Keyring()) == 0
