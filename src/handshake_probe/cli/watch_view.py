"""What a watch shows while it runs: a screen on a terminal, lines elsewhere."""

from __future__ import annotations

from typing import TextIO

from handshake_probe.cli.watch_loop import State
from handshake_probe.model.measurement import Measurement
from handshake_probe.report.watch_lines import LineView
from handshake_probe.report.watch_rows import Row, other_hosts
from handshake_probe.report.watch_screen import Head, Screen


class Lines:
    """A line for everything that is new."""

    def __init__(self, stream: TextIO, *, json: bool) -> None:
        self._view = LineView(stream, json=json)

    def show(self, measurement: Measurement, told: list[Row], state: State) -> None:
        """Write what is new."""
        self._view.show(told, state.now, state.dropped)

    def press(self, key: str) -> None:
        """Nothing: lines have no keys."""

    def again(self) -> None:
        """Nothing: what is written stays."""


class Terminal:
    """A screen that is drawn anew with every verdict and every key."""

    def __init__(self, screen: Screen, interface: str, notes: list[str]) -> None:
        self._screen, self._interface, self._notes = screen, interface, notes
        self._last: tuple[Head, list[Row], float] | None = None

    def show(self, measurement: Measurement, told: list[Row], state: State) -> None:
        """Draw."""
        head = Head(
            interface=self._interface,
            others=other_hosts(measurement, told),
            frames=state.frames,
            dropped=state.dropped,
            seconds=state.seconds,
            note=self._notes[-1] if self._notes else "",
        )
        self._last = head, told, state.now
        self._screen.draw(*self._last)

    def press(self, key: str) -> None:
        """Take a key and draw what it changes."""
        self._screen.press(key)
        self.again()

    def again(self) -> None:
        """Draw the same."""
        if self._last is not None:
            self._screen.draw(*self._last)
