"""Scenarios as data: a network, what its ends run, what is done to it, and what is true of it.

`lab.scenario_files` reads them from TOML, `lab.staging` runs them; `docs/lab.md` explains it all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from handshake_probe.errors import HandshakeProbeError
from handshake_probe.model.vocabulary import Cause, Stage

DEVICE = "device"  # the first one's host; then device2, …
CLOUD = "cloud"
INTERNET = "internet"  # the rest of the world, beside the cloud
LAPTOP = "laptop"  # on the first device's link
ROUTERS = ("router1", "router2")  # from the devices' side
SHAPER = "shaper"  # between the last router and the cloud; none of `Scenario.hosts`

_DEPTHS = ("none", "public", "server", "full", "never")


class ScenarioError(HandshakeProbeError):
    """A file that is no scenario; the message names the place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What was really done, and when a reader of the capture can know it."""

    cause: str
    stage: str
    settles_at: str = "none"  # the least key knowledge that settles it, or `never`
    also: tuple[str, ...] = ()  # causes that are right as well
    also_below_full: tuple[str, ...] = ()  # the same, unless every key is known

    def __post_init__(self) -> None:
        """Refuse words that no verdict can say."""
        causes = (self.cause, *self.also, *self.also_below_full)
        for word, known in (
            *((cause, tuple(Cause)) for cause in causes),
            (self.stage, tuple(Stage)),
            (self.settles_at, _DEPTHS),
        ):
            need_one_of(word, known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device: what it holds, and what it is told."""

    # Which private key its flash holds; unlucky: the registered one, which its firmware misreads.
    key: Literal["registered", "other", "unlucky"] = "registered"
    server_key: Literal["right", "other"] = "right"
    registered: bool = True  # whether the cloud knows its id
    told: str = "device.spark.io"  # the cloud's name or address, as the device's slot has it
    start: float = 0.0  # seconds after the cloud listens
    runs: int = 1  # how often the program is run, one after the other
    asks_time: bool = False  # asks the internet for the time at its start, as a program may
    dtls: bool = False  # a newer device, which begins a DTLS handshake before anything else
    arguments: tuple[str, ...] = ()  # of `lab device`, besides address, keys and log
    seen: bool = True  # whether anything that it does for its session is in the capture
    truth: Truth | None = None  # where it differs from the scenario's


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """What runs on the cloud's host."""

    listens: bool = True
    arguments: tuple[str, ...] = ()  # of `lab cloud`, besides address, keys and log


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An nftables rule of one host, from a moment on."""

    on: str
    rule: str
    # Of `inet lab`; diversion: of `inet diversion`, prerouting NAT.
    chain: Literal["forward", "input", "output", "diversion"] = "forward"
    at: float = 0.0  # seconds after the cloud listens; 0: from the beginning


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A router that answers connections to port 5683 in the cloud's place."""

    on: str
    does: Literal["silent", "closes", "says", "stays", "relays_nonce"]
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """A host that forges resets for both ends when it sees a payload of this length."""

    on: str
    length: int
    interface: str = "lan1"
    ttl: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Shaper:
    """What the cable of the cloud does to the frames of either way; the last three by chance."""

    delay: float = 0.0  # seconds
    jitter: float = 0.0  # at most so much longer
    loss: float = 0.0  # probabilities, 0 to 1
    duplicate: float = 0.0
    reorder: float = 0.0  # of being held back for `shaper.HOLD`


@dataclass(frozen=True, slots=True, kw_only=True)
class Laptop:
    """A computer beside the first device, for a command such as a probe."""

    # lan: as the device. vpn: its default route leaves by a tunnel to the last router.
    # guest: on a link of its own, as in a guest network.
    way: Literal["lan", "vpn", "guest"] = "lan"
    isolated: bool = False  # the access point passes nothing between it and the device


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Everything about one recording."""

    name: str
    what: str
    truth: Truth
    routers: Literal[0, 1, 2] = 2  # 0: the cloud is on the devices' own link
    capture: Literal["device", "lan", "wan", "cloud"] = "lan"  # lan and wan: of the first router
    seconds: float = 30.0  # the longest it may take; it ends with the last device
    settings: Mapping[str, Mapping[str, str]] = field(
        default_factory=dict
    )  # /proc/sys/net, by host
    ip: Literal[4, 6] = 4  # the one version that everybody speaks
    nat: bool = False  # the first router translates addresses
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # see stand_ins.Names
    names6: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # the same for AAAA
    devices: tuple[Device, ...] = (Device(),)
    cloud: Cloud = field(default_factory=Cloud)
    rules: tuple[Rule, ...] = ()
    boxes: tuple[Box, ...] = ()
    injections: tuple[Injection, ...] = ()
    shaper: Shaper | None = None
    laptop: Laptop | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts, from the devices to the cloud."""
        devices = (self.device_host(index) for index in range(len(self.devices)))
        laptop = () if self.laptop is None else (LAPTOP,)
        internet = (INTERNET,) if self.routers else ()
        return (*devices, *laptop, *ROUTERS[: self.routers], CLOUD, *internet)

    def device_host(self, index: int) -> str:
        """Return the host of a device."""
        return f"{DEVICE}{index + 1}" if index else DEVICE

    def device_id(self, index: int) -> str:
        """Return a device's id, 24 hex digits: always the same."""
        return hashlib.sha256(f"{self.name}/{index}".encode()).hexdigest()[:24]

    def truth_of(self, device: Device) -> Truth:
        """Return what is true of one device."""
        return device.truth or self.truth


def need_one_of(value: object, known: Sequence[object]) -> None:
    """Raise ScenarioError when a value is none of the known ones."""
    if value not in known:
        raise ScenarioError(f"{value!r} is none of {', '.join(map(str, known))}")
