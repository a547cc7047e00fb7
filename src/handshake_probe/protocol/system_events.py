"""Events: names, and the system events whose meaning the firmware fixes."""

from __future__ import annotations

from handshake_probe.packets.units import Direction
from handshake_probe.protocol.coap import CoapMessage, Option, Type
from handshake_probe.protocol.kinds import Kind
from handshake_probe.protocol.text import Details, one_line

KEY_ERRORS = {
    1: "server_key_blank",
    2: "server_key_corrupted",
    4: "server_address_blank",
    8: "server_address_corrupted",
    16: "device_public_key_blank",
    32: "device_public_key_corrupted",
    64: "device_private_key_blank",
    128: "device_private_key_corrupted",
}

_CLAIM = b"spark/device/claim/"
_DEFAULT_TTL = 60  # seconds; the option is left out then

_FROM_DEVICE = {
    b"spark/device/claim/code": Kind.CLAIM_CODE,
    b"spark/device/safemode": Kind.SAFE_MODE,
    b"spark/device/key/error": Kind.KEY_ERROR,
}
_FROM_CLOUD = {
    b"spark/device/reset": Kind.RESET_COMMAND,
}


def event_name(message: CoapMessage) -> bytes:
    """Join the Uri-Path segments behind the type letter; devices send one, servers several."""
    return b"/".join(message.values(Option.URI_PATH)[1:])


def read_event(direction: Direction, message: CoapMessage) -> tuple[Kind, str, Details]:
    """Return kind, summary and details of an event.

    A claim code is a secret of its owner: neither summary nor details hold it.
    """
    name, data = event_name(message), message.payload
    claims = name.startswith(_CLAIM)
    if direction is Direction.DEVICE_TO_CLOUD:
        kind = _FROM_DEVICE.get(name, Kind.EVENT)
    else:
        kind = Kind.CLAIM_CONFIRMED if claims else _FROM_CLOUD.get(name, Kind.EVENT)
    ttl = message.values(Option.MAX_AGE)
    details: Details = {
        "event": one_line(name),
        "public": message.values(Option.URI_PATH)[0] == b"e",
        "acknowledged": message.type is Type.CON,
        "ttl": int.from_bytes(ttl[0][:4], "big") if ttl else _DEFAULT_TTL,
        "data_length": len(data),
        "data": None if claims else one_line(data),
    }
    summary = f"event {details['event']} ({len(data)} bytes)"
    if kind is Kind.CLAIM_CODE:
        details["erased"] = bool(data) and not data.strip(b"\xff")
    elif kind is Kind.KEY_ERROR:
        mask = _decimal(data)
        details |= {"error_mask": mask, "errors": _errors(mask)}
        summary = f"{summary}: {details['errors'] or 'unreadable'}"
    elif kind is Kind.RESET_COMMAND:
        details["command"] = one_line(data)
        summary = f"{summary}: {details['command']}"
    return kind, summary, details


def _decimal(data: bytes) -> int | None:
    """Read decimal text; a mask has 8 bits, so more than 4 digits are no mask."""
    text = data.rstrip(b"\0")
    return int(text) if text.isdigit() and len(text) <= 4 else None


def _errors(mask: int | None) -> str | None:
    if mask is None:
        return None
    return ",".join(name for bit, name in KEY_ERRORS.items() if mask & bit)
