"""The identity of a device that does not exist: it says nothing about anybody's device.

The id is drawn anew for every connection. It is well formed, and nobody's: a Photon's, P1's or
Core's is the unique id of its STM32 chip, whose last 7 bytes are an ASCII lot number (ST, RM0033),
and later devices' begin with e00fce68; here the first byte is FF, and the last 7 all have their top
bit set.
The key is a random odd number of 1024 bits whose factors nobody knows, so what a cloud encrypts to
it stays closed, to us as well.
"""

from __future__ import annotations

import os

from handshake_probe.keys.fingerprint import spki
from handshake_probe.keys.numbers import PUBLIC_EXPONENT
from handshake_probe.protocol.layouts import DEVICE_ID_SIZE
from handshake_probe.protocol.seal import Entropy, Seal

_LOT_NUMBER = slice(5, DEVICE_ID_SIZE)
_KEY_SIZE = 128


def made_up_id(entropy: Entropy = os.urandom) -> bytes:
    """Return 12 bytes that are no device's id."""
    drawn = bytearray(entropy(DEVICE_ID_SIZE))
    drawn[0] = 0xFF
    drawn[_LOT_NUMBER] = bytes(byte | 0x80 for byte in drawn[_LOT_NUMBER])
    return bytes(drawn)


def made_up_key(entropy: Entropy = os.urandom) -> bytes:
    """Return 162 bytes, SubjectPublicKeyInfo of a key of 1024 bits without a private half."""
    modulus = bytearray(entropy(_KEY_SIZE))
    modulus[0] |= 0x80
    modulus[-1] |= 0x01
    return spki(int.from_bytes(modulus, "big"), PUBLIC_EXPONENT)


def made_up_identity(
    server_modulus: int, nonce: bytes, entropy: Entropy = os.urandom
) -> bytes | None:
    """Return 256 bytes, encrypted to the cloud; None for a modulus no device could use."""
    return Seal().identity(
        server_modulus, nonce, made_up_id(entropy), made_up_key(entropy), entropy
    )
