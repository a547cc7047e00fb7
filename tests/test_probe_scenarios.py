"""The probe on a laptop beside the device, in every scenario of the laboratory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from handshake_probe.lab import network, scenario_files
from handshake_probe.model.measurement import Measurement
from handshake_probe.model.probed import HopProbed, TcpProbed
from handshake_probe.probe import plan
from probe_scenarios import EXPECTED, disagreement, probe_in
from report_shelf import shelve

NAMES = [path.stem for path in scenario_files.all_scenarios()]
RECORDED = [name for name, expected in EXPECTED.items() if expected.with_packets]
AT_A_TIME = 8  # they mostly wait
LACK = network.missing()

pytestmark = pytest.mark.skipif(LACK is not None, reason=f"scenarios not run: {LACK}")


class Probes:
    """Probes that run in the background, a few at a time, in the order of their tests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._free = asyncio.Semaphore(AT_A_TIME)
        self._futures: dict[tuple[str, bool], Future[Measurement]] = {}
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def begin(self, name: str, *, packets: bool) -> None:
        async def run() -> Measurement:
            async with self._free:
                folder = self._folder / f"{name}-{packets}"
                folder.mkdir()
                return await asyncio.wait_for(probe_in(name, folder, packets=packets), 100)

        key, coroutine = (name, packets), run()
        self._futures[key] = self._submit(coroutine)

    def _submit(self, coroutine: Coroutine[Any, Any, Measurement]) -> Future[Measurement]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def result(self, name: str, *, packets: bool = False) -> Measurement:
        return self._futures[name, packets].result()

    def close(self) -> None:
        async def cancel() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(cancel(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def probes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Probes]:
    """All probes that were asked for."""
    running = Probes(tmp_path_factory.mktemp("probes"))
    try:
        for item in request.session.items:
            if isinstance(item, pytest.Function) and item.originalname in ASKED:
                running.begin(str(item.callspec.params["name"]), packets=ASKED[item.originalname])
        yield running
    finally:
        running.close()


ASKED = {"test_a_probe_without_privilege": False, "test_a_probe_that_records_its_packets": True}


@pytest.mark.parametrize("name", NAMES)
def test_a_probe_without_privilege(probes: Probes, name: str, shelf: Path) -> None:
    measurement = probes.result(name)
    shelve(shelf, f"scenario-{name}-probe", measurement)
    assert disagreement(name, measurement) is None
    assert_within_the_caps(measurement)


@pytest.mark.parametrize("name", RECORDED)
def test_a_probe_that_records_its_packets(probes: Probes, name: str) -> None:
    assert disagreement(name, probes.result(name, packets=True), packets=True) is None


def assert_within_the_caps(measurement: Measurement) -> None:
    """No more is sent than `--plan` says."""
    tried = [o for o in measurement.observations if isinstance(o, TcpProbed)]
    hops = [o for o in measurement.observations if isinstance(o, HopProbed)]
    targets = {o.target for o in tried if o.purpose == "cloud"}
    assert len(targets) <= plan.MAX_ADDRESSES
    for target in targets:
        assert sum(o.target == target for o in tried) <= plan.CLOUD_ATTEMPTS
    for target in {o.target for o in tried} - targets:
        assert sum(o.target == target for o in tried) <= plan.CONTROL_ATTEMPTS
    assert sum(o.purpose != "identity" for o in hops) <= plan.HOP_SYNS


def test_every_expectation_has_its_scenario() -> None:
    assert EXPECTED.keys() <= set(NAMES)
