"""When the built-in key of the Particle cloud applies: name, address or signature must say so."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from handshake_probe.diagnose.devices import is_cloud_name
from handshake_probe.diagnose.topology import host_of
from handshake_probe.keys.particle import is_particle_address
from handshake_probe.model.observations import AnyObservation, ConnectionSeen, DnsSeen


def settle_particle_key(
    observations: Sequence[AnyObservation],
) -> tuple[list[AnyObservation], bool]:
    """Keep the built-in key's tests only where it is the cloud's; tell whether it was anywhere.

    A private cloud often answers to Particle's names inside its own network: a name counts only
    when it leads to a public address.
    """
    named = {
        address
        for item in observations
        if isinstance(item, DnsSeen) and is_cloud_name(item.name)
        for address in item.addresses
    }
    clouds = {host_of(item.cloud) for item in observations if isinstance(item, ConnectionSeen)}
    particles = {address for address in clouds if _is_particles(address, named)}
    kept: list[AnyObservation] = []
    applies = False
    for item in observations:
        if not isinstance(item, ConnectionSeen):
            kept.append(item)
        elif host_of(item.cloud) in particles or _signed(item):
            applies = applies or bool(item.key_tests)
            kept.append(item)
        else:
            kept.append(item.without_cloud_tests())
    return kept, applies


def _is_particles(address: str, named: set[str]) -> bool:
    return is_particle_address(address) or (
        address in named and ipaddress.ip_address(address).is_global
    )


def _signed(connection: ConnectionSeen) -> bool:
    return any(
        test.block == "signature" and test.state == "opened" for test in connection.key_tests
    )
