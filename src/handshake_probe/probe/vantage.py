"""Where this machine stands: asked of its own tables, without privilege and without a packet.

On Linux, `ip` of iproute2 tells; it knows the routes that a VPN keeps in tables of its own.
Elsewhere only this machine's address on the way to the cloud is known.
"""

from __future__ import annotations

import ipaddress
import json
import os
import platform
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from handshake_probe.model.probed import VantageSeen
from handshake_probe.probe import error_queue
from handshake_probe.probe.endpoint import Endpoint, endpoint_of
from handshake_probe.probe.system_names import SystemResolvers

_COMMAND_PATIENCE = 2.0  # seconds
_ENVIRONMENT = {**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"}
_ANY_PORT = 9  # nothing is sent to it
_SIOCGIWESSID = 0x8B1B
_SSID_LENGTH = 32

# A tunnel by any of these: `info_kind` of `ip -details`, the link type where there is no kind
# (drivers outside the kernel's tree), a name that people and programs give to nothing else.
_TUNNEL_KINDS = {"tun", "wireguard", "ovpn", "ovpn-dco", "ppp", "xfrm", "vti", "vti6"}
_TUNNEL_KINDS |= {"gre", "ip6gre", "ipip", "sit"}
_TUNNEL_TYPES = {"none", "ppp", "ipip", "gre", "sit", "tunnel6"}
_TUNNEL_NAMES = re.compile(r"(u?tun|tap|wg|ppp|vpn|ipsec|tailscale)\d*")
_ROUTE_TYPES = {None, "unicast"}  # no "unreachable", no "blackhole"
_HARDWARE = Path("/sys/class/net")  # NAME/device: a card or a modem, whatever its link type

_SSID = re.compile(rb"^\s*ssid (.*)$", re.MULTILINE)
_ESCAPED = re.compile(rb"\\x([0-9a-fA-F]{2})")


class _Way(NamedTuple):
    """How packets leave."""

    interface: str
    gateway: str | None


class _Link(NamedTuple):
    """One interface that is up."""

    name: str
    tunnel: bool
    addresses: tuple[ipaddress.IPv4Interface | ipaddress.IPv6Interface, ...]


def look_around(
    target: str | None,
    next_id: Callable[[], str],
    *,
    resolvers: SystemResolvers,
    device: str | None = None,
) -> VantageSeen:
    """Say where this machine stands. Takes some hundredths of a second.

    Args:
        target: An address of the cloud. None, or nobody's (0.0.0.0 from a DNS filter): the
            preferred default route stands for the way.
        next_id: Gives the id of the observation.
        resolvers: See `system_resolvers`.
        device: The device's address as the user gave it.
    """
    began = time.time()
    if target is not None and ipaddress.ip_address(target).is_unspecified:
        target = None
    links = _links()
    versions = (6, 4) if target is not None and ":" in target else (4, 6)
    routes = {version: _default_routes(version) for version in versions}
    defaults = [way for ways in routes.values() for way in ways]
    if target is not None:
        way, address = _way_to(target), _address_towards(target)
    else:
        way, address = (defaults[0] if defaults else None), None
    own = next((link for link in links if way and link.name == way.interface), None)
    if address is None and own is not None:
        address = str(own.addresses[0].ip)
    network = _network_of(address, links)
    return VantageSeen(
        id=next_id(),
        time=began,
        system=platform.system(),
        interface=way.interface if way else None,
        address=address,
        network=str(network) if network else None,
        gateway=way.gateway if way else None,
        default_routes=list(dict.fromkeys(way.interface for way in defaults)),
        ip_versions=[version for version in (4, 6) if routes[version]] if links else None,
        tunnels=[link.name for link in links if link.tunnel],
        through_tunnel=own is not None and own.tunnel,
        resolvers=list(resolvers.addresses),
        resolver_stub=resolvers.stub,
        wifi=_wifi(way.interface) if way else None,
        device=device,
        device_network=_holds(network, device),
        error_queue=error_queue.supported(),
    )


def _run(*command: str) -> bytes:
    """What a command writes; nothing when it fails or is not there."""
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_COMMAND_PATIENCE, check=True, env=_ENVIRONMENT
        )
    except (OSError, subprocess.SubprocessError):
        return b""
    return done.stdout


def _ip(*arguments: str) -> list[dict[str, Any]]:
    """Ask iproute2; nothing on other systems, and where it is not installed."""
    if sys.platform != "linux":
        return []
    try:
        told: list[dict[str, Any]] = json.loads(_run("ip", "-json", *arguments) or b"[]")
    except ValueError:  # BusyBox knows no -json
        return []
    return told


def _links() -> list[_Link]:
    """The interfaces that are up and have an address."""
    links = []
    for entry in _ip("-details", "address", "show", "up"):
        # iproute2 leaves empty objects where it shows nothing.
        addresses = tuple(
            ipaddress.ip_interface(f"{item['local']}/{item['prefixlen']}")
            for item in entry.get("addr_info", ())
            if "local" in item
        )
        if addresses:
            links.append(_Link(entry["ifname"], _is_tunnel(entry), addresses))
    return links


def _is_tunnel(entry: dict[str, Any]) -> bool:
    name, kind = entry["ifname"], entry.get("linkinfo", {}).get("info_kind")
    if kind in _TUNNEL_KINDS or _TUNNEL_NAMES.fullmatch(name):
        return True
    hardware = (_HARDWARE / name / "device").exists()
    return kind is None and entry.get("link_type") in _TUNNEL_TYPES and not hardware


def _default_routes(version: int) -> list[_Way]:
    """Those of the main table, the preferred one first."""
    told = [
        route
        for route in _ip(f"-{version}", "route", "show", "default")
        if route.get("type") in _ROUTE_TYPES and "dead" not in route.get("flags", ())
    ]
    told.sort(key=lambda route: route.get("metric", 0))
    return [_way(hop) for route in told for hop in route.get("nexthops", [route]) if "dev" in hop]


def _way_to(target: str) -> _Way | None:
    for route in _ip("route", "get", target):
        if route.get("type") in {*_ROUTE_TYPES, "local"} and "dev" in route:
            return _way(route)
    return None


def _way(route: dict[str, Any]) -> _Way:
    """A route or one of its next hops; an IPv4 route may have an IPv6 gateway."""
    return _Way(route["dev"], route.get("gateway") or route.get("via", {}).get("host"))


def _address_towards(target: str) -> str | None:
    endpoint = Endpoint(target, _ANY_PORT)
    with socket.socket(endpoint.family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(tuple(endpoint))
        except OSError:
            return None
        return endpoint_of(sock.getsockname()).address


def _network_of(
    address: str | None, links: Sequence[_Link]
) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    if address is None:
        return None
    own = (item.network for link in links for item in link.addresses if str(item.ip) == address)
    return next(own, None)


def _holds(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None, device: str | None
) -> bool | None:
    if network is None or network.is_loopback or device is None:
        return None
    return ipaddress.ip_address(device) in network


def _wifi(interface: str) -> str | None:
    """The name of the network that a wireless card is in."""
    name = _ssid_by_ioctl(interface) or _ssid_by_iw(interface)
    return name.decode("utf-8", "replace") if name else None


def _ssid_by_ioctl(interface: str) -> bytes:
    """Most drivers; struct iwreq: name (16), pointer, length (2), flags (2)."""
    if sys.platform != "linux":
        return b""
    import ctypes
    import fcntl

    ssid = ctypes.create_string_buffer(_SSID_LENGTH)
    request = bytearray(
        struct.pack("16sPHH", interface.encode(), ctypes.addressof(ssid), _SSID_LENGTH, 0)
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            fcntl.ioctl(sock, _SIOCGIWESSID, request)
        except OSError:
            return b""
    length = struct.unpack_from("16sPH", request)[2]
    return ssid.raw[:length]


def _ssid_by_iw(interface: str) -> bytes:
    """Drivers without wireless extensions, where `iw` is installed."""
    found = _SSID.search(_run("iw", "dev", interface, "info"))
    return _ESCAPED.sub(lambda code: bytes((int(code[1], 16),)), found[1]) if found else b""
