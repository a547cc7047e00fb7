"""A connection while it happens, as plain lines: `-->` from the device, `<--` from the cloud."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handshake_probe.packets.units import Direction
from handshake_probe.protocol import events as seen
from handshake_probe.protocol import played_events as played

_ARROWS = {Direction.DEVICE_TO_CLOUD: "-->", Direction.CLOUD_TO_DEVICE: "<--"}
_TO_CLOUD, _TO_DEVICE = _ARROWS.values()
_REMARK = "   "
_ENDS = {"fin": "closes", "rst": "resets the connection"}


def rung(event: seen.Event) -> str | None:
    """Return the line of an event, without time; None for events that say nothing more.

    What the peer sent is in it as it came: the caller makes it harmless.
    """
    tell = _LINES.get(type(event))
    return None if tell is None else tell(event)


def _nonce(event: seen.NonceReceived) -> str:
    size = 40 + event.surplus
    flaw = f", looks like {event.looks_like or 'no nonce'}" if event.flaws else ""
    return f"{_TO_DEVICE} nonce, {size} bytes{flaw}"


def _short(what: str) -> Callable[[Any], str]:
    return lambda event: f"{_REMARK} {what}: only {event.received} bytes came"


def _identity_test(event: seen.IdentityTest) -> str:
    if event.state is not seen.BlockState.OPENED:
        return f"{_REMARK} identity does not open: {_words(event.state)}"
    return f"{_REMARK} identity opens: device {event.device_id}"


def _violation(event: played.PeerViolation) -> str:
    return f"{_REMARK} expected {event.expected}, saw {_words(event.seen)}"


def _words(word: str) -> str:
    return word.replace("_", " ")


_LINES: dict[type[seen.Event], Callable[[Any], str]] = {
    seen.NonceReceived: _nonce,
    seen.NonceShort: _short("nonce"),
    seen.IdentitySent: lambda event: f"{_TO_CLOUD} identity, {len(event.blob or b'')} bytes",
    seen.IdentityShort: _short("identity"),
    seen.IdentityTest: _identity_test,
    seen.CredentialsReceived: lambda _event: f"{_TO_DEVICE} credentials, 384 bytes",
    seen.CredentialsShort: _short("credentials"),
    seen.SignatureTest: lambda event: f"{_REMARK} signature: {_words(event.state)}",
    seen.CredentialsTest: lambda event: f"{_REMARK} session material: {_words(event.state)}",
    seen.Message: lambda event: f"{_ARROWS[event.direction]} {event.summary}",
    seen.RecordBad: lambda event: f"{_ARROWS[event.direction]} bad record: {_words(event.problem)}",
    seen.Ended: lambda event: f"{_ARROWS[event.direction]} {_ENDS[event.kind]}",
    played.HandshakeComplete: lambda event: f"{_REMARK} session of device {event.device_id}",
    played.PeerViolation: _violation,
    played.TimedOut: lambda event: f"{_REMARK} waited too long: {_words(event.timer)}",
    played.Closed: lambda event: f"{_REMARK} done: {_words(event.reason)}",
}
