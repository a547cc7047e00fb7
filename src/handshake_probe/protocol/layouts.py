"""Sizes and names of the handshake's parts. Nothing on the wire says them: size is all there is.

The layout is the same for every firmware since 2013; only the identity comes in two lengths.
"""

from __future__ import annotations

from typing import NamedTuple

NONCE_SIZE = 40  # cloud to device, in clear
IDENTITY_SIZE = 256  # device to cloud, encrypted to the cloud's 2048-bit key
CIPHERTEXT_SIZE = 128  # first part of the credentials, encrypted to the device's 1024-bit key
SIGNATURE_SIZE = 256  # second part of the credentials, made with the cloud's private key
CREDENTIALS_SIZE = CIPHERTEXT_SIZE + SIGNATURE_SIZE
SESSION_SIZE = 40  # what the credentials' ciphertext carries
HMAC_SIZE = 20  # HMAC-SHA1 over the ciphertext, the body of the signature

DEVICE_ID_SIZE = 12
SPKI_SIZE = 162
IDENTITY_SHORT = NONCE_SIZE + DEVICE_ID_SIZE  # 52: Spark Core, firmware before March 2015
IDENTITY_LONG = IDENTITY_SHORT + SPKI_SIZE  # 214: everything later

# UDP, multicast, in clear: a CoAP POST /h before the device id says that a handshake passed.
PRESENCE_HEAD = bytes.fromhex("50020000b168ff")

LENGTH_SIZE = 2  # big-endian length before every record
BLOCK_SIZE = 16  # AES
RECORD_MAX = 1024  # the largest ciphertext anybody accepts is 942 bytes


class Identity(NamedTuple):
    """The plaintext of an identity."""

    nonce: bytes  # 40 bytes, the cloud's, echoed
    device_id: str  # 24 lower-case hex digits
    device_key: bytes | None  # 162 bytes SPKI as the device assembled it; None in the short form


def split_identity(plaintext: bytes) -> Identity | None:
    """Split nonce(40) | device id(12) [| SPKI(162)]; None for any length but 52 and 214."""
    if len(plaintext) not in (IDENTITY_SHORT, IDENTITY_LONG):
        return None
    return Identity(
        nonce=plaintext[:NONCE_SIZE],
        device_id=plaintext[NONCE_SIZE:IDENTITY_SHORT].hex(),
        device_key=plaintext[IDENTITY_SHORT:] or None,
    )


class Session(NamedTuple):
    """The 40 bytes both sides derive everything from."""

    key: bytes  # 16 bytes, AES-128, both directions
    iv: bytes  # 16 bytes, the first record's, in each direction on its own
    salt: bytes  # 8 bytes

    @property
    def seed_be(self) -> int:
        """Message-id seed as classic firmware reads it; the first id is one more."""
        return int.from_bytes(self.salt[:2], "big")

    @property
    def seed_le(self) -> int:
        """Message-id seed as firmware from 0.8 on (LightSSL) reads it."""
        return int.from_bytes(self.salt[:2], "little")


def split_session(session: bytes) -> Session:
    """Split 40 session bytes into key(16) | iv(16) | salt(8)."""
    return Session(key=session[:16], iv=session[16:32], salt=session[32:SESSION_SIZE])
