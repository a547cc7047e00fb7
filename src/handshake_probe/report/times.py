"""Times as the reader's clock shows them; documents keep UTC."""

from __future__ import annotations

from datetime import datetime

CLOCK_TIME = "%H:%M:%S"
FULL_TIME = "%Y-%m-%d %H:%M:%S %Z"


def local_time(stamp: str, form: str) -> str:
    """An RFC 3339 stamp in the local time zone; as it is when no clock can show it."""
    try:
        return datetime.fromisoformat(stamp).astimezone().strftime(form)
    except (ValueError, OverflowError):
        return stamp
