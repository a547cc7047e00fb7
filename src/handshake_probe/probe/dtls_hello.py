"""A DTLS 1.2 ClientHello as Particle's UDP devices send it (Device OS 4 and later).

Offered: TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 (RFC 7251), secp256r1, raw public keys for both sides
(RFC 7250), an empty connection id (RFC 9146). No handshake follows: what comes back, if only an
alert, shows that UDP passes in both directions. Silence shows nothing.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Callable, Sequence

from handshake_probe.model.probed import UdpProbed
from handshake_probe.probe import datagrams
from handshake_probe.probe.endpoint import Endpoint

_HANDSHAKE, _ALERT = 22, 21
_CLIENT_HELLO, _SERVER_HELLO, _HELLO_VERIFY_REQUEST = 1, 2, 3
_DTLS_1_0, _DTLS_1_2 = b"\xfe\xff", b"\xfe\xfd"
_RECORD_HEADER, _RANDOM = 13, 32

_CIPHER_SUITES = bytes.fromhex("c0ae 00ff")  # the second: renegotiation info (RFC 5746)
_COMPRESSIONS = bytes(1)
_RAW_PUBLIC_KEY = bytes.fromhex("01 02")
_EXTENSIONS = (
    (13, bytes.fromhex("0002 0403")),  # signature_algorithms: ecdsa_secp256r1_sha256
    (10, bytes.fromhex("0002 0017")),  # supported_groups: secp256r1
    (11, bytes.fromhex("01 00")),  # ec_point_formats: uncompressed
    (19, _RAW_PUBLIC_KEY),  # client_certificate_type
    (20, _RAW_PUBLIC_KEY),  # server_certificate_type
    (54, bytes(1)),  # connection_id: empty
)

_MESSAGES = {_HELLO_VERIFY_REQUEST: "hello_verify_request", _SERVER_HELLO: "server_hello"}


async def greet(
    target: Endpoint, next_id: Callable[[], str], *, waits: Sequence[float] = datagrams.WAITS
) -> UdpProbed:
    """Send a ClientHello.

    The answer is "hello_verify_request", "server_hello", "alert" or "other".
    """
    random = secrets.token_bytes(_RANDOM)
    hellos = [client_hello(random, number) for number in range(len(waits))]
    return await datagrams.probe("dtls_client_hello", target, hellos, name_answer, next_id, waits)


def client_hello(random: bytes, sequence: int) -> bytes:
    """One record with a ClientHello without session and cookie (RFC 6347 section 4.2).

    A retransmission has the same random and the next sequence number.
    Record: `type(1) version(2) epoch(2) sequence(6) length(2)`. Handshake message:
    `type(1) length(3) message_seq(2) fragment_offset(3) fragment_length(3)`.
    """
    extensions = b"".join(
        struct.pack(">HH", number, len(value)) + value for number, value in _EXTENSIONS
    )
    body = b"".join(
        (
            _DTLS_1_2,
            random,
            bytes(2),  # no session id, no cookie
            struct.pack(">H", len(_CIPHER_SUITES)) + _CIPHER_SUITES,
            bytes((len(_COMPRESSIONS),)) + _COMPRESSIONS,
            struct.pack(">H", len(extensions)) + extensions,
        )
    )
    length = len(body).to_bytes(3, "big")
    message = bytes((_CLIENT_HELLO,)) + length + bytes(2) + bytes(3) + length + body
    header = struct.pack(">B2sQH", _HANDSHAKE, _DTLS_1_0, sequence, len(message))
    return header + message


def name_answer(data: bytes) -> str:
    """What a datagram from a DTLS server is, by its first record."""
    if len(data) <= _RECORD_HEADER or data[1:3] not in (_DTLS_1_0, _DTLS_1_2):
        return "other"
    if data[0] == _ALERT:
        return "alert"
    return _MESSAGES.get(data[_RECORD_HEADER], "other") if data[0] == _HANDSHAKE else "other"
