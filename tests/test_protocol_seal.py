from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given
from hypothesis import strategies as st

import vectors
from handshake_probe.errors import LocalProtocolError
from handshake_probe.keys.rsa import private_operation
from handshake_probe.protocol import requests
from handshake_probe.protocol.cipher import open_record
from handshake_probe.protocol.coap import CoapMessage, encode, parse
from handshake_probe.protocol.layouts import split_session
from handshake_probe.protocol.pkcs1 import ENCRYPTED, SIGNED, open_block
from handshake_probe.protocol.records import Record
from handshake_probe.protocol.seal import (
    Seal,
    credentials_hmac,
    draw,
    encrypt,
    encrypt_record,
    encryption_block,
    frame_record,
    identity_plaintext,
    nonzero_bytes,
    pad,
    sign,
    signature_block,
)
from handshake_probe.protocol.stream import Mark
from played import SPKI, endless, scripted

CLOUD, DEVICE = vectors.CLOUD_NUMBERS, vectors.DEVICE_NUMBERS


def test_identities_of_the_vectors() -> None:
    for spki, filler, expected in (
        (SPKI, 39, vectors.IDENTITY_LONG),
        (None, 201, vectors.IDENTITY_SHORT),
    ):
        entropy = scripted(b"\xa5" * filler)
        made = Seal().identity(CLOUD.n, vectors.NONCE, vectors.DEVICE_ID, spki, entropy)
        assert made == expected
        assert entropy(1) == b""


def test_credentials_of_the_vectors() -> None:
    made = Seal().credentials(DEVICE.n, DEVICE.e, vectors.SESSION, CLOUD, scripted(b"\x5a" * 85))
    assert made == vectors.CIPHERTEXT + vectors.SIGNATURE
    assert credentials_hmac(vectors.SESSION, vectors.CIPHERTEXT) == vectors.MAC


def test_a_signature_is_what_a_library_verifies_without_digest_info() -> None:
    public = rsa.RSAPublicNumbers(CLOUD.e, CLOUD.n).public_key()
    signature = sign(CLOUD, vectors.MAC)
    assert public.recover_data_from_signature(signature, padding.PKCS1v15(), None) == vectors.MAC


def test_records_of_the_vectors() -> None:
    session = split_session(vectors.SESSION)
    iv = dict.fromkeys((vectors.DEVICE, vectors.CLOUD), session.iv)
    for direction, plaintext, frame in vectors.FRAMES:
        ciphertext = encrypt_record(session.key, iv[direction], bytes.fromhex(plaintext))
        assert frame_record(ciphertext).hex() == frame
        iv[direction] = Seal().next_iv(session.iv, ciphertext)
    ciphertext = encrypt_record(session.key, session.iv, vectors.HELLO_30)
    assert frame_record(ciphertext) == vectors.HELLO_30_FRAME


def test_a_server_modulus_the_device_refuses_makes_no_identity() -> None:
    made = Seal().identity(CLOUD.n - 1, vectors.NONCE, vectors.DEVICE_ID, SPKI, endless("x"))
    assert made is None


@given(st.binary(max_size=117), st.integers(0, 9))
def test_what_is_encrypted_is_opened(plaintext: bytes, seed: int) -> None:
    block = encrypt(DEVICE.n, DEVICE.e, plaintext, endless(str(seed)))
    assert len(block) == 128
    assert open_block(private_operation(DEVICE, block), ENCRYPTED) == plaintext


@given(st.binary(max_size=245))
def test_what_is_signed_is_opened(body: bytes) -> None:
    block = signature_block(body, 256)
    assert len(block) == 256
    assert open_block(block, SIGNED) == body


@pytest.mark.parametrize(
    "make",
    [
        lambda text: encryption_block(text, 128, endless("x")),
        lambda text: signature_block(text, 128),
    ],
)
def test_what_does_not_fit_a_block(make: Callable[[bytes], bytes]) -> None:
    assert len(make(bytes(117))) == 128
    with pytest.raises(LocalProtocolError, match="do not fit"):
        make(bytes(118))


def test_a_modulus_of_no_size_takes_nothing() -> None:
    with pytest.raises(LocalProtocolError):
        encrypt(0, 65537, vectors.SESSION, endless("x"))


def test_padding_draws_zeros_again() -> None:
    assert nonzero_bytes(4, scripted(b"\1\0\2\0", b"\0\3", b"\4")) == b"\1\2\3\4"


def test_entropy_that_runs_dry_is_our_fault() -> None:
    with pytest.raises(LocalProtocolError, match="entropy"):
        draw(scripted(b"123"), 4)


@given(st.binary(max_size=100))
def test_padding_is_one_to_sixteen_bytes(plaintext: bytes) -> None:
    padded = pad(plaintext)
    assert len(padded) % 16 == 0
    assert padded == plaintext + bytes([padded[-1]]) * padded[-1]
    assert 1 <= padded[-1] <= 16


@given(st.binary(min_size=1, max_size=200), st.binary(min_size=16, max_size=16))
def test_the_reader_of_records_opens_what_is_sealed(plaintext: bytes, iv: bytes) -> None:
    session = split_session(vectors.SESSION)
    ciphertext = encrypt_record(session.key, iv, plaintext)
    record = Record(1, len(ciphertext), ciphertext, False, iv, None, Mark(0, 0))
    opened = open_record(session, record)
    assert opened is not None
    assert opened.plaintext == plaintext


def test_a_record_too_long_for_its_length() -> None:
    with pytest.raises(LocalProtocolError, match="65536"):
        frame_record(bytes(65536))


def test_the_short_form_has_no_key() -> None:
    short = identity_plaintext(vectors.NONCE, vectors.DEVICE_ID, None)
    assert (len(short), len(identity_plaintext(vectors.NONCE, vectors.DEVICE_ID, SPKI))) == (
        52,
        214,
    )
    assert hashlib.sha256(SPKI).hexdigest() == vectors.DEVICE_SPKI_SHA256


# Real messages of Device OS 1.0.0, 2.3.1 and 3.3.1, of the Core's library and of both servers.
RECORDED = (
    (requests.ping(), "400039da"),
    (requests.device_hello(3, 0xFFFF, 2, 3, None), "500239d0b168ff0003ffff00020003"),
    (requests.device_hello(0xFFFF, 0xFFFF, 0, None, None), "5002515cb168ffffffffff0000"),
    (
        requests.device_hello(3, 0xFFFF, 0x36, 3, requests.Limits()),
        "5002ed80b168ff0003ffff0036000300000ce603c0000190000200",
    ),
    (requests.cloud_hello(b""), "5002d65db168"),
    (requests.cloud_hello(b"\1"), "510257a801b168"),
    (requests.describe_request(b"\1", None), "4101d65e01b164"),
    (requests.describe_request(b"\2", 2), "410192cc02b1644102"),
    (
        requests.describe_post(b"\x72", 2, b'{"f":[],"v":{}}'),
        "41025d7c72b1644102ff7b2266223a5b5d2c2276223a7b7d7d",
    ),
    (
        requests.device_event(b"core/temp", b"n=1", public=False, acknowledged=False),
        "50025160b14509636f72652f74656d70ff6e3d31",
    ),
    (
        requests.device_event(b"truth/pub", b"n=2", public=True, acknowledged=True, ttl=90),
        "400239d8b1650974727574682f707562" + "3300005a" + "ff6e3d32",
    ),
    (
        requests.cloud_event(b"truth/down", b"x", public=True, acknowledged=False),
        "50020102b165" + "057472757468" + "04646f776e" + "ff78",
    ),
    (requests.subscribe(b"spark", own_devices=False), "400139d3b16505737061726b"),
    (requests.subscribe(b"spark", own_devices=True), "40011361b16505737061726b4175"),
    (requests.time_request(b"\1"), "410139d401b174"),
    (requests.goodbye(2), "5002136cb178d0eaff0102"),
    (requests.function_call(b"\2", b"led", b"on"), "4102d65f02b166036c6564426f6e"),
    (requests.function_return(b"\2", 42), "514439d702ff0000002a"),
    (requests.variable_request(b"\3", b"counter"), "4101d66003b17607636f756e746572"),
    (requests.content(b"\3", b"\0\0\0\7", confirmable=False), "5145136603ff00000007"),
    (requests.content(b"\1", b"{}", confirmable=True), "4145136301ff7b7d"),
    (requests.signal(b"\5", on=True), "4103123405b1734101"),
)


@pytest.mark.parametrize(("message", "recorded"), RECORDED, ids=[hex_ for _, hex_ in RECORDED])
def test_messages_as_real_sides_write_them(message: CoapMessage, recorded: str) -> None:
    message_id = int(recorded[4:8], 16)
    assert encode(message._replace(message_id=message_id)).hex() == recorded


@pytest.mark.parametrize(
    ("request_", "form", "recorded"),
    [
        ("400039da", requests.acknowledge, "600039da"),
        ("40005164", requests.acknowledge_as_original, "6100516400"),
        ("4101660c01b164", lambda m: requests.reply(m, requests.BAD_REQUEST), "6180660c01"),
        (
            "410139d401b174",
            lambda m: requests.reply(m, requests.CONTENT, bytes.fromhex("6b02c888")),
            "614539d401ff6b02c888",
        ),
        (
            "50025160b14509636f72652f74656d70ff6e3d31",
            lambda m: requests.acknowledge_as_original(m, requests.BAD_REQUEST),
            "6180516000",
        ),
    ],
)
def test_answers_as_real_sides_write_them(
    request_: str, form: Callable[[CoapMessage], CoapMessage], recorded: str
) -> None:
    message = parse(bytes.fromhex(request_))
    assert isinstance(message, CoapMessage)
    assert encode(form(message)).hex() == recorded
