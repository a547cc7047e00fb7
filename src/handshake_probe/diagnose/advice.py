"""Advice that people get elsewhere, corrected where it does not apply."""

from __future__ import annotations

from handshake_probe.model.vocabulary import Cause

_AGAINST: dict[Cause, tuple[str, ...]] = {
    Cause.NETWORK_BLOCKED: (
        "Leave the keys alone. A new device key (`particle keys doctor`) changes nothing on the "
        "network; nor does a factory reset, which only the Core has.",
    ),
    Cause.UNCLAIMED: ("Leave the keys alone: the handshake passed, so they are right.",),
    Cause.SERVER_FAULT: (
        "Leave the device's keys alone until the cloud is put right: new ones meet the same fault.",
    ),
}


def against(cause: Cause) -> tuple[str, ...]:
    """What not to do, when this is the cause."""
    return _AGAINST.get(cause, ())
