"""What a lab device sends beside its connection, and that it sends nothing unasked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from handshake_probe import pipeline
from handshake_probe.keys.keyring import Keyring
from handshake_probe.lab import beside, network, staging
from handshake_probe.lab.faults import FAULTS
from handshake_probe.lab.scenario import Cloud, Device, Rule, Scenario, Truth
from handshake_probe.model.observations import InternetTestSeen, PresenceSeen
from handshake_probe.protocol.settings import Generation
from handshake_probe.protocol.state import Role
from lab_room import meet

LACK = network.missing()
needs_network = pytest.mark.skipif(LACK is not None, reason=f"not run: {LACK}")

BLOCKED = Rule(on="router1", rule="tcp dport 5683 reject with tcp reset")
ISLAND = Rule(on="router1", rule="drop")
TRUTH = Truth(cause="network_blocked", stage="tcp_syn")


def played(
    folder: Path, generation: str, rules: Sequence[Rule] = (), fault: str | None = None
) -> tuple[list[Any], str]:
    """What the capture shows, and what the device showed."""
    cloud = ("--manner", "trusts") if generation == "core" else ()
    cloud = (*cloud, "--fault", fault) if fault else cloud
    scenario = Scenario(
        name="beside",
        what="A device.",
        truth=TRUTH,
        routers=1,
        rules=tuple(rules),
        devices=(Device(arguments=("--generation", generation, "--session", "0.5")),),
        cloud=Cloud(arguments=cloud),
    )
    recording = asyncio.run(staging.run(scenario, folder))
    observations = pipeline.analyze(str(recording.capture), keyring=Keyring()).observations
    return list(observations), (folder / "device.stdout").read_text()


def internet_tests(observations: list[Any]) -> set[tuple[str, bool]]:
    return {(one.test, one.answered) for one in observations if isinstance(one, InternetTestSeen)}


@needs_network
@pytest.mark.parametrize(
    ("generation", "rule", "seen", "shown"),
    [
        ("1.0", BLOCKED, {("tcp_8.8.8.8_53", True)}, "three orange"),
        ("2.3", BLOCKED, {("ntp", True)}, "three orange"),
        ("1.0", ISLAND, {("tcp_8.8.8.8_53", False)}, "two orange"),
    ],
)
def test_a_failed_connection_is_followed_by_an_internet_test(
    tmp_path: Path, generation: str, rule: Rule, seen: set[tuple[str, bool]], shown: str
) -> None:
    observations, told = played(tmp_path, generation, [rule])
    assert internet_tests(observations) == seen
    assert shown in told


@needs_network
@pytest.mark.parametrize(("generation", "seen"), [("1.0", set()), ("3.3", {("ntp", True)})])
def test_a_failed_handshake_from_2_0_on(
    tmp_path: Path, generation: str, seen: set[tuple[str, bool]]
) -> None:
    observations, told = played(tmp_path, generation, fault="closes-after-identity")
    assert internet_tests(observations) == seen
    assert "one red flash" in told


@needs_network
@pytest.mark.parametrize(("generation", "count"), [("core", 1), ("1.0", 0)])
def test_a_core_announces_its_presence(tmp_path: Path, generation: str, count: int) -> None:
    observations, _ = played(tmp_path, generation)
    seen = [one for one in observations if isinstance(one, PresenceSeen)]
    assert len(seen) == count
    assert all(one.host == "192.168.1.2" for one in seen)


def test_nothing_is_sent_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def must_not(_generation: Generation) -> bool:
        raise AssertionError

    def must_not_announce(_device_id: str, _source: str) -> None:
        raise AssertionError

    monkeypatch.setattr(beside, "internet_works", must_not)
    monkeypatch.setattr(beside, "announce", must_not_announce)
    meet(FAULTS[Role.CLOUD]["closes-at-once"])
    met = meet(generation=Generation.CORE)
    assert "internet test" not in met.device.text
