"""DHCP messages (RFC 2131, options RFC 2132), from UDP ports 67 and 68."""

from __future__ import annotations

from typing import Final, NamedTuple

_COOKIE: Final = b"\x63\x82\x53\x63"
_OPTIONS: Final = 240  # fixed fields (236) and the cookie (4)
_TYPES: Final = {
    1: "discover",
    2: "offer",
    3: "request",
    4: "decline",
    5: "ack",
    6: "nak",
    7: "release",
    8: "inform",
}


class DhcpMessage(NamedTuple):
    """What a DHCP message says about the client; texts come from the wire unchecked."""

    type: str  # "discover", "offer", "request", "decline", "ack", "nak", "release", "inform"
    client_mac: bytes  # 6 bytes
    your_address: bytes | None  # 4 bytes, given by the server
    requested_address: bytes | None  # 4 bytes, wished for by the client
    host_name: str | None
    vendor_class: str | None
    client_id: bytes | None


def read_dhcp(payload: bytes) -> DhcpMessage | None:
    """Read a DHCP message from a UDP payload; None for anything else. Never raises.

    Operation (1), hardware type (1), hardware address length (1) … your address at 16 (4), client
    hardware address at 28 (16), cookie at 236 (4), options: code (1), length (1), value.
    """
    if len(payload) < _OPTIONS or payload[236:240] != _COOKIE or payload[1:3] != b"\1\6":
        return None
    options = _options(payload[_OPTIONS:])
    kind = _TYPES.get(int.from_bytes(options.get(53, b""), "big"))
    if kind is None:
        return None
    requested = options.get(50, b"")
    return DhcpMessage(
        kind,
        payload[28:34],
        payload[16:20] if any(payload[16:20]) else None,
        requested if len(requested) == 4 else None,
        _text(options.get(12)),
        _text(options.get(60)),
        options.get(61),
    )


def _options(data: bytes) -> dict[int, bytes]:
    """Collect the options; pieces of a split one are joined (RFC 3396)."""
    options: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at] != 255:
        if data[at] == 0:  # padding
            at += 1
            continue
        value = data[at + 2 : at + 2 + data[at + 1]] if at + 1 < len(data) else b""
        options[data[at]] = options.get(data[at], b"") + value
        at += 2 + len(value)
    return options


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.rstrip(b"\0").decode("utf-8", "replace")
