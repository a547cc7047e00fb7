"""Encoders of all messages either side sends (wire forms as measured on Device OS 1.0 to 3.3).

Own requests are returned with message id 0: the side that sends them numbers them. Replies carry
the id of what they answer. A name is one Uri-Path option from a device, slashes and all, and one
option per segment from a cloud.
"""

from __future__ import annotations

from typing import NamedTuple

from handshake_probe.protocol.coap import CoapMessage, Option, Type
from handshake_probe.protocol.kinds import GET, POST, PUT

EMPTY = 0x00
CHANGED, CONTENT = 0x44, 0x45  # 2.04, 2.05
BAD_REQUEST, NOT_FOUND, UNAVAILABLE = 0x80, 0x84, 0xA3  # 4.00, 4.04, 5.03

SYSTEM, APPLICATION = 1, 2  # parts of a Describe

BARE_MARKER = b"\xff"  # what firmware up to 2.x writes behind an event without data

_DEFAULT_TTL = 60


class Limits(NamedTuple):
    """What Device OS 3.0 and later append to their Hello."""

    module: int = 3302  # system module version: Device OS 3.3.1
    max_message: int = 960
    max_binary: int = 0x19000
    ota_chunk: int = 512


def ping() -> CoapMessage:
    """`40 00 id id`."""
    return CoapMessage(Type.CON, EMPTY, 0)


def device_hello(
    product_id: int, version: int, flags: int, platform_id: int | None, limits: Limits | None
) -> CoapMessage:
    """`50 02 id id b1 68 ff product(2) version(2) flags(2) [platform(2) [00 00 limits(10)]]`."""
    words = [product_id, version, flags]
    words += [] if platform_id is None else [platform_id]
    payload = b"".join(word.to_bytes(2, "big") for word in words)
    if limits is not None:
        module, max_message, max_binary, ota_chunk = limits
        payload += b"\0\0" + module.to_bytes(2, "big") + max_message.to_bytes(2, "big")
        payload += max_binary.to_bytes(4, "big") + ota_chunk.to_bytes(2, "big")
    return CoapMessage(Type.NON, POST, 0, options=_path(b"h"), payload=payload)


def cloud_hello(token: bytes) -> CoapMessage:
    """`51 02 id id token b1 68`; without a token from Brewskey's server."""
    return CoapMessage(Type.NON, POST, 0, token, _path(b"h"))


def describe_request(token: bytes, flags: int | None) -> CoapMessage:
    """`41 01 id id token b1 64 [41 flags]`; both JavaScript servers leave the query out."""
    return CoapMessage(Type.CON, GET, 0, token, _path(b"d") + _query(flags))


def describe_post(token: bytes, flags: int, description: bytes) -> CoapMessage:
    """`40 02 id id b1 64 41 flags ff …`, with a token from 3.x on."""
    options = _path(b"d") + _query(flags)
    return CoapMessage(Type.CON, POST, 0, token, options, description)


def device_event(
    name: bytes, data: bytes, *, public: bool, acknowledged: bool, ttl: int = _DEFAULT_TTL
) -> CoapMessage:
    """`50 02 id id b1 45 <name> [33 ttl] [ff data]`; 65 for a public event, 40 … if acknowledged.

    `ttl` is in seconds, 24 bits, and left out when it is 60.
    """
    options = _path(b"e" if public else b"E", name)
    if ttl != _DEFAULT_TTL:
        options += ((Option.MAX_AGE, ttl.to_bytes(3, "big")),)
    kind = Type.CON if acknowledged else Type.NON
    return CoapMessage(kind, POST, 0, options=options, payload=data)


def cloud_event(name: bytes, data: bytes, *, public: bool, acknowledged: bool) -> CoapMessage:
    """As from a device, but with one option per segment of the name."""
    options = _path(b"e" if public else b"E", *name.split(b"/"))
    kind = Type.CON if acknowledged else Type.NON
    return CoapMessage(kind, POST, 0, options=options, payload=data)


def subscribe(prefix: bytes, *, own_devices: bool) -> CoapMessage:
    """`40 01 id id b1 65 <prefix> [41 75]`."""
    options = _path(b"e", prefix) + (_query(ord("u")) if own_devices else ())
    return CoapMessage(Type.CON, GET, 0, options=options)


def time_request(token: bytes) -> CoapMessage:
    """`41 01 id id token b1 74`."""
    return CoapMessage(Type.CON, GET, 0, token, _path(b"t"))


def goodbye(cloud_reason: int) -> CoapMessage:
    """`50 02 id id b1 78 d0 ea ff 01 reason`; reasons in `protocol.hello.CLOUD_REASONS`."""
    options = (*_path(b"x"), (Option.NO_RESPONSE, b""))
    return CoapMessage(Type.NON, POST, 0, options=options, payload=bytes((1, cloud_reason)))


def function_call(token: bytes, name: bytes, argument: bytes) -> CoapMessage:
    """`41 02 id id token b1 66 <name> <argument as Uri-Query>`."""
    options = (*_path(b"f", name), (Option.URI_QUERY, argument))
    return CoapMessage(Type.CON, POST, 0, token, options)


def function_return(token: bytes, value: int) -> CoapMessage:
    """`51 44 id id token ff value(4, signed)`."""
    payload = value.to_bytes(4, "big", signed=True)
    return CoapMessage(Type.NON, CHANGED, 0, token, payload=payload)


def variable_request(token: bytes, name: bytes) -> CoapMessage:
    """`41 01 id id token b1 76 <name>`."""
    return CoapMessage(Type.CON, GET, 0, token, _path(b"v", name))


def content(token: bytes, payload: bytes, *, confirmable: bool) -> CoapMessage:
    """A separate 2.05: `41 45 id id token ff …` (Describe) or `51 45 …` (variable)."""
    kind = Type.CON if confirmable else Type.NON
    return CoapMessage(kind, CONTENT, 0, token, payload=payload)


def signal(token: bytes, *, on: bool) -> CoapMessage:
    """`41 03 id id token b1 73 41 01`; 00 ends it."""
    return CoapMessage(Type.CON, PUT, 0, token, _path(b"s") + _query(int(on)))


def reply(request: CoapMessage, code: int, payload: bytes = b"") -> CoapMessage:
    """`61 code id id token [ff …]`: the answer within an acknowledgment."""
    return CoapMessage(Type.ACK, code, request.message_id, request.token, payload=payload)


def acknowledge(request: CoapMessage) -> CoapMessage:
    """`60 00 id id`."""
    return CoapMessage(Type.ACK, EMPTY, request.message_id)


def acknowledge_as_original(request: CoapMessage, code: int = EMPTY) -> CoapMessage:
    """`61 code id id 00`: the original server's, with a token of its own (4.00 refuses)."""
    return CoapMessage(Type.ACK, code, request.message_id, b"\0")


def _path(*segments: bytes) -> tuple[tuple[int, bytes], ...]:
    return tuple((Option.URI_PATH, segment) for segment in segments)


def _query(value: int | None) -> tuple[tuple[int, bytes], ...]:
    return () if value is None else ((Option.URI_QUERY, bytes((value,))),)
