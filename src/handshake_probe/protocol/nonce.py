"""Is it a nonce? Tests on the cloud's first 40 bytes, which ought to be random.

A device takes any 40 bytes for a nonce, a portal's HTTP text included. Error rates were counted
over random bytes; every limit below accuses a true nonce less than once in 250 000 handshakes.
What passes is not proven: a box may send random-looking bytes too.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from handshake_probe.protocol.coap import CoapMessage, parse
from handshake_probe.protocol.events import NonceFlaw
from handshake_probe.protocol.layouts import NONCE_SIZE

_MIN_PRINTABLE = 32  # of 40; by chance 3.7e-8
_MAX_FEW_VALUES = 28  # distinct byte values; by chance 1.9e-6
_MIN_RUN = 4  # equal bytes in a row; by chance 2.2e-6
_BITS = range(115, 205)  # one bits of 320; outside by chance 6e-7
_MIN_TEXT = 16  # a shorter text is not called one; by chance 2e-7

_CAPABILITIES = (2, 4, 6)  # option numbers: largest message, block-wise, extended tokens

_PRINTABLE = bytes(range(0x20, 0x7F))
_TEXT = _PRINTABLE + b"\t\r\n"
_LONG_RUN = re.compile(rb"(.)\1{%d}" % (_MIN_RUN - 1), re.DOTALL)


class NonceInspection(NamedTuple):
    """What a stream's first bytes look like."""

    flaws: tuple[NonceFlaw, ...]
    looks_like: str | None  # a word of `PREFIXES`, "text", or None


def _prefix(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.DOTALL | re.IGNORECASE)


# Every pattern fixes 24 bits or more: by chance all of them together fire less than once in 10^6.
PREFIXES: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("http", _prefix(rb"HTTP/\d")),
    ("html", _prefix(rb"\s*<(!DOCTYPE\s+html|html|head|body|title|script|meta|!--)")),
    ("xml", _prefix(rb"\s*(\xef\xbb\xbf)?<(\?xml|!DOCTYPE|soap|stream:)")),
    ("tls", _prefix(rb"\x15\x03[\x00-\x04]\x00\x02[\x01\x02]")),
    ("tls", _prefix(rb"\x14\x03[\x00-\x04]\x00\x01\x01")),
    ("tls", _prefix(rb"\x16\x03[\x00-\x04][\x00-\x40].[\x00-\x02\x04\x0b-\x10\x14-\x16]\x00")),
    ("tls", _prefix(rb"\x17\x03[\x01-\x03][\x00-\x40]")),
    ("ssh", _prefix(rb"SSH-")),
    ("smtp", _prefix(rb"(220|421|554)[ -][\x20-\x7e]*SMTP")),
    ("ftp", _prefix(rb"(220|421|530)[ -][\x20-\x7e]*FTP")),
    ("greeting", _prefix(rb"[2-5]\d\d[ -][\x20-\x7e]{3}")),  # SMTP, FTP, NNTP: three digits
    ("smb", _prefix(rb"(\x00\x00..)?[\xfe\xff]SMB")),
    ("rtsp", _prefix(rb"RTSP/")),
    ("sip", _prefix(rb"SIP/2")),
    ("pop3", _prefix(rb"(\+OK|-ERR) ")),
    ("imap", _prefix(rb"\* (OK|BYE|PREAUTH)\b")),
    ("vnc", _prefix(rb"RFB 0")),
    ("telnet", _prefix(rb"\xff[\xfb-\xfe].\xff[\xfb-\xfe]")),
    ("json", _prefix(rb"\s*\{\s*\"[\x20-\x7e]{5}")),
    ("json", _prefix(rb"\s*\[\s*[\[{\"\d][\x20-\x7e]{7}")),
)
# All of them at once: nearly every nonce there is has none.
_ANY_PREFIX = _prefix(b"|".join(b"(?:%b)" % pattern.pattern for _, pattern in PREFIXES))


def inspect_nonce(data: bytes) -> NonceInspection:
    """Judge the first bytes of a cloud's stream; only the first 40 are counted.

    Fewer than 40 bytes are tested for known beginnings alone.
    """
    word = looks_like(data)
    flaws: tuple[NonceFlaw, ...] = (NonceFlaw.KNOWN_PREFIX,) if word not in (None, "text") else ()
    if len(data) >= NONCE_SIZE:
        flaws += _flaws(data[:NONCE_SIZE])
    return NonceInspection(flaws, word)


def looks_like(data: bytes) -> str | None:
    """What else than random the first 40 bytes of a stream are: a word of `PREFIXES`, "text"."""
    word = known_protocol(data)
    if word is None and len(data) >= _MIN_TEXT and not data[:NONCE_SIZE].translate(None, _TEXT):
        return "text"
    return word


def known_protocol(data: bytes) -> str | None:
    """The other protocol whose known beginning these bytes are, as a word of `PREFIXES`."""
    if _ANY_PREFIX.match(data):
        return next(word for word, pattern in PREFIXES if pattern.match(data))
    return "coap_tcp" if _is_coap_signal(data) else None


def _flaws(nonce: bytes) -> tuple[NonceFlaw, ...]:
    """Return the counting tests that 40 bytes fail."""
    flaws = []
    if len(nonce.translate(None, _PRINTABLE)) <= NONCE_SIZE - _MIN_PRINTABLE:
        flaws.append(NonceFlaw.PRINTABLE)
    if len(set(nonce)) <= _MAX_FEW_VALUES:
        flaws.append(NonceFlaw.FEW_VALUES)
    if _LONG_RUN.search(nonce):
        flaws.append(NonceFlaw.RUN)
    if int.from_bytes(nonce, "big").bit_count() not in _BITS:
        flaws.append(NonceFlaw.BIT_COUNT)
    return tuple(flaws)


def _is_coap_signal(data: bytes) -> bool:
    """Recognise CoAP over TCP (RFC 8323) by its first message: Capabilities (7.01).

    The message is `Len|TKL, [extended length], E1, options`; both sides begin with it. One with
    fewer than 3 bytes of options fixes too few bits and counts only when nothing else was sent.
    """
    length, code_at = data[0] >> 4 if data else 15, 1
    if length == 13 and len(data) > 1:
        length, code_at = 13 + data[1], 2
    body = data[code_at + 1 :]
    if length > 12 and code_at == 1:
        return False
    if data[0] & 0x0F or data[code_at : code_at + 1] != b"\xe1" or len(body) < length:
        return False
    if length < 3 and len(body) > length:
        return False
    message = parse(b"\x40\xe1\0\0" + body[:length])
    return (
        isinstance(message, CoapMessage)
        and not message.payload
        and all(number in _CAPABILITIES and len(value) <= 4 for number, value in message.options)
    )
