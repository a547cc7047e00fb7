"""Fills the places in a remedy's text."""

from __future__ import annotations

from collections.abc import Mapping


def filled(text: str, values: Mapping[str, str]) -> str:
    """Put values, which the caller has validated, in place of marks such as `{port}`."""
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text
