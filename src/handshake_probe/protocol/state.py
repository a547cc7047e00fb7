"""The handshake's steps: who speaks, how many bytes, what comes next. The whole table is here."""

from __future__ import annotations

from enum import StrEnum
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


def steps_of(direction: Direction) -> tuple[Step, ...]:
    """Return the steps whose bytes one direction carries, in order; the last is `RECORDS`."""
    return tuple(step for step, row in TABLE.items() if row.sender in (direction, None))
