"""Writes a key in another form, and never one that the firmware cannot read.

| to | a device's private key | a public key |
|---|---|---|
| pem | PKCS#1 text, for tools and servers | SPKI text |
| der | PKCS#1, as `particle keys load` wants it | SPKI; 294 bytes for a cloud's key |
| slot | 612 bytes, PKCS#1 and FF | a server slot keeps its address record |
"""

from __future__ import annotations

from base64 import encodebytes
from enum import StrEnum

from handshake_probe.errors import KeyFileError
from handshake_probe.keys.check import check_key
from handshake_probe.keys.der import INTEGER, SEQUENCE, encode, encode_integer
from handshake_probe.keys.files import read_key
from handshake_probe.keys.fingerprint import spki
from handshake_probe.keys.firmware import (
    DEVICE_SLOT_LENGTH,
    read_device_slot,
    usable_for_decrypting,
)
from handshake_probe.keys.keyfile import KeyFile, KeyRole
from handshake_probe.keys.numbers import PrivateNumbers, private_flaws
from handshake_probe.keys.slots import SERVER_SLOTS

_LONG, _HALF = 129, 65  # sizes of the integers that a device's own generator writes
_LINE = 64


class Form(StrEnum):
    """What a key can be written as."""

    PEM = "pem"
    DER = "der"
    SLOT = "slot"


def convert_key(name: str, data: bytes, form: Form) -> tuple[bytes, bool]:
    """Return the key in another form, and whether it is private.

    Raises KeyFileError when the file holds no usable key, when the key is damaged, and when what
    would be written is nothing the firmware can read.
    """
    key = read_key(name, data)
    match key.role:
        case KeyRole.DEVICE_PRIVATE | KeyRole.CLOUD_PRIVATE:
            return _private(key, form), True
        case KeyRole.CLOUD_PUBLIC | KeyRole.REGISTERED | KeyRole.PRESENTED:
            return _public(key, data[key.start : key.end], form), False
        case _:
            raise KeyFileError(f"{name}: an elliptic-curve key is used as it is, on UDP only")


def _private(key: KeyFile, form: Form) -> bytes:
    numbers = key.private
    if numbers is None or 0 in numbers or private_flaws(numbers):
        raise KeyFileError(f"{key.name}: the key is damaged; `keys check` says where")
    device = key.role is KeyRole.DEVICE_PRIVATE
    der = _pkcs1(numbers)
    if form is Form.PEM:
        return _armoured("RSA PRIVATE KEY", der)
    if not device and form is Form.SLOT:
        raise KeyFileError(f"{key.name}: a cloud's private key belongs into no device")
    if device and not usable_for_decrypting(read_device_slot(der)):
        if form is Form.DER:
            raise KeyFileError(
                f"{key.name}: the firmware would misread this key as DER, since an integer in it "
                "is short; `--to slot` writes it as devices do themselves"
            )
        der = _pkcs1_of_fixed_size(numbers)
    if form is Form.DER:
        return der
    slot = der.ljust(DEVICE_SLOT_LENGTH, b"\xff")
    if len(slot) > DEVICE_SLOT_LENGTH or not usable_for_decrypting(read_device_slot(slot)):
        raise KeyFileError(f"{key.name}: the firmware cannot read this key in a slot")
    return slot


def _public(key: KeyFile, data: bytes, form: Form) -> bytes:
    if key.n is None or key.e is None:
        raise KeyFileError(f"{key.name}: no modulus to write")
    der = spki(key.n, key.e)
    if form is Form.PEM:
        return _armoured("PUBLIC KEY", der)
    out = der
    if form is Form.SLOT:
        if key.address is None:
            raise KeyFileError(
                f"{key.name}: a server slot holds the cloud's address too, which only "
                "`particle keys server FILE --host ADDRESS` can add"
            )
        record = SERVER_SLOTS[len(data)]
        out = der.ljust(record, b"\xff") + data[record:]
    if key.role is KeyRole.CLOUD_PUBLIC and check_key(key.name, out).firmware != "usable":
        raise KeyFileError(f"{key.name}: no device could use this key; `keys check` says why")
    return out


def _pkcs1(numbers: PrivateNumbers) -> bytes:
    return encode(SEQUENCE, b"".join(map(encode_integer, (0, *numbers))))


def _pkcs1_of_fixed_size(numbers: PrivateNumbers) -> bytes:
    """Encode as a device's own generator does: every integer at its full size, 611 bytes."""
    n, e, d, *rest = numbers
    long = (encode(INTEGER, number.to_bytes(_LONG, "big")) for number in (n, d))
    n_der, d_der = long
    halves = b"".join(encode(INTEGER, number.to_bytes(_HALF, "big")) for number in rest)
    return encode(SEQUENCE, encode_integer(0) + n_der + encode_integer(e) + d_der + halves)


def _armoured(label: str, der: bytes) -> bytes:
    body = encodebytes(der).replace(b"\n", b"")
    lines = [body[at : at + _LINE] for at in range(0, len(body), _LINE)]
    begin, end = f"-----BEGIN {label}-----", f"-----END {label}-----"
    return b"\n".join([begin.encode(), *lines, end.encode(), b""])
