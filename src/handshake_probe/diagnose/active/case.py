"""The case that the rules on a probe judge: one run's observations, sorted by what they are about.

Everything is read from the observations alone, so that a saved measurement can be judged again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from handshake_probe.diagnose.topology import Topology, host_of
from handshake_probe.model.observations import AnyObservation, ConnectionSeen
from handshake_probe.model.probed import (
    Connect,
    DnsProbed,
    HandshakeProbed,
    HopProbed,
    IdleProbed,
    Lookup,
    PacketsRecorded,
    ReplayProbed,
    TcpProbed,
    UdpProbed,
    VantageSeen,
)

T = TypeVar("T")

_UNHEARD = (Lookup.TIMEOUT, Lookup.UNREACHABLE)

CLOUD = "cloud"  # purpose of a test that is no control
CONTROL = "other_port"
IDENTITY = "identity"
UNUSED_ADDRESS = "unused_address"


@dataclass(frozen=True)
class Address:
    """All that was tried on one address of the cloud."""

    target: str
    attempts: tuple[TcpProbed, ...]  # to the cloud's port, in the order of time
    controls: tuple[TcpProbed, ...]  # to other ports of the same address
    hops: tuple[HopProbed, ...]

    @property
    def connected(self) -> tuple[TcpProbed, ...]:
        """The attempts that came up."""
        return tuple(a for a in self.attempts if a.outcome is Connect.CONNECTED)

    @property
    def with_nonce(self) -> tuple[TcpProbed, ...]:
        """The attempts that brought a nonce: only these show that the port is open."""
        return tuple(a for a in self.connected if a.first is not None and a.first.is_nonce)

    @property
    def round_trip(self) -> float | None:
        """Seconds, the shortest of several: one alone may have waited on the air or in a queue."""
        trips = [a.rtt for a in (*self.attempts, *self.controls) if a.rtt is not None]
        return min(trips) if len(trips) > 1 else None

    @property
    def alive(self) -> TcpProbed | None:
        """A control that shows that this host's packets come back: connected or refused."""
        answers = (Connect.CONNECTED, Connect.REFUSED)
        return next((c for c in self.controls if c.outcome in answers), None)


@dataclass(frozen=True)
class ProbeCase:
    """One run of the probe."""

    vantage: VantageSeen | None
    lookups: tuple[DnsProbed, ...]
    attempts: tuple[TcpProbed, ...]
    hops: tuple[HopProbed, ...]
    udp: tuple[UdpProbed, ...]
    idle: tuple[IdleProbed, ...]
    handshakes: tuple[HandshakeProbed, ...]
    replays: tuple[ReplayProbed, ...]
    recorded: PacketsRecorded | None
    packets: dict[str, ConnectionSeen]  # our endpoint → what its own packets showed
    topology: Topology

    @classmethod
    def read(cls, observations: Sequence[AnyObservation]) -> ProbeCase:
        """Sort the observations of one run."""

        def of(kind: type[T]) -> tuple[T, ...]:
            return tuple(o for o in observations if isinstance(o, kind))

        return cls(
            vantage=next(iter(of(VantageSeen)), None),
            lookups=of(DnsProbed),
            attempts=of(TcpProbed),
            hops=of(HopProbed),
            udp=of(UdpProbed),
            idle=of(IdleProbed),
            handshakes=of(HandshakeProbed),
            replays=of(ReplayProbed),
            recorded=next(iter(of(PacketsRecorded)), None),
            packets={c.device: c for c in of(ConnectionSeen)},
            topology=Topology.read(observations),
        )

    @cached_property
    def addresses(self) -> tuple[Address, ...]:
        """The cloud's addresses, in the order in which they were tried."""
        targets = dict.fromkeys(a.target for a in self.attempts if a.purpose == CLOUD)
        return tuple(
            Address(
                target=target,
                attempts=tuple(
                    a for a in self.attempts if a.target == target and a.purpose == CLOUD
                ),
                controls=tuple(
                    a
                    for a in self.attempts
                    if a.purpose == CONTROL and host_of(a.target) == host_of(target)
                ),
                hops=tuple(h for h in self.hops if host_of(h.target) == host_of(target)),
            )
            for target in targets
        )

    @property
    def others(self) -> tuple[TcpProbed, ...]:
        """Controls on other hosts that the user named."""
        return tuple(a for a in self.attempts if a.purpose == "other_host")

    @property
    def unused(self) -> tuple[TcpProbed, ...]:
        """Controls on an address that belongs to nobody (RFC 5737)."""
        return tuple(a for a in self.attempts if a.purpose == UNUSED_ADDRESS)

    @cached_property
    def cloud_name(self) -> str | None:
        """The name whose addresses were tried first; None when an address was given."""
        return next((q.name for q in self.lookups if q.purpose == CLOUD), None)

    def asked(self, name: str | None, *roles: str) -> tuple[DnsProbed, ...]:
        """The questions for a name's addresses to resolvers in these roles.

        AAAA answers do not count, since the firmware asks for A alone; but where there is no IPv4
        they are all there is.
        """
        kind = "AAAA" if self.without_ipv4 else "A"
        return tuple(
            q for q in self.lookups if q.name == name and q.type == kind and q.role in roles
        )

    @property
    def without_ipv4(self) -> bool:
        """Whether this machine's only way out is IPv6."""
        return self.vantage is not None and self.vantage.ip_versions == [6]

    @property
    def outside_answers(self) -> bool:
        """Whether anything at all beyond this network answered."""
        return (
            any(q.role == "public" and q.outcome not in _UNHEARD for q in self.lookups)
            or any(a.outcome is Connect.CONNECTED for a in self.attempts)
            or any(u.outcome == "answered" for u in self.udp)
        )
