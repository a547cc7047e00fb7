"""Cloud keys tried on identity and signature; every trial becomes an event.

What opens is proven by content: an identity by the nonce it echoes. "Padding looks right" alone is
never enough to name a key.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from handshake_probe.keys.keyring import CloudKey, Keyring
from handshake_probe.keys.rsa import (
    decrypt_proven,
    public_operation,
    recover_signed,
)
from handshake_probe.protocol.events import (
    BlockState,
    IdentityTest,
    SignatureTest,
)
from handshake_probe.protocol.layouts import (
    HMAC_SIZE,
    SIGNATURE_SIZE,
    Identity,
    split_identity,
)
from handshake_probe.protocol.pkcs1 import (
    SIGNED,
    decrypt_block,
    open_block,
    read_digest_info,
)
from handshake_probe.protocol.stream import Mark

_SHUT = (BlockState.NOT_BELOW_MODULUS, BlockState.PADDING_BAD)


def try_identity(
    keyring: Keyring, blob: bytes, nonce: bytes | None, mark: Mark
) -> Iterator[IdentityTest]:
    """Try every cloud key on an identity; without the nonce an opened one stays UNPROVEN."""
    for key in keyring.cloud:
        state, length, identity = _open_identity(key, blob, nonce)
        yield IdentityTest(
            frame=mark.frame,
            time_ns=mark.time_ns,
            key=key.fingerprint,
            private=key.private is not None,
            state=state,
            plaintext_length=length,
            device_id=identity.device_id if identity else None,
            device_key=identity.device_key if identity else None,
        )


def _open_identity(
    key: CloudKey, blob: bytes, nonce: bytes | None
) -> tuple[BlockState, int | None, Identity | None]:
    if int.from_bytes(blob, "big") >= key.n:
        return BlockState.NOT_BELOW_MODULUS, None, None
    if key.private is None:
        return BlockState.FITS, None, None
    plaintext = None
    if nonce is not None:
        plaintext = decrypt_proven(key.private, blob, lambda got: _echoes(got, nonce))
    if plaintext is None:
        plaintext = decrypt_block(key.private, blob)
    if plaintext is None:
        return BlockState.PADDING_BAD, None, None
    identity = split_identity(plaintext)
    if identity is None:
        return BlockState.PADDING_GOOD_LENGTH_ODD, len(plaintext), None
    if nonce is None:
        return BlockState.UNPROVEN, len(plaintext), identity
    state = BlockState.OPENED if identity.nonce == nonce else BlockState.NONCE_DIFFERS
    return state, len(plaintext), identity


def _echoes(plaintext: bytes, nonce: bytes) -> bool:
    identity = split_identity(plaintext)
    return identity is not None and identity.nonce == nonce


class SignatureTrials(NamedTuple):
    """All cloud keys tried on a signature."""

    events: tuple[SignatureTest, ...]
    mac: bytes | None  # the 20 bytes a signature that opened vouches for


def try_signature(keyring: Keyring, signature: bytes, mark: Mark) -> SignatureTrials:
    """Try every cloud key's public half on a signature; no private key is needed."""
    events, macs = [], []
    for key in keyring.cloud:
        state, body = _open_signature(key, signature)
        if state is BlockState.OPENED:
            macs.append(body)
        elif state is BlockState.DIGEST_INFO:
            info = read_digest_info(body)
            macs += [info.digest] if info and info.algorithm == "sha1" else []
        events.append(_signature_test(key, state, None if state in _SHUT else len(body), mark))
    return SignatureTrials(tuple(events), macs[0] if macs else None)


def find_misplaced(keyring: Keyring, credentials: bytes, mark: Mark) -> Iterator[SignatureTest]:
    """Say which cloud keys made a signature that comes before the ciphertext, not behind it."""
    for key in keyring.cloud:
        if _open_signature(key, credentials[:SIGNATURE_SIZE])[0] is BlockState.OPENED:
            yield _signature_test(key, BlockState.MISPLACED, None, mark)


def _signature_test(
    key: CloudKey, state: BlockState, length: int | None, mark: Mark
) -> SignatureTest:
    return SignatureTest(
        frame=mark.frame, time_ns=mark.time_ns, key=key.fingerprint, state=state, body_length=length
    )


def _open_signature(key: CloudKey, signature: bytes) -> tuple[BlockState, bytes]:
    if int.from_bytes(signature, "big") >= key.n:
        return BlockState.NOT_BELOW_MODULUS, b""
    try:
        body = recover_signed(key.n, key.e, signature)
    except ValueError:
        body = open_block(public_operation(key.n, key.e, signature), SIGNED)
    if body is None:
        return BlockState.PADDING_BAD, b""
    if len(body) == HMAC_SIZE:
        return BlockState.OPENED, body
    if read_digest_info(body):
        return BlockState.DIGEST_INFO, body
    return BlockState.PADDING_GOOD_LENGTH_ODD, body
