from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_probe.report.safe import safe_json, visible


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("kitchen", "kitchen"),
        ("Küche 厨房 🙂", "Küche 厨房 🙂"),
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("a\nb\tc\r\x7f", r"a\x0ab\x09c\x0d\x7f"),
        ("\x9b2J", r"\x9b2J"),
        ("photo\u202egnp.exe", r"photo\u202egnp.exe"),
        ("\u061c\u200e\u200f\u2066\u2069", r"\u061c\u200e\u200f\u2066\u2069"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("two\u2028lines\u2029", r"two\u2028lines\u2029"),
        ("\udc80", r"\udc80"),  # a file name that is no UTF-8
        ("\U000e0041", r"\U000e0041"),  # an invisible tag letter
        (b"caf\xc3\xa9 \xff\x00", "café \ufffd\\x00"),
    ],
)
def test_what_cannot_be_seen_is_escaped(raw: str | bytes, shown: str) -> None:
    assert visible(raw) == shown


def test_long_strings_are_cut_with_an_ellipsis() -> None:
    assert visible("x" * 200) == "x" * 200
    assert visible("x" * 201) == "x" * 199 + "…"
    assert visible("x" * 10_000, 20) == "x" * 19 + "…"
    assert visible("\x1b" * 50, 20) == (r"\x1b" * 50)[:19] + "…"


@given(st.text(st.characters()) | st.binary(), st.integers(1, 300))
def test_nothing_a_terminal_obeys_comes_through(raw: str | bytes, limit: int) -> None:
    shown = visible(raw, limit)
    assert len(shown) <= limit
    assert {unicodedata.category(character) for character in shown}.isdisjoint(
        {"Cc", "Cf", "Cs", "Zl", "Zp"}
    )
    assert visible(shown, limit) == shown


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_safe_json_means_the_same_and_holds_no_controls(text: str) -> None:
    line = json.dumps({"name": text}, ensure_ascii=False).encode()
    safe = safe_json(line)
    assert json.loads(safe) == {"name": text}
    assert not any(0x7F <= ord(c) <= 0x9F or c in "\u202e\u2028\u200b" for c in safe.decode())
