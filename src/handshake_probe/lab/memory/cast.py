"""Devices and clouds by name: their ids, keys and registers follow from the name alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from handshake_probe.keys.keyring import RegisteredKey
from handshake_probe.keys.numbers import PrivateNumbers
from handshake_probe.lab.damage import slot_of
from handshake_probe.lab.memory import keys
from handshake_probe.lab.memory.story import CloudRole, DeviceRole
from handshake_probe.protocol.settings import CloudSettings, DeviceSettings, Generation, HeldKey

DEVICE, CLOUD = "device", "cloud"
_DESCRIPTION = b'{"p":6,"m":[{"s":16384,"l":"m","vc":30,"vv":30,"f":"b","n":"0","v":1006,"d":[]}]}'


@dataclass(frozen=True)
class Register:
    """The keys that a cloud has on file, by device id."""

    known: Mapping[str, RegisteredKey]

    def __call__(self, wanted: str) -> RegisteredKey | None:
        """Look a device up."""
        return self.known.get(wanted)


def device_id(name: str) -> str:
    """Return a device's id: 24 hex digits, 5e first in all made-up ones."""
    return "5e" + sha256(name.encode()).hexdigest()[:22]


def slot(name: str = DEVICE) -> bytes:
    """Return the sound key slot of a device."""
    return slot_of(keys.device_numbers(name))


def device(
    name: str = DEVICE,
    *,
    slot_holds: bytes | None = None,
    server: str | int = CLOUD,
    settings: Mapping[str, Any] | None = None,
    **role: Any,
) -> DeviceRole:
    """Return a device of this name.

    Args:
        name: Its id and its key follow from it.
        slot_holds: What lies in its key slot; None: its sound key.
        server: The cloud whose key it holds, or the modulus it reads.
        settings: Fields of `DeviceSettings`.
        role: Fields of `DeviceRole`.
    """
    given = dict(settings or {})
    generation = given.pop("generation", Generation.V2_3)
    modulus = server if isinstance(server, int) else keys.cloud_numbers(server).n
    values: dict[str, Any] = {
        "device_id": device_id(name),
        "key": HeldKey.from_slot(slot(name) if slot_holds is None else slot_holds),
        "server_modulus": modulus,
        "generation": generation,
        "platform_id": 0 if generation is Generation.CORE else 6,
        "functions": frozenset({"length"}),
        "variables": {"answer": (42).to_bytes(4, "big")},
        "system_description": _DESCRIPTION,
        "application_description": b'{"f":["length"],"v":{"answer":2}}',
    }
    return DeviceRole(settings=DeviceSettings(**values | given), **role)


def cloud(
    name: str = CLOUD,
    *,
    knows: Iterable[str] | Mapping[str, PrivateNumbers] = (DEVICE,),
    settings: Mapping[str, Any] | None = None,
    **role: Any,
) -> CloudRole:
    """Return a cloud of this name.

    Args:
        name: Its key follows from it.
        knows: Its register: the devices by name, with another key than their own where given.
        settings: Fields of `CloudSettings`.
        role: Fields of `CloudRole`.
    """
    held = dict(knows) if isinstance(knows, Mapping) else {n: keys.device_numbers(n) for n in knows}
    register = Register(
        {device_id(known): keys.registered_key(numbers) for known, numbers in held.items()}
    )
    values: dict[str, Any] = {
        "key": keys.cloud_key(keys.cloud_numbers(name)),
        "register": register,
        "describes": (1, 2),
    }
    return CloudRole(settings=CloudSettings(**values | dict(settings or {})), **role)


def nobody(address: str = "10.90.0.30") -> CloudRole:
    """Return a host on which nothing listens."""
    return CloudRole(settings=None, address=address)
