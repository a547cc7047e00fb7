"""What a key file turned out to be, and where it came from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from handshake_probe.errors import KeyFileError
from handshake_probe.keys.defects import Code, Defect
from handshake_probe.keys.firmware import usable_for_decrypting
from handshake_probe.keys.numbers import PUBLIC_EXPONENT, PrivateNumbers, modulus_flaw
from handshake_probe.keys.slots import AddressRecord, describe_padding

DEVICE_BITS = 1024
CLOUD_BITS = 2048

_WANTED = "a key file is PEM or DER, RSA, 1024 bits for a device or 2048 for a cloud"
_DEVICE_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{24}(?![0-9a-f])", re.IGNORECASE)


class KeyRole(StrEnum):
    """The part a key plays in the handshake; it follows from kind and size.

    One name counts: servers save what an unknown device presents as `<id>_handshake.pub.pem`.
    """

    CLOUD_PRIVATE = "cloud_private"  # RSA 2048, private
    CLOUD_PUBLIC = "cloud_public"  # RSA 2048, public
    DEVICE_PRIVATE = "device_private"  # RSA 1024, private: what a device holds in flash
    REGISTERED = "registered"  # RSA 1024, public: what a cloud has on file for a device
    PRESENTED = "presented"  # the same, saved by a server from a device it did not know
    EC_PRIVATE = "ec_private"  # P-256: UDP only, plays no part on TCP
    EC_PUBLIC = "ec_public"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One key file, read, with what is odd about it."""

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
    defects: tuple[Defect, ...] = ()
    start: int = 0  # where its slot starts, and ends: the whole file unless it is a dump
    end: int | None = None
    trailing: int = 0  # bytes behind the key: padding, an address record, or anything else

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about it, in whole sentences."""
        return tuple(defect.text for defect in self.defects)

    @property
    def firmware_usable(self) -> bool:
        """A device that holds this key can decrypt with it."""
        return self.firmware is not None and usable_for_decrypting(self.firmware)


class NoUsableKey(KeyFileError):
    """A file that holds no usable key: what it looks like, and the code of what is wrong."""

    def __init__(self, message: str, looks_like: str, code: Code) -> None:
        super().__init__(message)
        self.looks_like = looks_like
        self.code = code


class Source(NamedTuple):
    """Key bytes on their way to a KeyFile."""

    name: str
    data: bytes  # the whole file, or the DER inside PEM
    pem: bool
    defects: tuple[Defect, ...] = ()
    flash: bytes | None = None  # the slot, when PEM text lies in one

    def refusal(
        self, looks_like: str, code: Code = Code.NO_KEY, wanted: str = _WANTED
    ) -> NoUsableKey:
        """Return the error that refuses this file, in one line."""
        printable = "".join(char if char.isprintable() else "?" for char in self.name)
        return NoUsableKey(f"{printable}: looks like {looks_like}; {wanted}", looks_like, code)

    @property
    def base_name(self) -> str:
        """The file's name, folders left out."""
        return re.split(r"[/\\]", self.name)[-1]

    @property
    def presented(self) -> bool:
        """Whether the name says that a server saved this key from a handshake it refused."""
        return "_handshake." in self.base_name

    @property
    def device_id(self) -> str | None:
        """The device id (24 hex digits, lower-cased) in the file's name, folders left out.

        None when there is none, or when two different ones leave open which is meant.
        """
        found = {match.lower() for match in _DEVICE_ID.findall(self.base_name)}
        return found.pop() if len(found) == 1 else None


def size_class(n: int) -> int | None:
    """Return 1024 or 2048 for a modulus, None for other sizes.

    Up to 23 bits less pass: flipped high bits make a damaged modulus a little shorter.
    """
    for bits in (DEVICE_BITS, CLOUD_BITS):
        if bits - 24 < n.bit_length() <= bits:
            return bits
    return None


def public_half_defects(n: int, e: int, bits: int) -> list[Defect]:
    """Say what is wrong with modulus and public exponent, for devices and in general."""
    found = []
    flaw = modulus_flaw(n, bits)
    if flaw is not None:
        found.append(Defect(Code.NO_MODULUS, f"The modulus {flaw}: the key is damaged."))
    if e != PUBLIC_EXPONENT:
        text = f"The public exponent is not {PUBLIC_EXPONENT}, which the firmware assumes."
        found.append(Defect(Code.WRONG_EXPONENT, text))
    return found


def trailing_defects(data: bytes, used: int) -> list[Defect]:
    """Say when something else than padding follows the first `used` bytes."""
    if describe_padding(data, used) != "other data":
        return []
    text = f"{len(data) - used} bytes that are no padding follow the key; devices ignore them."
    return [Defect(Code.TRAILING_BYTES, text)]
