from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vectors
from handshake_probe.keys.numbers import crt_consistent
from handshake_probe.keys.rsa import is_sound, private_operation, public_operation
from handshake_probe.protocol import layouts
from handshake_probe.protocol.pkcs1 import (
    ENCRYPTED,
    SIGNED,
    decrypt_block,
    open_block,
    read_digest_info,
)
from handshake_probe.protocol.shape import looks_like_handshake
from handshake_probe.protocol.state import TABLE, Step, steps_of

CLOUD_N, CLOUD_E = vectors.CLOUD_NUMBERS.n, vectors.CLOUD_NUMBERS.e


@pytest.mark.parametrize(
    ("blob", "padding", "device_key"),
    [
        (vectors.IDENTITY_LONG, 39, vectors.DEVICE_SPKI),
        (vectors.IDENTITY_SHORT, 201, None),
    ],
)
def test_an_identity_holds_nonce_id_and_key(
    blob: bytes, padding: int, device_key: bytes | None
) -> None:
    block = private_operation(vectors.CLOUD_NUMBERS, blob)
    assert block.startswith(b"\0\2" + b"\xa5" * padding + b"\0")
    plaintext = open_block(block, ENCRYPTED)
    assert plaintext is not None
    assert layouts.split_identity(plaintext) == layouts.Identity(
        vectors.NONCE, vectors.DEVICE_ID.hex(), device_key
    )
    assert public_operation(CLOUD_N, CLOUD_E, block) == blob


def test_the_key_in_the_long_form_is_the_one_described() -> None:
    assert len(vectors.DEVICE_SPKI) == layouts.SPKI_SIZE
    assert hashlib.sha256(vectors.DEVICE_SPKI).hexdigest() == vectors.DEVICE_SPKI_SHA256


@pytest.mark.parametrize("length", [0, 51, 53, 213, 215])
def test_no_other_length_is_an_identity(length: int) -> None:
    assert layouts.split_identity(bytes(length)) is None


def test_credentials_hold_the_session_and_its_signed_hmac() -> None:
    block = private_operation(vectors.DEVICE_NUMBERS, vectors.CIPHERTEXT)
    assert open_block(block, ENCRYPTED) == vectors.SESSION
    signed = public_operation(CLOUD_N, CLOUD_E, vectors.SIGNATURE)
    assert signed == b"\0\1" + b"\xff" * 233 + b"\0" + vectors.MAC
    assert open_block(signed, SIGNED) == vectors.MAC
    assert hmac.digest(vectors.SESSION, vectors.CIPHERTEXT, "sha1") == vectors.MAC


def test_a_session_is_split_and_its_seed_read_both_ways() -> None:
    session = layouts.split_session(vectors.SESSION)
    assert session.key == bytes(range(16))
    assert session.iv.hex() == "f0e0d0c0b0a090807060504030201000"
    assert session.salt.hex() == "3412aabbccddeeff"
    assert (session.seed_be, session.seed_le) == (0x3412, 0x1234)


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"\0",
        b"\0\2",
        b"\0\2" + b"\7" * 7 + b"\0" + b"x" * 10,  # 7 bytes of padding
        b"\0\2" + b"\7" * 100,  # no end
        b"\1\2" + b"\7" * 50 + b"\0x",
        b"\0\1" + b"\7" * 50 + b"\0x",
    ],
)
def test_a_bad_encrypted_block_has_no_plaintext(block: bytes) -> None:
    assert open_block(block, ENCRYPTED) is None


def test_padding_of_a_signed_block_is_ff_alone() -> None:
    good = b"\0\1" + b"\xff" * 8 + b"\0body"
    assert open_block(good, SIGNED) == b"body"
    assert open_block(good.replace(b"\xff\0", b"\xfe\0"), SIGNED) is None
    assert open_block(good, ENCRYPTED) is None


def test_an_empty_plaintext_is_a_plaintext() -> None:
    assert open_block(b"\0\2" + b"\7" * 8 + b"\0", ENCRYPTED) == b""


def test_a_digest_info_is_recognised() -> None:
    digest = hashlib.sha1(b"x").digest()
    info = read_digest_info(bytes.fromhex("3021300906052b0e03021a05000414") + digest)
    assert info is not None
    assert info == ("sha1", digest)
    assert read_digest_info(digest) is None
    assert read_digest_info(bytes.fromhex("3021300906052b0e03021a05000414") + digest[:-1]) is None


def test_the_table_says_who_sends_what() -> None:
    assert steps_of(vectors.CLOUD) == (Step.NONCE, Step.CREDENTIALS, Step.RECORDS)
    assert steps_of(vectors.DEVICE) == (Step.IDENTITY, Step.RECORDS)
    step, seen = Step.NONCE, []
    while step is not Step.RECORDS:
        seen.append(TABLE[step].size)
        step = TABLE[step].following
    assert seen == [40, 256, 384]


@pytest.mark.parametrize(
    ("cloud", "device", "expected"),
    [(40, 256, True), (40, 0, False), (0, 256, False), (41, 256, False), (40, 255, False)],
)
def test_sizes_alone_show_a_handshake(cloud: int, device: int, expected: bool) -> None:
    assert looks_like_handshake(cloud, device) is expected


DEVICE = vectors.DEVICE_NUMBERS
KEYS = {
    "sound": DEVICE,
    "another": vectors.CLOUD_NUMBERS,
    "wrong d": DEVICE._replace(d=DEVICE.d ^ 0xFF00),
    "damaged": DEVICE._replace(dp=DEVICE.dp ^ 2),
    "no prime": vectors.numbers(DEVICE.p + 2, DEVICE.q),
    "no primes": DEVICE._replace(p=0, q=0, dp=0, dq=0, qinv=0),
}
STARTS = st.sampled_from([b"\0\2", b"\0\2", b"\0\2", b"\0\1", b"\1\2", b"\0\0", b"\xff\2"])
PADDINGS = st.integers(0, 125).map(lambda length: b"\5" * length)


@settings(deadline=None)
@given(st.sampled_from(sorted(KEYS)), STARTS, PADDINGS, st.sampled_from([b"\0", b"\0", b"\7"]))
def test_what_a_block_encloses_is_what_the_bare_operation_shows(
    name: str, start: bytes, padding: bytes, end: bytes
) -> None:
    """Padding of every length, right and wrong, with keys that are sound and that are not."""
    block = (start + padding + end + bytes(range(1, 127)))[:128]
    encrypted = public_operation(DEVICE.n, DEVICE.e, block)
    shown = open_block(private_operation(KEYS[name], encrypted), ENCRYPTED)
    assert decrypt_block(KEYS[name], encrypted) == shown


def test_a_key_whose_values_fit_each_other_may_still_be_no_key() -> None:
    assert crt_consistent(KEYS["no prime"])
    assert not is_sound(KEYS["no prime"])
    assert not is_sound(KEYS["damaged"])
    assert is_sound(KEYS["sound"])
    assert is_sound(KEYS["wrong d"])  # no CRT operation uses it
