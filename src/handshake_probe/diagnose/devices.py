"""Which connections belong to one device: by address, and by id where ids are known."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from handshake_probe.diagnose.case import OPENED, KeyFacts
from handshake_probe.diagnose.group import Group
from handshake_probe.diagnose.topology import host_of
from handshake_probe.model.observations import (
    AnyObservation,
    ConnectionSeen,
    DnsSeen,
    HostSeen,
    PresenceSeen,
)
from handshake_probe.model.vocabulary import Stage

# Registered owners of MAC prefixes seen on these devices: a hint, never proof.
VENDORS = {
    "94:94:4a": "Particle",
    "e0:4f:43": "USI, a maker of Particle modules",
    "bc:ff:4d": "Espressif",
    "08:00:28": "Texas Instruments, the Core's radio",
}


@dataclass(frozen=True, slots=True)
class Device:
    """One device: where it is, who it is as far as that shows, and what it did."""

    address: str
    device_id: str | None
    connections: Group[ConnectionSeen]
    questions: Group[DnsSeen]
    mac: str | None
    name: str | None

    @property
    def vendor(self) -> str | None:
        """Owner of the MAC prefix; locally administered addresses say so."""
        if self.mac is None:
            return None
        if int(self.mac[:2], 16) & 2:
            return "made-up address (virtual or randomised)"
        return VENDORS.get(self.mac[:8])


def is_cloud_name(name: str) -> bool:
    """Whether a DNS name is that of the TCP cloud (a laptop asks for other Particle names)."""
    return name == "device.spark.io" or name.endswith("tcp.particle.io")


def id_of(connection: ConnectionSeen, keys: KeyFacts) -> str | None:
    """The device id that a key proves for this connection."""
    for test in connection.key_tests:
        if test.block == "identity" and test.state in OPENED and test.device_id:
            return test.device_id
    for test in connection.key_tests:
        if test.block == "credentials" and test.private and test.state == "opened":
            return keys.owners.get(test.key)
    return None


def find_devices(observations: Sequence[AnyObservation], keys: KeyFacts) -> list[Device]:
    """Every device of a capture, in order of its first sign."""
    connections: dict[str, list[ConnectionSeen]] = defaultdict(list)
    questions: dict[str, list[DnsSeen]] = defaultdict(list)
    announced: dict[str, set[str]] = defaultdict(set)
    hosts: dict[str, HostSeen] = {}
    asked: set[str] = set()
    for item in observations:
        if isinstance(item, ConnectionSeen):
            connections[host_of(item.device)].append(item)
        elif isinstance(item, DnsSeen):
            questions[item.host].append(item)
            if is_cloud_name(item.name):
                asked.add(item.host)
        elif isinstance(item, PresenceSeen):
            announced[item.host].add(item.device_id)
        elif isinstance(item, HostSeen) and item.address:
            hosts.setdefault(item.address, item)
    devices = []
    for address in [*connections, *sorted(asked - set(connections))]:
        asked_by = Group(questions[address])
        for device_id, group in _by_id(connections[address], announced[address], keys):
            host = hosts.get(address)
            devices.append(
                Device(
                    address=address,
                    device_id=device_id,
                    connections=Group(group),
                    questions=asked_by,
                    mac=_mac(group, host),
                    name=host.name if host else None,
                )
            )
    return sorted(devices, key=_first_sign)


def _by_id(
    connections: Sequence[ConnectionSeen], announced: set[str], keys: KeyFacts
) -> list[tuple[str | None, list[ConnectionSeen]]]:
    """One group per id; connections without one join the only id, else form groups.

    They do not join a device that talks in another connection meanwhile: behind a NAT address
    there are several.
    """
    ids = {c.id: id_of(c, keys) for c in connections}
    known = {device_id for device_id in ids.values() if device_id}
    named = [c for c in connections if ids[c.id]]
    unnamed = [c for c in connections if not ids[c.id]]
    if len(known) <= 1 and not _at_the_same_time(named, unnamed):
        only = next(iter(known), None)
        if only is None and len(announced) == 1:
            only = next(iter(announced))
        if only is not None or not connections:
            return [(only, list(connections))]
    groups: dict[str, list[ConnectionSeen]] = defaultdict(list)
    for connection in named:
        groups[ids[connection.id] or ""].append(connection)
    return [*groups.items(), *((None, group) for group in _apart(unnamed))]


def _at_the_same_time(named: Sequence[ConnectionSeen], unnamed: Sequence[ConnectionSeen]) -> bool:
    """Whether a device went on talking when somebody else's connection had begun."""
    began = sorted(map(_began, unnamed))
    talks = ((_began(c), c.device_records.last_frame or 0) for c in named)
    return any(bisect_right(began, last) > bisect_right(began, first) for first, last in talks)


def _began(connection: ConnectionSeen) -> int:
    """The frame with which the device itself began.

    Where two captures are merged whose clocks differ, the cloud's answer may come before it.
    """
    syns = (c.frame for c in connection.controls if c.sender == "device" and c.flags == "SYN")
    return next(syns, connection.first_frame)


def _apart(connections: Sequence[ConnectionSeen]) -> list[list[ConnectionSeen]]:
    """The connections of one device; of several where one talks while another's begins.

    Each device talks in one connection at a time, so sessions are those of as few devices as it
    takes. All that fails is then a further one's: nothing tells whose it is, and no session may
    hide it.
    """
    if len(connections) < 2 or not _at_the_same_time(connections, connections):
        return [list(connections)] if connections else []
    devices: list[list[ConnectionSeen]] = []
    talked: list[tuple[int, int]] = []  # a heap: until which frame, and which of them
    failed: list[ConnectionSeen] = []
    for connection in connections:
        if connection.stage is not Stage.SESSION:
            failed.append(connection)
        else:
            number = len(devices)
            if talked and talked[0][0] < _began(connection):
                _, number = heappop(talked)
            else:
                devices.append([])
            devices[number].append(connection)
            heappush(talked, (connection.device_records.last_frame or 0, number))
    return [*devices, failed] if failed else devices


def _mac(connections: Sequence[ConnectionSeen], host: HostSeen | None) -> str | None:
    """The device's MAC; a router's MAC when the capture is elsewhere is not taken for it."""
    if host is not None:
        return host.mac
    for connection in connections:
        if connection.from_device.ttls and all(
            ttl in (64, 128, 255) for ttl in connection.from_device.ttls
        ):
            return connection.from_device.link_source
    return None


def _first_sign(device: Device) -> float:
    times = [c.started for c in device.connections] + [q.time for q in device.questions]
    return min(times, default=0.0)
