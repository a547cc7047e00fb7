"""Says in a few words what a file is that is no capture."""

from __future__ import annotations

_MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive (unpack it first)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive (unpack it first)"),
    (b"\x7fELF", "an ELF program"),
    (b"MZ", "a Windows program"),
    (b"%PDF", "a PDF document"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"snoop\x00\x00\x00", "a snoop capture (convert it with editcap)"),
    (b"GMBU", "a Microsoft Network Monitor capture (convert it with editcap)"),
    (b"RTSS", "a Microsoft Network Monitor capture (convert it with editcap)"),
    (b"\xa1\xb2\xcd\x34", "a patched pcap of an old Linux (convert it with editcap)"),
    (b"\x34\xcd\xb2\xa1", "a patched pcap of an old Linux (convert it with editcap)"),
    (b"-----BEGIN ", "a PEM key or certificate"),
    (b"\x30\x81", "a DER key or certificate"),
    (b"\x30\x82", "a DER key or certificate"),
)
_TEXT_CONTROLS = frozenset("\t\n\r\f\x1b")


def describe_content(head: bytes) -> str:
    """Describe a file by its first bytes (some hundred are plenty), for an error message."""
    if not head:
        return "an empty file"
    for magic, words in _MAGICS:
        if head.startswith(magic):
            return words
    return _describe_text(head) or "unknown binary data"


def _describe_text(head: bytes) -> str | None:
    # The last character may be cut in half by the end of `head`.
    text = head.decode("utf-8", errors="ignore").lstrip("\ufeff")
    readable = sum(
        1 for character in text if character.isprintable() or character in _TEXT_CONTROLS
    )
    if len(text.encode()) < len(head) - 6 or readable < len(text) or not text:
        return None
    start = text.lstrip().lower()
    if start.startswith(("<!doctype html", "<html")):
        return "an HTML page"
    if start.startswith("<?xml"):
        return "an XML document"
    if start.startswith(("{", "[{", "[\n", '["')):
        return "JSON text"
    if "-----begin " in start:
        return "a PEM key or certificate"
    return "plain text"
