"""Bytes of a peer as one line of text, and the scalars they become."""

from __future__ import annotations

Details = dict[str, str | int | bool | None]  # what is written down about a message

EXCERPT = 80  # characters of peer data that details hold at most


def one_line(data: bytes, limit: int = EXCERPT) -> str:
    r"""Decode UTF-8, with \xNN for what is none or not printable, cut to `limit` characters."""
    text = data[: 4 * limit].decode("utf-8", "backslashreplace")
    if len(text) <= limit and text.isprintable():
        return text
    out = ""
    for character in text:
        out += character if character.isprintable() else _escape(character)
        if len(out) > limit:
            return out[: limit - 1] + "…"
    return out


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def ascii_excerpt(data: bytes) -> str | None:
    r"""Printable ASCII as it is, every other byte as `\\xNN`; None for nothing."""
    if not data:
        return None
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}" for byte in data[:120])
