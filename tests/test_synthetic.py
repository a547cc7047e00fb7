"""The synthetic captures: what `make captures` makes, judged against what was played."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from scripts.captures.shelf import shelf
from scripts.captures.stories import ALL

from agreement import assert_agrees, device_at, judged
from handshake_probe import pipeline
from handshake_probe.lab.scenario import Truth
from handshake_probe.model.measurement import Measurement

FOLDER = Path(__file__).parent.parent / "captures" / "synthetic"
SIZE_LIMIT = 1_500_000  # bytes, of all files together
TRUTH: list[dict[str, Any]] = json.loads((FOLDER / "truth.json").read_text())

every_entry = pytest.mark.parametrize("entry", TRUTH, ids=lambda entry: entry["file"])


@cache
def made() -> dict[str, bytes]:
    return shelf(ALL)


def test_the_captures_are_byte_for_byte_what_the_seeds_give() -> None:
    there = {
        str(path.relative_to(FOLDER)): path.read_bytes()
        for path in FOLDER.rglob("*")
        if path.is_file()
    }
    differing = [name for name in {*there, *made()} if there.get(name) != made().get(name)]
    assert differing == [], "run `make captures`"


def test_synthetic_is_said_in_every_name_and_line() -> None:
    names = {Path(name).parts[0] for name in made()} - {"truth.json", "README.md"}
    assert names
    assert all(name.startswith("synthetic-") for name in names)
    rows = [line for line in made()["README.md"].decode().split("\n") if line.startswith("| `")]
    assert len(rows) == len(ALL)
    assert all("Synthetic" in row for row in rows)


def test_they_stay_small() -> None:
    assert sum(map(len, made().values())) < SIZE_LIMIT


@every_entry
def test_verdict_agrees_with_what_was_played(entry: dict[str, Any], tmp_path: Path) -> None:
    for depth, measurement in judged(FOLDER / entry["file"], FOLDER / entry["keys"], tmp_path):
        for device in entry["devices"]:
            told = Truth(
                cause=device["cause"],
                stage=device["stage"],
                settles_at=device["settles_at"],
                also=tuple(entry.get("also", ())),
                also_below_full=tuple(entry.get("also_below_full", ())),
            )
            assert_agrees(device_at(measurement, device["ip"]), told, depth)


@every_entry
def test_every_message_comes_out_byte_for_byte(entry: dict[str, Any]) -> None:
    keyring, _ = pipeline.load_keys([str(FOLDER / entry["keys"])], [])
    measurement = pipeline.analyze(str(FOLDER / entry["file"]), keyring=keyring)
    for device in entry["devices"]:
        read = messages(measurement, device["ip"])
        for session in device["sessions"]:
            for letter, direction in (("d", "device_to_cloud"), ("s", "cloud_to_device")):
                said = [hexed for who, hexed in session["coap"] if who == letter]
                ours = [text for way, text in read[session["port"]] if way == direction]
                # The device's last words may come after the capture's end, the cloud's not.
                assert ours == said[: len(ours)]
                assert len(ours) >= len(said) - 1


def messages(measurement: Measurement, address: str) -> dict[int, list[tuple[str, str]]]:
    """Direction and hex of each connection's messages, by the device's port."""
    return {
        int(connection.device.rpartition(":")[2]): [
            (message.direction, message.hex) for message in connection.messages
        ]
        for connection in device_at(measurement, address).connections
    }


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@every_entry
def test_tshark_finds_no_fault_in_any_frame(entry: dict[str, Any]) -> None:
    """Lengths, checksums, fragments and sequence numbers are right to somebody else's eyes."""
    checked = ("ip", "tcp", "udp")
    command = ["tshark", "-n", "-r", str(FOLDER / entry["file"])]
    for name in checked:
        command += ["-o", f"{name}.check_checksum:TRUE"]
    command += ["-d", "tcp.port==5683,data", "-d", "udp.port==5683,data"]
    faults = " || ".join(
        (
            "_ws.malformed",
            "ip.checksum.status == 0",
            "tcp.checksum.status == 0",
            "udp.checksum.status == 0",
            "icmp.checksum.status == 0",
            "tcp.analysis.ack_lost_segment",
            "tcp.analysis.lost_segment",
        )
    )
    run = subprocess.run([*command, "-Y", faults], capture_output=True, text=True, check=True)
    assert run.stdout == ""
