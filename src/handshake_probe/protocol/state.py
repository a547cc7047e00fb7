"""All that is state: the handshake's steps, and what a side that we play may do when.

The steps (who speaks, how many bytes, what comes next) are the same for two sides that are watched
and for one that is played; phases and actions exist for a played side only.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import NamedTuple

from handshake_probe.packets.units import Direction
from handshake_probe.protocol.layouts import CREDENTIALS_SIZE, IDENTITY_SIZE, NONCE_SIZE


class Step(StrEnum):
    """What a connection is waiting for."""

    NONCE = "nonce"
    IDENTITY = "identity"
    CREDENTIALS = "credentials"
    RECORDS = "records"


class Row(NamedTuple):
    """One step: its sender (None: both), its bytes (None: any number), the step after it."""

    sender: Direction | None
    size: int | None
    following: Step


TABLE: dict[Step, Row] = {
    Step.NONCE: Row(Direction.CLOUD_TO_DEVICE, NONCE_SIZE, Step.IDENTITY),
    Step.IDENTITY: Row(Direction.DEVICE_TO_CLOUD, IDENTITY_SIZE, Step.CREDENTIALS),
    Step.CREDENTIALS: Row(Direction.CLOUD_TO_DEVICE, CREDENTIALS_SIZE, Step.RECORDS),
    Step.RECORDS: Row(None, None, Step.RECORDS),
}


@cache
def steps_of(direction: Direction) -> tuple[Step, ...]:
    """Return the steps whose bytes one direction carries, in order; the last is `RECORDS`."""
    return tuple(step for step, row in TABLE.items() if row.sender in (direction, None))


class Role(StrEnum):
    """Which side of a connection is played."""

    DEVICE = "device"
    CLOUD = "cloud"

    @property
    def sends(self) -> Direction:
        """The direction whose bytes this side makes."""
        return Direction.DEVICE_TO_CLOUD if self is Role.DEVICE else Direction.CLOUD_TO_DEVICE


class Phase(StrEnum):
    """How far a played side is."""

    IDLE = "idle"  # not connected
    HANDSHAKE = "handshake"  # nonce, identity, credentials
    HELLO = "hello"  # records flow, the peer has not said Hello
    SESSION = "session"
    CLOSING = "closing"  # a device said goodbye, and waits for the cloud to close
    CLOSED = "closed"


class Action(StrEnum):
    """What the program that plays a side may ask of it."""

    START = "start"
    SEND = "send"
    PING = "ping"
    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"
    REQUEST_TIME = "request_time"
    ANSWER_FUNCTION = "answer_function"
    GOODBYE = "goodbye"
    CALL_FUNCTION = "call_function"
    REQUEST_VARIABLE = "request_variable"
    DESCRIBE = "describe"
    SIGNAL = "signal"
    CLOSE = "close"


_SESSION = frozenset({Phase.SESSION})
_RECORDS = frozenset({Phase.HELLO, Phase.SESSION})
_OPEN = frozenset(Phase) - {Phase.CLOSED}

# The phases in which each side may do what; anything else is our own mistake.
LEGAL: dict[Role, dict[Action, frozenset[Phase]]] = {
    Role.DEVICE: {
        Action.START: frozenset({Phase.IDLE}),
        Action.SEND: _RECORDS,
        Action.PING: _RECORDS,  # old firmware pings before the cloud's Hello came
        Action.PUBLISH: _SESSION,
        Action.SUBSCRIBE: _SESSION,
        Action.REQUEST_TIME: _SESSION,
        Action.ANSWER_FUNCTION: _RECORDS,
        Action.GOODBYE: _SESSION,
        Action.CLOSE: _OPEN,
    },
    Role.CLOUD: {
        Action.START: frozenset({Phase.IDLE}),
        Action.SEND: _RECORDS,
        Action.PING: _SESSION,
        Action.PUBLISH: _SESSION,
        Action.CALL_FUNCTION: _SESSION,
        Action.REQUEST_VARIABLE: _SESSION,
        Action.DESCRIBE: _SESSION,
        Action.SIGNAL: _SESSION,
        Action.CLOSE: _OPEN,
    },
}


def is_legal(role: Role, phase: Phase, action: Action) -> bool:
    """Tell whether a side in this phase may be asked for this action."""
    return phase in LEGAL[role].get(action, frozenset())
