"""Finds the damaged integer of a private key, and the flipped bit in it.

The eight integers of an RSA private key say the same thing several times over: two primes, or n
and e with any one of p, q, d, dp, dq, give all the others (NIST SP 800-56B appendix C). Every such
way gives a whole key; the one that agrees with most of the integers in the file is the true one,
and what disagrees with it is damaged. Values are compared, never told.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd

from handshake_probe.keys.defects import Code, Defect
from handshake_probe.keys.numbers import (
    PUBLIC_EXPONENT,
    PrivateNumbers,
    crt_consistent,
    prime_from_exponent,
    private_flaws,
)

# What a device never looks at: it assumes e, and decrypts with the CRT values alone.
UNUSED = frozenset({"e", "d"})

_BASE = 3  # any number will do; 2 has a small order modulo some made-up primes


def damaged_integers(numbers: PrivateNumbers) -> dict[str, int] | None:
    """Return the damaged integers: name → the bits in which each differs from the true value.

    Empty when all agree. None when it cannot be told: too much is damaged, or two readings are
    equally near.
    """
    if not private_flaws(numbers):
        return {}
    found: list[dict[str, int]] = []
    for truth in _truths(numbers):
        differing = {
            name: have ^ want
            for name, have, want in zip(numbers._fields, numbers, truth, strict=True)
            if have != want
        }
        if "d" in differing and _undoes(numbers.d, truth):
            del differing["d"]  # d may be reduced modulo another multiple: both are right
        if differing not in found:
            found.append(differing)
    found.sort(key=len)
    # n, e and the part that a reading was built from agree with it by construction.
    if not found or len(found[0]) > len(PrivateNumbers._fields) - 4:
        return None
    if len(found) > 1 and len(found[1]) == len(found[0]):
        return None
    return found[0]


def describe_damage(numbers: PrivateNumbers, data: bytes) -> list[Defect]:
    """Say which integers are damaged, and which bit where just one is flipped.

    `data` is where they were read from, so that the byte can be named.
    """
    flaws = private_flaws(numbers)
    if not flaws:
        return []
    disagree = "; ".join(flaws)
    differing = damaged_integers(numbers)
    if not differing:
        text = f"The integers do not fit together: {disagree}."
        return [Defect(Code.INTEGERS_DISAGREE, text)]
    found = []
    for name, bits in differing.items():
        code = Code.UNUSED_INTEGER_DAMAGED if name in UNUSED else Code.INTEGER_DAMAGED
        where = _where(getattr(numbers, name), bits, data)
        found.append(Defect(code, f"{name} is damaged ({disagree}): {where}."))
    return found


def _where(value: int, bits: int, data: bytes) -> str:
    if value == 0:
        return "it is 0"
    count = bits.bit_count()
    at = data.find(value.to_bytes((value.bit_length() + 7) // 8, "big"))
    length = (value.bit_length() + 7) // 8

    def byte(bit: int) -> str:
        return f", in byte {at + length - 1 - bit // 8} of the file" if at >= 0 else ""

    highest = bits.bit_length() - 1
    if count == 1:
        return f"bit {highest} is flipped (0 is the lowest){byte(highest)}"
    lowest = (bits & -bits).bit_length() - 1
    if highest // 8 == lowest // 8:
        return f"{count} bits are flipped{byte(highest)}"
    return f"{count} bits are flipped, from bit {lowest} to bit {highest}"


def _truths(numbers: PrivateNumbers) -> Iterator[PrivateNumbers]:
    """Yield the whole key that each trusted part of it leads to."""
    n, e, d, p, q, dp, dq, _ = numbers
    exponents = (e,) if e == PUBLIC_EXPONENT else (e, PUBLIC_EXPONENT)
    for exponent in exponents:
        pairs = [(p, q)] if p * q != n else []
        factors = [p, q]
        factors += [_prime_from_crt(n, exponent, value) for value in (dp, dq)]
        factors.append(prime_from_exponent(n, exponent, d))
        pairs += [(f, n // f) for f in factors if 1 < f < n and n % f == 0]
        for first, second in dict.fromkeys(pair for a, b in pairs for pair in ((a, b), (b, a))):
            truth = _key(first, second, exponent)
            if truth is not None:
                yield truth


def _key(p: int, q: int, e: int) -> PrivateNumbers | None:
    if min(p, q) < 3 or p == q:
        return None
    try:
        d, dp, dq = (pow(e, -1, order) for order in ((p - 1) * (q - 1), p - 1, q - 1))
        key = PrivateNumbers(p * q, e, d, p, q, dp, dq, pow(q, -1, p))
    except ValueError:  # no inverse: not two primes
        return None
    probably_prime = all(pow(_BASE, factor - 1, factor) == 1 for factor in (p, q))
    return key if probably_prime and crt_consistent(key) else None


def _prime_from_crt(n: int, e: int, exponent: int) -> int:
    """Find the prime that a sound dp or dq belongs to: it divides base^(e*dp) - base; else 0."""
    if n < 3 or exponent < 2:
        return 0
    factor = gcd(pow(_BASE, e * exponent, n) - _BASE, n)
    return factor if 1 < factor < n else 0


def _undoes(d: int, truth: PrivateNumbers) -> bool:
    return (truth.e * d) % (truth.p - 1) == 1 and (truth.e * d) % (truth.q - 1) == 1
