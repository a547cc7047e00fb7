"""What newer devices and a cloud say first over UDP: the beginning of DTLS 1.2, and CoAP's ping.

A record is type(1) | version(2) | epoch(2) | sequence(6) | length(2) | body; a handshake message in
it type(1) | length(3) | number(2) | fragment offset(3) | fragment length(3) | body (RFC 6347).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from hashlib import sha256

DTLS_PORT, COAP_PORT = 5684, 5683

_HANDSHAKE, _VERSION = 22, b"\xfe\xfd"
_CLIENT_HELLO, _HELLO_VERIFY = 1, 3
_RECORD_HEAD, _MESSAGE_HEAD = 13, 12
_BEFORE_SESSION_ID = 34  # version and random
_SUITES = bytes.fromhex("c0ae00ff")  # ECDHE-ECDSA-AES128-CCM-8, and no renegotiation
_EXTENSIONS = b"".join(
    struct.pack(">HH", kind, len(body)) + body
    for kind, body in (
        (13, bytes.fromhex("00020403")),  # ECDSA with SHA-256
        (10, bytes.fromhex("00020017")),  # secp256r1
        (11, bytes.fromhex("0100")),  # uncompressed points
        (19, bytes.fromhex("0102")),  # raw public keys, both ways (RFC 7250)
        (20, bytes.fromhex("0102")),
    )
)
_WAITS = (3.0, 6.0)  # seconds before a ClientHello is sent again; the firmware adds 12 and 24
_READ = 2048
_EMPTY_CONFIRMABLE, _RESET = b"\x40\x00", b"\x70\x00"


async def connect(sock: socket.socket, cloud: str) -> None:
    """Begin a handshake on a bound socket as the firmware does, and go on to the second hello."""
    loop = asyncio.get_running_loop()
    random, cookie = os.urandom(32), b""
    sock.connect((cloud, DTLS_PORT))
    for number, wait in enumerate(_WAITS):
        with contextlib.suppress(OSError):  # nothing in time, or ICMP says no
            sock.send(client_hello(random, cookie, number))
            async with asyncio.timeout(wait):
                cookie = _cookie_in(await loop.sock_recv(sock, _READ))


def client_hello(random: bytes, cookie: bytes, number: int) -> bytes:
    """Return a ClientHello as firmware sends it."""
    body = _VERSION + random + b"\x00" + bytes((len(cookie),)) + cookie
    body += struct.pack(">H", len(_SUITES)) + _SUITES + b"\x01\x00"
    body += struct.pack(">H", len(_EXTENSIONS)) + _EXTENSIONS
    return _record(_CLIENT_HELLO, body, number)


def verify(request: bytes) -> list[bytes]:
    """Return the answer to a ClientHello without cookie; with one it goes no further."""
    hello = request[_RECORD_HEAD + _MESSAGE_HEAD :]
    kinds = request[:1] + request[_RECORD_HEAD : _RECORD_HEAD + 1]
    if kinds != bytes((_HANDSHAKE, _CLIENT_HELLO)):
        return []
    after_session_id = _BEFORE_SESSION_ID + 1 + hello[_BEFORE_SESSION_ID]
    if hello[after_session_id]:
        return []
    cookie = sha256(hello[2:_BEFORE_SESSION_ID]).digest()
    return [_record(_HELLO_VERIFY, _VERSION + bytes((len(cookie),)) + cookie, 0)]


def pong(request: bytes) -> list[bytes]:
    """Return CoAP's answer to its ping, an empty confirmable message: a reset (RFC 7252)."""
    return [_RESET + request[2:4]] if request[:2] == _EMPTY_CONFIRMABLE else []


def _cookie_in(reply: bytes) -> bytes:
    if reply[_RECORD_HEAD : _RECORD_HEAD + 1] != bytes((_HELLO_VERIFY,)):
        return b""
    body = reply[_RECORD_HEAD + _MESSAGE_HEAD :]
    return body[3 : 3 + body[2]]


def _record(kind: int, body: bytes, number: int) -> bytes:
    length = struct.pack(">I", len(body))[1:]
    message = bytes((kind,)) + length + struct.pack(">H", number) + bytes(3) + length + body
    sequence = struct.pack(">Q", number)[2:]
    return (
        bytes((_HANDSHAKE,)) + _VERSION + bytes(2) + sequence + struct.pack(">H", len(message))
    ) + message
