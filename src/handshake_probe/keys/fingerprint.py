"""Public keys as bytes: SubjectPublicKeyInfo out and in, fingerprints, and what devices send."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256

from handshake_probe.keys.der import (
    BIT_STRING,
    OBJECT_IDENTIFIER,
    SEQUENCE,
    DerError,
    DerReader,
    encode,
    encode_integer,
)
from handshake_probe.keys.numbers import modulus_flaw

RSA_OID = bytes.fromhex("2a864886f70d010101")  # rsaEncryption
EC_OID = bytes.fromhex("2a8648ce3d0201")  # id-ecPublicKey
P256_OID = bytes.fromhex("2a8648ce3d030107")  # prime256v1

_RSA_ALGORITHM = bytes.fromhex("300d06092a864886f70d0101010500")
_P256_HEADER = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")

_SENT_LENGTH = 162
_SENT_MODULUS = slice(29, 157)
_SENT_BITS = 1024
_ERASED_RUN = b"\xff" * 16  # in a modulus by chance: less than 2^-121
_ZERO_RUN = b"\0" * 16
_EXPONENT = b"\x02\x03\x01\x00\x01"  # behind n where a key is right
# The end of "INTEGER of 129 bytes, starting with 00", and the first byte of n.
_SHIFTED_START = re.compile(rb".{0,16}\x02\x81\x81\x00[\x80-\xff]", re.DOTALL)


def spki(n: int, e: int) -> bytes:
    """Return SubjectPublicKeyInfo DER of an RSA key: 162 bytes for 1024 bits, 294 for 2048."""
    key = encode(SEQUENCE, encode_integer(n) + encode_integer(e))
    return encode(SEQUENCE, _RSA_ALGORITHM + encode(BIT_STRING, b"\0" + key))


def fingerprint(n: int, e: int) -> str:
    """Return "sha256:" and the first 16 hex digits of SHA-256 over the SPKI DER."""
    return fingerprint_of(spki(n, e))


def fingerprint_of(spki_der: bytes) -> str:
    """Return the fingerprint of a public key that is SPKI DER already."""
    return "sha256:" + sha256(spki_der).hexdigest()[:16]


def p256_spki(point: bytes) -> bytes:
    """Return SPKI DER (91 bytes) of an uncompressed P-256 point (65 bytes)."""
    return _P256_HEADER + point


def read_spki(der: bytes) -> tuple[int, int] | None:
    """Return (n, e) of an RSA SubjectPublicKeyInfo; None when it is none.

    Lenient: non-minimal integers and bytes after the key are accepted, values are not judged.
    """
    try:
        outer = DerReader.of(der).enter(SEQUENCE, "the key")
        algorithm = outer.enter(SEQUENCE, "the algorithm")
        if algorithm.value(OBJECT_IDENTIFIER, "the algorithm") != RSA_OID:
            return None
        bits = outer.value(BIT_STRING, "the key bits")
        key = DerReader.of(bits[1:]).enter(SEQUENCE, "the integers")
        return key.integer("n"), key.integer("e")
    except DerError:
        return None


@lru_cache(maxsize=1024)  # a device sends the same one every time
def describe_sent_key(spki: bytes) -> str | None:
    """Say in a fixed word what is wrong with the public key in an identity; None when plausible.

    `spki` is the 162 bytes after nonce and id. A device assembles them around whatever lies at
    offset 11 of its key slot, so a damaged slot shows:

    - "pkcs8": a PKCS#8 key lies there (the rsaEncryption OID stands where n should)
    - "ec_key": an EC P-256 key lies there
    - "erased", "zeroed": a run of at least 16 bytes FF, or 00
    - "shifted": parts of the DER around n lie inside it, so the key starts at another byte
    - "not_a_modulus": even, top bit clear, a small prime factor, or no RSA key at all

    A sound key is told as damaged less than once in 2^28: where n holds DER by chance.
    """
    modulus = spki[_SENT_MODULUS]
    if len(spki) == _SENT_LENGTH:
        if modulus.startswith(RSA_OID):
            return "pkcs8"
        if P256_OID in modulus:
            return "ec_key"
        if _ERASED_RUN in modulus:
            return "erased"
        if _ZERO_RUN in modulus:
            return "zeroed"
        if _EXPONENT in modulus or _SHIFTED_START.match(modulus):
            return "shifted"
    numbers = read_spki(spki)
    if numbers is None or modulus_flaw(numbers[0], _SENT_BITS) is not None:
        return "not_a_modulus"
    return None
