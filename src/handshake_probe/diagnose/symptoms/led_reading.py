"""What a phrase about the LED says on its own, for one version of Device OS or for all."""

from __future__ import annotations

from dataclasses import dataclass

from handshake_probe.diagnose.symptoms.led_flashes import FLASHES
from handshake_probe.diagnose.symptoms.led_row import LedRow
from handshake_probe.diagnose.symptoms.led_states import OTHER, STATES
from handshake_probe.model.vocabulary import Cause, Stage
from handshake_probe.protocol.device_os import DeviceOs
from handshake_probe.protocol.led_phrase import Phrase, Signal, parse_phrase

ROWS: tuple[LedRow, ...] = (*FLASHES, *STATES)  # the first that fits is the most telling


@dataclass(frozen=True, slots=True)
class LedReading:
    """One row, or the rows of several versions when the version is not known."""

    phrase: Phrase
    version: DeviceOs | None
    rows: tuple[LedRow, ...]

    @property
    def possible(self) -> tuple[LedRow, ...]:
        """The rows of firmware that can show this; all of them when none can."""
        return tuple(row for row in self.rows if not row.impossible) or self.rows

    @property
    def newest(self) -> LedRow:
        """The row of the newest firmware that can show this: the most careful one."""
        return self.possible[0]

    @property
    def summary(self) -> str:
        """One sentence."""
        if self.impossible:
            return "No failed handshake of this version looks like that."
        if len(self.possible) < len(self.rows):
            return "What this means depends on the version: since Device OS 2.0 it cannot appear."
        return SUMMARIES[self.rows[0].key]

    @property
    def candidates(self) -> tuple[Cause, ...]:
        """Causes that remain, most likely first."""
        rows = [*self.possible, *self.rows]
        return tuple(dict.fromkeys(cause for row in rows for cause in row.candidates))

    @property
    def likely(self) -> bool:
        """Whether the first candidate stands out in every version.

        Where some version never shows the pattern it may be another, taken for this one.
        """
        first = {row.candidates[0] for row in self.rows}
        return len(first) == 1 and all(row.likely for row in self.rows)

    @property
    def exact(self) -> bool:
        """Whether the device itself names the step that failed."""
        return all(row.exact for row in self.rows)

    @property
    def impossible(self) -> bool:
        """Whether the firmware of the given version cannot show it."""
        return all(row.impossible for row in self.rows)

    @property
    def rules_out(self) -> tuple[Cause, ...]:
        """Causes that every version excludes."""
        return tuple(cause for cause in Cause if all(cause in row.rules_out for row in self.rows))

    @property
    def stages(self) -> tuple[Stage, Stage]:
        """The least and the most a connection can have reached."""
        least = min((row.stages[0] for row in self.rows), key=lambda stage: stage.order)
        most = max((row.stages[1] for row in self.rows), key=lambda stage: stage.order)
        return least, most

    @property
    def settles(self) -> str | None:
        """The one thing that would tell more."""
        unshown = next((row for row in self.rows if row.impossible), None)
        return (unshown or self.newest).settles

    def filled(self, step: str) -> str:
        """A step of a row with the phrase in it."""
        return step.replace("{phrase}", str(self.phrase))


def read_led(phrase: Phrase, version: DeviceOs | None = None) -> LedReading:
    """What the most telling part of the phrase says."""
    rows = next((found for key in _KEYS if (found := _rows(key, phrase))), [OTHER])
    if version is not None:
        rows = [row for row in rows if row.holds_for(version)]
    newest_first = sorted(rows, key=lambda row: row.before is not None)
    return LedReading(phrase, version, tuple(newest_first))


def words_of(row: LedRow) -> Phrase:
    """The row's own phrase."""
    return parse_phrase(row.shown)


SUMMARIES = {
    "orange_1": "The device cannot open the cloud's answer: its own key does not fit.",
    "magenta_1": "The device refuses the signature of the cloud's answer.",
    "red_and_orange": "The handshake fails, and the internet test after it is shown as well.",
    "red_1": "The TCP connection comes up, and the handshake fails.",
    "red_2": "Failed handshakes one after another, or orange taken for red.",
    "orange_2": "The cloud connection fails, and so does the device's internet test.",
    "orange_3": "The cloud connection fails, and the device's internet test passes.",
    "orange_uncounted": "The cloud connection fails; the number of flashes says how.",
    "sos": "The firmware crashed.",
    "cyan_breathing": "Connected: network and keys are right.",
    "magenta_breathing": "Connected in safe mode: network and keys are right.",
    "magenta_fast": "Connected, a firmware update is running.",
    "magenta_uncertain": "Magenta has three meanings; its pattern decides.",
    "cyan_fast": "The handshake is running.",
    "cyan_blinking": "The device tries to reach the cloud.",
    "cyan": "The device has a network; the pace of the cyan says the rest.",
    "green_blinking": "The device is not on the Wi-Fi yet.",
    "green_fast": "The device has no address yet.",
    "green_breathing": "The device has a network and does not ask for the cloud.",
    "white_breathing": "The device's network is switched off.",
    "blue": "The device waits to be set up.",
    "yellow": "The device waits for firmware.",
    "other": "Not a signal of Device OS's own.",
}
_KEYS = tuple(dict.fromkeys(row.key for row in ROWS))


def _rows(key: str, phrase: Phrase) -> list[LedRow]:
    return [row for row in ROWS if row.key == key and _shown(row, phrase)]


def _shown(row: LedRow, phrase: Phrase) -> bool:
    if row.beside is not None and not phrase.of(row.beside):
        return False
    return any(_fits(row, signal) for signal in phrase.of(row.colour))


def _fits(row: LedRow, signal: Signal) -> bool:
    if signal.pattern not in row.patterns:
        return False
    return not row.counts or signal.count in row.counts
