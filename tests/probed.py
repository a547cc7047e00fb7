"""Observations of a probe, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from handshake_probe.diagnose.active.document import build_probe_measurement
from handshake_probe.model.measurement import Measurement, Software, Source
from handshake_probe.model.observation import Observation
from handshake_probe.model.probed import (
    Connect,
    Delivery,
    DnsProbed,
    Ending,
    FirstBytes,
    HandshakeProbed,
    HopProbed,
    IcmpAnswer,
    IdleProbed,
    Lookup,
    ReplayProbed,
    TcpProbed,
    UdpProbed,
    VantageSeen,
)
from handshake_probe.model.vocabulary import Stage

CLOUD = "198.51.100.7"
NAME = "device.spark.io"
TARGET = f"{CLOUD}:5683"
CONTROL = f"{CLOUD}:443"
ROUTER, PROVIDER, BACKBONE = "192.168.1.1", "100.64.0.1", "203.0.113.254"


def measured(
    *observations: Observation | Sequence[Observation], kind: str = "probe"
) -> Measurement:
    """The document over observations, with ids and times in their order."""
    flat: list[Observation] = []
    for item in observations:
        flat += [item] if isinstance(item, Observation) else item
    numbered: Any = []
    for number, item in enumerate(flat, 1):
        timed = {"time": 1000.0 + number} if "time" in item.__struct_fields__ else {}
        numbered.append(msgspec.structs.replace(item, id=f"o{number}", **timed))
    return build_probe_measurement(
        source=Source(path=f"{NAME}:5683", sha256="", frames=0, truncated=False, format="probe"),
        software=Software(name="test", version="0"),
        keys=[],
        observations=numbered,
        kind=kind,
    )


def vantage(**changes: Any) -> VantageSeen:
    given: dict[str, Any] = {
        "interface": "eth0",
        "address": "192.168.1.3",
        "network": "192.168.1.0/24",
        "gateway": ROUTER,
        "default_routes": ["eth0"],
        "ip_versions": [4],
        "resolvers": [ROUTER],
        "error_queue": True,
    }
    return VantageSeen(id="", time=0.0, system="Linux", **(given | changes))


def lookup(
    outcome: Lookup = Lookup.ANSWERED,
    *addresses: str,
    resolver: str | None = ROUTER,
    role: str = "configured",
    name: str = NAME,
    purpose: str = "cloud",
    **changes: Any,
) -> DnsProbed:
    if outcome is Lookup.ANSWERED and not addresses:
        addresses = (CLOUD,)
    return DnsProbed(
        id="",
        time=0.0,
        resolver=resolver,
        role=role,
        transport="udp",
        name=name,
        purpose=purpose,
        type="A",
        outcome=outcome,
        seconds=0.01,
        addresses=list(addresses),
        **changes,
    )


def public(outcome: Lookup = Lookup.ANSWERED, *addresses: str, **changes: Any) -> DnsProbed:
    return lookup(outcome, *addresses, resolver="8.8.8.8", role="public", **changes)


def tcp(
    outcome: Connect = Connect.CONNECTED,
    *,
    target: str = TARGET,
    purpose: str = "cloud",
    seconds: float = 0.03,
    **changes: Any,
) -> TcpProbed:
    return TcpProbed(
        id="",
        time=0.0,
        target=target,
        purpose=purpose,
        outcome=outcome,
        seconds=seconds,
        **changes,
    )


def control(outcome: Connect = Connect.CONNECTED, **changes: Any) -> TcpProbed:
    return tcp(outcome, target=CONTROL, purpose="other_port", **changes)


def unused(outcome: Connect) -> TcpProbed:
    return tcp(outcome, target="203.0.113.7:5683", purpose="unused_address")


def nonce(digest: str, **changes: Any) -> TcpProbed:
    """A connection that brings a nonce."""
    first = FirstBytes(seconds=0.03, received=40, digest=digest)
    given: dict[str, Any] = {"first": first, "rtt": 0.03, "ended_by": Ending.OURSELVES}
    return tcp(**(given | changes))


def identity(digest: str, **changes: Any) -> TcpProbed:
    """A connection that brings a nonce and takes an identity; the cloud closes."""
    given: dict[str, Any] = {
        "sent": "identity",
        "delivery": Delivery.ACKNOWLEDGED,
        "ended_by": Ending.CLOSED,
        "ended_after": 0.06,
    }
    return nonce(digest, **(given | changes))


def foreign(looks_like: str | None, received: int = 70, **changes: Any) -> TcpProbed:
    first = FirstBytes(
        seconds=0.03,
        received=received,
        flaws=["known_prefix"] if looks_like else ["printable"],
        looks_like=looks_like,
        excerpt="HTTP/1.1 302 Found",
    )
    return tcp(first=first, ended_by=Ending.CLOSED, **changes)


def rejected(source: str, code: int, **changes: Any) -> TcpProbed:
    icmp = IcmpAnswer(source=source, version=4, type=3, code=code)
    return tcp(Connect.REJECTED, icmp=icmp, **changes)


def hop(ttl: int, answer: str | Connect, *, of_control: bool = False) -> HopProbed:
    """A SYN with few hops: `answer` is the router where it expired, or an outcome."""
    expired = not isinstance(answer, Connect)
    return HopProbed(
        id="",
        time=0.0,
        target=CONTROL if of_control else TARGET,
        purpose="other_port" if of_control else "cloud",
        ttl=ttl,
        outcome=Connect.REJECTED if expired else Connect(answer),
        seconds=0.01,
        icmp=IcmpAnswer(source=answer, version=4, type=11, code=0) if expired else None,
    )


def walk(cloud: Sequence[str | Connect], control: Sequence[str | Connect]) -> list[HopProbed]:
    """Two walks side by side, each answer twice."""
    found = []
    for ttl, answer in enumerate(cloud, 1):
        found += [hop(ttl, answer)] * 2
    for ttl, answer in enumerate(control, 1):
        found += [hop(ttl, answer, of_control=True)] * 2
    return found


def stand_in(stage: Stage, **changes: Any) -> HandshakeProbed:
    given: dict[str, Any] = {"ended_by": Ending.OURSELVES, "seconds": 0.4}
    return HandshakeProbed(
        id="", time=0.0, target=TARGET, device_id="ab" * 12, stage=stage, **(given | changes)
    )


def idle(silence: float, kept: bool | None) -> IdleProbed:
    return IdleProbed(id="", time=0.0, target=TARGET, silence=silence, kept=kept)


def udp(test: str, outcome: str, **changes: Any) -> UdpProbed:
    return UdpProbed(id="", time=0.0, target=f"{CLOUD}:5684", test=test, outcome=outcome, **changes)


def replayed(purpose: str, content: str, **changes: Any) -> ReplayProbed:
    """A run on which the cloud greets, takes 256 bytes, and closes."""
    given: dict[str, Any] = {
        "target": CONTROL if purpose == "other_port" else TARGET,
        "outcome": Connect.CONNECTED,
        "seconds": 0.03,
        "first": FirstBytes(seconds=0.03, received=40, digest="a"),
        "planned": 256,
        "sent": 256,
        "segments": 1,
        "acknowledged": 256,
        "delivery": Delivery.ACKNOWLEDGED,
        "ended_by": Ending.CLOSED,
        "ended_after": 0.1,
    }
    return ReplayProbed(id="", time=0.0, purpose=purpose, content=content, **(given | changes))
