"""RSA private keys as key files: a cloud's, and a device's with the firmware's reading beside it.

A damaged device key is evidence: as long as its modulus tells whose key it is, it is a key with
notes and not an error.
"""

from __future__ import annotations

from handshake_probe.errors import KeyFileError
from handshake_probe.keys.fingerprint import fingerprint
from handshake_probe.keys.firmware import (
    DEVICE_SLOT_LENGTH,
    read_device_slot,
    usable_for_decrypting,
)
from handshake_probe.keys.keyfile import (
    CLOUD_BITS,
    DEVICE_BITS,
    KeyFile,
    KeyRole,
    Source,
    public_half_notes,
    size_class,
)
from handshake_probe.keys.lookalikes import describe_damage
from handshake_probe.keys.numbers import (
    PrivateNumbers,
    crt_consistent,
    modulus_flaw,
    private_flaws,
)
from handshake_probe.keys.slots import DEVICE_SLOTS, describe_padding
from handshake_probe.keys.structures import RsaPrivate

_EXPONENT_DER = b"\x02\x03\x01\x00\x01"


def private_key_file(source: Source, key: RsaPrivate) -> KeyFile:
    """Make a cloud's or a device's private key.

    Raises KeyFileError for other sizes, and for a damaged key that no longer tells whose it is
    (of a cloud's, and of one in PEM, d must be left too).
    """
    numbers, problem = key.numbers, key.problem
    bits = size_class(numbers.n)
    if bits is None:
        if problem is None:
            raise source.refusal(f"an RSA private key of {numbers.n.bit_length()} bits")
        raise _refuse_damaged(source, "an RSA private key", problem)
    if bits == CLOUD_BITS:
        if problem is not None and numbers.d == 0:
            raise _refuse_damaged(source, "a cloud's private key", problem)
        return _cloud(source, key)
    if not source.pem and not crt_consistent(numbers):
        reading = read_device_slot(source.data)
        if usable_for_decrypting(reading):
            return _device(source, key, reading)
    tells_whose = numbers.e != 0 and modulus_flaw(numbers.n, DEVICE_BITS) is None
    if problem is not None and (not tells_whose or (source.pem and numbers.d == 0)):
        raise _refuse_damaged(source, "a device key slot", problem)
    return _device(source, key, numbers)


def recover_device_slot(source: Source, problem: str) -> KeyFile | None:
    """Read a device slot whose header is damaged where the firmware does; None if none is there.

    Told by integers that fit together, or by a sound modulus with INTEGER 65537 behind it.
    """
    reading = read_device_slot(source.data)
    if not usable_for_decrypting(reading):
        modulus = reading.n.to_bytes(DEVICE_BITS // 8, "big")
        if modulus + _EXPONENT_DER not in source.data[:DEVICE_SLOT_LENGTH]:
            return None
        if modulus_flaw(reading.n, DEVICE_BITS) is not None:
            return None
    note = f"The header is damaged ({problem}); the firmware does not look at it."
    if source.data[0] == 0xFF:
        note = "Byte 0 is FF: a device takes the slot for erased and makes a new key when it boots."
    end = min(len(source.data), DEVICE_SLOT_LENGTH)
    key = RsaPrivate("PKCS#1", reading, 0, end, None, padded=False, notes=())
    return _device(source._replace(notes=(*source.notes, note)), key, reading)


def _refuse_damaged(source: Source, what: str, problem: str) -> KeyFileError:
    damage = describe_damage(source.data) or "damaged"
    return source.refusal(f"{what}, {damage} ({problem})")


def _cloud(source: Source, key: RsaPrivate) -> KeyFile:
    n, e = key.numbers.n, key.numbers.e
    notes = _notes(source, key, key.numbers, CLOUD_BITS)
    return KeyFile(
        name=source.name,
        role=KeyRole.CLOUD_PRIVATE,
        form=_form(source, key),
        bits=n.bit_length(),
        fingerprint=fingerprint(n, e),
        device_id=source.device_id,
        n=n,
        e=e,
        private=key.numbers,
        notes=tuple(notes),
    )


def _device(source: Source, key: RsaPrivate, numbers: PrivateNumbers) -> KeyFile:
    """Make a device's key of the integers believed in, with the firmware's reading beside them."""
    flash = _flash(source, key)
    firmware = read_device_slot(flash)
    agrees = firmware == numbers
    notes = _notes(source, key, numbers, DEVICE_BITS)
    if numbers is not key.numbers:
        notes.append("The DER does not give the integers that the firmware reads and can use.")
    if key.container == "PKCS#8" and not source.pem:
        notes.append("The firmware cannot read PKCS#8: the slot must hold PKCS#1 DER.")
    elif key.end > DEVICE_SLOT_LENGTH:
        notes.append(f"The key takes {key.end} bytes; the firmware reads {DEVICE_SLOT_LENGTH}.")
    pkcs8_in_slot = key.container == "PKCS#8" and flash is source.data
    if not agrees and not pkcs8_in_slot and not private_flaws(numbers):
        notes.append(
            "The firmware misreads this sound key, since an integer in it is shorter than it "
            "expects: a device cannot decrypt with it, make another key."
        )
    damage = None if source.pem else describe_damage(source.data[: key.end])
    if damage is None and key.problem is not None and not source.pem:
        damage = describe_damage(source.data)
    if damage is not None:
        notes.append(f"The slot is {damage}.")
    return KeyFile(
        name=source.name,
        role=KeyRole.DEVICE_PRIVATE,
        form=_form(source, key),
        bits=numbers.n.bit_length(),
        fingerprint=fingerprint(numbers.n, numbers.e),
        device_id=source.device_id,
        n=numbers.n,
        e=numbers.e,
        private=numbers,
        firmware=firmware,
        firmware_agrees=agrees,
        notes=tuple(notes),
    )


def _flash(source: Source, key: RsaPrivate) -> bytes:
    """Return what a device that was given this key holds.

    A slot is what it is. PEM, and a bare PKCS#8 file, are not how a device holds a key; the
    PKCS#1 key inside is.
    """
    bare = key.problem is None and key.end == len(source.data)
    if source.pem or (key.container == "PKCS#8" and bare):
        return source.data[key.start : key.end]
    return source.data


def _notes(source: Source, key: RsaPrivate, numbers: PrivateNumbers, bits: int) -> list[str]:
    notes = list(source.notes)
    if key.problem is not None:
        notes.append(f"The DER is damaged: {key.problem}.")
    notes += public_half_notes(numbers.n, numbers.e, bits)
    flaws = private_flaws(numbers)
    if flaws:
        notes.append(f"The integers do not fit together: {'; '.join(flaws)}.")
    notes += key.notes
    if key.padded:
        notes.append("Integers carry leading zeros, as devices write them; strict tools refuse it.")
    return notes


def _form(source: Source, key: RsaPrivate) -> str:
    if source.pem:
        return f"{key.container} PEM"
    length = len(source.data)
    padding = describe_padding(source.data, key.end)
    if key.problem is not None:
        rest = "damaged"
    elif padding in ("FF", "00"):
        rest = f"{padding} padded"
    else:
        rest = f"{padding} behind it" if padding else ""
    if length in DEVICE_SLOTS and key.numbers.n.bit_length() <= DEVICE_BITS:
        return f"device slot ({length} bytes, {key.container}{f', {rest}' if rest else ''})"
    return f"{key.container} DER{f' ({length} bytes, {rest})' if rest else ''}"
