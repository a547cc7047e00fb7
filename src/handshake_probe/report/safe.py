r"""The one gate for strings from the wire on their way to a person's screen.

A DHCP host name, an HTTP banner or an event name may hold terminal control sequences, text that
reads backwards, or invisible characters. Here they become visible escapes: `\x1b`, `\u202e`.
"""

from __future__ import annotations

import re
import unicodedata

# Controls (C0, DEL, C1), format characters (bidi controls, zero widths, tags), line and paragraph
# separators, lone surrogates, private use, unassigned: none of them shows as what it is.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"})

# What JSON leaves unescaped and a terminal would still obey; all of it can only be inside strings.
_JSON_UNSAFE = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)

SHORT = 200  # a name, an address, a banner
PROSE = 2000  # a sentence of ours with such strings in it


def visible(value: str | bytes, limit: int = SHORT) -> str:
    """`value` as harmless text of at most `limit` characters, an ellipsis where it was cut.

    Bytes are read as UTF-8, with U+FFFD for what is none.
    """
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text  # most are
    shown = "".join(map(_visible_character, text[: limit + 1]))
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def safe_json(line: bytes) -> bytes:
    r"""The same JSON document with control and format characters as `\uXXXX`."""
    if line.isascii() and b"\x7f" not in line:
        return line  # JSON itself escapes the other control characters: spares two copies
    text = line.decode("utf-8")
    return _JSON_UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode()


def _visible_character(character: str) -> str:
    if character.isascii() and character.isprintable():
        return character
    if unicodedata.category(character) not in _INVISIBLE:
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
