"""Replays against a real local cloud server, Brewskey's: fresh is accepted, verbatim refused."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from handshake_probe.lab import plan, staging
from handshake_probe.lab.scenario import Device, Laptop, Scenario, Truth
from test_lab_interop import SERVER, complaints, lack

pytestmark = pytest.mark.skipif(lack() is not None, reason=f"interop not run: {lack()}")

CAPTURES = Path(__file__).parent.parent / "captures"


def served(place: Path, *arguments: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Replay from a laptop to the server; its measurement, and what the server told."""
    scenario = Scenario(
        name="replay",
        what="A real server.",
        truth=Truth(cause="healthy", stage="session"),
        routers=1,
        laptop=Laptop(),
        devices=(Device(arguments=("--session", "1")),),
    )
    folder = place / "run"
    folder.mkdir()
    server = ("node", str(SERVER), str(folder / "keys"), str(folder / "server"), str(plan.PORT))
    device_id = scenario.device_id(0)
    replay = (sys.executable, "-m", "handshake_probe", "replay")
    given = [a.format(keys=folder / "keys", id=device_id) for a in arguments]
    recording = str(CAPTURES / "healthy-brewskey-device-os-1.0.0.pcap")
    target = f"{plan.cloud(scenario)}:{plan.PORT}"
    command = (*replay, recording, "--to", target, "--format", "json", *given)
    asyncio.run(staging.run(scenario, folder, cloud=server, laptop=command))
    told = (folder / "cloud.stdout").read_text().splitlines()
    said = (folder / "laptop.stdout").read_text()
    assert said, (folder / "laptop.stderr").read_text()
    return json.loads(said), [json.loads(line) for line in told if line.startswith("{")]


def test_a_fresh_handshake_is_accepted(tmp_path: Path) -> None:
    key = ("--device-key", "{keys}/{id}.der", "--device-id", "{id}", "--yes")
    measurement, told = served(tmp_path, *key, "--cloud-key", "{keys}/cloud_public.der")
    verdict = measurement["verdict"]
    assert (verdict["cause"], verdict["stage"]) == ("healthy", "session"), verdict
    assert {"HP172", "HP189"} <= set(verdict["findings"])
    runs = [o for o in measurement["observations"] if o["kind"] == "replay_probe"]
    assert [(run["content"], run["delivery"]) for run in runs] == [("fresh", "acknowledged")] * 2
    assert complaints(told) == []


def test_recorded_bytes_are_refused_and_that_is_no_block(tmp_path: Path) -> None:
    measurement, told = served(tmp_path, "--verbatim")
    verdict = measurement["verdict"]
    assert (verdict["cause"], verdict["findings"]) == ("healthy", ["HP189"]), verdict
    runs = [o for o in measurement["observations"] if o["kind"] == "replay_probe"]
    assert [(run["sent"], run["delivery"], run["ended_by"]) for run in runs] == [
        (256, "acknowledged", "closed")
    ] * 2
    assert len(complaints(told)) == 2
