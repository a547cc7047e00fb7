"""What a capture shows about where its hosts are: who is on the link, who made a packet.

The *first-hop rule*: a packet that claims an address beyond the link but arrives with a TTL nobody
has decremented (64, 128 or 255) was made by the first hop, whatever address it carries. It holds
only where the device's own packets are undecremented too, so that the capture is on its link.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from handshake_probe.model.measurement import Blocker
from handshake_probe.model.observations import AnyObservation, ConnectionSeen, HostSeen, PathTtlSeen
from handshake_probe.model.vocabulary import Stage

PRIVATE_BLOCKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
INITIAL_TTLS = (64, 128, 255)  # Linux and most devices; Windows; routers and lwIP


def host_of(endpoint: str) -> str:
    """The address in `192.168.1.2:5683` or `[fd00::2]:5683`."""
    return endpoint.rpartition(":")[0].strip("[]")


def hops_away(ttl: int) -> int:
    """Routers between sender and capture, from the nearest initial TTL at or above `ttl`."""
    return next(initial for initial in INITIAL_TTLS if ttl <= initial) - ttl


def undecremented(ttl: int) -> bool:
    """Whether no router has touched the packet."""
    return ttl in INITIAL_TTLS


@dataclass
class Topology:
    """Addresses, link-layer owners and TTLs gathered over a whole capture."""

    owners: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # mac → addresses
    resolved: set[str] = field(default_factory=set)  # addresses that ARP names on the link
    resolvers: set[str] = field(default_factory=set)  # addresses judged here that answer DNS
    genuine_ttls: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    session_ttls: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    other_ttls: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    @classmethod
    def read(cls, observations: Sequence[AnyObservation]) -> Topology:
        """Gather the topology from all observations of one capture."""
        found = cls()
        for item in observations:
            if isinstance(item, HostSeen) and "arp" in item.sources and item.address and item.mac:
                found.owners[item.mac].add(item.address)
                found.resolved.add(item.address)
            elif isinstance(item, PathTtlSeen):
                found.other_ttls[item.address].update(item.ttls)
                if item.protocol == "dns":
                    found.resolvers.add(item.address)
            elif isinstance(item, ConnectionSeen):
                address = host_of(item.cloud)
                if _genuine(item):
                    found.genuine_ttls[address].update(item.from_cloud.ttls)
                if item.stage.reached(Stage.CREDENTIALS_RECEIVED):
                    found.session_ttls[address].update(item.from_cloud.ttls)
        return found

    def on_link(self, connection: ConnectionSeen) -> bool | None:
        """Whether the cloud's address lives on the captured link; None when nothing tells."""
        cloud, device = host_of(connection.cloud), host_of(connection.device)
        if cloud in self.resolved:
            return True
        owners = self.owners.get(connection.from_cloud.link_source or "")
        try:
            there, here = ipaddress.ip_address(cloud), ipaddress.ip_address(device)
        except ValueError:
            return None
        prefix = 24 if here.version == 4 else 64
        near = there in ipaddress.ip_network((here, prefix), strict=False)
        if owners and cloud not in owners:
            return None if near else False  # a neighbour may have two addresses
        if there.version != here.version:
            return None
        if there.is_global and not here.is_global:
            return False
        if near:
            return True
        return False if here.version == 6 or _private_block(there) != _private_block(here) else None

    def on_device_link(self, connection: ConnectionSeen) -> bool:
        """Whether the capture was taken on the device's own link."""
        ttls = connection.from_device.ttls
        return bool(ttls) and all(undecremented(ttl) for ttl in ttls)

    def made_by_first_hop(self, connection: ConnectionSeen, ttl: int) -> bool:
        """Whether a packet with the cloud's address and this TTL was made by the first hop."""
        return (
            undecremented(ttl)
            and self.on_device_link(connection)
            and self.on_link(connection) is False
            and ttl not in self.session_ttls.get(host_of(connection.cloud), ())
        )

    def certain_off_link(self, connection: ConnectionSeen) -> bool:
        """Whether link-layer evidence or the address itself puts the cloud beyond the link."""
        return self.on_link(connection) is False

    def first_hop(self, connection: ConnectionSeen) -> Blocker:
        """The first hop as blocker: its address only when ARP names the owner of its MAC."""
        owners = self.owners.get(connection.from_cloud.link_source or "", set())
        owners = owners - {host_of(connection.cloud), host_of(connection.device)}
        return Blocker(
            address=next(iter(owners)) if len(owners) == 1 else None,
            hop=1,
            who="first hop, inside your network",
        )

    def known_ttls(self, address: str) -> set[int]:
        """TTLs with which packets of this address arrive, from every source but resets."""
        return self.genuine_ttls.get(address, set()) | self.other_ttls.get(address, set())


def _private_block(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str | None:
    """The private block of RFC 1918 an address lies in: no subnet spans two of them."""
    return next((block for block in PRIVATE_BLOCKS if address in ipaddress.ip_network(block)), None)


def _genuine(connection: ConnectionSeen) -> bool:
    """Whether somebody answered this connection who can make nonces or credentials."""
    nonce = connection.nonce
    if connection.stage in (Stage.CREDENTIALS_RECEIVED, Stage.HELLO_SENT, Stage.SESSION):
        return True
    return nonce is not None and nonce.whole and not nonce.flaws


def blocker_from_icmp(source: str, ttl: int, *, on_device_link: bool) -> Blocker:
    """The router that sent an ICMP error; its hop only when the capture is on the device's link."""
    hop = hops_away(ttl) + 1 if on_device_link else None
    try:
        private = ipaddress.ip_address(source).is_private
    except ValueError:
        private = False
    place = "inside your network" if private else "outside your network"
    names = {1: "first hop", 2: "second hop", 3: "third hop"}
    name = names.get(hop, f"hop {hop}") if hop is not None else "a router"
    return Blocker(address=source, hop=hop, who=f"{name}, {place}")
