"""RSA private keys as key files: a cloud's, and a device's with the firmware's reading beside it.

A damaged device key is evidence: as long as its modulus tells whose key it is, it is a key with
notes and not an error.
"""

from __future__ import annotations

from handshake_probe.keys.damage import describe_damage as describe_integers
from handshake_probe.keys.defects import Code, Defect
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
    NoUsableKey,
    Source,
    public_half_defects,
    size_class,
    trailing_defects,
)
from handshake_probe.keys.lookalikes import describe_damage
from handshake_probe.keys.numbers import (
    PrivateNumbers,
    crt_consistent,
    modulus_flaw,
)
from handshake_probe.keys.slots import DEVICE_SLOTS, describe_padding
from handshake_probe.keys.structures import RsaPrivate

_EXPONENT_DER = b"\x02\x03\x01\x00\x01"
_ERASED = b"\xff" * 16
# An integer of at most so many bits is encoded with fewer bytes than the firmware takes.
_SHORT_BITS = {"d": 1016, "p": 504, "q": 504, "dp": 504, "dq": 504, "qinv": 504}


def private_key_file(source: Source, key: RsaPrivate) -> KeyFile:
    """Make a cloud's or a device's private key.

    Raises NoUsableKey for other sizes, and for a damaged key that no longer tells whose it is
    (of a cloud's, and of one in PEM, d must be left too).
    """
    numbers, problem = key.numbers, key.problem
    bits = size_class(numbers.n)
    if bits is None:
        if problem is None:
            raise source.refusal(
                f"an RSA private key of {numbers.n.bit_length()} bits", Code.WRONG_SIZE
            )
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


def device_key_file(source: Source, key: RsaPrivate) -> KeyFile:
    """Make a device's key of integers that were found by other means than its DER header."""
    return _device(source, key, key.numbers)


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
    text = f"The header is damaged ({problem}); the firmware does not look at it."
    code = Code.HEADER_DAMAGED
    if source.data[0] == 0xFF:
        text = "Byte 0 is FF: a device takes the slot for erased and makes a new key when it boots."
        code = Code.FIRST_BYTE_ERASED
    end = min(len(source.data), DEVICE_SLOT_LENGTH)
    key = RsaPrivate("PKCS#1", reading, 0, end, None, padded=False, notes=())
    source = source._replace(defects=(*source.defects, Defect(code, text)))
    return _device(source, key, reading)


def _refuse_damaged(source: Source, what: str, problem: str) -> NoUsableKey:
    damage = describe_damage(source.data)
    code = Code.OVERWRITTEN if damage else Code.TRUNCATED
    return source.refusal(f"{what}, {damage or 'damaged'} ({problem})", code)


def _cloud(source: Source, key: RsaPrivate) -> KeyFile:
    n, e = key.numbers.n, key.numbers.e
    found = _defects(source, key, key.numbers, CLOUD_BITS)
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
        defects=tuple(found),
        trailing=0 if source.pem else len(source.data) - key.end,
    )


def _device(source: Source, key: RsaPrivate, numbers: PrivateNumbers) -> KeyFile:
    """Make a device's key of the integers believed in, with the firmware's reading beside them."""
    flash = _flash(source, key)
    firmware = read_device_slot(flash)
    agrees, usable = firmware == numbers, usable_for_decrypting(firmware)
    found = _defects(source, key, numbers, DEVICE_BITS)
    if numbers is not key.numbers:
        found += _harmless_damage(source, key)
    if key.container == "PKCS#8" and not source.pem:
        text = "The firmware cannot read PKCS#8: the slot must hold PKCS#1 DER."
        found.append(Defect(Code.PKCS8, text))
    elif key.end - key.start > DEVICE_SLOT_LENGTH:
        text = f"The key takes {key.end - key.start} bytes; a slot holds {DEVICE_SLOT_LENGTH}."
        found.append(Defect(Code.TOO_LONG, text))
    elif not usable and source.flash is None and crt_consistent(numbers) and not key.moved:
        found.append(_misread(numbers))
    damage = None if source.pem else describe_damage(source.data[: key.end])
    if damage is None and key.problem is not None and not source.pem and not usable:
        damage = describe_damage(source.data)
    if damage is not None:
        # Where the firmware's reading is sound, all of it lies where devices never look.
        code = Code.UNUSED_INTEGER_DAMAGED if usable else Code.OVERWRITTEN
        found.append(Defect(code, f"The slot is {damage}."))
    if key.problem is None and not source.pem:
        found += trailing_defects(source.data, key.end)
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
        defects=tuple(found),
        trailing=0 if source.pem else len(source.data) - key.end,
    )


def _harmless_damage(source: Source, key: RsaPrivate) -> list[Defect]:
    """Say what is wrong with DER whose integers the firmware reads rightly all the same."""
    integers = [] if key.problem is not None else describe_integers(key.numbers, source.data)
    if not integers:
        text = "The DER does not give the integers that the firmware reads and can use."
        return [Defect(Code.HEADER_DAMAGED, text)]
    return [Defect(Code.UNUSED_INTEGER_DAMAGED, defect.text) for defect in integers]


def _misread(numbers: PrivateNumbers) -> Defect:
    """Say why the firmware misreads a sound key; the lengths of its integers alone can do that."""
    short = [
        name
        for name, value in zip(numbers._fields, numbers, strict=True)
        if name not in ("n", "e") and value.bit_length() <= _SHORT_BITS[name]
    ]
    which = f"{', '.join(short)} is" if len(short) == 1 else f"{', '.join(short)} are"
    text = (
        f"The firmware misreads this sound key, since {which if short else 'an integer in it is'} "
        "shorter than it expects: a device cannot decrypt with it."
    )
    return Defect(Code.SHORT_INTEGER, text)


def _flash(source: Source, key: RsaPrivate) -> bytes:
    """Return what a device that was given this key holds.

    A slot is what it is. PEM, and a bare PKCS#8 file, are not how a device holds a key; the
    PKCS#1 key inside is.
    """
    if source.flash is not None:
        return source.flash
    bare = key.problem is None and key.end == len(source.data)
    if source.pem or (key.container == "PKCS#8" and bare):
        return source.data[key.start : key.end]
    return source.data


def _defects(source: Source, key: RsaPrivate, numbers: PrivateNumbers, bits: int) -> list[Defect]:
    found = list(source.defects)
    if key.problem is not None:
        found_elsewhere = numbers is not key.numbers  # by the firmware, and whole
        cut = not found_elsewhere and (0 in numbers or source.data.endswith(_ERASED))
        code = Code.TRUNCATED if cut else Code.HEADER_DAMAGED
        found.append(Defect(code, f"The DER is damaged: {key.problem}."))
    found += public_half_defects(numbers.n, numbers.e, bits)
    cut_short = key.problem is not None and 0 in numbers  # which is told already
    integers = [] if cut_short else describe_integers(numbers, source.data)
    if any(defect.text.startswith("n is ") for defect in integers):  # and it is said which bit
        found = [defect for defect in found if defect.code is not Code.NO_MODULUS]
    found += integers
    found += [Defect(Code.HEADER_DAMAGED, note) for note in key.notes]
    if key.version != 0:
        text = f"The version is {key.version}, not 0; the firmware does not look at it."
        found.append(Defect(Code.ODD_VERSION, text))
    if key.padded:
        text = "Integers carry leading zeros, as devices write them; strict tools refuse it."
        found.append(Defect(Code.NOT_MINIMAL, text))
    return found


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
