"""Device key slots as damage leaves them in flash, and slots that are sound.

A slot is 612 bytes: a PKCS#1 key in DER, then FF. What a device makes of a damaged one follows
from `HeldKey.from_slot`, the firmware's own reading.
"""

from __future__ import annotations

from itertools import permutations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from handshake_probe.errors import KeyFileError
from handshake_probe.keys.der import INTEGER, SEQUENCE, encode, encode_integer
from handshake_probe.keys.files import read_key
from handshake_probe.keys.firmware import (
    DEVICE_SLOT_LENGTH,
    read_device_slot,
    usable_for_decrypting,
)
from handshake_probe.keys.keyfile import DEVICE_BITS
from handshake_probe.keys.numbers import PUBLIC_EXPONENT, PrivateNumbers

_DEVICE_SIZE = DEVICE_BITS // 8
_ERASED_FROM = 64  # within the modulus, so that it shows in what the device sends
_TRUNCATED_FROM = 300  # behind the modulus, in d: what the device sends is sound
_PRIMES_DRAWN = 8  # at a time; pairs of them are tried until one is unlucky
_FLIPPED_BYTE, _FLIPPED_BITS = 32, 0x10  # in the middle of p, which stays odd


def slot_of(numbers: PrivateNumbers) -> bytes:
    """Return the slot that a tool writes: minimal DER, then FF.

    Raises KeyFileError when the key is too long for a slot.
    """
    n, e, d, p, q, dp, dq, qinv = numbers
    integers = b"".join(map(encode_integer, (0, n, e, d, p, q, dp, dq, qinv)))
    der = encode(SEQUENCE, integers)
    if len(der) > DEVICE_SLOT_LENGTH:
        raise KeyFileError(f"a key of {len(der)} bytes does not fit the slot of a device")
    return _filled(der)


def sound_slot() -> bytes:
    """Make a key of 1024 bits that the firmware reads rightly."""
    while not usable_for_decrypting(read_device_slot(slot := slot_of(_new_key()))):
        pass
    return slot


def unlucky_slot() -> bytes:
    """Make a sound key that the firmware misreads, as 1 % are: an integer in it is too short."""
    while True:
        keys = [_new_key() for _ in range(_PRIMES_DRAWN)]
        for p, q in permutations([prime for key in keys for prime in (key.p, key.q)], 2):
            numbers = _key_of(p, q)
            slot = slot_of(numbers)
            if not usable_for_decrypting(read_device_slot(slot)):
                return slot


def need_unlucky(slot: bytes) -> bytes:
    """Return the slot as it is; raise KeyFileError when the firmware reads it rightly."""
    if usable_for_decrypting(read_device_slot(slot)):
        raise KeyFileError(
            "the firmware reads this key rightly; for a new, unlucky one give no key"
        )
    return slot


def erased_tail(slot: bytes) -> bytes:
    """Erase all but the beginning: the modulus ends in FF, and so does what the device sends."""
    return _filled(slot[:_ERASED_FROM])


def truncated(slot: bytes) -> bytes:
    """Erase what lies behind the modulus: the public half stays sound."""
    return _filled(slot[:_TRUNCATED_FROM])


def pkcs8_in_slot(slot: bytes) -> bytes:
    """Write the same key as PKCS#8, as OpenSSL 3 does by itself: it is cut at 612 bytes."""
    key = _private_key(_numbers_in(slot))
    der = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return _filled(der)


def ec_in_slot(_slot: bytes) -> bytes:
    """Write an elliptic-curve key (SEC 1, P-256, 121 bytes) where the RSA key belongs."""
    der = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return _filled(der)


def p_flipped(slot: bytes) -> bytes:
    """Flip one bit in the first prime."""
    p = _numbers_in(slot).p
    at = slot.index(p.to_bytes((p.bit_length() + 7) // 8, "big")) + _FLIPPED_BYTE
    return slot[:at] + bytes((slot[at] ^ _FLIPPED_BITS,)) + slot[at + 1 :]


def other_key(_slot: bytes) -> bytes:
    """Put another sound key in its place, as one that a tool wrote and nobody registered."""
    return sound_slot()


def erased(_slot: bytes) -> bytes:
    """Erase all of it; see `booted`."""
    return _filled(b"")


def booted(slot: bytes) -> bytes:
    """Return the slot after a start: where its first byte is erased, the firmware makes a key.

    Other garbage stays. The firmware writes every integer in its full length, so DER that is not
    minimal, 611 bytes, but always read rightly by itself.
    """
    if not slot.startswith(b"\xff"):
        return slot
    n, e, d, p, q, dp, dq, qinv = _new_key()
    large, small = _DEVICE_SIZE + 1, _DEVICE_SIZE // 2 + 1
    full = [(n, large), (d, large), *((number, small) for number in (p, q, dp, dq, qinv))]
    contents = [number.to_bytes(size, "big") for number, size in full]
    integers = [encode(INTEGER, content) for content in contents]
    parts = (encode_integer(0), integers[0], encode_integer(e), *integers[1:])
    return _filled(encode(SEQUENCE, b"".join(parts)))


def _new_key() -> PrivateNumbers:
    private = rsa.generate_private_key(PUBLIC_EXPONENT, DEVICE_BITS).private_numbers()
    return _key_of(private.p, private.q)


def _key_of(p: int, q: int) -> PrivateNumbers:
    e = PUBLIC_EXPONENT
    d = pow(e, -1, (p - 1) * (q - 1))
    return PrivateNumbers(p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))


def _private_key(numbers: PrivateNumbers) -> rsa.RSAPrivateKey:
    n, e, d, p, q, dp, dq, qinv = numbers
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qinv, rsa.RSAPublicNumbers(e, n)).private_key()


def _numbers_in(slot: bytes) -> PrivateNumbers:
    """Read a sound key back; raises KeyFileError when the slot is damaged already."""
    private = read_key("the device's key", slot).private
    if private is None:
        raise KeyFileError("the device's key: no private key, so it cannot be damaged")
    return private


def _filled(content: bytes) -> bytes:
    return content[:DEVICE_SLOT_LENGTH].ljust(DEVICE_SLOT_LENGTH, b"\xff")
