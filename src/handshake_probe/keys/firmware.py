"""The firmware's own reading of its key slots: fixed offsets and strides, no ASN.1.

What a device does with a key follows from this reading, not from what `openssl` says about the
file. About 0.9 % of sound 1024-bit keys hold an integer that starts with a zero byte, are encoded
shorter for it, and are misread here (measured on 18 000 keys made by OpenSSL).
"""

from __future__ import annotations

from handshake_probe.keys.numbers import PUBLIC_EXPONENT, PrivateNumbers, crt_consistent

DEVICE_SLOT_LENGTH = 612  # what the firmware reads of the slot at DCT offset 34

_N_LENGTH_OFFSET = 9
_N_VALUE = 128
_PRIME_VALUE = 64
# From one integer's first value byte to the next one's length byte.
_N_TO_D = _N_VALUE + 5 + 2  # past INTEGER 65537, to the low byte of a two-byte length
_D_TO_P = _N_VALUE + 1
_PRIME_TO_NEXT = _PRIME_VALUE + 1

SERVER_MODULUS_OFFSET = 33
_SERVER_N_VALUE = 256

_SENT_N_OFFSET = 11
_SENT_HEADER = bytes.fromhex("30819f300d06092a864886f70d010101050003818d0030818902818100")
_SENT_TRAILER = bytes.fromhex("0203010001")


def read_device_slot(slot: bytes) -> PrivateNumbers:
    """Read a device's private key slot as the firmware does; every input yields integers.

    `slot` holds 612 bytes; a shorter one reads as if followed by erased flash (FF). Each integer
    is found by stride from the one before, and has a fixed size: 128 bytes for n and d, 64 for p,
    q, dp, dq, qinv. A set low bit in a length byte (81, 41) means that one leading zero is
    skipped. e is never read.
    """
    flash = slot[:DEVICE_SLOT_LENGTH].ljust(DEVICE_SLOT_LENGTH, b"\xff")

    def start(length_offset: int) -> int:
        return length_offset + 1 + (flash[length_offset] & 1)

    def number(offset: int, length: int) -> int:
        return int.from_bytes(flash[offset : offset + length], "big")

    n_at = start(_N_LENGTH_OFFSET)
    d_at = start(n_at + _N_TO_D)
    offset = start(d_at + _D_TO_P)
    primes = []
    for _ in range(4):
        primes.append(number(offset, _PRIME_VALUE))
        offset = start(offset + _PRIME_TO_NEXT)
    p, q, dp, dq = primes
    return PrivateNumbers(
        n=number(n_at, _N_VALUE),
        e=PUBLIC_EXPONENT,
        d=number(d_at, _N_VALUE),
        p=p,
        q=q,
        dp=dp,
        dq=dq,
        qinv=number(offset, _PRIME_VALUE),
    )


def usable_for_decrypting(reading: PrivateNumbers) -> bool:
    """Tell whether the device can decrypt with what it reads: p * q is n, the CRT values fit."""
    return crt_consistent(reading)


def spki_as_sent(slot: bytes) -> bytes:
    """Return the 162 bytes that a device sends as its public key.

    They are assembled, not parsed: a fixed 29-byte header, slot bytes 11 to 138 whatever they
    are, and INTEGER 65537.
    """
    return _SENT_HEADER + slot[_SENT_N_OFFSET:139].ljust(_N_VALUE, b"\xff") + _SENT_TRAILER


def read_server_modulus(slot: bytes) -> int:
    """Read the modulus of a server key slot as the firmware does: bytes 33 to 288, e is 65537.

    The header is never examined. A slot that is shorter reads as if followed by erased flash.
    """
    flash = slot.ljust(SERVER_MODULUS_OFFSET + _SERVER_N_VALUE, b"\xff")
    return int.from_bytes(
        flash[SERVER_MODULUS_OFFSET : SERVER_MODULUS_OFFSET + _SERVER_N_VALUE], "big"
    )


def server_modulus_usable(n: int) -> bool:
    """Tell whether the device's RSA code accepts `n` for encrypting its identity.

    An even modulus, or one whose top byte is zero, is refused: the device then sends nothing.
    """
    return n % 2 == 1 and n >> (8 * _SERVER_N_VALUE - 8) != 0
