"""What a key file turned out to be, and where it came from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from handshake_probe.errors import KeyFileError
from handshake_probe.keys.firmware import usable_for_decrypting
from handshake_probe.keys.numbers import PUBLIC_EXPONENT, PrivateNumbers, modulus_flaw
from handshake_probe.keys.slots import AddressRecord

DEVICE_BITS = 1024
CLOUD_BITS = 2048

_WANTED = "a key file is PEM or DER, RSA, 1024 bits for a device or 2048 for a cloud"
_DEVICE_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{24}(?![0-9a-f])", re.IGNORECASE)


class KeyRole(StrEnum):
    """The part a key plays in the handshake; it follows from kind and size alone."""

    CLOUD_PRIVATE = "cloud_private"  # RSA 2048, private
    CLOUD_PUBLIC = "cloud_public"  # RSA 2048, public
    DEVICE_PRIVATE = "device_private"  # RSA 1024, private: what a device holds in flash
    REGISTERED = "registered"  # RSA 1024, public: what a cloud has on file for a device
    EC_PRIVATE = "ec_private"  # P-256: UDP only, plays no part on TCP
    EC_PUBLIC = "ec_public"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One key file, read. `notes` are whole sentences for the user."""

    name: str  # as given
    role: KeyRole
    form: str  # "PKCS#1 DER", "PKCS#8 PEM", "device slot (612 bytes, PKCS#1, FF padded)", …
    bits: int
    fingerprint: str | None  # None for an EC private key without its public point
    device_id: str | None  # 24 lower-case hex digits, from the name
    n: int | None = None  # None for EC keys
    e: int | None = None
    private: PrivateNumbers | None = field(default=None, repr=False)
    firmware: PrivateNumbers | None = field(default=None, repr=False)  # device private keys only
    firmware_agrees: bool = False  # the firmware reads the same integers from it
    address: AddressRecord | None = None  # server slots only
    notes: tuple[str, ...] = ()

    @property
    def firmware_usable(self) -> bool:
        """A device that holds this key can decrypt with it."""
        return self.firmware is not None and usable_for_decrypting(self.firmware)


class Source(NamedTuple):
    """Key bytes on their way to a KeyFile."""

    name: str
    data: bytes  # the whole file, or the DER inside PEM
    pem: bool
    notes: tuple[str, ...] = ()

    def refusal(self, looks_like: str, wanted: str = _WANTED) -> KeyFileError:
        """Return the error that refuses this file, in one line."""
        printable = "".join(char if char.isprintable() else "?" for char in self.name)
        return KeyFileError(f"{printable}: looks like {looks_like}; {wanted}")

    @property
    def device_id(self) -> str | None:
        """The device id (24 hex digits, lower-cased) in the file's name, folders left out.

        None when there is none, or when two different ones leave open which is meant.
        """
        base = re.split(r"[/\\]", self.name)[-1]
        found = {match.lower() for match in _DEVICE_ID.findall(base)}
        return found.pop() if len(found) == 1 else None


def size_class(n: int) -> int | None:
    """Return 1024 or 2048 for a modulus, None for other sizes.

    Up to 23 bits less pass: flipped high bits make a damaged modulus a little shorter.
    """
    for bits in (DEVICE_BITS, CLOUD_BITS):
        if bits - 24 < n.bit_length() <= bits:
            return bits
    return None


def public_half_notes(n: int, e: int, bits: int) -> list[str]:
    """Say what is wrong with modulus and public exponent, for devices and in general."""
    notes = []
    flaw = modulus_flaw(n, bits)
    if flaw is not None:
        notes.append(f"The modulus {flaw}: the key is damaged.")
    if e != PUBLIC_EXPONENT:
        notes.append(f"The public exponent is not {PUBLIC_EXPONENT}, which the firmware assumes.")
    return notes
