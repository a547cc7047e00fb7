from __future__ import annotations

import hashlib
import hmac
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

import vectors
from handshake_probe.keys.fingerprint import spki
from handshake_probe.keys.keyring import CloudKey, DeviceKey, Keyring
from handshake_probe.keys.numbers import PrivateNumbers
from handshake_probe.keys.rsa import private_operation, public_operation, recover_signed
from handshake_probe.protocol.device_trials import try_credentials
from handshake_probe.protocol.events import BlockState
from handshake_probe.protocol.pkcs1 import SIGNED, open_block
from handshake_probe.protocol.stream import Mark
from handshake_probe.protocol.trials import find_misplaced, try_identity, try_signature

MARK = Mark(7, 7000)
ID = vectors.DEVICE_ID.hex()


@cache
def fresh_numbers(bits: int) -> PrivateNumbers:
    private = rsa.generate_private_key(65537, bits).private_numbers()
    return vectors.numbers(private.p, private.q)


def encrypt(key: PrivateNumbers, plaintext: bytes) -> bytes:
    size = (key.n.bit_length() + 7) // 8
    block = b"\0\2" + b"\7" * (size - 3 - len(plaintext)) + b"\0" + plaintext
    return public_operation(key.n, key.e, block)


def sign(key: PrivateNumbers, body: bytes) -> bytes:
    return private_operation(key, b"\0\1" + b"\xff" * (253 - len(body)) + b"\0" + body)


def identity(
    key: CloudKey, blob: bytes = vectors.IDENTITY_LONG, nonce: bytes | None = vectors.NONCE
) -> tuple[object, ...]:
    [test] = try_identity(Keyring(cloud=(key,)), blob, nonce, MARK)
    assert (test.frame, test.time_ns, test.key) == (7, 7000, key.fingerprint)
    return test.state, test.plaintext_length, test.device_id, test.device_key


def test_the_right_key_opens_both_forms() -> None:
    key = vectors.cloud_key()
    assert identity(key) == (BlockState.OPENED, 214, ID, vectors.DEVICE_SPKI)
    assert identity(key, vectors.IDENTITY_SHORT) == (BlockState.OPENED, 52, ID, None)


def test_another_nonce_or_none_is_told() -> None:
    key = vectors.cloud_key()
    assert identity(key, nonce=bytes(40))[:3] == (BlockState.NONCE_DIFFERS, 214, ID)
    assert identity(key, nonce=None)[:3] == (BlockState.UNPROVEN, 214, ID)


def test_a_public_key_says_little_but_surely() -> None:
    key = vectors.cloud_key(public_only=True)
    assert identity(key)[0] is BlockState.FITS
    assert identity(key, b"\xff" * 256)[0] is BlockState.NOT_BELOW_MODULUS


def test_another_private_key_does_not_open() -> None:
    other = vectors.cloud_key(fresh_numbers(2048))
    assert identity(other, b"\0" + vectors.IDENTITY_LONG[1:])[0] is BlockState.PADDING_BAD


def test_an_identity_of_another_length_is_told() -> None:
    blob = encrypt(vectors.CLOUD_NUMBERS, vectors.NONCE + b"short")
    assert identity(vectors.cloud_key(), blob) == (
        BlockState.PADDING_GOOD_LENGTH_ODD,
        45,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("body", "state", "vouched"),
    [
        (vectors.MAC, BlockState.OPENED, vectors.MAC),
        (
            bytes.fromhex("3021300906052b0e03021a05000414") + vectors.MAC,
            BlockState.DIGEST_INFO,
            vectors.MAC,
        ),
        (
            bytes.fromhex("3031300d060960864801650304020105000420") + bytes(32),
            BlockState.DIGEST_INFO,
            None,
        ),
        (b"x" * 19, BlockState.PADDING_GOOD_LENGTH_ODD, None),
    ],
)
def test_a_signature_shows_its_body(body: bytes, state: BlockState, vouched: bytes | None) -> None:
    trials = try_signature(
        Keyring(cloud=(vectors.cloud_key(public_only=True),)),
        sign(vectors.CLOUD_NUMBERS, body),
        MARK,
    )
    assert trials.mac == vouched
    assert [(test.state, test.body_length) for test in trials.events] == [(state, len(body))]


def test_a_signature_by_another_key_is_told() -> None:
    keys = Keyring(cloud=(vectors.cloud_key(fresh_numbers(2048)), vectors.cloud_key()))
    trials = try_signature(keys, vectors.SIGNATURE, MARK)
    assert trials.events[0].state in (BlockState.PADDING_BAD, BlockState.NOT_BELOW_MODULUS)
    assert trials.events[1].state is BlockState.OPENED
    assert try_signature(keys, b"\xff" * 256, MARK).events[1].state is BlockState.NOT_BELOW_MODULUS


def test_a_signature_before_the_ciphertext_is_found() -> None:
    other = vectors.cloud_key(fresh_numbers(2048))
    reply = vectors.SIGNATURE + vectors.CIPHERTEXT
    [test] = find_misplaced(Keyring(cloud=(other, vectors.cloud_key())), reply, MARK)
    assert (test.key, test.state) == (vectors.cloud_key().fingerprint, BlockState.MISPLACED)
    assert test.body_length is None
    right = vectors.CIPHERTEXT + vectors.SIGNATURE
    assert not list(find_misplaced(Keyring(cloud=(vectors.cloud_key(),)), right, MARK))


def credentials(
    key: DeviceKey,
    mac: bytes | None = vectors.MAC,
    ciphertext: bytes = vectors.CIPHERTEXT,
) -> tuple[object, ...]:
    trials = try_credentials(Keyring(devices=(key,)), ciphertext, mac, (), MARK)
    [test] = trials.events
    sessions = [(found.session, found.proven) for found in trials.candidates]
    return test.state, test.plaintext_length, test.firmware_opens, sessions


def test_the_device_key_opens_with_proof() -> None:
    assert credentials(vectors.device_key()) == (
        BlockState.OPENED,
        40,
        True,
        [(vectors.SESSION, True)],
    )


def test_without_a_signature_nothing_is_proven() -> None:
    assert credentials(vectors.device_key(), mac=None) == (
        BlockState.UNPROVEN,
        40,
        True,
        [(vectors.SESSION, False)],
    )


def test_another_hmac_is_told_and_gives_no_session() -> None:
    assert credentials(vectors.device_key(), mac=bytes(20)) == (
        BlockState.HMAC_DIFFERS,
        40,
        True,
        [],
    )


def test_another_device_key_does_not_open() -> None:
    other = fresh_numbers(1024)
    state, length, firmware, sessions = credentials(vectors.device_key(other, other))
    assert state in (BlockState.PADDING_BAD, BlockState.NOT_BELOW_MODULUS)
    assert (length, firmware, sessions) == (None, False, [])


def test_a_key_only_a_der_reader_reads_is_told() -> None:
    damaged = vectors.DEVICE_NUMBERS._replace(p=vectors.DEVICE_NUMBERS.p ^ 0x1000)
    assert credentials(vectors.device_key(firmware=damaged))[:3] == (BlockState.OPENED, 40, False)
    assert credentials(vectors.device_key(firmware=None))[:3] == (BlockState.OPENED, 40, False)


@pytest.mark.parametrize("names", [("d", "p", "q"), ("d", "p", "q", "dp", "dq", "qinv")])
def test_a_key_of_which_too_little_is_left_refutes_nothing(names: tuple[str, ...]) -> None:
    flipped = {name: getattr(vectors.DEVICE_NUMBERS, name) ^ 1 << 200 for name in names}
    damaged = vectors.DEVICE_NUMBERS._replace(**flipped)
    assert credentials(vectors.device_key(damaged, damaged))[:3] == (
        BlockState.KEY_DAMAGED,
        None,
        False,
    )


def test_a_key_only_the_firmware_reads_is_told() -> None:
    damaged = vectors.DEVICE_NUMBERS._replace(n=0, d=0, p=0)
    assert credentials(vectors.device_key(damaged))[:3] == (BlockState.OPENED, 40, True)


def test_a_session_of_another_length_is_told() -> None:
    ciphertext = encrypt(vectors.DEVICE_NUMBERS, vectors.SESSION[:39])
    assert credentials(vectors.device_key(), ciphertext=ciphertext)[:3] == (
        BlockState.PADDING_GOOD_LENGTH_ODD,
        39,
        False,
    )


def test_keys_that_a_device_sent_are_tried_once_each() -> None:
    other = fresh_numbers(1024)
    sent = (vectors.DEVICE_SPKI, spki(other.n, other.e), vectors.DEVICE_SPKI, b"no key at all")
    trials = try_credentials(Keyring(), b"\xff" * 128, None, sent, MARK)
    assert [(t.key, t.private, t.state, t.firmware_opens) for t in trials.events] == [
        (fingerprint, False, BlockState.NOT_BELOW_MODULUS, None)
        for fingerprint in (vectors.DEVICE_PRINT, vectors.registered_key(other).fingerprint)
    ]


def test_a_register_costs_no_trials() -> None:
    keys = Keyring(registered=(vectors.registered_key(),))
    assert try_credentials(keys, vectors.CIPHERTEXT, None, (), MARK).events == ()
    sent = (vectors.DEVICE_SPKI,)
    [test] = try_credentials(keys, vectors.CIPHERTEXT, None, sent, MARK).events
    assert (test.key, test.state) == (vectors.DEVICE_PRINT, BlockState.FITS)


def test_proven_sessions_come_first() -> None:
    other = fresh_numbers(1024)
    ciphertext = encrypt(vectors.DEVICE_NUMBERS, vectors.SESSION)
    mac = hmac.new(vectors.SESSION, ciphertext, hashlib.sha1).digest()
    keys = Keyring(devices=(vectors.device_key(other, other), vectors.device_key()))
    trials = try_credentials(keys, ciphertext, mac, (), MARK)
    assert [found.key for found in trials.candidates] == [vectors.DEVICE_PRINT]


@pytest.mark.parametrize("mac", [vectors.MAC, None])
def test_keys_that_do_not_open_are_named_only_if_none_does(mac: bytes | None) -> None:
    others = [fresh_numbers(1024) for _ in range(3)]
    wrong = tuple(vectors.device_key(other, other) for other in others)
    keys = Keyring(devices=(*wrong, vectors.device_key()))
    for sent in ((), (vectors.DEVICE_SPKI,)):
        events = try_credentials(keys, vectors.CIPHERTEXT, mac, sent, MARK).events
        assert [test.key for test in events if test.private] == [vectors.DEVICE_PRINT]
    events = try_credentials(Keyring(devices=wrong), vectors.CIPHERTEXT, mac, (), MARK).events
    assert [test.key for test in events] == [key.fingerprint for key in wrong]


@pytest.mark.parametrize(
    "block",
    [
        b"\0\1" + b"\xff" * 233 + b"\0" + b"m" * 20,
        b"\0\1" + b"\xff" * 8 + b"\0" + b"m" * 245,
        b"\0\1" + b"\xff" * 7 + b"\0" + b"m" * 246,
        b"\0\1" + b"\xff" * 253 + b"\0",
        b"\0\1" + b"\xff" * 254,
        b"\0\1" + b"\xff" * 100 + b"\xfe" + b"\xff" * 132 + b"\0" + b"m" * 20,
        b"\0\1\0" + b"\xff" * 253,
        b"\0\2" + b"\xff" * 233 + b"\0" + b"m" * 20,
        b"\0\0" + b"\xff" * 233 + b"\0" + b"m" * 20,
        b"\1\1" + b"\xff" * 233 + b"\0" + b"m" * 20,
        bytes(256),
        bytes(255) + b"\1",
    ],
)
def test_the_library_sees_in_a_signature_what_we_see(block: bytes) -> None:
    key = vectors.CLOUD_NUMBERS
    signature = pow(int.from_bytes(block, "big"), key.d, key.n).to_bytes(256, "big")
    assert public_operation(key.n, key.e, signature) == block
    assert recover_signed(key.n, key.e, signature) == open_block(block, SIGNED)
