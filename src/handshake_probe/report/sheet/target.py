"""Who wants to go where: the values that rules and commands are built from, each of them checked.

Nothing here is text from the wire as it came: an address is one that `ipaddress` reads, a name is
one of RFC 1123, a port is a number.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from handshake_probe.keys.particle import PARTICLE_NAMES, is_particle_name
from handshake_probe.model.measurement import DeviceReport, Measurement
from handshake_probe.model.observations import DnsSeen
from handshake_probe.model.probed import DnsProbed, TcpProbed, VantageSeen
from handshake_probe.model.vocabulary import Cause
from handshake_probe.report.sheet.redaction import Level, is_address, is_endpoint

CLOUD_PORT = 5683
PLACEHOLDER = "DEVICE-ADDRESS"
_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


@dataclass(frozen=True, slots=True)
class Sender:
    """A device that a rule is for."""

    address: str
    mac: str | None


@dataclass(frozen=True, slots=True)
class Target:
    """What a rule is about."""

    senders: tuple[Sender, ...]
    names: tuple[str, ...]  # of the cloud
    addresses: tuple[str, ...]  # of the cloud, as they were seen
    port: int
    resolvers: tuple[str, ...]
    public: bool

    @property
    def source(self) -> str:
        """The first device's address in a command; a word in its place when it is not known."""
        return PLACEHOLDER if self.public or not self.senders else self.senders[0].address

    @property
    def known(self) -> bool:
        """Whether `source` is an address."""
        return self.source != PLACEHOLDER

    @property
    def version(self) -> int:
        """The IP version of the device, 4 where it is not known."""
        return ipaddress.ip_address(self.source).version if self.known else 4


def target_of(
    measurements: Iterable[Measurement],
    level: Level,
    wanted: Callable[[DeviceReport], bool] = lambda _: True,
) -> Target:
    """Gather what the measurements that blame the network tell of devices and clouds.

    A computer that probed is not taken for a device because a capture shows it as well.

    Args:
        measurements: In which the network stops something.
        level: Whom the report is for.
        wanted: Whether a rule for one of the devices that are stopped is to be made.
    """
    senders: dict[str, Sender] = {}
    names: dict[str, None] = {}
    addresses: dict[str, None] = {}
    resolvers: dict[str, None] = {}
    ports: list[int] = []
    probers: set[str | None] = set()
    for measurement in measurements:
        blamed = [
            device
            for device in measurement.devices
            if device.verdict.cause is Cause.NETWORK_BLOCKED and wanted(device)
        ]
        for device in blamed:
            if is_address(device.address):
                mac = device.mac if device.mac and _MAC.fullmatch(device.mac) else None
                senders.setdefault(device.address, Sender(device.address, mac))
        endpoints = [*_called(blamed), *_probed(measurement)]
        for endpoint in endpoints:
            host, _, port = endpoint.rpartition(":")
            addresses[host.strip("[]")] = None
            ports.append(int(port))
        for name, resolver in _asked(measurement, set(senders), set(addresses)):
            if is_host_name(name):
                names[name.lower().rstrip(".")] = None
            if resolver and is_address(resolver):
                resolvers[resolver] = None
        for item in measurement.observations:
            if isinstance(item, VantageSeen):
                probers.add(item.address)
                if item.device and is_address(item.device):
                    senders.setdefault(item.device, Sender(item.device, None))
    devices = [sender for sender in senders.values() if sender.address not in probers]
    if any(map(is_particle_name, names)):
        names = dict.fromkeys((*PARTICLE_NAMES, *names))
    return Target(
        senders=tuple(devices or senders.values()),
        names=tuple(names),
        addresses=tuple(addresses),
        port=max(set(ports), key=ports.count) if ports else CLOUD_PORT,
        resolvers=tuple(resolvers),
        public=level is Level.PUBLIC,
    )


def is_host_name(text: str) -> bool:
    """Whether a text is a DNS name of letters, digits and hyphens, with a dot in it."""
    return _NAME.fullmatch(text.lower().rstrip(".")) is not None


def _called(devices: Iterable[DeviceReport]) -> list[str]:
    return [
        connection.cloud
        for device in devices
        for connection in device.connections
        if connection.cause is Cause.NETWORK_BLOCKED and is_endpoint(connection.cloud)
    ]


def _probed(measurement: Measurement) -> list[str]:
    return [
        item.target
        for item in measurement.observations
        if isinstance(item, TcpProbed) and item.purpose == "cloud" and is_endpoint(item.target)
    ]


def _asked(
    measurement: Measurement, devices: set[str], called: set[str]
) -> list[tuple[str, str | None]]:
    """Names of the cloud that were asked for, and of whom; a device asks for others as well."""
    found: list[tuple[str, str | None]] = []
    for item in measurement.observations:
        if isinstance(item, DnsProbed) and item.purpose == "cloud":
            found.append((item.name, item.resolver if item.role == "configured" else None))
        elif (
            isinstance(item, DnsSeen)
            and item.host in devices
            and (is_particle_name(item.name) or called & set(item.addresses))
        ):
            found.append((item.name, item.server))
    return found
