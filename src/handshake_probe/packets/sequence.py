"""TCP sequence numbers (RFC 9293 section 3.4): from 32 bits that wrap to numbers that do not."""

from __future__ import annotations

_SPACE = 1 << 32
_HALF = 1 << 31

# How far ahead of everything known a sequence or acknowledgment number without bytes may point
# and still be believed. A session exchanges some kilobytes; forged and broken packets point
# anywhere.
PLAUSIBLE_LEAP = 1 << 20


def relative(raw: int, base: int, near: int) -> int:
    """Return the unwrapped distance of `raw` from `base`, the one nearest to `near`.

    Args:
        raw: a 32-bit sequence number.
        base: the 32-bit sequence number of the SYN, which has distance 0.
        near: a distance known to be in the neighbourhood.
    """
    return near + (raw - base - near + _HALF) % _SPACE - _HALF
