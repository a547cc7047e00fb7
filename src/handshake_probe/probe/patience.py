"""How long one connection attempt waits, and for what."""

from __future__ import annotations

from typing import NamedTuple


class Patience(NamedTuple):
    """Seconds.

    A device waits 5 s for the connection and 20 s for the nonce; a cloud sends it at once, and two
    attempts that see nothing shall not take longer than about half a minute.
    """

    connect: float = 8.0  # at least 4 SYNs, at 0, 1, 3 and 7 s or closer
    nonce: float = 8.0  # from the connection to 40 bytes
    more: float = 1.0  # after bytes: whether others follow them
    delivery: float = 6.0  # until what we sent is acknowledged; 5 retransmissions, 3 are enough
    reply: float = 4.0  # after that: whether anything is said to it
    goodbye: float = 0.5  # from our FIN to the other side's


PATIENCE = Patience()
