"""TCP options (RFC 9293 section 3.1): kind (1), length (1), value."""

from __future__ import annotations

from typing import NamedTuple

_END = 0
_NOP = 1
_MSS = 2
TIMESTAMPS = 8


class TcpOptions(NamedTuple):
    """The options of one segment."""

    kinds: tuple[int, ...]  # in order, without padding
    mss: int | None  # maximum segment size


def read_options(options: bytes) -> TcpOptions:
    """Read the options of a TCP header; reading stops where they break off."""
    kinds: list[int] = []
    mss: int | None = None
    at = 0
    while at < len(options) and options[at] != _END:
        if options[at] == _NOP:
            at += 1
            continue
        length = options[at + 1] if at + 1 < len(options) else 0
        if length < 2 or at + length > len(options):
            break
        kinds.append(options[at])
        if options[at] == _MSS and length == 4:
            mss = int.from_bytes(options[at + 2 : at + 4], "big")
        at += length
    return TcpOptions(tuple(kinds), mss)
