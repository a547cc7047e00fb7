"""Simulated time: what is to happen when, in order."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

EPOCH = 1_700_000_000  # Unix time of a story's second 0


class Schedule:
    """Things to do at times, in seconds since the story began; equal times keep their order."""

    def __init__(self) -> None:
        self.now = 0.0
        self._count = 0
        self._due: list[tuple[float, int, Callable[[], None]]] = []

    @property
    def unix(self) -> float:
        """The time as played sides are told it."""
        return EPOCH + self.now

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something later."""
        self._count += 1
        heappush(self._due, (self.now + max(0.0, seconds), self._count, act))

    def run(self, end: float) -> None:
        """Let time pass until `end`."""
        while self._due and self._due[0][0] <= end:
            self.now, _, act = heappop(self._due)
            act()
        self.now = end
