"""Scenarios of the laboratory that `watch` follows, in the place of their recorder."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from handshake_probe.lab import scenario_files, staging, topology
from handshake_probe.lab.scenario import Scenario
from handshake_probe.lab.scenario_files import read_scenario
from handshake_probe.lab.staging import Recording


class Watched(NamedTuple):
    """What a watch said of a scenario, and what it kept."""

    recording: Recording
    lines: list[dict[str, Any]]  # the events
    document: dict[str, Any]


def scenario(name: str) -> Scenario:
    return read_scenario(scenario_files.FOLDER / f"{name}.toml")


def watch_in_place_of_recorder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From now on `watch --write` keeps a scenario's capture, under tcpdump's name."""

    async def record(stage: staging._Stage) -> asyncio.subprocess.Process:
        host, interface = topology.captured_on(stage.scenario)
        command = (sys.executable, "-m", "handshake_probe", "watch", "-i", interface)
        given = ("--keys", str(stage.keys))
        kept = ("--write", str(stage.recording.capture), "--format", "json")
        process = await stage.processes.start(host, (*command, *kept, *given), "tcpdump")
        await stage.processes.until(
            lambda: "watching" in stage.processes.said("tcpdump"), "tcpdump"
        )
        return process

    monkeypatch.setattr(staging._Stage, "_record", record)


def watched(recording: Recording, folder: Path) -> Watched:
    *lines, last = (folder / "tcpdump.stdout").read_text().splitlines()
    return Watched(recording, [json.loads(line) for line in lines], json.loads(last))
