"""RSA keys that follow from a seed: for experiments, as whoever knows the seed has the key.

The same name gives the same key on every machine and with every release of a crypto library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from hashlib import shake_128
from itertools import count

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

_ROUNDS = 24  # of Miller and Rabin: wrong less than once in 4^24


@cache
def cloud_numbers(name: str, fits: Callable[[int], bool] | None = None) -> PrivateNumbers:
    """Return the 2048-bit key of a name; the first one whose modulus `fits`."""
    return next(_keys(f"cloud/{name}", CLOUD_BITS, fits))


@cache
def device_numbers(name: str) -> PrivateNumbers:
    """Return the 1024-bit key of a name, one that the firmware reads rightly from its slot."""
    keys = _keys(f"device/{name}", DEVICE_BITS, None)
    return next(key for key in keys if usable_for_decrypting(read_device_slot(slot_of(key))))


@cache
def unlucky_numbers(name: str) -> PrivateNumbers:
    """Return a sound 1024-bit key that the firmware misreads: an integer in it is too short."""
    earlier: list[int] = []
    for prime in _primes(f"unlucky/{name}", DEVICE_BITS // 2):
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


def _keys(
    seed: str, bits: int, fits: Callable[[int], bool] | None
) -> Iterator[PrivateNumbers]:
    drawn = _primes(seed, bits // 2)
    for p, q in zip(drawn, drawn, strict=False):
        if fits is None or fits(p * q):
            yield private_numbers(p, q)


def _primes(seed: str, bits: int) -> Iterator[int]:
    """Yield primes whose two top bits are set, so that two of them have twice the bits."""
    for number in count():
        drawn = int.from_bytes(_noise(f"{seed}/{number}", bits // 8), "big")
        candidate = drawn | 3 << bits - 2 | 1
        while not _is_prime(candidate):
            candidate += 2
        yield candidate


@cache
def _small_primes() -> tuple[int, ...]:
    return tuple(n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2)))


def _is_prime(n: int) -> bool:
    if any(n % prime == 0 for prime in _small_primes()) or (n - 1) % PUBLIC_EXPONENT == 0:
        return False
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, *_small_primes()[:_ROUNDS - 1]):
        power = pow(base, odd, n)
        if power in (1, n - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % n
            if power == n - 1:
                break
        else:
            return False
    return True


def _noise(seed: str, length: int) -> bytes:
    return shake_128(seed.encode()).digest(length)
