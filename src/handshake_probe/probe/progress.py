"""What a run tells of itself while it goes on."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Step(StrEnum):
    """The tests of a run, as a person sees them."""

    VANTAGE = "this machine"
    DNS = "names"
    TCP = "cloud's port"
    CONTROLS = "controls"
    WHERE = "where it stops"
    UDP = "newer devices"
    INTERNET = "internet test"
    STAND_IN = "stand-in"
    IDLE = "idle time"


class Progress(NamedTuple):
    """A step began (`text` None), or ended with a word on how."""

    step: Step
    text: str | None
