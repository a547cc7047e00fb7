"""What a probe will do: targets, tests, and how much of each at most."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import NamedTuple

from handshake_probe.keys.particle import PARTICLE_NAMES, is_particle_name
from handshake_probe.probe.endpoint import Endpoint
from handshake_probe.protocol.settings import DeviceSettings

CLOUD_PORT = 5683
DTLS_PORT = 5684
CONTROL_PORT = 443
PUBLIC_RESOLVERS = ("8.8.8.8", "1.1.1.1")
CONTROL_NAME = "example.com"  # RFC 2606: exists, and belongs to nobody's service
# RFC 5737, TEST-NET-3: routed nowhere, so whoever accepts a connection to it is a box on the way.
UNUSED_ADDRESS = "203.0.113.7"
INTERNET_TEST = (Endpoint("8.8.8.8", 53), "pool.ntp.org")  # the firmware's own

# The caps. A cloud takes many connections in a short time for an attack.
MAX_ADDRESSES = 4  # of the cloud's name
CLOUD_ATTEMPTS = 3  # connections to the cloud's port, per address
CONTROL_ATTEMPTS = 2  # per control
HOP_SYNS = 64  # in all
UDP_TRIES = 3  # datagrams per test
IDLE_ATTEMPTS = 16  # connections of the search for an idle time
IDLE_AT_ONCE = 3
SPACING = 1.0  # seconds between two connections to the same port of an address


class Limit(NamedTuple):
    """One line of the plan."""

    test: str
    where: str
    at_most: str


@dataclass(frozen=True)
class Plan:
    """One run. Every default is what the command does without options."""

    host: str = PARTICLE_NAMES[0]
    port: int = CLOUD_PORT
    names: tuple[str, ...] = ()  # further cloud names to look up, not to connect to
    control_name: str = CONTROL_NAME
    control_port: int = CONTROL_PORT
    public_resolvers: tuple[str, ...] = PUBLIC_RESOLVERS
    other_hosts: tuple[Endpoint, ...] = ()  # controls the user named
    identity: int | None = None  # the cloud key's modulus; None: the identity is left out
    udp: bool = True
    internet_test: bool = False
    device: str | None = None  # the device's address
    stand_in: DeviceSettings | None = field(default=None, repr=False)
    idle: float | None = None  # seconds, the longest silence to try
    dns_port: int = 53

    @property
    def target(self) -> str:
        """`device.spark.io:5683`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def address(self) -> str | None:
        """The host, when it is an address and no name."""
        try:
            return str(ipaddress.ip_address(self.host))
        except ValueError:
            return None

    @property
    def cloud_names(self) -> tuple[str, ...]:
        """The names to look up, the one to connect to first."""
        if self.address is not None:
            return ()
        more = PARTICLE_NAMES if is_particle_name(self.host) else ()
        return tuple(dict.fromkeys((self.host, *self.names, *more)))

    def limits(self, resolvers: tuple[str, ...] = ()) -> list[Limit]:
        """What would be sent where, at most."""
        per_address = f" per address, at most {MAX_ADDRESSES} addresses"
        several = per_address if self.address is None else ""
        lines = []
        if self.cloud_names:
            asked = (*resolvers, *self.public_resolvers)
            lines.append(
                Limit(
                    "DNS",
                    f"{', '.join(self.cloud_names)}, {self.control_name} and a made-up name at "
                    f"{', '.join(asked) or 'no resolver'}; the system's own look-up",
                    f"{UDP_TRIES} tries each, by UDP and TCP",
                )
            )
        what = "nonce" if self.identity is None else "nonce; the identity of a made-up device once"
        lines.append(
            Limit(f"TCP: {what}", f"TCP {self.target}", f"{CLOUD_ATTEMPTS} connections{several}")
        )
        lines.append(
            Limit(
                "control: another port",
                f"TCP port {self.control_port} of the same addresses",
                f"{CONTROL_ATTEMPTS} connections{several}",
            )
        )
        lines += [
            Limit("control: another host", f"TCP {host}", f"{CONTROL_ATTEMPTS} connections")
            for host in self.other_hosts
        ]
        lines.append(
            Limit(
                "who accepts?",
                f"TCP {UNUSED_ADDRESS}:{self.port}, an address that belongs to nobody",
                "1 connection, only if the cloud's port accepts and sends no nonce",
            )
        )
        lines.append(
            Limit(
                "where?",
                f"ports {self.port} and {self.control_port} of one address, with few hops",
                f"{HOP_SYNS} SYNs, only if something is blocked; 1 connection more to see where an "
                "identity stops",
            )
        )
        if self.udp:
            lines.append(
                Limit(
                    "newer devices",
                    f"UDP ports {self.port} and {DTLS_PORT} of one address; a resolver as control",
                    f"{UDP_TRIES} datagrams each",
                )
            )
        if self.internet_test:
            tcp, ntp = INTERNET_TEST
            lines.append(
                Limit(
                    "the device's internet test",
                    f"TCP {tcp}, UDP {ntp}:123",
                    f"1 connection, {UDP_TRIES} datagrams",
                )
            )
        if self.stand_in is not None:
            lines.append(
                Limit(
                    "stand-in handshake",
                    f"TCP {self.target} as device {self.stand_in.device_id}",
                    "1 connection",
                )
            )
        if self.idle is not None:
            lines.append(
                Limit(
                    "idle time",
                    f"TCP {self.target}, silent for up to {self.idle:.0f} s",
                    f"{IDLE_ATTEMPTS} connections, {IDLE_AT_ONCE} at a time",
                )
            )
        return lines
