"""What a file that holds no key looks like, so that the user knows which one was meant."""

from __future__ import annotations

from handshake_probe.keys.slots import erased_runs

_CAPTURE = "a packet capture"
_MAGIC = (
    (b"\xa1\xb2\xc3\xd4", _CAPTURE),
    (b"\xd4\xc3\xb2\xa1", _CAPTURE),
    (b"\xa1\xb2\x3c\x4d", _CAPTURE),
    (b"\x4d\x3c\xb2\xa1", _CAPTURE),
    (b"\x0a\x0d\x0d\x0a", _CAPTURE),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x7fELF", "a program (ELF)"),
    (b"\x89PNG", "a PNG image"),
    (b"%PDF-", "a PDF document"),
    (b"\xfe\xed\xfe\xed", "a Java key store"),
    (b"SQLite format 3", "an SQLite database"),
    (b"PuTTY-User-Key-File", "a PuTTY key"),
    (b"ssh-", "an OpenSSH public key"),
    (b"ecdsa-sha2-", "an OpenSSH public key"),
)
_PEM = {
    "CERTIFICATE": "a certificate",
    "TRUSTED CERTIFICATE": "a certificate",
    "X509 CERTIFICATE": "a certificate",
    "CERTIFICATE REQUEST": "a certificate request",
    "NEW CERTIFICATE REQUEST": "a certificate request",
    "OPENSSH PRIVATE KEY": "an OpenSSH private key",
    "SSH2 PUBLIC KEY": "an SSH public key",
    "DSA PRIVATE KEY": "a DSA private key",
    "EC PARAMETERS": "EC parameters without a key",
    "DH PARAMETERS": "Diffie-Hellman parameters",
    "PGP PUBLIC KEY BLOCK": "a PGP key",
    "PGP PRIVATE KEY BLOCK": "a PGP key",
    "PKCS7": "a PKCS#7 bundle",
    "X509 CRL": "a certificate revocation list",
}
_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n")
_HEX = frozenset(b"0123456789abcdefABCDEF \r\n:")
_TEXT = frozenset(range(32, 127)) | frozenset(b"\t\r\n\f")


def describe_pem_label(label: str) -> str:
    """Say what a PEM block with this label is."""
    return _PEM.get(label, f"PEM labelled {label}")


def describe_data(data: bytes) -> str:
    """Say in a few words what `data` looks like, knowing that it is neither PEM nor a DER key."""
    if not data:
        return "an empty file"
    if data.count(0xFF) == len(data):
        return f"erased flash (all {len(data)} bytes FF)"
    if data.count(0x00) == len(data):
        return f"all {len(data)} bytes zero"
    for magic, what in _MAGIC:
        if data.startswith(magic):
            return what
    text = data.removeprefix(b"\xef\xbb\xbf").strip()
    if text and _TEXT.issuperset(text):
        return _describe_text(text)
    return "binary data"


def describe_damage(data: bytes) -> str | None:
    """Say where `data` is erased, when a run of erased flash lies in it."""
    runs = erased_runs(data)
    if not runs:
        return None
    start, end = runs[0]
    if start == 0:
        return f"erased up to byte {end}"
    if end == len(data):
        return f"erased from byte {start} on"
    return f"erased from byte {start} to {end}"


def _describe_text(text: bytes) -> str:
    lowered = text[:200].lower()
    if lowered.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if lowered.startswith((b"<?xml", b"<")):
        return "XML text"
    if lowered.startswith((b"{", b"[")):
        return "JSON"
    if b"-----begin" in text.lower():
        return "PEM text with a damaged BEGIN line"
    if len(text) >= 64 and _HEX.issuperset(text):
        return "a hex dump"
    if len(text) >= 64 and _BASE64.issuperset(text):
        return "base64 without its BEGIN and END lines"
    return "plain text"
