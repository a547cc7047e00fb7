"""Our device against a real local cloud server, Brewskey's, run by Node.js."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from agreement import assert_agrees, device_at, judged
from handshake_probe.lab import network, plan, staging
from handshake_probe.lab.scenario import Device, Scenario, Truth
from handshake_probe.lab.staging import Recording
from handshake_probe.packets.units import Direction
from watch_room import assert_says_what_analyze_says, watched, watching_beside

SERVER = Path(__file__).with_name("interop") / "server.js"
RETRIES = ("--attempts", "2")


def lack() -> str | None:
    if shutil.which("node") is None:
        return "node not installed"
    if not (SERVER.parent / "node_modules" / "installed").exists():
        return "the server is not installed, scripts/need-interop does it"
    return network.missing()


pytestmark = pytest.mark.skipif(lack() is not None, reason=f"interop not run: {lack()}")


def played(folder: Path, truth: Truth, device: Device) -> tuple[Recording, list[dict[str, Any]]]:
    """Record and watch a device with the server, judge it, and return what the server told."""
    scenario = Scenario(
        name="interop", what="A real server.", truth=truth, routers=1, devices=(device,)
    )
    place = folder / "run"
    place.mkdir()
    server = ("node", str(SERVER), str(place / "keys"), str(place / "server"), str(plan.PORT))
    with watching_beside():
        recording = asyncio.run(staging.run(scenario, place, cloud=server))
    assert_says_what_analyze_says(watched(place), recording.keys)
    for depth, measurement in judged(recording.capture, recording.keys, folder):
        report = device_at(measurement, recording.addresses[0])
        assert_agrees(report, truth, depth)
        if depth == "full":
            said = messages(recording)
            assert [(m.direction, m.hex) for c in report.connections for m in c.messages] == said
    told = (place / "cloud.stdout").read_text().splitlines()
    return recording, [json.loads(line) for line in told if line.startswith("{")]


def messages(recording: Recording) -> list[tuple[str, str]]:
    """What the device said it sent and received, in order."""
    log = [json.loads(line) for line in recording.device_logs[0].read_text().splitlines()]
    return [(line["direction"], line["hex"]) for line in log if line["event"] == "message"]


def complaints(told: list[dict[str, Any]]) -> list[str]:
    """Why the server gave up handshakes, in its own words."""
    return [line["err"]["message"] for line in told if line.get("msg") == "Handshake failed"]


@pytest.mark.parametrize(("generation", "seconds", "pings"), [("1.0", 2, 0), ("2.3", 17, 1)])
def test_a_session(tmp_path: Path, generation: str, seconds: int, pings: int) -> None:
    truth = Truth(cause="healthy", stage="session")
    session = ("--session", str(seconds), "--publish", "truth/temperature=21.5")
    device = Device(arguments=("--generation", generation, *session))
    recording, told = played(tmp_path, truth, device)
    device_id = recording.scenario.device_id(0)
    happened = [line for line in told if "what" in line]
    assert {line["deviceID"] for line in happened} == {device_id}
    events = [(line["name"], line["data"]) for line in happened if line["what"] == "event"]
    assert ("spark/status", "online") in events
    assert ("truth/temperature", "21.5") in events
    assert events[-1] == ("spark/status", "offline")
    [call] = [line for line in happened if line["what"] == "function"]
    assert call["result"] == len("abc")
    assert complaints(told) == []
    said = messages(recording)
    sent = [text for direction, text in said if text.startswith("4000")]
    assert len(sent) == pings
    assert {(Direction.CLOUD_TO_DEVICE, "6000" + ping[4:]) for ping in sent} <= set(said)


def test_a_description_that_new_firmware_refuses(tmp_path: Path) -> None:
    """The server asks without saying for what; 3.3 refuses, and the server closes."""
    truth = Truth(
        cause="server_fault", stage="session", settles_at="full", also_below_full=("healthy",)
    )
    _, told = played(tmp_path, truth, Device(arguments=("--session", "30")))
    assert any(line.get("msg") == "Connection Error" for line in told)


def test_another_server_key(tmp_path: Path) -> None:
    truth = Truth(cause="server_key_mismatch", stage="identity_sent", settles_at="server")
    _, told = played(tmp_path, truth, Device(server_key="other", arguments=RETRIES))
    assert len(complaints(told)) == 2
    for complaint in complaints(told):
        assert "decryption failed" in complaint or "match" in complaint


def test_another_device_key(tmp_path: Path) -> None:
    truth = Truth(cause="device_key_corruption", stage="identity_sent", settles_at="server")
    _, told = played(tmp_path, truth, Device(key="other", arguments=RETRIES))
    assert len(complaints(told)) == 2
    assert all("key passed to device" in complaint for complaint in complaints(told))


def test_an_unknown_device(tmp_path: Path) -> None:
    truth = Truth(cause="device_unknown", stage="identity_sent", settles_at="server")
    recording, told = played(tmp_path, truth, Device(registered=False, arguments=RETRIES))
    wanted = f"no public key found for device: {recording.scenario.device_id(0)}"
    assert complaints(told) == [wanted, wanted]
