"""`watch` beside scenarios of the laboratory, in network namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from handshake_probe import pipeline
from handshake_probe.capture.inputs import open_capture
from handshake_probe.keys.keyring import Keyring
from handshake_probe.lab import network
from handshake_probe.model.measurement import DeviceReport, Measurement, from_json
from handshake_probe.packets.units import Frame
from handshake_probe.pipeline.watching import Watcher
from scenario_runs import Runs, running
from watch_room import Watched, scenario, watch_in_place_of_recorder, watched

LACK = network.missing()
pytestmark = pytest.mark.skipif(LACK is not None, reason=f"scenarios not run: {LACK}")

AT_A_TIME = 6  # they mostly wait
SCENARIOS = (
    "healthy-behind-nat",
    "healthy-ipv6",
    "syn-dropped",
    "syn-rejected-by-icmp",
    "resets-injected",
    "dns-nxdomain",
    "dns-silent",
    "identity-dropped",
    "portal-redirects",
    "server-key-differs",
    "device-key-differs",
    "device-unknown",
    "one-device-blocked",
    "session-reset-by-gateway",
    "path-dies-in-session",
)
PATIENCE = 2.0  # seconds from the deciding frame to the verdict


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("watched")


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, folder: Path) -> Iterator[Runs]:
    asked = [
        scenario(str(item.callspec.params["name"]))
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == "test_says_what_analyze_says"
    ]
    with pytest.MonkeyPatch.context() as patch:
        watch_in_place_of_recorder(patch)
        with running(asked, folder, AT_A_TIME) as begun:
            yield begun


@pytest.mark.parametrize("name", SCENARIOS)
def test_says_what_analyze_says(name: str, runs: Runs, folder: Path) -> None:
    """The last verdict is that over its own recording, and it came as soon as it could."""
    seen = watched(runs.recording(name), folder / name)
    keyring, _ = pipeline.load_keys([str(seen.recording.keys)], [])
    analyzed = pipeline.analyze(str(seen.recording.capture), keyring=keyring)
    document = from_json(msgspec.json.encode(seen.document))
    assert verdicts(document) == verdicts(analyzed)
    assert document.devices
    for report in document.devices:
        assert_in_time(report, seen, keyring)


def verdicts(measurement: Measurement) -> list[tuple[object, ...]]:
    told: list[tuple[object, ...]] = []
    for device in measurement.devices:
        v = device.verdict
        sure = v.confidence, tuple(v.candidates)
        told.append((device.address, device.device_id, v.cause, v.mechanism, v.stage, *sure))
    return told


def assert_in_time(report: DeviceReport, seen: Watched, keyring: Keyring) -> None:
    """`PATIENCE` before the verdict was told, what had been seen did not decide it yet."""
    said = [
        line
        for line in seen.lines
        if line["event"] == "verdict"
        and line["device"] == report.address
        and line["verdict"]["cause"] == report.verdict.cause
        and line["verdict"]["mechanism"] == report.verdict.mechanism
    ]
    first = seconds(said[0]["time"])
    with open_capture(seen.recording.capture) as capture:
        frames = list(capture)
    before = judged_at(first - PATIENCE, frames, keyring)
    there = [d.verdict for d in before.devices if d.address == report.address]
    decided = [(v.cause, v.mechanism) for v in there]
    assert (report.verdict.cause, report.verdict.mechanism) not in decided


def judged_at(moment: float, frames: list[Frame], keyring: Keyring) -> Measurement:
    watcher = Watcher("before", keyring)
    now_ns = round(moment * 1e9)
    watcher.feed(frame for frame in frames if frame.time_ns <= now_ns)
    return watcher.measurement(now_ns)


def seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
