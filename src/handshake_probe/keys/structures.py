"""Key structures in DER: PKCS#1, PKCS#8, SubjectPublicKeyInfo, SEC1; told apart by content.

A damaged private key is read as far as it goes: its first integers tell whose key it is.
"""

from __future__ import annotations

from typing import NamedTuple

from handshake_probe.keys.der import (
    BIT_STRING,
    CONTEXT_0,
    CONTEXT_1,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    DerError,
    DerReader,
)
from handshake_probe.keys.fingerprint import EC_OID, P256_OID, RSA_OID
from handshake_probe.keys.numbers import PUBLIC_EXPONENT, PrivateNumbers

_P256_POINT = 65
_P256_SCALAR = 32
_DSA_SUBGROUP_BITS = 160  # at least, by FIPS 186
_LARGEST_PRIME = 8192  # bits: the largest group of RFC 3526; the test takes a second
_OTHER_CURVE = "an EC private key on another curve than P-256"


class RsaPrivate(NamedTuple):
    """An RSA private key, whole or in part."""

    container: str  # "PKCS#1" or "PKCS#8"
    numbers: PrivateNumbers  # integers not reached are 0
    start: int  # offset of the PKCS#1 SEQUENCE
    end: int  # offset after the key, as far as it was read
    problem: str | None  # why reading stopped; None: all nine integers read
    padded: bool  # integers are not minimal
    notes: tuple[str, ...]  # harmless oddities of the header, in sentences
    version: int = 0
    moved: bool = False  # found elsewhere than its header says


class RsaPublic(NamedTuple):
    """An RSA public key."""

    container: str  # "SPKI" or "PKCS#1"
    n: int
    e: int
    end: int


class EcPrivate(NamedTuple):
    """A P-256 private key; the scalar itself is of no use here and not kept."""

    container: str  # "SEC1" or "PKCS#8"
    point: bytes | None  # 65 bytes, when the file holds the public half too
    end: int


class EcPublic(NamedTuple):
    """A P-256 public key."""

    container: str  # "SPKI"
    point: bytes  # 65 bytes
    end: int


class NotAKey(NamedTuple):
    """DER that is something else."""

    what: str
    encrypted: bool = False  # a key all the same, once its passphrase is removed
    sure: bool = False  # no damage makes a key look like it


Structure = RsaPrivate | RsaPublic | EcPrivate | EcPublic | NotAKey


def read_structure(data: bytes) -> Structure:
    """Read the key at the start of `data`; anything may follow it.

    Raises DerError with the byte offset when `data` is no DER key structure, or one too damaged
    to tell whose key it is.
    """
    reader = DerReader.of(data)
    start, claimed = reader.header(SEQUENCE, "the key")
    inside = DerReader(data, start, len(data))
    first = inside.peek()
    if first == SEQUENCE:
        return _algorithm_first(inside, min(claimed, len(data)))
    if first != INTEGER:
        raise DerError(f"byte {start} starts neither a key's version nor its algorithm")
    version = inside.integer("the version")
    if inside.peek() == SEQUENCE:
        return NotAKey("a PKCS#12 container") if version == 3 else _pkcs8(inside)
    return _integer_first(inside, version, claimed)


def _integer_first(inside: DerReader, version: int, claimed: int) -> Structure:
    """Tell PKCS#1 from SEC1 by what follows the first INTEGER."""
    if inside.peek() == OCTET_STRING:
        return _sec1(inside, min(claimed, len(inside.data)))
    if version.bit_length() > 8:
        modulus, exponent = version, inside.integer("e")
        if _is_dsa(modulus, exponent):
            return NotAKey("DSA parameters", sure=True)
        if exponent != PUBLIC_EXPONENT and _is_prime(modulus):
            return NotAKey("Diffie-Hellman parameters", sure=True)
        return RsaPublic("PKCS#1", modulus, exponent, inside.position)
    key = _pkcs1(inside, version, claimed)
    if _is_dsa(key.numbers.n, key.numbers.e):
        return NotAKey("a DSA private key", sure=True)
    return key


def _is_prime(modulus: int) -> bool:
    """Tell a prime, by Fermat's test; an RSA modulus is none. Nobody waits for larger numbers."""
    return 2 < modulus.bit_length() <= _LARGEST_PRIME and pow(2, modulus - 1, modulus) == 1


def _is_dsa(p: int, q: int) -> bool:
    """Tell a DSA key, which starts p, q, g, from an RSA key, which starts n, e, d.

    q divides p - 1; of an n and an e as long as that, no one in 2^159 is so by chance.
    """
    return q.bit_length() >= _DSA_SUBGROUP_BITS and p > q and (p - 1) % q == 0


def _pkcs1(inside: DerReader, version: int, claimed: int) -> RsaPrivate:
    """Read the integers after the version, whatever length the SEQUENCE claims."""
    values: list[int] = []
    problem = None
    try:
        for name in PrivateNumbers._fields:
            values.append(inside.integer(name))
    except DerError as error:
        if not values:
            raise
        problem = str(error)
    notes = []
    if problem is None and claimed != inside.position:
        notes.append(
            f"The header claims an end at byte {claimed}, the integers end at {inside.position}."
        )
    values += [0] * (len(PrivateNumbers._fields) - len(values))
    return RsaPrivate(
        container="PKCS#1",
        numbers=PrivateNumbers(*values),
        start=0,
        end=inside.position,
        problem=problem,
        padded=inside.padded,
        notes=tuple(notes),
        version=version,
    )


def _pkcs8(inside: DerReader) -> Structure:
    algorithm = inside.enter(SEQUENCE, "the algorithm")
    oid = algorithm.value(OBJECT_IDENTIFIER, "the algorithm")
    if oid not in (RSA_OID, EC_OID):
        return NotAKey("a private key that is neither RSA nor EC")
    if oid == EC_OID and algorithm.value(OBJECT_IDENTIFIER, "the curve") != P256_OID:
        return NotAKey(_OTHER_CURVE)
    start, _ = inside.header(OCTET_STRING, "the private key")
    inside.position = start
    value, claimed = inside.header(SEQUENCE, "the private key")
    inside.position = value
    key = _integer_first(inside, inside.integer("the version"), claimed)
    match key:
        case RsaPrivate():
            return key._replace(container="PKCS#8", start=start)
        case EcPrivate():
            return key._replace(container="PKCS#8")
        case NotAKey():
            return key
    raise DerError(f"byte {start} starts no private key, as PKCS#8 should hold")


def _algorithm_first(inside: DerReader, end: int) -> Structure:
    """Read SPKI; a SEQUENCE that starts otherwise is a certificate or its like."""
    algorithm = inside.enter(SEQUENCE, "the algorithm")
    if algorithm.peek() != OBJECT_IDENTIFIER:
        if inside.peek() != SEQUENCE:
            raise DerError(f"byte {algorithm.position} starts no OBJECT IDENTIFIER (the algorithm)")
        return NotAKey("a certificate or certificate request", sure=True)
    oid = algorithm.value(OBJECT_IDENTIFIER, "the algorithm")
    if inside.peek() == OCTET_STRING:
        return NotAKey("an encrypted private key", encrypted=True)
    if oid not in (RSA_OID, EC_OID):
        return NotAKey("a public key that is neither RSA nor EC")
    start, _ = inside.header(BIT_STRING, "the public key")
    if oid == RSA_OID:
        inside.position = start + 1  # past the count of unused bits
        key = inside.enter(SEQUENCE, "the public key")
        # Whatever length was claimed: the integers tell where they end.
        key.end = inside.end
        n, e = key.integer("n"), key.integer("e")
        return RsaPublic("SPKI", n, e, key.position)
    if algorithm.value(OBJECT_IDENTIFIER, "the curve") != P256_OID:
        return NotAKey("an EC public key on another curve than P-256")
    point = inside.data[start + 1 : start + 1 + _P256_POINT]
    if len(point) != _P256_POINT or point[0] != 4:
        raise DerError(f"byte {start + 1} starts no whole uncompressed P-256 point")
    return EcPublic("SPKI", point, max(end, start + 1 + _P256_POINT))


def _sec1(inside: DerReader, end: int) -> Structure:
    """Read an EC private key; its curve may be left to the PKCS#8 wrapper around it."""
    if len(inside.value(OCTET_STRING, "the private scalar")) != _P256_SCALAR:
        return NotAKey(_OTHER_CURVE)
    inside.end = max(end, inside.position)
    if inside.peek() == CONTEXT_0:
        curve = inside.enter(CONTEXT_0, "the curve").value(OBJECT_IDENTIFIER, "the curve")
        if curve != P256_OID:
            return NotAKey(_OTHER_CURVE)
    point = None
    if inside.peek() == CONTEXT_1:
        bits = inside.enter(CONTEXT_1, "the public point").value(BIT_STRING, "the public point")
        if len(bits) == 1 + _P256_POINT and bits[1] == 4:
            point = bits[1:]
    return EcPrivate("SEC1", point, inside.position)
