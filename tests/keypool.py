"""Thousands of RSA keys at once, and the firmware's reading of a key, written a second time.

Keys are made of a pool of seeded primes, since searching primes is what takes time. The stride rule
follows the firmware's description alone and shares nothing with the program.
"""

from __future__ import annotations

import random
from functools import cache

E = 65537
SLOT = 612
SEED = 20
PRIMES = 40  # ordered pairs of them: 1560 keys
Key = tuple[int, int, int, int, int, int, int, int]  # n e d p q dp dq qinv


def is_prime(number: int) -> bool:
    return all(number % small for small in range(3, 200, 2)) and all(
        pow(base, number - 1, number) == 1 for base in (2, 3, 5)
    )


@cache
def pool() -> tuple[int, ...]:
    """Primes as OpenSSL takes them for 1024 bits: 512 bits, the two highest set."""
    chance = random.Random(SEED)
    primes: list[int] = []
    while len(primes) < PRIMES:
        candidate = chance.getrandbits(512) | 3 << 510 | 1
        if is_prime(candidate) and (candidate - 1) % E:
            primes.append(candidate)
    return tuple(primes)


def key_of(p: int, q: int) -> Key:
    d = pow(E, -1, (p - 1) * (q - 1))
    return p * q, E, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p)


def element(tag: int, body: bytes) -> bytes:
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = (len(body).bit_length() + 7) // 8
    return bytes([tag, 0x80 + size]) + len(body).to_bytes(size, "big") + body


def minimal(number: int) -> bytes:
    return element(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def as_openssl(key: Key) -> bytes:
    return element(0x30, minimal(0) + b"".join(minimal(number) for number in key))


def as_device(key: Key) -> bytes:
    """With every integer at full size, as a device's own generator writes it."""
    n, e, d, *halves = key
    body = minimal(0) + element(2, n.to_bytes(129, "big")) + minimal(e)
    body += element(2, d.to_bytes(129, "big"))
    return element(0x30, body + b"".join(element(2, x.to_bytes(65, "big")) for x in halves))


def firmware_opens(slot: bytes) -> bool:
    """Encrypt to the modulus that the strides find, and decrypt with the CRT values they find."""
    flash = slot[:SLOT] + b"\xff" * (SLOT - len(slot))
    if flash[0] == 0xFF:
        return False  # taken for empty: a new key is made
    values = []
    at = 9
    for size, stride in ((128, 135), (128, 129), *[(64, 65)] * 5):
        at += 2 if flash[at] % 2 else 1
        values.append(int.from_bytes(flash[at : at + size], "big"))
        at += stride
    n, _, p, q, dp, dq, qinv = values
    if n < 4 or p < 2 or q < 2:
        return False
    # Both: what the device encrypts with is n as sent, what it decrypts with must belong to it.
    message = n // 3 * 2
    cipher = pow(message, E, n)
    low = pow(cipher, dq, q)
    return low + q * ((pow(cipher, dp, p) - low) * qinv % p) == message
