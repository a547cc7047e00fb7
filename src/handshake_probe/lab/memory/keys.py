"""RSA keys that follow from a seed: for experiments, as whoever knows the seed has the key.

The same name gives the same key on every machine and with every release of a crypto library.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from hashlib import shake_128
from itertools import count
from math import gcd, prod

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from handshake_probe.keys.fingerprint import fingerprint
from handshake_probe.keys.firmware import (
    DEVICE_SLOT_LENGTH,
    read_device_slot,
    usable_for_decrypting,
)
from handshake_probe.keys.keyfile import CLOUD_BITS, DEVICE_BITS
from handshake_probe.keys.keyring import CloudKey, RegisteredKey
from handshake_probe.keys.numbers import PUBLIC_EXPONENT, PrivateNumbers
from handshake_probe.lab.damage import slot_of

ANY_TOP = "11"  # highest bits of two primes whose product has twice their bits

_ROUNDS = 12  # of Miller and Rabin: wrong less than once in 4^12, and far less for random numbers
_SIEVED = 8000  # smaller factors are found by one division


@cache
def cloud_numbers(name: str, top: str = ANY_TOP) -> PrivateNumbers:
    """Return the 2048-bit key of a name; `top` are the highest bits of both its primes."""
    return next(_keys(f"cloud/{name}", CLOUD_BITS, top))


@cache
def device_numbers(name: str) -> PrivateNumbers:
    """Return the 1024-bit key of a name, one that the firmware reads rightly from its slot."""
    keys = _keys(f"device/{name}", DEVICE_BITS, ANY_TOP)
    return next(key for key in keys if usable_for_decrypting(read_device_slot(slot_of(key))))


@cache
def unlucky_numbers(name: str) -> PrivateNumbers:
    """Return a sound 1024-bit key that the firmware misreads: an integer in it is too short."""
    earlier: list[int] = []
    for prime in _primes(f"unlucky/{name}", DEVICE_BITS // 2, ANY_TOP):
        for other in earlier:
            for key in (private_numbers(prime, other), private_numbers(other, prime)):
                if not usable_for_decrypting(read_device_slot(slot_of(key))):
                    return key
        earlier.append(prime)
    raise AssertionError("there is no last prime")


def cloud_key(numbers: PrivateNumbers) -> CloudKey:
    """Return a cloud's key as a played cloud takes it."""
    mark = fingerprint(numbers.n, numbers.e)
    return CloudKey(mark, "cloud", numbers.n, numbers.e, numbers, named=False)


def registered_key(numbers: PrivateNumbers) -> RegisteredKey:
    """Return the public half of a device's key as a register holds it."""
    mark = fingerprint(numbers.n, numbers.e)
    return RegisteredKey(mark, "registered", None, numbers.n, numbers.e)


def ec_slot(name: str) -> bytes:
    """Return a slot into which an elliptic-curve key (SEC 1, P-256) was written."""
    scalar = int.from_bytes(_noise(f"ec/{name}", 31), "big")
    der = ec.derive_private_key(scalar, ec.SECP256R1()).private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return der.ljust(DEVICE_SLOT_LENGTH, b"\xff")


def private_numbers(p: int, q: int) -> PrivateNumbers:
    """Return the key of two primes."""
    e = PUBLIC_EXPONENT
    d = pow(e, -1, (p - 1) * (q - 1))
    return PrivateNumbers(p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))


def _keys(seed: str, bits: int, top: str) -> Iterator[PrivateNumbers]:
    drawn = _primes(seed, bits // 2, top)
    for p, q in zip(drawn, drawn, strict=False):
        yield private_numbers(p, q)


def _primes(seed: str, bits: int, top: str) -> Iterator[int]:
    """Yield primes; where their `top` bits are 11 or more, two of them have twice the bits."""
    free = bits - len(top)
    for number in count():
        drawn = int.from_bytes(_noise(f"{seed}/{number}", bits // 8), "big")
        candidate = drawn % (1 << free) | int(top, 2) << free | 1
        while not _is_prime(candidate):
            candidate += 2
        yield candidate


@cache
def _primorial() -> int:
    """The product of the odd primes below the limit."""
    limit = _SIEVED
    composite = {m for n in range(3, int(limit**0.5) + 1, 2) for m in range(n * n, limit, n)}
    return prod(n for n in range(3, limit, 2) if n not in composite)


def _is_prime(n: int) -> bool:
    if gcd(n, _primorial()) != 1 or (n - 1) % PUBLIC_EXPONENT == 0:
        return False
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    return all(_passes(n, base, odd, twos) for base in range(2, 2 + _ROUNDS))


def _passes(n: int, base: int, odd: int, twos: int) -> bool:
    """Miller and Rabin's test to one base."""
    power = pow(base, odd, n)
    if power in (1, n - 1):
        return True
    for _ in range(twos - 1):
        power = power * power % n
        if power == n - 1:
            return True
    return False


def _noise(seed: str, length: int) -> bytes:
    return shake_128(seed.encode()).digest(length)
