"""The 51 real recordings, judged at four depths of key knowledge, against what was really done."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from handshake_probe import pipeline
from handshake_probe.model.measurement import DeviceReport, Measurement, to_json
from handshake_probe.model.observations import ConnectionSeen

CAPTURES = Path(__file__).parent.parent / "captures"
TRUTH: list[dict[str, Any]] = json.loads((CAPTURES / "truth.json").read_text())
DEPTHS = ("none", "public", "server", "full")


def belongs(name: str, depth: str) -> bool:
    """Whether a key file is known at this depth."""
    if depth == "public":
        return name == "cloud_public.der"
    if depth == "server":
        return name == "cloud_private.pem" or name.endswith(".pub.pem")
    return depth == "full"


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
    assert notes == []
    return pipeline.analyze(str(CAPTURES / file), keyring=keyring)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


def device_at(measurement: Measurement, address: str) -> DeviceReport:
    found = [device for device in measurement.devices if device.address == address]
    assert len(found) == 1, [device.address for device in measurement.devices]
    return found[0]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("entry", TRUTH, ids=lambda entry: entry["file"])
def test_verdict_agrees_with_what_was_done(
    entry: dict[str, Any], depth: str, scratch: Path
) -> None:
    measurement = judged(entry["file"], entry["keys"], depth, scratch)
    settled = DEPTHS.index(depth) >= (*DEPTHS, "never").index(entry["settles_at"])
    for device in entry["devices"]:
        verdict = device_at(measurement, device["ip"]).verdict
        right = {device["cause"], *(entry.get("also") or ())}
        if depth != "full":
            right |= set(entry.get("also_below_full") or ())
        if verdict.cause == "inconclusive":
            assert not settled, verdict.summary
            assert right & set(verdict.candidates), verdict.candidates
            assert verdict.settles
            assert len(verdict.candidates) >= 2
        else:
            assert verdict.cause in right, verdict.summary
            if verdict.cause == device["cause"]:
                assert verdict.stage == device["stage"]
        if verdict.confidence == "proven":
            assert verdict.candidates == [verdict.cause]


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
