"""NTP messages (RFC 5905): only who asks and who answers."""

from __future__ import annotations

from typing import Literal

_LENGTH = 48
_CLIENT = 3
_SERVER = 4


def ntp_role(payload: bytes) -> Literal["request", "reply"] | None:
    """Tell a client's request from a server's reply; None for anything else.

    The first byte holds leap indicator (2 bits), version (3) and mode (3); a header is 48 bytes.
    """
    if len(payload) < _LENGTH or not 1 <= payload[0] >> 3 & 7 <= 4:
        return None
    mode = payload[0] & 7
    if mode == _CLIENT:
        return "request"
    return "reply" if mode == _SERVER else None
