"""Addresses as people write them."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from handshake_probe.packets.units import Endpoint


def address_text(address: bytes) -> str:
    """Write an address of 4 (IPv4) or 16 (IPv6) bytes as text, IPv6 as in RFC 5952.

    Raises:
        ValueError: any other length.
    """
    if len(address) == 4:
        first, second, third, fourth = address
        return f"{first}.{second}.{third}.{fourth}"
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return f"::ffff:{parsed.ipv4_mapped}"  # RFC 5952 section 5; Python writes it so from 3.13
    return str(parsed)


def endpoint_text(endpoint: Endpoint) -> str:
    """Write an endpoint: `192.168.1.2:41224` or `[fd00::2]:5683`."""
    address = address_text(endpoint.address)
    return f"[{address}]:{endpoint.port}" if ":" in address else f"{address}:{endpoint.port}"


def mac_text(mac: bytes) -> str:
    """Write a link-layer address of any length: `02:00:5e:10:00:01`."""
    return mac.hex(":")


def is_private(address: bytes) -> bool:
    """Tell whether an address of 4 or 16 bytes is not globally routable (IANA registries)."""
    return ip_address(address).is_private


def sinkhole(address: str) -> bool:
    """Whether an address can be nobody's cloud: unspecified or loopback."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return parsed.is_unspecified or parsed.is_loopback
