"""CoAP messages as bytes (RFC 7252 section 3), read strictly, with a few documented tolerances.

Layout: `Ver(2) Type(2) TKL(4) | code(8) | message id(16) | token(0..8) | options | [FF payload]`.
What real peers send and a strict reader refuses is read all the same and named in `notes`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

_HEADER = 4
_MAX_TOKEN = 8
_MAX_OPTION = 0xFFFF
_MARKER = 0xFF

NOTE_BARE_MARKER = "payload marker without payload"  # safe-mode event, Device OS 1.0 and 2.3
NOTE_EMPTY_WITH_TOKEN = "token on an empty message"  # acknowledgements of the original JS server


class Type(IntEnum):
    """Message types."""

    CON = 0
    NON = 1
    ACK = 2
    RST = 3


class Option(IntEnum):
    """Option numbers that occur in this protocol."""

    ETAG = 4
    URI_PATH = 11
    MAX_AGE = 14
    URI_QUERY = 15
    BLOCK2 = 23
    BLOCK1 = 27
    NO_RESPONSE = 258  # RFC 7967, on a Goodbye


class CoapMessage(NamedTuple):
    """One message."""

    type: Type
    code: int  # one byte: class in the upper 3 bits, detail in the lower 5
    message_id: int
    token: bytes = b""  # at most 8 bytes
    options: tuple[tuple[int, bytes], ...] = ()  # number and value, numbers never falling
    payload: bytes = b""
    notes: tuple[str, ...] = ()  # tolerances that were needed; empty: strictly well-formed

    def values(self, number: int) -> list[bytes]:
        """Return the values of one option, in order."""
        return [value for option, value in self.options if option == number]


class Malformed(NamedTuple):
    """Bytes that are no CoAP message."""

    reason: str


_TYPES = tuple(Type)
_CODES = tuple(f"{code >> 5}.{code & 0x1F:02d}" for code in range(256))


def code_text(code: int) -> str:
    """Write a code as RFC 7252 does: 0x45 is "2.05"."""
    return _CODES[code]


def parse(data: bytes) -> CoapMessage | Malformed:
    """Read one message that takes up all of `data`."""
    if len(data) < _HEADER:
        return Malformed("shorter than a header")
    first, code = data[0], data[1]
    token_length = first & 0x0F
    if first >> 6 != 1:
        return Malformed(f"version {first >> 6} instead of 1")
    if token_length > _MAX_TOKEN:
        return Malformed("token longer than 8 bytes")
    behind = _HEADER + token_length
    if len(data) < behind:
        return Malformed("token cut off")
    kind, message_id = _TYPES[first >> 4 & 3], data[2] << 8 | data[3]
    token = data[_HEADER:behind]
    if code == 0:
        if len(data) > behind:
            return Malformed("bytes after an empty message")
        notes = (NOTE_EMPTY_WITH_TOKEN,) if token else ()
        return CoapMessage(kind, code, message_id, token, (), b"", notes)
    rest = data[behind:]
    options, at = _read_options(rest)
    if isinstance(options, Malformed):
        return options
    payload = rest[at + 1 :]
    notes = (NOTE_BARE_MARKER,) if at < len(rest) and not payload else ()
    return CoapMessage(kind, code, message_id, token, options, payload, notes)


def encode(message: CoapMessage) -> bytes:
    """Write a message; `notes` are ignored.

    Raises:
        ValueError: A part does not fit its field, or the option numbers fall.
    """
    if len(message.token) > _MAX_TOKEN:
        raise ValueError("a token has at most 8 bytes")
    out = bytearray(((1 << 6) | (message.type << 4) | len(message.token), message.code))
    try:
        out += message.message_id.to_bytes(2, "big") + message.token
    except OverflowError:
        raise ValueError("a message id has 16 bits") from None
    previous = 0
    for number, value in message.options:
        if not previous <= number <= _MAX_OPTION:
            raise ValueError("option numbers never fall and have 16 bits")
        delta, delta_bytes = _extended(number - previous)
        length, length_bytes = _extended(len(value))
        out += bytes((delta << 4 | length,)) + delta_bytes + length_bytes + value
        previous = number
    if message.payload:
        out += bytes((_MARKER,)) + message.payload
    return bytes(out)


def _read_options(data: bytes) -> tuple[tuple[tuple[int, bytes], ...] | Malformed, int]:
    """Read options up to the payload marker or the end; also return where that is."""
    options: list[tuple[int, bytes]] = []
    number = at = 0
    while at < len(data) and data[at] != _MARKER:
        first = data[at]
        delta, at = _read_extended(data, at + 1, first >> 4)
        length, at = _read_extended(data, at, first & 0x0F)
        number += delta
        if delta < 0 or length < 0:
            return Malformed("option header damaged"), at
        if number > _MAX_OPTION:
            return Malformed("option number above 65535"), at
        if at + length > len(data):
            return Malformed("option cut off"), at
        options.append((number, data[at : at + length]))
        at += length
    return tuple(options), at


def _read_extended(data: bytes, at: int, nibble: int) -> tuple[int, int]:
    """Resolve a 4-bit delta or length with its extension at `at`; (-1, at) when it is none."""
    if nibble < 13:
        return nibble, at
    size = nibble - 12
    if nibble == 15 or at + size > len(data):
        return -1, at
    return int.from_bytes(data[at : at + size], "big") + (13 if size == 1 else 269), at + size


def _extended(value: int) -> tuple[int, bytes]:
    """Split a delta or length into its 4-bit field and extension."""
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes((value - 13,))
    if value < 269 + 0x10000:
        return 14, (value - 269).to_bytes(2, "big")
    raise ValueError("an option value has at most 65804 bytes")
