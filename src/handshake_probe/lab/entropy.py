"""Random bytes for each connection: the system's, or the same ones for the same seed."""

from __future__ import annotations

import os
from hashlib import shake_128

from handshake_probe.protocol.seal import Entropy


class EntropySource:
    """Gives each connection its own random bytes.

    Args:
        seed: None for the system's random numbers. Else nonces, session material and padding are
            the same in every run: for experiments, as whoever knows the seed reads the sessions.
        salt: Keeps two sides with one seed apart.
    """

    def __init__(self, seed: int | None, salt: str) -> None:
        self._seed = seed
        self._salt = salt

    def of(self, connection: int) -> Entropy:
        """Return the random bytes of a connection, counted from 1."""
        if self._seed is None:
            return os.urandom
        start = f"{self._salt}/{self._seed}/{connection}"
        drawn = 0

        def draw(length: int) -> bytes:
            nonlocal drawn
            drawn += 1
            return shake_128(f"{start}/{drawn}".encode()).digest(length)

        return draw
