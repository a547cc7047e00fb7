"""Finds one connection seen twice: before and behind network address translation (NAT).

A capture on a router shows the connection once with the device's own address and once with the
router's, or with two addresses of the cloud where the router redirects. It is one connection of
one device; the view nearest to the device is the one to judge.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from handshake_probe.packets.addresses import is_private
from handshake_probe.packets.connection import Connection

_SAME_START_NS: Final = 2_000_000_000
_SAME_SYN_NS: Final = 100_000_000


class ViewIndex:
    """Knows the connections by their start numbers and marks farther views with `same_as`."""

    def __init__(self) -> None:
        self._by_starts: dict[tuple[int, int], list[Connection]] = {}
        self._known: dict[int, tuple[int, int]] = {}  # start numbers by connection number

    def add(self, connection: Connection) -> None:
        """Take note of a connection as soon as both its start numbers are known."""
        number, starts = connection.facts.number, connection.starts
        if starts is None or number in self._known:
            return
        self._known[number] = starts
        views = self._by_starts.setdefault(starts, [])
        views.append(connection)
        same = [view for view in views if _is_other_view(view, connection)]
        if same:
            _mark([*same, connection])

    def forget(self, connection: Connection) -> None:
        """Drop a connection."""
        starts = self._known.pop(connection.facts.number, None)
        if starts is not None:
            views = self._by_starts[starts]
            views.remove(connection)
            if not views:
                del self._by_starts[starts]


def pair_unanswered(connections: Iterable[Connection]) -> None:
    """Pair connections of which at least one view shows nothing but the device's SYN.

    The SYN's number alone is no proof: small devices count it from their start, so that two of
    them switched on together may choose the same. The same packet behind a router also keeps its
    IP identification and has lost a hop.
    """
    by_start: dict[int, list[Connection]] = {}
    for connection in connections:
        if connection.device_syn is not None and connection.facts.same_as is None:
            by_start.setdefault(connection.device_syn.sequence, []).append(connection)
    for views in by_start.values():
        first = views[0]
        same = [first, *(view for view in views[1:] if _same_syn(first, view))]
        if len(same) > 1:
            _mark(same)


def _is_other_view(one: Connection, other: Connection) -> bool:
    apart = abs(one.facts.first_ns - other.facts.first_ns)
    same_ends = (one.facts.device, one.facts.cloud) == (other.facts.device, other.facts.cloud)
    return not same_ends and apart <= _SAME_START_NS


def _same_syn(one: Connection, other: Connection) -> bool:
    first, second = one.device_syn, other.device_syn
    return (
        first is not None
        and second is not None
        and (one.starts is None or other.starts is None)
        and _is_other_view(one, other)
        and abs(first.time_ns - second.time_ns) <= _SAME_SYN_NS
        and bool(first.ip_id)
        and first.ip_id == second.ip_id
        and first.ttl != second.ttl
    )


def _mark(views: list[Connection]) -> None:
    nearest = max(views, key=_nearness)
    for view in views:
        view.facts.same_as = None if view is nearest else nearest.facts.number


def _nearness(connection: Connection) -> tuple[int, bool, int]:
    facts = connection.facts
    return max(facts.from_device.ttls, default=0), is_private(facts.device.address), -facts.number
