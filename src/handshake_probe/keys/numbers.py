"""RSA integers and what can be said about them without any library refusing them first."""

from __future__ import annotations

from functools import cache
from math import gcd, prod
from typing import NamedTuple

PUBLIC_EXPONENT = 65537  # hard-coded in the firmware on both sides

_SIEVE_LIMIT = 10_000
_RUNS = (b"\xff" * 16, b"\0" * 16)  # in a modulus by chance: less than once in 2^119


class PrivateNumbers(NamedTuple):
    """RSAPrivateKey of PKCS#1 (RFC 8017 A.1.2) as integers, unchecked.

    An integer that a damaged file does not hold is 0.
    """

    n: int
    e: int
    d: int
    p: int
    q: int
    dp: int
    dq: int
    qinv: int

    def __repr__(self) -> str:
        """Name the size only: private integers must not leak through a traceback or a log."""
        return f"PrivateNumbers({self.n.bit_length()} bits)"


def byte_length(n: int) -> int:
    """Bytes that hold `n` (at least 1)."""
    return max(1, (n.bit_length() + 7) // 8)


def modulus_flaw(n: int, bits: int) -> str | None:
    """Say why `n` cannot be an RSA modulus of `bits` bits; None when nothing speaks against it.

    The answer is certain: a modulus made of two large primes shows none of these. Of odd numbers
    that are no modulus, about one in eight has no factor below the limit and passes.
    """
    if n <= 1:
        return f"is {n}"
    if n.bit_length() > bits:
        return f"has {n.bit_length()} bits, not {bits}"
    if n & (n + 1) == 0:
        return "is all ones, as erased flash reads"
    if n.bit_length() < bits:
        return f"has its top bit clear ({n.bit_length()} bits, not {bits})"
    if n % 2 == 0:
        return "is even"
    if any(run in n.to_bytes(byte_length(n), "big") for run in _RUNS):
        return "holds 16 equal bytes in a row, as erased or zeroed flash reads"
    factor = gcd(n, _small_primes_product())
    if factor > 1:
        return "has a small prime factor"
    return None


def crt_consistent(numbers: PrivateNumbers) -> bool:
    """Tell whether the five CRT values belong together and to n and e.

    The device decrypts with these alone; d plays no part.
    """
    n, e, _, p, q, dp, dq, qinv = numbers
    if p < 3 or q < 3 or p * q != n:
        return False
    return (e * dp) % (p - 1) == 1 and (e * dq) % (q - 1) == 1 and (q * qinv) % p == 1


def exponent_consistent(numbers: PrivateNumbers) -> bool:
    """Tell whether d undoes e modulo n, tried on one number; p and q play no part."""
    n, e, d = numbers[:3]
    return n > 4 and pow(pow(2, e, n), d, n) == 2


def private_flaws(numbers: PrivateNumbers) -> tuple[str, ...]:
    """Name every disagreement among the integers of a private key, in words; empty when sound."""
    n, e, _, p, q, dp, dq, qinv = numbers
    missing = [name for name, value in zip(numbers._fields, numbers, strict=True) if value == 0]
    flaws = [f"{', '.join(missing)} missing"] if missing else []
    if p and q and p * q != n:
        flaws.append("p * q is not n")
    if not exponent_consistent(numbers):
        flaws.append("d does not undo e")
    if p > 2 and dp and (e * dp) % (p - 1) != 1:
        flaws.append("dp does not fit p")
    if q > 2 and dq and (e * dq) % (q - 1) != 1:
        flaws.append("dq does not fit q")
    if p > 1 and q and qinv and (q * qinv) % p != 1:
        flaws.append("qinv does not fit p and q")
    return tuple(flaws)


def repaired(numbers: PrivateNumbers) -> PrivateNumbers | None:
    """Rebuild all integers of a damaged private key from n, e and what is sound beside them.

    One good prime is enough, or a good d. None when nothing is. What a device could do with the
    damaged integers is another question: see `keys.rsa.private_operation_as_firmware`.
    """
    if crt_consistent(numbers):
        return numbers
    n, e, d, p, q = numbers[:5]
    p = next((factor for factor in (p, q) if 1 < factor < n and n % factor == 0), 0)
    if p == 0:
        p = prime_from_exponent(n, e, d)
    if p == 0:
        return None
    q = n // p
    try:
        d, dp, dq = (pow(e, -1, order) for order in ((p - 1) * (q - 1), p - 1, q - 1))
        rebuilt = PrivateNumbers(n, e, d, p, q, dp, dq, pow(q, -1, p))
    except ValueError:  # no inverse: not two primes
        return None
    return rebuilt if crt_consistent(rebuilt) else None


def prime_from_exponent(n: int, e: int, d: int) -> int:
    """Find a prime of n by way of a square root of 1 (NIST SP 800-56B C.1); 0 when d is wrong."""
    if n % 2 == 0 or e * d < 2 or pow(pow(2, e, n), d, n) != 2:
        return 0
    twos = ((e * d - 1) & -(e * d - 1)).bit_length() - 1
    odd = (e * d - 1) >> twos
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29):  # each fails for half of all keys
        root = pow(base, odd, n)
        for _ in range(twos):
            square = root * root % n
            if square == 1:
                factor = gcd(root - 1, n)
                if 1 < factor < n:
                    return factor
                break
            root = square
    return 0


@cache
def _small_primes_product() -> int:
    """Product of the odd primes below the sieve limit (about 14 000 bits)."""
    sieve = bytearray([1]) * _SIEVE_LIMIT
    for number in range(2, int(_SIEVE_LIMIT**0.5) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(sieve[number * number :: number]))
    return prod(number for number in range(3, _SIEVE_LIMIT) if sieve[number])
