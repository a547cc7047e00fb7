"""Was a reset made by the peer whose address it carries, or by a box on the path?

Weaver, Sommer and Paxson (NDSS 2009) name the tests; false accusations are worse than misses, so
at least one hit must tell the sender apart from the peer, and nothing may contradict.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from handshake_probe.diagnose.topology import Topology, host_of
from handshake_probe.model.observations import ConnectionSeen, ControlSeen
from handshake_probe.packets.path import PathFacts

ALL_WEAK = 2  # no timestamps, and data left unacknowledged


class Origin(StrEnum):
    """Who made a reset."""

    BOX = "box"
    PEER = "peer"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ResetOrigin:
    """The answer, how sure it is, and the facts it rests on."""

    origin: Origin
    first_hop: bool = False
    certain: bool = False
    reasons: tuple[str, ...] = ()


def reset_origin(connection: ConnectionSeen, reset: ControlSeen, topology: Topology) -> ResetOrigin:
    """Judge one reset of a connection."""
    if reset.sender == "device":
        return _device_reset(connection, reset)
    address = host_of(connection.cloud)
    flow_ttls = set(connection.from_cloud.ttls)
    known = flow_ttls | topology.known_ttls(address)
    reasons: list[str] = []
    strong = False
    if known and reset.ttl in known:
        tells_apart = False
    else:
        tells_apart = bool(known)
        if known:
            nearest = min(known, key=lambda ttl: abs(ttl - reset.ttl))
            reasons.append(f"its TTL is {reset.ttl}, the cloud's packets arrive with {nearest}")
            strong = all(
                abs(ttl - reset.ttl) > 2
                for ttl in flow_ttls | topology.genuine_ttls.get(address, set()) or {reset.ttl}
            )
    first_hop = not (known and reset.ttl in known) and topology.made_by_first_hop(
        connection, reset.ttl
    )
    if first_hop:
        reasons.append(
            f"its TTL {reset.ttl} was decremented by no router, so the first hop made it"
        )
    too_early = _before_round_trip(connection, reset)
    if too_early:
        reasons.append("it came sooner than the cloud can answer")
    spoke_on = connection.from_cloud.data_after_reset > 0
    if spoke_on:
        reasons.append("the cloud went on sending after it")
    weak = 0
    if connection.from_cloud.timestamps and not reset.timestamps:
        weak += 1
        reasons.append("it lacks the TCP timestamps the connection used")
    if ignores_data(connection, reset):
        weak += 1
        reasons.append("it answers data the cloud never acknowledged")
    if first_hop or spoke_on or (strong and weak) or (too_early and weak):
        certain = (first_hop and topology.certain_off_link(connection)) or spoke_on
        return ResetOrigin(Origin.BOX, first_hop, certain, tuple(reasons))
    if tells_apart and weak == ALL_WEAK:  # a load balancer's TTL may differ by one or two
        return ResetOrigin(Origin.BOX, first_hop, False, tuple(reasons))
    peers = flow_ttls | topology.genuine_ttls.get(address, set()) or known
    if ignores_data(connection, reset):  # a TTL can be copied; a closing peer has read its data
        return ResetOrigin(Origin.UNKNOWN, reasons=tuple(reasons))
    if known and reset.ttl in known and (reset.ttl in flow_ttls or len(peers) == 1):
        return ResetOrigin(Origin.PEER)
    return ResetOrigin(Origin.UNKNOWN, reasons=tuple(reasons))


def outlived(connection: ConnectionSeen | PathFacts, reset: ControlSeen) -> bool:
    """Whether both sides sent data after a reset: it was ignored (a wrong sequence) or too late."""
    return all(
        sent.last_data_frame is not None and sent.last_data_frame > reset.frame
        for sent in (connection.from_device, connection.from_cloud)
    )


def _device_reset(connection: ConnectionSeen, reset: ControlSeen) -> ResetOrigin:
    """A reset with the device's address: forged when its TTL is not the device's."""
    ttls = connection.from_device.ttls
    if not ttls:
        return ResetOrigin(Origin.UNKNOWN)
    if reset.ttl in ttls:
        return ResetOrigin(Origin.PEER)
    reason = f"its TTL is {reset.ttl}, the device's packets carry {ttls[0]}"
    return ResetOrigin(Origin.BOX, reasons=(reason,))


def _before_round_trip(connection: ConnectionSeen, reset: ControlSeen) -> bool:
    """Sooner after the device's last data than half the shortest round trip seen.

    Round trips under 5 ms are not used: on a LAN scheduling noise is as large.
    """
    rtt, spoke = connection.min_rtt, connection.from_device.last_data
    if rtt is None or spoke is None or rtt < 0.005:
        return False
    return 0 <= reset.time - spoke < rtt / 2


def ignores_data(connection: ConnectionSeen, reset: ControlSeen) -> bool:
    """Whether a reset answers data that neither it nor anything else acknowledges.

    A peer that closes because of what it read acknowledges it, in the reset at the latest.
    """
    sent = connection.from_device if reset.sender == "cloud" else connection.from_cloud
    acknowledged = max(sent.acknowledged_up_to, reset.acknowledgment or 0)
    return sent.sent_up_to > 1 and acknowledged < sent.sent_up_to
