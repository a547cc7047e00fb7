from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_probe.protocol.events import NonceFlaw
from handshake_probe.protocol.nonce import inspect_nonce

PAGE = b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/login\r\n\r\n<html></html>"


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (PAGE, "http"),
        (b"HTTP/1.0 ", "http"),
        (b"\r\n<!doctype html><html><head>", "html"),
        (b"<HTML><BODY>", "html"),
        (b'<?xml version="1.0"?>', "xml"),
        (bytes.fromhex("15030100020246"), "tls"),
        (bytes.fromhex("140303000101"), "tls"),
        (bytes.fromhex("160303007a020000760303"), "tls"),
        (bytes.fromhex("17030300400011223344"), "tls"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "ssh"),
        (b"220 mail.example ESMTP Postfix\r\n", "smtp"),
        (b"220-FTP server ready\r\n", "ftp"),
        (b"220 gate.example\r\n", "greeting"),
        (bytes.fromhex("00000045ff534d42"), "smb"),
        (bytes.fromhex("fe534d4240"), "smb"),
        (b"RTSP/1.0 400 Bad Request\r\n", "rtsp"),
        (b"+OK POP3 ready\r\n", "pop3"),
        (b"* OK IMAP4rev1\r\n", "imap"),
        (b"RFB 003.008\n", "vnc"),
        (bytes.fromhex("fffd18fffd20fffd23"), "telnet"),
        (b'{"error":"denied"}', "json"),
        (b'[{"a": 12345}]', "json"),
        (bytes.fromhex("00e1"), "coap_tcp"),
        (bytes.fromhex("30e1220480"), "coap_tcp"),
        (bytes.fromhex("50e123010000" + "20"), "coap_tcp"),
        (b"welcome to the machine\r\n", "text"),
    ],
)
def test_beginnings_of_other_protocols_have_names(data: bytes, word: str) -> None:
    assert inspect_nonce(data).looks_like == word


@pytest.mark.parametrize(
    "data",
    [b"", b"\0", b"\xe1", b"\xd0", b"\xd0\x01", b"HTT", b"00e1", b"{}", b"hello", b"\x15\x03"],
)
def test_too_little_has_no_name(data: bytes) -> None:
    assert inspect_nonce(data) == ((), None)


def test_a_true_nonce_has_no_flaw() -> None:
    nonce = bytes.fromhex(
        "8d06f1a3c95b7e2240dd91b86f3a5ce70bc4187f29e66a95d2530cfe8471ab1e9837b06d4cf2e1a5"
    )
    assert inspect_nonce(nonce) == ((), None)


def test_random_nonces_are_not_accused() -> None:
    source = random.Random(5683)
    accused = [n for n in (source.randbytes(40) for _ in range(30_000)) if inspect_nonce(n).flaws]
    assert len(accused) <= 1  # about 5e-6 each: more than one is a wrong limit


@pytest.mark.parametrize(
    ("data", "flaw"),
    [
        (PAGE, NonceFlaw.KNOWN_PREFIX),
        (PAGE, NonceFlaw.PRINTABLE),
        (bytes(range(20)) * 2, NonceFlaw.FEW_VALUES),
        (bytes(40), NonceFlaw.BIT_COUNT),
        (bytes(40), NonceFlaw.RUN),
        (b"\xff" * 40, NonceFlaw.BIT_COUNT),
    ],
)
def test_every_flaw_is_found(data: bytes, flaw: NonceFlaw) -> None:
    assert flaw in inspect_nonce(data).flaws


def test_limits_are_exact() -> None:
    base = bytes.fromhex(
        "8d06f1a3c95b7e2240dd91b86f3a5ce70bc4187f29e66a95d2530cfe8471ab1e9837b06d4cf2e1a5"
    )
    assert NonceFlaw.RUN not in inspect_nonce(base[:37] + b"\x99" * 3).flaws
    assert NonceFlaw.RUN in inspect_nonce(base[:36] + b"\x99" * 4).flaws
    few = bytes(range(3, 3 + 29)) + bytes(range(3, 3 + 11))
    assert NonceFlaw.FEW_VALUES not in inspect_nonce(few).flaws
    assert NonceFlaw.FEW_VALUES in inspect_nonce(bytes(range(3, 31)) + bytes(range(3, 15))).flaws
    text = bytes(range(0x41, 0x41 + 31)) + bytes(range(0x80, 0x89))
    assert NonceFlaw.PRINTABLE not in inspect_nonce(text).flaws
    assert NonceFlaw.PRINTABLE in inspect_nonce(b"z" + text[:-1]).flaws


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    inspection = inspect_nonce(data)
    assert bool(inspection.flaws) or len(data) < 40 or inspection.looks_like in (None, "text")
