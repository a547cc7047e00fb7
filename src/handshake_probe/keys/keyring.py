"""The keys a run was given, by the role each plays in the handshake.

Private halves are kept as plain integers: proven operations go through `cryptography`, describing
ones through raw exponentiation, and damaged keys load in neither library but still are evidence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from handshake_probe.errors import KeyFileError
from handshake_probe.keys.keyfile import KeyFile, KeyRole
from handshake_probe.keys.numbers import PrivateNumbers, crt_consistent

__all__ = [
    "CloudKey",
    "DeviceKey",
    "Keyring",
    "PrivateNumbers",
    "RegisteredKey",
    "build_keyring",
]

_TCP_PORT = 5683


@dataclass(frozen=True, slots=True)
class CloudKey:
    """A 2048-bit key of a cloud; its private half when one was given."""

    fingerprint: str  # "sha256:" + first 16 hex digits of SHA-256 over the SPKI DER
    source: str  # file name as given, or "particle-cloud"
    n: int
    e: int
    private: PrivateNumbers | None
    named: bool  # the user said with --cloud-key that this is the cloud's key
    address: str | None = None  # "device.spark.io:5683" from a server slot's address record


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """A 1024-bit private key as a device holds it in flash."""

    fingerprint: str
    source: str
    device_id: str | None  # 24 lower-case hex digits, from the file name
    numbers: PrivateNumbers  # as a DER reader sees it
    firmware: PrivateNumbers | None  # as the firmware's fixed-offset reading sees it
    firmware_agrees: bool  # both readings give the same integers


@dataclass(frozen=True, slots=True)
class RegisteredKey:
    """A 1024-bit public key that a cloud has on file for a device."""

    fingerprint: str
    source: str
    device_id: str | None
    n: int
    e: int


@dataclass(frozen=True, slots=True)
class Keyring:
    """All keys of a run. Order is the order they were given in."""

    cloud: tuple[CloudKey, ...] = ()
    devices: tuple[DeviceKey, ...] = ()
    registered: tuple[RegisteredKey, ...] = ()

    @property
    def has_register(self) -> bool:
        """True as soon as one device's registered key is given: absence then means something."""
        return any(key.device_id for key in self.registered)


def build_keyring(files: Iterable[KeyFile], named: Iterable[KeyFile] = ()) -> Keyring:
    """Put key files together, in the order given; those in `named` are surely the cloud's.

    Both halves of one cloud key become one entry. The same key given twice counts once, with the
    device id of the file that has one. A device's private key does not register its public half:
    whether the cloud knows it is the very question. Nor does a key that a server saved from a
    handshake it refused. EC keys are left out.

    Raises KeyFileError when a file in `named` is no cloud's key.
    """
    cloud: list[CloudKey] = []
    devices: list[DeviceKey] = []
    registered: list[RegisteredKey] = []
    for file in files:
        match file.role:
            case KeyRole.CLOUD_PRIVATE | KeyRole.CLOUD_PUBLIC:
                _add_cloud(cloud, _cloud_key(file, named=False))
            case KeyRole.DEVICE_PRIVATE:
                devices.append(_device_key(file))
            case KeyRole.REGISTERED:
                registered.append(_registered_key(file))
            case KeyRole.PRESENTED | KeyRole.EC_PRIVATE | KeyRole.EC_PUBLIC:
                pass
    for file in named:
        if file.role not in (KeyRole.CLOUD_PRIVATE, KeyRole.CLOUD_PUBLIC):
            raise KeyFileError(
                f"{file.name}: is no cloud's key (RSA, 2048 bits) but {file.form}, {file.bits} bits"
            )
        _add_cloud(cloud, _cloud_key(file, named=True))
    return Keyring(tuple(cloud), _bound_once(devices), _bound_once(registered))


def _cloud_key(file: KeyFile, *, named: bool) -> CloudKey:
    n, e, mark = _rsa_public(file)
    address = None if file.address is None else file.address.text(_TCP_PORT)
    return CloudKey(mark, file.name, n, e, file.private, named, address)


def _device_key(file: KeyFile) -> DeviceKey:
    if file.private is None:
        raise ValueError(f"{file.name}: a device's private key without private numbers")
    return DeviceKey(
        fingerprint=_rsa_public(file)[2],
        source=file.name,
        device_id=file.device_id,
        numbers=file.private,
        firmware=file.firmware,
        firmware_agrees=file.firmware_agrees,
    )


def _registered_key(file: KeyFile) -> RegisteredKey:
    n, e, mark = _rsa_public(file)
    return RegisteredKey(mark, file.name, file.device_id, n, e)


def _rsa_public(file: KeyFile) -> tuple[int, int, str]:
    if file.n is None or file.e is None or file.fingerprint is None:
        raise ValueError(f"{file.name}: an RSA key without modulus")
    return file.n, file.e, file.fingerprint


def _add_cloud(keys: list[CloudKey], new: CloudKey) -> None:
    """Add a cloud key, or lend an entry with the same modulus what only the new one knows."""
    for index, old in enumerate(keys):
        if old.n == new.n:
            keys[index] = replace(
                _sounder(old, new),
                source=old.source,
                named=old.named or new.named,
                address=old.address or new.address,
            )
            return
    keys.append(new)


def _sounder(old: CloudKey, new: CloudKey) -> CloudKey:
    """Pick the entry whose private half is better: consistent before damaged before none."""
    if old.private is None:
        return new if new.private is not None else old
    if new.private is not None and crt_consistent(new.private):
        return old if crt_consistent(old.private) else new
    return old


_Bound = TypeVar("_Bound", DeviceKey, RegisteredKey)


def _bound_once(keys: Iterable[_Bound]) -> tuple[_Bound, ...]:
    """Each key once for every device it is bound to; unbound only where it is bound to none."""
    kept: list[_Bound] = []
    places: dict[_Bound, dict[str | None, int]] = {}  # by the key itself and by device
    for key in keys:
        at = places.setdefault(replace(key, source="", device_id=None), {})
        if key.device_id in at or (at and key.device_id is None):
            continue
        if None in at:
            at[key.device_id] = place = at.pop(None)
            kept[place] = key
        else:
            at[key.device_id] = len(kept)
            kept.append(key)
    return tuple(kept)
