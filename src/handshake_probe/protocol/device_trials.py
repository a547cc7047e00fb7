"""Device keys tried on the ciphertext of the credentials; every trial that matters is an event.

The session in it is proven by the HMAC inside the signature beside it. "Padding looks right" alone
is never enough to name a key.
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from typing import NamedTuple

from handshake_probe.keys.fingerprint import fingerprint, fingerprint_of, read_spki
from handshake_probe.keys.keyring import DeviceKey, Keyring
from handshake_probe.keys.numbers import repaired
from handshake_probe.keys.rsa import (
    decrypt_proven,
    is_sound,
    open_encrypted,
    private_operation_as_firmware,
)
from handshake_probe.protocol.events import BlockState, CredentialsTest
from handshake_probe.protocol.layouts import SESSION_SIZE
from handshake_probe.protocol.pkcs1 import ENCRYPTED, decrypt_block, open_block
from handshake_probe.protocol.stream import Mark

# How much a state says, least first: the best reading of a key counts.
_RANK = (
    BlockState.NOT_BELOW_MODULUS,
    BlockState.KEY_DAMAGED,
    BlockState.PADDING_BAD,
    BlockState.PADDING_GOOD_LENGTH_ODD,
    BlockState.HMAC_DIFFERS,
    BlockState.UNPROVEN,
    BlockState.OPENED,
)
_DECRYPTED = (BlockState.OPENED, BlockState.UNPROVEN, BlockState.HMAC_DIFFERS)


class Candidate(NamedTuple):
    """Session material a device key brought to light."""

    key: str  # fingerprint
    session: bytes  # 40 bytes
    proven: bool  # the signed HMAC matches


class CredentialsTrials(NamedTuple):
    """All device keys tried on a ciphertext."""

    events: tuple[CredentialsTest, ...]
    candidates: tuple[Candidate, ...]  # proven ones first


def try_credentials(
    keyring: Keyring,
    ciphertext: bytes,
    mac: bytes | None,
    sent_keys: tuple[bytes, ...],
    mark: Mark,
) -> CredentialsTrials:
    """Try every device key on the 128-byte ciphertext.

    `mac` is the HMAC of a signature that opened; `sent_keys` are SPKIs of opened identities. Of
    those it can only be said that the ciphertext is not theirs.
    """
    events, candidates = [], []
    for key, reading in _read_with_all(keyring, ciphertext, mac, sent_keys):
        events.append(
            CredentialsTest(
                frame=mark.frame,
                time_ns=mark.time_ns,
                key=key.fingerprint,
                private=True,
                state=reading.state,
                plaintext_length=None if reading.plaintext is None else len(reading.plaintext),
                firmware_opens=reading.firmware_opens,
            )
        )
        proven = reading.state is BlockState.OPENED
        if reading.plaintext and (proven or reading.state is BlockState.UNPROVEN):
            candidates.append(Candidate(key.fingerprint, reading.plaintext, proven))
    value = int.from_bytes(ciphertext, "big")
    for name, n in dict(filter(None, map(_read_sent, sent_keys))).items():
        events.append(
            CredentialsTest(
                frame=mark.frame,
                time_ns=mark.time_ns,
                key=name,
                private=False,
                state=BlockState.NOT_BELOW_MODULUS if value >= n else BlockState.FITS,
                plaintext_length=None,
                firmware_opens=None,
            )
        )
    candidates.sort(key=lambda candidate: not candidate.proven)
    return CredentialsTrials(tuple(events), tuple(candidates))


def _read_with_all(
    keyring: Keyring, ciphertext: bytes, mac: bytes | None, sent_keys: tuple[bytes, ...]
) -> list[tuple[DeviceKey, _Reading]]:
    """Read the ciphertext with the keys that open it; with every key if none does.

    Nobody wants to know what all other keys make of it, and raw exponentiation takes ten times as
    long as the library does: it is for those that fail, and for what the library cannot prove.
    """
    if mac is not None:
        found = _find_proven(keyring, ciphertext, mac, sent_keys)
        if found is not None:
            return [found]
    else:
        readings = ((key, _open_unproven(key, ciphertext)) for key in keyring.devices)
        opened = [(key, reading) for key, reading in readings if reading is not None]
        if opened:
            return opened
    return [(key, _open_credentials(key, ciphertext, mac)) for key in keyring.devices]


def _find_proven(
    keyring: Keyring, ciphertext: bytes, mac: bytes, sent_keys: tuple[bytes, ...]
) -> tuple[DeviceKey, _Reading] | None:
    """Find the sound key that the signed HMAC proves; a proof leaves no room for another.

    Tried first is the key whose public half the device sent.
    """

    def proof(plaintext: bytes) -> bool:
        signed = hmac.digest(plaintext, ciphertext, "sha1")
        return len(plaintext) == SESSION_SIZE and signed == mac

    sent = {fingerprint_of(spki) for spki in sent_keys}
    for key in sorted(keyring.devices, key=lambda key: key.fingerprint not in sent):
        if not key.firmware_agrees:
            continue
        plaintext = decrypt_proven(key.numbers, ciphertext, proof)
        if plaintext is None:
            continue
        if _reads_alike(key):
            return key, _Reading(BlockState.OPENED, plaintext, firmware_opens=True)
        return key, _open_credentials(key, ciphertext, mac)
    return None


def _reads_alike(key: DeviceKey) -> bool:
    """Tell whether the firmware calculates, and rightly, with the very numbers the library uses."""
    return key.firmware == key.numbers and is_sound(key.numbers)


def _open_unproven(key: DeviceKey, ciphertext: bytes) -> _Reading | None:
    """Read what no signature vouches for; None when it does not open to a session."""
    if _reads_alike(key):
        try:
            plaintext = open_encrypted(key.numbers, ciphertext, SESSION_SIZE)
        except ValueError:
            pass  # the library cannot tell
        else:
            if plaintext is None:
                return None
            return _Reading(BlockState.UNPROVEN, plaintext, firmware_opens=True)
    reading = _open_credentials(key, ciphertext, None)
    return reading if reading.state is BlockState.UNPROVEN else None


class _Reading(NamedTuple):
    state: BlockState
    plaintext: bytes | None
    firmware_opens: bool


def _open_credentials(key: DeviceKey, ciphertext: bytes, mac: bytes | None) -> _Reading:
    """Try what a DER reader sees, then what the firmware sees; the better one counts."""

    def grade(plaintext: bytes | None) -> tuple[BlockState, bytes | None]:
        if plaintext is None:
            return BlockState.PADDING_BAD, None
        if len(plaintext) != SESSION_SIZE:
            return BlockState.PADDING_GOOD_LENGTH_ODD, plaintext
        if mac is None:
            return BlockState.UNPROVEN, plaintext
        signed = hmac.digest(plaintext, ciphertext, "sha1")
        return (BlockState.OPENED if signed == mac else BlockState.HMAC_DIFFERS), plaintext

    if int.from_bytes(ciphertext, "big") < key.numbers.n and _reads_alike(key):
        state, plaintext = grade(decrypt_block(key.numbers, ciphertext))
        return _Reading(state, plaintext, firmware_opens=state in _DECRYPTED)
    block = None
    if key.firmware is not None:
        block = private_operation_as_firmware(key.firmware, ciphertext)
    firmware = grade(None if block is None else open_block(block, ENCRYPTED))
    if int.from_bytes(ciphertext, "big") >= key.numbers.n > 1:
        der: tuple[BlockState, bytes | None] = (BlockState.NOT_BELOW_MODULUS, None)
    elif key.numbers.n <= 1:
        der = (BlockState.KEY_DAMAGED, None)
    else:
        der = grade(decrypt_block(key.numbers, ciphertext))
        if der[0] is BlockState.PADDING_BAD and repaired(key.numbers) is None:
            der = (BlockState.KEY_DAMAGED, None)
    if firmware[0] is BlockState.PADDING_BAD:
        best = der
    else:
        best = max(der, firmware, key=lambda graded: _RANK.index(graded[0]))
    return _Reading(*best, firmware_opens=firmware[0] in _DECRYPTED)


@lru_cache(maxsize=1024)  # a device sends the same one every time
def _read_sent(spki: bytes) -> tuple[str, int] | None:
    """Return fingerprint and modulus of a key that a device sent; None when it is no key."""
    numbers = read_spki(spki)
    return None if numbers is None else (fingerprint(*numbers), numbers[0])
