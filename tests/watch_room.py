"""`watch` beside scenarios of the laboratory, and what it has to say of them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from handshake_probe import pipeline
from handshake_probe.capture.inputs import open_capture
from handshake_probe.keys.keyring import Keyring
from handshake_probe.lab import processes, scenario_files, staging, topology
from handshake_probe.lab.scenario import Scenario
from handshake_probe.lab.scenario_files import read_scenario
from handshake_probe.model.measurement import DeviceReport, Measurement, Verdict, from_json
from handshake_probe.packets.units import Frame
from handshake_probe.pipeline.watching import Watcher

PATIENCE = 2.0  # seconds from the deciding frame, or moment, to the verdict


class Watched(NamedTuple):
    """What a watch said of a scenario, and what it kept."""

    capture: Path
    lines: list[dict[str, Any]]  # the events
    document: Measurement


def scenario(name: str) -> Scenario:
    return read_scenario(scenario_files.FOLDER / f"{name}.toml")


@contextmanager
def watching_beside() -> Iterator[None]:
    """Meanwhile every scenario has a watch beside its recorder, on the same interface."""
    record, interrupt = staging._Stage._record, processes.interrupt
    watches: dict[asyncio.subprocess.Process, asyncio.subprocess.Process] = {}

    async def record_and_watch(stage: staging._Stage) -> asyncio.subprocess.Process:
        watch = await _begin(stage)
        recorder = await record(stage)
        watches[recorder] = watch
        return recorder

    async def interrupt_both(recorder: asyncio.subprocess.Process) -> None:
        await asyncio.gather(interrupt(recorder), interrupt(watches.pop(recorder)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staging._Stage, "_record", record_and_watch)
        patch.setattr(staging, "interrupt", interrupt_both)
        yield


async def _begin(stage: staging._Stage) -> asyncio.subprocess.Process:
    host, interface = topology.captured_on(stage.scenario)
    command = (sys.executable, "-m", "handshake_probe", "watch", "-i", interface)
    given = ("--keys", str(stage.keys), "--format", "json")
    kept = ("--write", str(stage.folder / "watched.pcapng"))
    process = await stage.processes.start(host, (*command, *kept, *given), "watch")
    await stage.processes.until(lambda: "watching" in stage.processes.said("watch"), "watch")
    return process


def watched(folder: Path) -> Watched:
    """What the watch left in a scenario's folder."""
    *lines, last = (folder / "watch.stdout").read_text().splitlines()
    return Watched(
        folder / "watched.pcapng", [json.loads(line) for line in lines], from_json(last.encode())
    )


def assert_says_what_analyze_says(seen: Watched, keys: Path) -> None:
    """The last verdict is that over its own recording, and it came as soon as it could."""
    keyring, _ = pipeline.load_keys([str(keys)], [])
    analyzed = pipeline.analyze(str(seen.capture), keyring=keyring)
    assert verdicts(seen.document) == verdicts(analyzed)
    for report in seen.document.devices:
        assert_in_time(report, seen, keyring)


def verdicts(measurement: Measurement) -> list[tuple[object, ...]]:
    told: list[tuple[object, ...]] = [_told(measurement.verdict)]
    return told + [
        (device.address, device.device_id, *_told(device.verdict)) for device in measurement.devices
    ]


def _told(verdict: Verdict) -> tuple[object, ...]:
    v = verdict
    return v.cause, v.mechanism, v.stage, v.confidence, tuple(v.candidates), tuple(v.findings)


def assert_in_time(report: DeviceReport, seen: Watched, keyring: Keyring) -> None:
    """What had been seen `PATIENCE` before the verdict was told did not decide it yet.

    So the frame that decided came later than that; or, where silence decides, the moment from
    which on it was long enough.
    """
    [first, *_] = [
        line["time"]
        for line in seen.lines
        if line["event"] == "verdict"
        and line["device"] == report.address
        and line["verdict"]["cause"] == report.verdict.cause
        and line["verdict"].get("mechanism") == report.verdict.mechanism
    ]
    with open_capture(seen.capture) as capture:
        frames = list(capture)
    moment = datetime.fromisoformat(first).timestamp() - PATIENCE
    before = judged_at(moment, frames, keyring)
    there = [d.verdict for d in before.devices if d.address == report.address]
    decided = [(v.cause, v.mechanism) for v in there]
    assert (report.verdict.cause, report.verdict.mechanism) not in decided


def judged_at(moment: float, frames: list[Frame], keyring: Keyring) -> Measurement:
    """What `watch` could know at a time, in epoch seconds."""
    watcher = Watcher("before", keyring)
    now_ns = round(moment * 1e9)
    watcher.feed(frame for frame in frames if frame.time_ns <= now_ns)
    return watcher.measurement(now_ns)
