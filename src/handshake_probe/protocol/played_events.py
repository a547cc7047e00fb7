"""The events that only a played side yields, beside those of `protocol.events`.

A played side has no frames: its events carry frame 0, and the time that was handed in.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from handshake_probe.protocol.device_errors import DeviceError
from handshake_probe.protocol.events import Event
from handshake_probe.protocol.state import Step


class Timer(StrEnum):
    """What a side may be waiting for with a deadline."""

    NONCE = "nonce"
    IDENTITY = "identity"
    CREDENTIALS = "credentials"
    HANDSHAKE = "handshake"  # a cloud: all of it, up to the device's Hello
    HELLO = "hello"
    RECORD_BODY = "record_body"  # a device: the rest of a record that has begun
    PING = "ping"  # not a failure: when it is over, the device pings
    PONG = "pong"  # any message after a ping
    IDLE = "idle"  # a cloud: any byte
    DESCRIBE = "describe"  # a cloud: the answer to its Describe request
    GOODBYE = "goodbye"  # a device that said goodbye: the end of the connection


class CloseReason(StrEnum):
    """Why a played side is done."""

    LOCAL = "local"  # the program asked for it
    GOODBYE = "goodbye"  # the device said goodbye before
    PEER_ENDED = "peer_ended"
    VIOLATION = "violation"
    TIMED_OUT = "timed_out"
    KEY_UNUSABLE = "key_unusable"  # our own settings hold a key with which nothing can be made


class HandshakeComplete(Event, frozen=True, kw_only=True, gc=False):
    """The peer's Hello came: for a device the cloud's, for a cloud the device's first message."""

    name: ClassVar[str] = "handshake_complete"
    device_id: str  # 24 hex digits


class FunctionCalled(Event, frozen=True, kw_only=True, gc=False):
    """The cloud calls a function this device has: to be answered with `answer_function`."""

    name: ClassVar[str] = "function_called"
    function: str
    argument: bytes
    token: bytes


class PeerViolation(Event, frozen=True, kw_only=True, gc=False):
    """The peer did what a real side of our kind does not accept.

    `Closed` follows unless that side would go on all the same.
    """

    name: ClassVar[str] = "peer_violation"
    step: Step
    expected: str
    seen: str  # a fixed word (of BlockState, Kind, …) or a number
    error: DeviceError | None  # what a device calls it; None for a cloud


class TimedOut(Event, frozen=True, kw_only=True, gc=False):
    """The peer let a deadline pass; `Closed` follows."""

    name: ClassVar[str] = "timed_out"
    step: Step
    timer: Timer
    error: DeviceError | None


class Closed(Event, frozen=True, kw_only=True, gc=False):
    """This side is done: send what is left, then close the transport."""

    name: ClassVar[str] = "closed"
    reason: CloseReason
    error: DeviceError | None  # of a device that failed
