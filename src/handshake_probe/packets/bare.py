"""Connections without any payload, and which of them is missed least when there are too many.

They come from floods and port scans, and from every device of a site whose way to the cloud is
shut. So a device's earlier attempts go before the only one that shows it was there.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from heapq import heappop, heappush
from itertools import islice
from typing import Final

from handshake_probe.packets.connection import Connection

_SEARCH: Final = 64


class BareConnections:
    """Holds them by number."""

    def __init__(self) -> None:
        self._kept: dict[int, Connection] = {}
        self._newest = -1  # number of the last that was added
        self._ordered = True  # _kept, oldest first
        self._of: dict[bytes, list[int]] = {}  # numbers by the device's address, ascending
        self._earlier: list[int] = []  # a heap of those that a later one of the device followed

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._kept)

    def __contains__(self, number: int) -> bool:
        """Tell whether a connection is one of them."""
        return number in self._kept

    def add(self, connection: Connection) -> None:
        """Take one more."""
        number = connection.facts.number
        self._kept[number] = connection
        self._ordered = self._ordered and number > self._newest
        self._newest = number
        own = self._of.setdefault(connection.facts.device.address, [])
        if own:
            heappush(self._earlier, min(number, own[-1]))
        insort(own, number)

    def discard(self, number: int) -> None:
        """Part with one, if it is there."""
        connection = self._kept.pop(number, None)
        if connection is not None:
            address = connection.facts.device.address
            own = self._of[address]
            del own[bisect_left(own, number)]
            if not own:
                del self._of[address]

    def least(self) -> Connection:
        """Return the one to forget first; there must be one.

        Of the oldest, the first of a single packet: devices repeat a SYN that nobody answers, and
        so a flood goes first. Else the oldest that a later one of the same device followed, else
        the oldest.
        """
        if not self._ordered:
            self._kept, self._ordered = dict(sorted(self._kept.items())), True
        for connection in islice(self._kept.values(), _SEARCH):
            facts = connection.facts
            if facts.first_frame == facts.last_frame and not facts.icmp_errors:
                return connection
        while self._earlier:
            number = self._earlier[0]
            found = self._kept.get(number)
            if found is not None and self._of[found.facts.device.address][-1] != number:
                return found
            heappop(self._earlier)  # it is gone, or the later ones are
        return next(iter(self._kept.values()))
