"""Where on the path the cloud's port and its control part, from SYNs with few hops.

A router that takes the last hop from a SYN answers with ICMP "time exceeded" whatever the port is.
It does so before its own filter for forwarded packets is asked: the last router that answers for
both ports may be the one that drops, or the next one.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from handshake_probe.diagnose.active.case import CLOUD, CONTROL, IDENTITY
from handshake_probe.model.measurement import Blocker
from handshake_probe.model.probed import Connect, HopProbed

UNNAMED = "a router"
SILENT_TRIES = 2  # at a distance, before its silence counts
_SHARED = ipaddress.ip_network("100.64.0.0/10")  # RFC 6598: a provider's own network
_ORDINALS = {1: "first hop", 2: "second hop", 3: "third hop"}
_END = (Connect.CONNECTED, Connect.REFUSED)


@dataclass(frozen=True)
class Where:
    """What the limited SYNs show; None is "hop unknown"."""

    common: tuple[int, str] | None = None  # the last hop where both ports expire, and its router
    silent_from: int | None = None  # the cloud's port is silent from here on, the control is not
    answered_early: int | None = None  # the cloud's port answers where the control still expires
    rejected_at: int | None = None  # the ICMP refusal comes from this many hops away
    same_end: bool = False  # both ports come equally far
    same_host: bool = False  # the control is accepted first where the cloud's port is answered
    evidence: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether a place can be named."""
        return self.silent_from is not None or self.answered_early is not None


def locate(hops: Sequence[HopProbed], what: str = CLOUD) -> Where:
    """Compare SYNs to the cloud's port, or an identity sent there, with the control hop by hop."""
    hops = [h for h in hops if h.purpose in (what, CONTROL)]
    cloud = _by_ttl([h for h in hops if h.purpose == what])
    control = _by_ttl([h for h in hops if h.purpose == CONTROL])
    common = None
    for ttl in sorted(cloud.keys() & control.keys()):
        routers = _routers(control[ttl])
        if any(map(_expired_unnamed, cloud[ttl])):
            routers = routers or {UNNAMED}
        else:
            routers = routers & _routers(cloud[ttl])
        if routers:
            common = (ttl, min(routers))
    silent_from = next(
        (
            ttl
            for ttl in sorted(cloud.keys() & control.keys())
            if _silent(cloud[ttl]) and not _silent(control[ttl]) and _silent_after(cloud, ttl)
        ),
        None,
    )
    early = next(
        (
            ttl
            for ttl in sorted(cloud.keys() & control.keys())
            if any(h.outcome in _END for h in cloud[ttl])
            and _routers(control[ttl])
            and not any(h.outcome in _END for h in control[ttl])
        ),
        None,
    )
    rejected = min(
        (
            ttl
            for ttl, tries in cloud.items()
            if any(
                h.outcome is Connect.REJECTED and h.expired_at is None and not _expired_unnamed(h)
                for h in tries
            )
        ),
        default=None,
    )
    ends = [_first(cloud, *_END), _first(control, Connect.CONNECTED)]
    reach = [_reach(cloud), _reach(control)]
    return Where(
        common=common,
        silent_from=silent_from,
        answered_early=early,
        rejected_at=rejected,
        same_end=silent_from is None and early is None and reach[0] == reach[1] and reach[0] > 0,
        same_host=ends[0] is not None and ends[0] == ends[1],
        evidence=tuple(dict.fromkeys(h.id for h in hops)),
    )


def _by_ttl(hops: Sequence[HopProbed]) -> dict[int, list[HopProbed]]:
    found: dict[int, list[HopProbed]] = {}
    for hop in hops:
        if hop.outcome is not Connect.NOT_SENT:
            found.setdefault(hop.ttl, []).append(hop)
    return found


def _expired_unnamed(hop: HopProbed) -> bool:
    """On a connection that is up, Linux tells that an ICMP error came, and not from whom."""
    return hop.purpose == IDENTITY and hop.outcome is Connect.REJECTED and hop.icmp is None


def _routers(tries: Sequence[HopProbed]) -> set[str]:
    return {hop.expired_at for hop in tries if hop.expired_at is not None}


def _silent(tries: Sequence[HopProbed]) -> bool:
    return len(tries) >= SILENT_TRIES and all(h.outcome is Connect.TIMEOUT for h in tries)


def _silent_after(cloud: dict[int, list[HopProbed]], ttl: int) -> bool:
    """Whether nothing answers farther away either: one router may just not answer."""
    return all(
        h.outcome is Connect.TIMEOUT for at, tries in cloud.items() if at >= ttl for h in tries
    )


def _first(found: dict[int, list[HopProbed]], *outcomes: Connect) -> int | None:
    """The least hops with one of these outcomes."""
    return min(
        (ttl for ttl, tries in found.items() if any(h.outcome in outcomes for h in tries)),
        default=None,
    )


def _reach(found: dict[int, list[HopProbed]]) -> int:
    return max(
        (
            ttl
            for ttl, tries in found.items()
            if any(h.outcome is not Connect.TIMEOUT for h in tries)
        ),
        default=0,
    )


def hop_of(address: str, hops: Sequence[HopProbed]) -> int | None:
    """How far away a router is, when the limited SYNs expired there; None if they disagree."""
    seen = Counter(hop.ttl for hop in hops if hop.expired_at == address)
    return next(iter(seen)) if len(seen) == 1 else None


def place(address: str, hop: int | None, gateway: str | None) -> str:
    """Whose a router is, in the user's words."""
    if address == gateway:
        return "your router"
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    name = _ORDINALS.get(hop, f"hop {hop}") if hop is not None else "a router"
    if parsed.version == 4 and parsed in _SHARED:
        return f"{name}, your provider"
    if parsed.is_private:
        return f"{name}, inside your network"
    return f"{name}, outside your network"


def blocker_within(where: Where, hops: Sequence[HopProbed], gateway: str | None) -> Blocker | None:
    """The box that answers a SYN in the cloud's name: where it used up its hops, or one before.

    A box that forwards packets and one that takes them for itself differ by one hop.
    """
    last = where.answered_early
    if last is None:
        return None
    told = []
    for ttl in range(max(1, last - 1), last + 1):
        router = next((h.expired_at for h in hops if h.ttl == ttl and h.expired_at), None)
        told.append(
            f"hop {ttl}" + (f" ({router}, {place(router, ttl, gateway)})" if router else "")
        )
    return Blocker(hop=1 if last == 1 else None, who=" or ".join(told))


def blocker_behind(where: Where, gateway: str | None) -> Blocker | None:
    """The place of a silent drop: the last router both ports reach, or right behind it."""
    if where.silent_from is None or where.common is None:
        return None  # where routers answer nothing, no hop can be named
    hop, address = where.common
    if address == UNNAMED:
        return Blocker(hop=hop, who=f"hop {hop} or right behind it")
    return Blocker(hop=hop, who=f"{address} ({place(address, hop, gateway)}) or right behind it")
