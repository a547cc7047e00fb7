"""Observations of what a device itself shows: its LED, and its log on the serial port.

A log's lines are never quoted: it may hold names of networks and what an application prints.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from handshake_probe.model.observation import Observation
from handshake_probe.model.vocabulary import Stage


class LedSignal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One colour somebody saw."""

    colour: str
    pattern: str | None = (
        None  # "blinking", "fast blinking", "breathing", "solid", "flashes", "SOS"
    )
    count: int | None = None  # of flashes


class LedSeen(Observation, frozen=True, kw_only=True, tag="led"):
    """What somebody saw on the device's LED."""

    phrase: str  # in the words of the grammar
    signals: list[LedSignal]
    device_os: str | None = None  # as the user gave it
    device: str | None = None  # address of the device it is judged with


class AttemptEnd(StrEnum):
    """How a connection attempt ended, as the device logs it."""

    NOT_RESOLVED = "not_resolved"
    CONNECT_FAILED = "connect_failed"
    NO_NONCE = "no_nonce"
    NO_IDENTITY = "no_identity"
    NO_CREDENTIALS = "no_credentials"
    DECRYPTION_FAILED = "decryption_failed"
    SIGNATURE_REFUSED = "signature_refused"
    NO_SERVER_HELLO = "no_server_hello"
    HANDSHAKE_FAILED = "handshake_failed"  # with a number that does not say where
    CONNECTED = "connected"
    LOST = "lost"  # a session that ended with an error
    UNFINISHED = "unfinished"  # the log ends, or the next attempt begins


class LogAttempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One connection attempt as the log tells it."""

    line: int  # its first line, 1 is the log's first
    last_line: int
    end: AttemptEnd
    stage: Stage
    time: float | None = None  # of its first line, as the log's `first`
    uptime: float | None = None  # of its first line, seconds since the device started
    cloud: str | None = None  # address the device resolved or connected to
    code: int | None = None  # of "Cloud handshake failed" or "Cloud socket connection failed"
    error: int | None = None  # protocol error, where the log names it
    waited: float | None = None  # seconds from the last step to the failure
    internet: bool | None = None  # what the device's own internet test found


class DeviceLogSeen(Observation, frozen=True, kw_only=True, tag="device_log"):
    """What a device's serial log says."""

    path: str
    sha256: str
    lines: int
    clock: str  # what stamps the lines: "wall", "time_of_day" (no date), "uptime", "none"
    first: float | None = None  # seconds since the epoch; since midnight with "time_of_day"
    last: float | None = None
    device_os: str | None = None  # as the log names it
    at_least: str | None = None  # Device OS, as the form of the log shows
    below: str | None = None
    platform: str | None = None
    device_id: str | None = None
    address: str | None = None  # the device's own, as the log names it
    numbering: str | None = None  # "socket_result", "protocol_error", "system_error"
    attempts: list[LogAttempt] = []
    attempts_total: int = 0
    notes: dict[str, int] = {}  # other known lines, by kind: the first line number
    device: str | None = None  # address of the device it is judged with
    joined: str | None = None  # why: "device_id", "address", "same_minutes", "only_device"

    def on_day(self, midnight: float) -> DeviceLogSeen:
        """The same log on the day that begins at `midnight`, for clock "time_of_day"."""

        def dated(time: float | None) -> float | None:
            return None if time is None else time + midnight

        attempts = [
            msgspec.structs.replace(attempt, time=dated(attempt.time)) for attempt in self.attempts
        ]
        return msgspec.structs.replace(
            self,
            clock="wall",
            first=dated(self.first),
            last=dated(self.last),
            attempts=attempts,
        )

    def judged_with(self, observation_id: str, device: str, joined: str) -> DeviceLogSeen:
        """The same log, under another id, beside a device of a capture."""
        return msgspec.structs.replace(self, id=observation_id, device=device, joined=joined)
