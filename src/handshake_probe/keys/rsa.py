"""RSA on blocks: proven operations through `cryptography`, describing ones on bare integers.

`cryptography` over OpenSSL 3.2 and later answers a wrong key with random bytes instead of an
error (implicit rejection), so success proves nothing; only a proof over the plaintext does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import lcm

from cryptography.exceptions import InternalError, InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from handshake_probe.keys.numbers import PrivateNumbers, byte_length, crt_consistent, repaired

_TRIED = 2  # any number but 0, 1 and n - 1
_SURE = 16  # bytes


def public_operation(n: int, e: int, block: bytes) -> bytes:
    """Return block^e mod n, as many bytes as n has (256 or 128).

    A block that is not below n is reduced; who needs to know compares first.
    """
    return pow(int.from_bytes(block, "big"), e, n).to_bytes(byte_length(n), "big")


def recover_signed(n: int, e: int, block: bytes) -> bytes | None:
    """Return what the PKCS#1 v1.5 padding (type 1) around a signature encloses.

    Six times as fast as `public_operation`, and as certain: nothing is random about a public key.
    None when the block is not of that form.

    Raises:
        ValueError: the library takes no such key, or no such block; nothing is said about it.
    """
    key = _library_public_key(n, e)
    try:
        return key.recover_data_from_signature(block, padding.PKCS1v15(), None)
    except InvalidSignature:
        return None
    except InternalError as error:
        raise ValueError("the library failed") from error


def private_operation(numbers: PrivateNumbers, block: bytes) -> bytes:
    """Return block^d mod n, padding and all, as many bytes as n has; for describing, not proving.

    The CRT values serve when they belong together and their result encrypts back to the block;
    else d alone does, so a key whose primes are damaged still opens what its d opens.
    """
    n, e, d, p, q, dp, dq, qinv = numbers
    cipher = int.from_bytes(block, "big") % n
    if crt_consistent(numbers):
        plain = _crt(cipher, p, q, dp, dq, qinv)
        if pow(plain, e, n) == cipher:
            return plain.to_bytes(byte_length(n), "big")
    return pow(cipher, d, n).to_bytes(byte_length(n), "big")


def private_operation_as_firmware(numbers: PrivateNumbers, block: bytes) -> bytes | None:
    """Do what the device's library does with what it read: CRT alone, right or wrong.

    Returns as many bytes as n has, garbage when the values are; None where the library gives up
    (block not below n, zero or even prime, a result longer than n).
    """
    n, _, _, p, q, dp, dq, qinv = numbers
    cipher = int.from_bytes(block, "big")
    if cipher >= n or p % 2 == 0 or q % 2 == 0:
        return None
    plain = _crt(cipher, p, q, dp, dq, qinv)
    length = byte_length(n)
    if plain.bit_length() > 8 * length:
        return None
    return plain.to_bytes(length, "big")


def decrypt_proven(
    numbers: PrivateNumbers, block: bytes, proof: Callable[[bytes], bool]
) -> bytes | None:
    """Decrypt a PKCS#1 v1.5 block (type 2) and believe the plaintext only if `proof` accepts it.

    A damaged key is rebuilt where its sound integers allow it, so this tells what the key can
    open, not what a device holding it can. None when it cannot be used, the block has another
    length, or the proof fails; nothing but what `proof` raises is ever raised.
    """
    key = _library_key(numbers)
    if key is None:
        return None
    try:
        plaintext = key.decrypt(block, padding.PKCS1v15())
    except (ValueError, InternalError):
        return None
    return plaintext if proof(plaintext) else None


def is_sound(numbers: PrivateNumbers) -> bool:
    """Tell whether every CRT operation with these numbers is right; True is certain."""
    return _twins(numbers) is not None


def open_encrypted(numbers: PrivateNumbers, block: bytes, size: int | None = None) -> bytes | None:
    """Return what the PKCS#1 v1.5 padding (type 2) of a block encloses; None when it has no such.

    Tells the same as a look at `private_operation`, in a fifth of the time. The library draws its
    answer to a bad padding from d and the block. Two values of d are right for a modulus, so two
    keys are asked, and what they agree on was not drawn: n bytes agree by chance once in 256^n.
    With `size`, any other length is None as well, in half of the time.

    Raises:
        ValueError: the library cannot tell (the key is not sound, or the block of another length
            or not below n, or too little is enclosed to be sure).
    """
    twins = _twins(numbers)
    if twins is None:
        raise ValueError("a damaged key")
    answers = []
    for key in twins:
        try:
            answers.append(_answer(key, block))
        except InternalError as error:
            raise ValueError("the library failed") from error
        if size is not None and len(answers[0]) != size:
            return None
    first, second = answers
    if first != second:
        return None
    if len(first) < _SURE:
        raise ValueError("too short to be sure")
    return first


def _crt(cipher: int, p: int, q: int, dp: int, dq: int, qinv: int) -> int:
    """Garner's recombination (RFC 8017 5.1.2); any values with p, q not zero give a number."""
    first, second = pow(cipher, dp, p), pow(cipher, dq, q)
    return second + (first - second) * qinv % p * q


@lru_cache(maxsize=1024)
def _twins(numbers: PrivateNumbers) -> tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey] | None:
    """Load a key twice, with both values of d below n; None when it is not sound.

    They lie the order of the group apart, which is less than half of n. None as well when the
    library's answers to a bad padding do not differ: then it does not draw them from d.
    """
    n, e, _, p, q, dp, dq, qinv = numbers
    if not crt_consistent(numbers) or _crt(pow(_TRIED, e, n), p, q, dp, dq, qinv) != _TRIED:
        return None
    order = lcm(p - 1, q - 1)
    least = pow(e, -1, order)
    public = rsa.RSAPublicNumbers(e, n)
    try:
        one, other = (
            rsa.RSAPrivateNumbers(p, q, d, dp, dq, qinv, public).private_key(
                unsafe_skip_rsa_key_validation=True
            )
            for d in (least, least + order)
        )
        bad = pow(_TRIED, e, n).to_bytes(byte_length(n), "big")  # encloses nothing
        if _answer(one, bad) == _answer(other, bad):
            return None
    except (ValueError, InternalError):
        return None
    return one, other


def _answer(key: rsa.RSAPrivateKey, block: bytes) -> bytes:
    return key.decrypt(block, padding.PKCS1v15())


@lru_cache(maxsize=64)
def _library_public_key(n: int, e: int) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(e, n).public_key()


@lru_cache(maxsize=1024)
def _library_key(numbers: PrivateNumbers) -> rsa.RSAPrivateKey | None:
    """Load the key, rebuilt from its sound integers where some are damaged; None if none are.

    What is not even consistent is kept away from the library, whose behaviour is then undefined.
    """
    sound = repaired(numbers)
    if sound is None:
        return None
    n, e, d, p, q, dp, dq, qinv = sound
    # Validation would refuse a key for a damaged d, which the CRT operation never uses.
    private = rsa.RSAPrivateNumbers(p, q, d % n, dp, dq, qinv, rsa.RSAPublicNumbers(e, n))
    try:
        return private.private_key(unsafe_skip_rsa_key_validation=True)
    except (ValueError, InternalError):
        return None
