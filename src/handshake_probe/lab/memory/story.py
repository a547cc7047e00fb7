"""A story as data: who takes part, what the path does to their packets, and what a capture sees.

Places on the path are numbers: 0 the device's access point, 1 the first router, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from handshake_probe.lab.play import Act
from handshake_probe.lab.script import AS_IT_SHOULD, Script
from handshake_probe.packets.units import Direction
from handshake_probe.protocol.seal import Seal
from handshake_probe.protocol.settings import CloudSettings, DeviceSettings

CLOUD_PORT = 5683
TO_CLOUD, TO_DEVICE = Direction.DEVICE_TO_CLOUD, Direction.CLOUD_TO_DEVICE


@dataclass(frozen=True, kw_only=True)
class DeviceRole:
    """A device and its program."""

    settings: DeviceSettings
    address: str = "192.168.7.20"
    mac: str = "94:94:4a:00:00:20"
    port: int = 49152  # of its first connection; each next one has the next
    calls: str = "device.spark.io"  # a name to look up, or the cloud's address
    start: float = 0.5  # seconds
    attempts: int = 1  # connections, as long as it has no session
    stays: float | None = 12.0  # seconds in a session; None: until the story ends
    returns: float | None = None  # seconds until it connects again after it left a session itself
    parting: Act | None = None  # how it leaves; None: as its firmware does
    acts: tuple[Act, ...] = ()  # what it does once its session began
    script: Script = AS_IT_SHOULD
    seal: Callable[[], Seal] = Seal
    tests_internet: str | None = None  # after a failure: "ntp" (from 2.0 on) or "tcp" (before)
    announces: bool = False  # sends the datagram of its presence
    mss: int = 1460
    timestamps: bool = False
    ttl: int = 64


@dataclass(frozen=True, kw_only=True)
class CloudRole:
    """A cloud, or whoever stands where one should; None of settings: nothing listens there."""

    settings: CloudSettings | None
    address: str = "10.90.0.30"
    port: int = CLOUD_PORT
    until: float = float("inf")  # it is replaced at this time, by the next with this address
    exists: bool = True  # False: nothing at all answers
    script: Script = AS_IT_SHOULD
    seal: Callable[[], Seal] = Seal
    acts: tuple[Act, ...] = ()
    reactions: Mapping[str, Act] = field(default_factory=dict)
    mss: int = 1460
    timestamps: bool = False
    ttl: int = 64


class Does(StrEnum):
    """What a place on the path does with a packet."""

    DROP = "drop"
    DELAY = "delay"
    RESET = "reset"  # in the name of the packet's destination
    REFUSE = "refuse"  # an ICMP error of the place itself
    ANSWER = "answer"  # hands the connection to the story's `boxes`


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What one place does with some packets. The first rule that fits counts."""

    does: Does
    place: int = 1
    way: Direction | None = None  # None: both
    # "syn", "syn_ack", "data", "fin", "rst", "tcp", "cloud" (TCP port 5683), "dns", "ntp", "any"
    what: str = "any"
    size: int | None = None  # bytes of TCP payload; None: any
    device: int | None = None  # only packets of this device
    cloud: int | None = None  # only packets of this cloud
    since: float = 0.0
    until: float = float("inf")
    spares: int = 0  # so many packets that fit pass unharmed
    times: float = float("inf")  # and so many afterwards do not
    seconds: float = 0.0  # that a packet is held back, or that a reset takes to be made
    passes: bool = False  # a reset is sent, and the packet goes its way all the same
    both: bool = False  # the other end is reset as well
    ttl: int = 64  # of what the place sends itself
    timestamps: bool = False  # in its resets
    code: int = 13  # of an ICMP error; 13: communication administratively prohibited
    box: int = 0  # which of the story's boxes answers


@dataclass(frozen=True, kw_only=True)
class View:
    """What is captured, where, and how it is written down."""

    point: str = "lan"  # "lan": before the first router; "wan": behind it; "cloud": the last link
    start: float = 0.0
    end: float | None = None  # None: the story's
    snap: int | None = None
    loses: frozenset[int] = frozenset()  # frames, counted from 1, that the capture dropped
    sides: str = "both"  # "device" or "cloud": only packets of one side
    vlan: int | None = None
    cooked: bool = False
    encrypted: bool = False  # as Wi-Fi frames that nobody can read
    extensions: tuple[int, ...] = ()  # on every IPv6 packet
    fragment: int | None = None  # every larger IP payload is cut into pieces of this size


@dataclass(frozen=True, kw_only=True)
class Story:
    """All of it."""

    seed: int = 1
    devices: tuple[DeviceRole, ...]
    clouds: tuple[CloudRole, ...]
    boxes: tuple[CloudRole, ...] = ()  # what `Does.ANSWER` hands connections to
    routers: int = 3
    delay: float = 0.012  # seconds one way, on the link of the cloud
    rules: tuple[Rule, ...] = ()
    names: Mapping[str, tuple[str, ...]] | None = None  # see stand_ins.Names; None: the clouds'
    gateway: str = "192.168.7.1"  # the first router
    resolver: str = "192.168.7.1"  # the same, or a host behind the last router
    nat: bool = False
    arp: bool = True  # the capture shows who owns device's and router's addresses
    beside: tuple[tuple[float, bytes], ...] = ()  # frames of nobody's connection, as captured
    seconds: float = 30.0
    view: View = field(default_factory=View)
