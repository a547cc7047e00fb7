"""The meaning of decrypted messages: kind, one line of text, and details as plain scalars.

A reply does not say what it replies to, so a `Conversation` remembers requests by message id and
token. Nothing here raises for what a peer sent.
"""

from __future__ import annotations

from typing import NamedTuple

from handshake_probe.packets.units import Direction
from handshake_probe.protocol.coap import CoapMessage, Malformed, Option, Type, code_text, parse
from handshake_probe.protocol.kinds import ANSWERS, REQUESTS, Kind
from handshake_probe.protocol.readers import READERS
from handshake_probe.protocol.system_events import read_event
from handshake_probe.protocol.text import Details, one_line

__all__ = ["Conversation", "Kind", "Meaning"]

_REMEMBERED = 256  # requests in one direction that may be open at a time

_REPLIES = (Type.ACK, Type.RST)
# Written for every message: names of enumerations are slow to ask for.
_TYPE_NAMES = {kind: kind.name for kind in Type}
_ANSWERED: dict[Kind | None, tuple[str | None, str]] = {
    None: (None, ""),
    **{kind: (kind.value, f" to {kind.replace('_', ' ')}") for kind in Kind},
}

_NEGATIVE_040 = 1  # Device OS 0.4.0 writes some refusals as 0.01 instead of 4.00


class Meaning(NamedTuple):
    """What one message says."""

    kind: Kind
    summary: str
    details: Details


class Conversation:
    """Reads the messages of one connection in order."""

    def __init__(self) -> None:
        self._open: dict[Direction, dict[int | bytes, Kind]] = {d: {} for d in Direction}

    def read(self, direction: Direction, plaintext: bytes) -> Meaning:
        """Read one message; `MALFORMED` when it is no CoAP message."""
        message = parse(plaintext)
        if isinstance(message, Malformed):
            reason = message.reason
            return Meaning(Kind.MALFORMED, f"malformed: {reason}", {"reason": reason})
        kind, summary, own = self._interpret(direction, message)
        details: Details = {
            "type": _TYPE_NAMES[message.type],
            "code": code_text(message.code),
            "message_id": message.message_id,
            "token": message.token.hex(),
            "no_response": bool(message.options and message.values(Option.NO_RESPONSE)),
            "notes": ", ".join(message.notes) or None,
        }
        details.update(own)
        return Meaning(kind, summary, details)

    def _interpret(self, direction: Direction, message: CoapMessage) -> tuple[Kind, str, Details]:
        """Tell a request from a reply."""
        if message.type in _REPLIES or message.code >> 5 >= 2:
            return self._reply(direction, message)
        if message.code == 0:
            if message.type is not Type.CON:
                return Kind.UNKNOWN, "empty message that asks for nothing", {}
            self._remember(direction, message, Kind.PING)
            return Kind.PING, "ping", {}
        path = message.values(Option.URI_PATH)
        kind = REQUESTS.get((direction, message.code, path[0])) if path else None
        if kind is None:
            shown = one_line(b"/" + b"/".join(path))
            return Kind.UNKNOWN, f"unknown request {code_text(message.code)} {shown}", {}
        self._remember(direction, message, kind)
        if kind is Kind.EVENT:
            return read_event(direction, message)
        if kind is Kind.HELLO and direction is Direction.CLOUD_TO_DEVICE:
            return kind, "Hello of the cloud", {}
        return kind, *READERS[kind](message)

    def _reply(self, direction: Direction, message: CoapMessage) -> tuple[Kind, str, Details]:
        """Interpret a reply by the request it answers."""
        request = self._request_of(direction.other, message)
        word, to = _ANSWERED[request]
        details: Details = {"answers": word}
        code = code_text(message.code)
        if message.type is Type.RST:
            return Kind.RESET, f"reset{to}", details
        if message.code == 0:
            return Kind.ACK, f"ack{to}", details
        if message.code >> 5 > 2 or message.code == _NEGATIVE_040:
            details["reason"] = one_line(message.payload) or None
            return Kind.REFUSAL, f"refusal {code}{to}", details
        kind = ANSWERS.get(request, Kind.RESPONSE) if request else Kind.RESPONSE
        if message.type is Type.CON:
            self._remember(direction, message._replace(token=b""), kind)
        reader = READERS.get(kind)
        if reader is None:
            return kind, f"response {code}{to} ({len(message.payload)} bytes)", details
        summary, own = reader(message)
        return kind, summary, details | own

    def _remember(self, direction: Direction, message: CoapMessage, kind: Kind) -> None:
        requests = self._open[direction]
        keys: tuple[int | bytes, ...] = (message.message_id,)
        if message.token:
            keys = message.message_id, message.token
        for key in keys:
            requests.pop(key, None)  # the newest goes to the end
            requests[key] = kind
        while len(requests) > _REMEMBERED:
            requests.pop(next(iter(requests)))

    def _request_of(self, requester: Direction, message: CoapMessage) -> Kind | None:
        """Find the request: by id for ACK and RST, else by token (a separate response)."""
        requests = self._open[requester]
        if message.type in _REPLIES:
            return requests.get(message.message_id)
        return requests.get(message.token) if message.token else None
