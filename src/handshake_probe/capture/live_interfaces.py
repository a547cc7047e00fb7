"""The interfaces of this machine, with their addresses."""

from __future__ import annotations

import ipaddress
import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handshake_probe.packets.addresses import mac_text

_ADDRESSES = (socket.AF_INET, socket.AF_INET6)
_ROUTES = Path("/proc/thread-self/net/fib_trie")
_LOCAL = re.compile(r"-- ([0-9.]+)\s+/32 host LOCAL")
_ADDRESSES_6 = Path("/proc/thread-self/net/if_inet6")


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface."""

    name: str
    up: bool | None  # None: not known
    mac: str | None
    addresses: tuple[str, ...]
    description: str | None = None


def interfaces() -> list[Interface]:
    """The interfaces that frames can be taken from, those with an address first.

    Without libpcap, the names alone.
    """
    try:
        import cypcap
    except ImportError:
        return [Interface(name, None, None, ()) for _, name in socket.if_nameindex()]
    try:
        found = [_read(item, cypcap.PcapIfFlags) for item in cypcap.findalldevs()]
    except cypcap.Error:
        found = []
    links = {name for _, name in socket.if_nameindex()}
    real = [item for item in found if item.name in links or item.name == "any"]
    return sorted(real, key=lambda item: (not item.addresses, item.name == "any", not item.up))


def own_addresses() -> frozenset[bytes]:
    """Every address of this machine; without libpcap, what Linux lists."""
    texts = [text.partition("%")[0] for item in interfaces() for text in item.addresses]
    with suppress(OSError):
        texts += _LOCAL.findall(_ROUTES.read_text())
    found = {ipaddress.ip_address(text).packed for text in texts}
    with suppress(OSError):
        found |= {bytes.fromhex(line.split()[0]) for line in _ADDRESSES_6.read_text().splitlines()}
    return frozenset(found)


def _read(item: Any, flags: Any) -> Interface:
    given = [address.addr for address in item.addresses if address.addr is not None]
    packet = getattr(socket, "AF_PACKET", None)
    macs = [told[4] for family, told in given if family == packet and len(told[4]) == 6]
    return Interface(
        name=item.name,
        up=bool(item.flags & flags.UP),
        mac=mac_text(macs[0]) if macs and any(macs[0]) else None,
        addresses=tuple(told[0] for family, told in given if family in _ADDRESSES),
        description=item.description,
    )
