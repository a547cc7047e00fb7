"""Deadlines of a played side. Nothing here knows what time it is."""

from __future__ import annotations

from handshake_probe.protocol.played_events import Timer


class Timers:
    """Named deadlines, in seconds of the caller's clock."""

    def __init__(self) -> None:
        self._at: dict[Timer, float] = {}

    def arm(self, timer: Timer, now: float, wait: float | None) -> None:
        """Set a deadline `wait` seconds from now; None: no deadline."""
        self.cancel(timer)
        if wait is not None:
            self._at[timer] = now + wait

    def arm_once(self, timer: Timer, now: float, wait: float) -> None:
        """Set a deadline unless it is set already."""
        self._at.setdefault(timer, now + wait)

    def cancel(self, *timers: Timer) -> None:
        """Forget deadlines."""
        for timer in timers:
            self._at.pop(timer, None)

    def clear(self) -> None:
        """Forget them all."""
        self._at.clear()

    def first(self) -> tuple[Timer, float] | None:
        """Return the earliest deadline.

        While the rest of a record is awaited the device sits in a blocking read and looks at no
        other clock, so then it is that one.
        """
        if Timer.RECORD_BODY in self._at:
            return Timer.RECORD_BODY, self._at[Timer.RECORD_BODY]
        return min(self._at.items(), key=lambda item: item[1], default=None)
