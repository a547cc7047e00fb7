"""PKCS#1 v1.5 blocks taken apart by hand (RFC 8017 sections 7.2.2 and 9.2).

Libraries either hide a bad block behind random bytes or say nothing but "failed"; a diagnosis
needs to know how far the block was right. For recorded blocks only: never answer a peer with it.
"""

from __future__ import annotations

from typing import NamedTuple

from handshake_probe.keys.numbers import PrivateNumbers
from handshake_probe.keys.rsa import open_encrypted, private_operation

ENCRYPTED = 2  # block type of an encrypted block: 00 02, random non-zero bytes, 00, plaintext
SIGNED = 1  # block type of a signed block: 00 01, bytes FF, 00, body

_MIN_PADDING = 8

_DIGEST_INFOS = {
    bytes.fromhex("3020300c06082a864886f70d020505000410"): ("md5", 16),
    bytes.fromhex("3021300906052b0e03021a05000414"): ("sha1", 20),
    bytes.fromhex("302d300d06096086480165030402040500041c"): ("sha224", 28),
    bytes.fromhex("3031300d060960864801650304020105000420"): ("sha256", 32),
    bytes.fromhex("3041300d060960864801650304020205000430"): ("sha384", 48),
    bytes.fromhex("3051300d060960864801650304020305000440"): ("sha512", 64),
    # the same without the NULL parameters, which some signers leave out
    bytes.fromhex("301f300706052b0e03021a0414"): ("sha1", 20),
    bytes.fromhex("302f300b0609608648016503040201" + "0420"): ("sha256", 32),
}


class DigestInfo(NamedTuple):
    """A hash with the name of its algorithm around it."""

    algorithm: str  # "sha1", "sha256", …
    digest: bytes


def open_block(block: bytes, block_type: int) -> bytes | None:
    """Return what the padding of `block` encloses; None when its form is not PKCS#1 v1.5.

    `block` is the whole result of the RSA operation, leading zero included. `block_type` is
    `ENCRYPTED` or `SIGNED`. At least 8 padding bytes are asked for, as the standard does.
    """
    if block[:2] != bytes((0, block_type)):
        return None
    end = block.find(0, 2)
    if end < 2 + _MIN_PADDING:
        return None
    if block_type == SIGNED and block[2:end].strip(b"\xff"):
        return None
    return block[end + 1 :]


def decrypt_block(numbers: PrivateNumbers, block: bytes) -> bytes | None:
    """Return what an encrypted block encloses; None when what comes out has no such padding."""
    try:
        return open_encrypted(numbers, block)
    except ValueError:
        return open_block(private_operation(numbers, block), ENCRYPTED)


def read_digest_info(body: bytes) -> DigestInfo | None:
    """Recognise a DigestInfo (RFC 8017 section 9.2) of MD5, SHA-1 or SHA-2."""
    for prefix, (algorithm, size) in _DIGEST_INFOS.items():
        if body.startswith(prefix) and len(body) == len(prefix) + size:
            return DigestInfo(algorithm, body[len(prefix) :])
    return None
