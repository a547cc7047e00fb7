"""Whether a verdict agrees with what was really done, at four depths of key knowledge."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from handshake_probe import pipeline
from handshake_probe.lab.scenario import Truth
from handshake_probe.model.measurement import DeviceReport, Measurement

DEPTHS = ("none", "public", "server", "full")


def belongs(name: str, depth: str) -> bool:
    """Whether a key file is known at this depth."""
    if depth == "public":
        return name == "cloud_public.der"
    if depth == "server":
        return name == "cloud_private.pem" or name.endswith(".pub.pem")
    return depth == "full"


def judged(capture: Path, keys: Path, scratch: Path) -> Iterator[tuple[str, Measurement]]:
    """Judge a capture with the keys of each depth."""
    for depth in DEPTHS:
        folder = scratch / depth
        folder.mkdir()
        for key in keys.iterdir():
            if belongs(key.name, depth):
                shutil.copy(key, folder)
        keyring, notes = pipeline.load_keys([str(folder)], [])
        assert all(".der" in note or "no key in it" in note for note in notes)  # damaged, or none
        yield depth, pipeline.analyze(str(capture), keyring=keyring)


def device_at(measurement: Measurement, address: str) -> DeviceReport:
    """The report of the one device with this address."""
    found = [device for device in measurement.devices if device.address == address]
    assert len(found) == 1, [device.address for device in measurement.devices]
    return found[0]


def assert_agrees(judgement: DeviceReport | Measurement, truth: Truth, depth: str) -> None:
    """The verdict is right, or leaves open what cannot be known yet."""
    verdict = judgement.verdict
    right = {truth.cause, *truth.also}
    if depth != "full":
        right |= set(truth.also_below_full)
    settled = DEPTHS.index(depth) >= (*DEPTHS, "never").index(truth.settles_at)
    if verdict.cause == "inconclusive":
        assert not settled, f"{depth}: {verdict.summary}"
        assert right & set(verdict.candidates), f"{depth}: {verdict.candidates}"
        assert len(verdict.candidates) >= 2
        assert verdict.settles
    else:
        assert verdict.cause in right, f"{depth}: {verdict.summary}"
        if verdict.cause == truth.cause:
            assert verdict.stage == truth.stage, f"{depth}: {verdict.summary}"
