"""Scenarios that run in the background while tests wait for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from handshake_probe.lab import staging
from handshake_probe.lab.scenario import Scenario
from handshake_probe.lab.staging import Recording


class Runs:
    """Scenarios that run in the background, a few at a time, in the order of their tests."""

    def __init__(self, at_a_time: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._free = asyncio.Semaphore(at_a_time)
        self._futures: dict[str, Future[Recording]] = {}
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def begin(self, scenario: Scenario, folder: Path) -> None:
        async def run() -> Recording:
            async with self._free:
                folder.mkdir()
                return await staging.run(scenario, folder)

        self._futures[scenario.name] = asyncio.run_coroutine_threadsafe(run(), self._loop)

    def recording(self, name: str) -> Recording:
        return self._futures[name].result()

    def stop(self) -> None:
        """Cancel what still runs, and let it clear its network away."""

        async def cancel() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(cancel(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def running(scenarios: Iterable[Scenario], folder: Path, at_a_time: int) -> Iterator[Runs]:
    """Begin all; what still runs in the end is stopped."""
    runs = Runs(at_a_time)
    try:
        for scenario in scenarios:
            runs.begin(scenario, folder / scenario.name)
        yield runs
    finally:
        runs.stop()
