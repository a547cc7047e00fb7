"""The 51 real recordings, judged at four depths of key knowledge, against what was really done."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from agreement import DEPTHS, assert_agrees, belongs, device_at
from handshake_probe import pipeline
from handshake_probe.lab.scenario import Truth
from handshake_probe.model.measurement import Measurement, to_json
from handshake_probe.model.observations import ConnectionSeen

CAPTURES = Path(__file__).parent.parent / "captures"
TRUTH: list[dict[str, Any]] = json.loads((CAPTURES / "truth.json").read_text())


@cache
def judged(file: str, keys: str, depth: str, scratch: Path) -> Measurement:
    folder = scratch / depth
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    for key in (CAPTURES / keys).iterdir():
        if belongs(key.name, depth):
            shutil.copy(key, folder)
    keyring, notes = pipeline.load_keys([str(folder)], [])
    assert notes in ([], [f"{folder}: no key in it"])
    return pipeline.analyze(str(CAPTURES / file), keyring=keyring)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("entry", TRUTH, ids=lambda entry: entry["file"])
def test_verdict_agrees_with_what_was_done(
    entry: dict[str, Any], depth: str, scratch: Path
) -> None:
    measurement = judged(entry["file"], entry["keys"], depth, scratch)
    for device in entry["devices"]:
        told = Truth(
            cause=device["cause"],
            stage=device["stage"],
            settles_at=entry["settles_at"],
            also=tuple(entry.get("also") or ()),
            also_below_full=tuple(entry.get("also_below_full") or ()),
        )
        report = device_at(measurement, device["ip"])
        assert_agrees(report, told, depth)
        if report.verdict.confidence == "proven":
            assert report.verdict.candidates == [report.verdict.cause]


def whole_sessions(measurement: Measurement) -> set[int]:
    """Streams whose every byte the capture holds, the key exchange included."""
    return {
        item.stream
        for item in measurement.observations
        if isinstance(item, ConnectionSeen)
        and not item.midstream
        and not item.from_device.missing_bytes
        and not item.from_cloud.missing_bytes
    }


@pytest.mark.parametrize(
    "entry",
    [e for e in TRUTH if any(s["coap"] for d in e["devices"] for s in d["sessions"])],
    ids=lambda entry: entry["file"],
)
def test_every_message_comes_out_byte_for_byte(entry: dict[str, Any], scratch: Path) -> None:
    measurement = judged(entry["file"], entry["keys"], "full", scratch)
    whole = whole_sessions(measurement)
    compared = 0
    for device in entry["devices"]:
        ours = {
            int(connection.device.rpartition(":")[2]): connection
            for connection in device_at(measurement, device["ip"]).connections
            if connection.stream in whole
        }
        for session in device["sessions"]:
            connection = ours.get(session["port"])
            if connection is None:
                continue
            for letter, direction in (("d", "device_to_cloud"), ("s", "cloud_to_device")):
                said = [hexed for who, hexed in session["coap"] if who == letter]
                read = [m.hex for m in connection.messages if m.direction == direction]
                assert read == said[: len(read)]
                # The endpoints log a little more than the capture's end shows, never less.
                compared += len(read)
    assert compared or not whole


def test_no_private_key_and_no_session_key_is_written(scratch: Path) -> None:
    entry = next(e for e in TRUTH if e["cause"] == "healthy" and e["devices"][0]["sessions"])
    text = to_json(judged(entry["file"], entry["keys"], "full", scratch)).decode()
    for session in entry["devices"][0]["sessions"]:
        assert session["session"] not in text
        assert session["session"][:32] not in text
    assert "PRIVATE" not in text
