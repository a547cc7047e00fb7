"""Scenarios as data: a network, what its ends run, what is done to it, and what is true of it.

A scenario is a TOML file; `docs/lab.md` explains its tables. `lab.staging` runs it.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from handshake_probe.errors import HandshakeProbeError
from handshake_probe.model.vocabulary import Cause, Stage

FOLDER = Path(__file__).with_name("scenarios")

DEVICE = "device"  # the first one's host; then device2, …
CLOUD = "cloud"
ROUTERS = ("router1", "router2")  # from the devices' side
SHAPER = "shaper"  # between the last router and the cloud; none of `Scenario.hosts`

_DEPTHS = ("none", "public", "server", "full", "never")

Table = TypeVar("Table")


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
            _need_one_of(word, known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device: what it holds, and what it is told."""

    key: Literal["registered", "other"] = "registered"  # which private key its flash holds
    server_key: Literal["right", "other"] = "right"
    registered: bool = True  # whether the cloud knows its id
    resolves: bool = True  # asks for the cloud's name; else it is told the address
    start: float = 0.0  # seconds after the cloud listens
    runs: int = 1  # how often the program is run, one after the other
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
    chain: Literal["forward", "input", "output"] = "forward"
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
    nat: bool = False  # the first router translates addresses
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # see stand_ins.Names
    internet_test: bool = False  # devices ask the cloud's host for the time, as after a failure
    devices: tuple[Device, ...] = (Device(),)
    cloud: Cloud = field(default_factory=Cloud)
    rules: tuple[Rule, ...] = ()
    boxes: tuple[Box, ...] = ()
    injections: tuple[Injection, ...] = ()
    shaper: Shaper | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts, from the devices to the cloud."""
        devices = (self.device_host(index) for index in range(len(self.devices)))
        return (*devices, *ROUTERS[: self.routers], CLOUD)

    def device_host(self, index: int) -> str:
        """Return the host of a device."""
        return f"{DEVICE}{index + 1}" if index else DEVICE

    def device_id(self, index: int) -> str:
        """Return a device's id, 24 hex digits: always the same."""
        return hashlib.sha256(f"{self.name}/{index}".encode()).hexdigest()[:24]

    def truth_of(self, device: Device) -> Truth:
        """Return what is true of one device."""
        return device.truth or self.truth


def all_scenarios() -> list[Path]:
    """Return the files of all scenarios, by name."""
    return sorted(FOLDER.glob("*.toml"))


def read_scenario(path: Path) -> Scenario:
    """Read a scenario; its name is the file's.

    Raises:
        ScenarioError: it is not TOML, a key is unknown or lacking, or a value cannot be.
    """
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(f"{path}: {error}") from error
    try:
        return _scenario(path.stem, table)
    except ScenarioError as error:
        raise ScenarioError(f"{path}: {error}") from None


def _scenario(name: str, table: dict[str, Any]) -> Scenario:
    devices = tuple(
        _fill(Device, entry | _truth(entry)) for entry in _entries(table.pop("device", [{}]))
    )
    parts: dict[str, Any] = {
        "name": name,
        "devices": devices,
        "cloud": _fill(Cloud, table.pop("cloud", {})),
        "rules": tuple(_fill(Rule, entry) for entry in _entries(table.pop("rule", []))),
        "boxes": tuple(_fill(Box, entry) for entry in _entries(table.pop("box", []))),
        "injections": tuple(
            _fill(Injection, entry) for entry in _entries(table.pop("injection", []))
        ),
    }
    if "shaper" in table:
        parts["shaper"] = _fill(Shaper, table["shaper"])
    scenario = _fill(Scenario, table | _truth(table) | parts)
    hosts = {item.on for item in scenario.rules} | {item.on for item in scenario.boxes}
    hosts |= {item.on for item in scenario.injections} | {*scenario.settings}
    for host in hosts:
        if host not in scenario.hosts:
            raise ScenarioError(f"there is no host {host!r}, only {', '.join(scenario.hosts)}")
    if not scenario.routers and (
        scenario.capture in ("lan", "wan")
        or scenario.boxes
        or scenario.nat
        or scenario.shaper
        or len(devices) > 1
    ):
        raise ScenarioError("this needs a router")
    return scenario


def _truth(table: dict[str, Any]) -> dict[str, Truth]:
    return {"truth": _fill(Truth, table["truth"])} if "truth" in table else {}


def _entries(value: object) -> Iterable[dict[str, Any]]:
    if not isinstance(value, list):
        raise ScenarioError("several of a kind are written [[kind]]")
    return value


def _fill(kind: type[Table], table: object) -> Table:
    """Make a `kind` of a TOML table; lists become tuples."""
    known = fields(cast(Any, kind))
    if not isinstance(table, dict):
        raise ScenarioError(f"{kind.__name__.lower()} is no table")
    if unknown := table.keys() - {item.name for item in known}:
        raise ScenarioError(f"{kind.__name__.lower()} has no {', '.join(sorted(unknown))}")
    for item in known:
        required = item.default is MISSING and item.default_factory is MISSING
        if required and item.name not in table:
            raise ScenarioError(f"{kind.__name__.lower()} lacks {item.name}")
    for name, hint in get_type_hints(kind).items():
        if get_origin(hint) is Literal and name in table:
            _need_one_of(table[name], get_args(hint))
    return kind(**{name: _frozen(value) for name, value in table.items()})


def _need_one_of(value: object, known: Sequence[object]) -> None:
    if value not in known:
        raise ScenarioError(f"{value!r} is none of {', '.join(map(str, known))}")


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        return {name: _frozen(item) for name, item in value.items()}
    return value
