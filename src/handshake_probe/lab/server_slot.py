"""The server slot of a device, a key and an address record, as damage and its firmware leave them.

The address record holds an IPv4 address or a name, and a port. Firmware from 0.7 on restores a key
or an address whose first byte is erased from a copy of its own, and reports it in its session.
"""

from __future__ import annotations

import ipaddress
from hashlib import shake_128
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import rsa

from handshake_probe.keys.keyfile import CLOUD_BITS
from handshake_probe.keys.numbers import PUBLIC_EXPONENT
from handshake_probe.keys.particle import PARTICLE_CLOUD, PARTICLE_NAMES
from handshake_probe.protocol.settings import Generation

ERASED_KEY = (1 << CLOUD_BITS) - 1  # FF all over, as a modulus

_DEFAULT_PORT = 5683
_KEY_BLANK, _ADDRESS_BLANK = 1, 4  # of `spark/device/key/error`
_FLIPPED = 0x01


class Address(NamedTuple):
    """What the address record says."""

    host: str  # an IPv4 address or a name; empty: erased
    port: int


class Restored(NamedTuple):
    """A key after a start."""

    modulus: int
    errors: int  # for `spark/device/key/error`


def restored(modulus: int, generation: Generation) -> Restored:
    """Return the server key with which the firmware works; a Core's has no copy."""
    if modulus == ERASED_KEY and generation is not Generation.CORE:
        return Restored(PARTICLE_CLOUD.n, _KEY_BLANK)
    return Restored(modulus, 0)


def default_if_erased(address: Address) -> Address:
    """Return the address that firmware takes: its own default where the record is erased."""
    return address if address.host else Address(PARTICLE_NAMES[0], _DEFAULT_PORT)


def address_errors(address: Address, generation: Generation) -> int:
    """Return what is reported of an address record; a Core reports nothing."""
    return 0 if address.host or generation is Generation.CORE else _ADDRESS_BLANK


def other_key(_modulus: int) -> int:
    """Return another cloud's key."""
    private = rsa.generate_private_key(PUBLIC_EXPONENT, CLOUD_BITS)
    return private.public_key().public_numbers().n


def even_key(modulus: int) -> int:
    """Clear the last bit."""
    return modulus - modulus % 2


def garbage_key(modulus: int) -> int:
    """Return noise, odd and of full length."""
    size = CLOUD_BITS // 8
    noise = shake_128(modulus.to_bytes(size, "big")).digest(size)
    return int.from_bytes(noise, "big") | 1 << CLOUD_BITS - 1 | 1


def erased_key(_modulus: int) -> int:
    """Erase it."""
    return ERASED_KEY


def erased_address(_address: Address) -> Address:
    """Erase the record."""
    return Address("", _DEFAULT_PORT)


def garbled_address(address: Address) -> Address:
    """Flip one bit: in the last byte of an IPv4 address, or in the first one of a name."""
    try:
        number = int(ipaddress.IPv4Address(address.host))
    except ipaddress.AddressValueError:
        return Address(chr(ord(address.host[0]) ^ _FLIPPED) + address.host[1:], address.port)
    return Address(str(ipaddress.IPv4Address(number ^ _FLIPPED)), address.port)
