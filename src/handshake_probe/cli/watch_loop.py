"""The loop of a watch: frames, keys, signals and time, one after the other."""

from __future__ import annotations

import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from handshake_probe.capture.live import LiveSource
from handshake_probe.capture.live_record import Recorder
from handshake_probe.cli.keyboard import Keyboard
from handshake_probe.model.measurement import Measurement
from handshake_probe.model.vocabulary import Cause, EndedBy, Stage
from handshake_probe.pipeline.watching import Watcher
from handshake_probe.report.watch_rows import Row, rows

_TICK = 1.0  # seconds after which all is judged anew though nothing came: silence counts
_SOONEST = 0.2  # seconds between two verdicts when much comes
_SHARE = 5  # of the time, one part of so many may go into verdicts
_ALONE = 30.0  # seconds after which the absence of others' packets is worth a hint
_HINT = "only own packets and broadcasts so far: try"
_HELD = 2.0  # seconds that a verdict must stand to be the end of `--until verdict`


class View(Protocol):
    """What shows a watch."""

    def show(self, measurement: Measurement, told: list[Row], state: State) -> None:
        """Show where everything stands."""

    def press(self, key: str) -> None:
        """Take a key."""

    def again(self) -> None:
        """Show the same: the window may have another size."""


@dataclass
class State:
    """Numbers beside the devices."""

    now: float  # epoch seconds, on the frames' clock
    seconds: float  # since the start
    frames: int
    dropped: int | None


@dataclass
class Limits:
    """When a watch ends by itself."""

    duration: float | None = None  # seconds
    until_verdict: bool = False


class Watching:
    """One watch from its first frame to its last verdict."""

    def __init__(
        self,
        source: LiveSource,
        watcher: Watcher,
        limits: Limits,
        recorder: Recorder | None,
        beside: Callable[[Measurement, list[Row]], Measurement],
        tell: Callable[[str], None],
        view: View,
    ) -> None:
        self._source, self._watcher, self._view = source, watcher, view
        self._limits, self._recorder, self._beside = limits, recorder, beside
        self._tell = tell
        self._lonely: bool | None = None  # None: not known yet
        self._began = self._arrived = time.monotonic()
        self._judged_at = self._verdict_since = -_TICK
        self._cost = 0.0
        self._changes = -1
        self._stop = False
        self._settled: object = None
        self._measurement: Measurement | None = None

    def run(self, keyboard: Keyboard | None) -> tuple[Measurement, State]:
        """Watch until it ends; return the last measurement."""
        with _signals(self._stopped) as news:
            waited: list[LiveSource | socket.socket | Keyboard] = [self._source, news]
            if keyboard is not None:
                waited.append(keyboard)
            while not self._over():
                ready, _, _ = select.select(waited, [], [], self._pause())
                if news in ready:
                    news.recv(4096)
                    self._view.again()
                if keyboard is not None and keyboard in ready:
                    self._keys(keyboard)
                if self._source in ready:
                    self._take()
                self._look_for_others()
                self._judge()
        return self._finish()

    def _stopped(self) -> None:
        self._stop = True

    def _keys(self, keyboard: Keyboard) -> None:
        for key in keyboard.pressed():
            if key == "q":
                self._stop = True
            self._view.press(key)

    def _take(self) -> None:
        frames = self._source.take()
        if not frames:
            return
        self._arrived = time.monotonic()
        self._watcher.feed(frames)
        if self._recorder is not None:
            self._recorder.write(frames)

    def _look_for_others(self) -> None:
        """Say so when this machine seems to stand beside the path, and when that was wrong."""
        if self._source.how == "stream" or self._lonely is False:
            return
        if self._watcher.others:
            if self._lonely:
                self._tell("packets of others pass here now")
            self._lonely = False
        elif self._lonely is None and time.monotonic() - self._began >= _ALONE:
            self._lonely = True
            self._tell(f"{_HINT} 'handshake-probe doctor -i {self._source.name}'")

    def _now_ns(self) -> int:
        """The time on the clock of the frames: another machine's may be another one."""
        if self._source.how != "stream" or not self._watcher.facts.frames:
            return time.time_ns()
        since = time.monotonic() - self._arrived
        return self._watcher.facts.last_ns + round(since * 1e9)

    def _pause(self) -> float:
        since = time.monotonic() - self._judged_at
        soonest = max(_SOONEST, self._cost * _SHARE)
        changed = self._watcher.changes != self._changes
        return max(0.0, (soonest if changed else max(_TICK, soonest)) - since)

    def _judge(self) -> None:
        """Make the verdicts anew if there is news or time has passed, and show them."""
        begun = time.monotonic()
        since = begun - self._judged_at
        changed = self._watcher.changes != self._changes
        if since < max(_SOONEST if changed else _TICK, self._cost * _SHARE):
            return  # too soon
        self._changes = self._watcher.changes
        self._judged_at = begun
        now_ns = self._now_ns()
        measured = self._watcher.measurement(now_ns, self._source.dropped)
        told = rows(measured, now_ns / 1e9)
        self._measurement = self._beside(measured, told)
        if self._measurement is not measured:
            told = rows(self._measurement, now_ns / 1e9)
        self._note_settled(told, begun)
        self._view.show(self._measurement, told, self._state(now_ns))
        self._cost = time.monotonic() - begun

    def _state(self, now_ns: int) -> State:
        return State(
            now=now_ns / 1e9,
            seconds=time.monotonic() - self._began,
            frames=self._watcher.facts.frames,
            dropped=self._source.dropped,
        )

    def _note_settled(self, told: list[Row], moment: float) -> None:
        """Remember since when a device has the verdict it has."""
        done = [(r.address, r.verdict.cause) for r in told if r.verdict and _settled(r)]
        first = done[0] if done else None
        if first != self._settled:
            self._settled, self._verdict_since = first, moment

    def _over(self) -> bool:
        moment = time.monotonic()
        duration = self._limits.duration
        return (
            self._stop
            or self._source.ended
            or (duration is not None and moment - self._began >= duration)
            or (
                self._limits.until_verdict
                and self._settled is not None
                and moment - self._verdict_since >= _HELD
            )
        )

    def _finish(self) -> tuple[Measurement, State]:
        """Take what was still on its way, and judge for the last time."""
        own_end = self._source.ended and self._source.how == "stream"
        frames = self._source.finish()
        self._watcher.feed(frames)
        # A stream that ended says nothing about what came after its last frame.
        now_ns = self._watcher.facts.last_ns if own_end else self._now_ns()
        if self._recorder is not None:
            self._recorder.write(frames)
            self._recorder.close(now_ns, self._source.dropped)
        measured = self._watcher.measurement(now_ns, self._source.dropped)
        return self._beside(measured, rows(measured, now_ns / 1e9)), self._state(now_ns)


def _settled(row: Row) -> bool:
    """Whether a device has a verdict, and is not just in the middle of a handshake."""
    if row.verdict is None or row.verdict.cause is Cause.INCONCLUSIVE:
        return False
    connection = row.connection
    return (
        connection is None
        or connection.ended_by is not EndedBy.CAPTURE_END
        or connection.stage is Stage.SESSION
    )


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[socket.socket]:
    """Ctrl-C and SIGTERM stop the watch, a resized window wakes it; a second Ctrl-C interrupts."""
    hear, ring = socket.socketpair()
    for end in (hear, ring):
        end.setblocking(False)

    def stopped(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.default_int_handler)
        stop()

    handlers = {
        signal.SIGINT: stopped,
        signal.SIGTERM: stopped,
        signal.SIGWINCH: lambda *_: None,
    }
    before = {number: signal.signal(number, act) for number, act in handlers.items()}
    woken = signal.set_wakeup_fd(ring.fileno(), warn_on_full_buffer=False)
    try:
        yield hear
    finally:
        signal.set_wakeup_fd(woken)
        for number, act in before.items():
            signal.signal(number, act)
        hear.close()
        ring.close()


def standard_input() -> int | None:
    """The descriptor of standard input; None when it is closed."""
    try:
        return sys.stdin.fileno() if sys.stdin is not None else None
    except ValueError:
        return None
