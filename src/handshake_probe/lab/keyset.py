"""Keys for a scenario: a cloud's, another cloud's, and those of some devices."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from handshake_probe.keys.firmware import (
    DEVICE_SLOT_LENGTH,
    read_device_slot,
    usable_for_decrypting,
)
from handshake_probe.keys.numbers import PUBLIC_EXPONENT
from handshake_probe.lab.scenario import Scenario

_CLOUD_BITS = 2048
_DEVICE_BITS = 1024


class KeyFiles(NamedTuple):
    """Where the keys of a scenario are. `folder` is what a reader of the capture may be given."""

    folder: Path
    cloud: Path  # private
    cloud_public: Path
    other_cloud_public: Path  # outside of `folder`
    register: Path  # of public keys, named by device id


@cache
def cloud_key(number: int) -> RSAPrivateKey:
    """Return a cloud's key: one for each number, as long as the process lives."""
    return generate_private_key(PUBLIC_EXPONENT, _CLOUD_BITS)


@cache
def device_key(number: int) -> RSAPrivateKey:
    """Return a device's key that firmware reads as it is meant: about 1 in 110 is not."""
    while True:
        key = generate_private_key(PUBLIC_EXPONENT, _DEVICE_BITS)
        if usable_for_decrypting(read_device_slot(slot_of(key))):
            return key


def slot_of(key: RSAPrivateKey) -> bytes:
    """Return a device's key slot: PKCS#1 DER, then erased flash, 612 bytes."""
    der = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return der.ljust(DEVICE_SLOT_LENGTH, b"\xff")


def public_der(key: RSAPrivateKey) -> bytes:
    """Return the public half: SubjectPublicKeyInfo, DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def public_pem(key: RSAPrivateKey) -> bytes:
    """Return the public half: SubjectPublicKeyInfo, PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: RSAPrivateKey) -> bytes:
    """Return the private half: PKCS#1, PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def write_keys(scenario: Scenario, folder: Path) -> KeyFiles:
    """Write all keys of a scenario below a folder."""
    keys = folder / "keys"
    register = folder / "register"
    for path in (keys, register):
        path.mkdir()
    files = KeyFiles(
        folder=keys,
        cloud=keys / "cloud_private.pem",
        cloud_public=keys / "cloud_public.der",
        other_cloud_public=folder / "other_cloud_public.der",
        register=register,
    )
    files.cloud.write_bytes(private_pem(cloud_key(0)))
    files.cloud_public.write_bytes(public_der(cloud_key(0)))
    files.other_cloud_public.write_bytes(public_der(cloud_key(1)))
    for device_id, held, registered in _device_keys(scenario):
        if registered is not None:
            (register / f"{device_id}.pub.pem").write_bytes(public_pem(registered))
            (keys / f"{device_id}.pub.pem").write_bytes(public_pem(registered))
        if held is not None:
            (keys / f"{device_id}.der").write_bytes(slot_of(held))
    return files


def _device_keys(
    scenario: Scenario,
) -> Iterator[tuple[str, RSAPrivateKey | None, RSAPrivateKey | None]]:
    """Yield ids with what the device holds and what is registered for it."""
    # One more device is always registered: an id that is missing then means something.
    yield scenario.device_id(-1), None, device_key(0)
    for index, device in enumerate(scenario.devices):
        held, other = device_key(2 * index + 1), device_key(2 * index + 2)
        registered = held if device.key == "registered" else other
        yield scenario.device_id(index), held, registered if device.registered else None
