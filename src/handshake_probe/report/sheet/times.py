"""Times in a report: UTC, which every log can be compared with."""

from __future__ import annotations

from datetime import UTC, datetime

_DATE = "%Y-%m-%d"
_CLOCK = "%H:%M:%S"


def moment(seconds: float) -> str:
    """Seconds since the epoch as `2026-11-22 10:49:01`; empty when no calendar has it."""
    found = _datetime(seconds)
    return found.strftime(f"{_DATE} {_CLOCK}") if found else ""


def clock(seconds: float) -> str:
    """Seconds since the epoch as `10:49:01`; empty when no calendar has it."""
    found = _datetime(seconds)
    return found.strftime(_CLOCK) if found else ""


def seconds_of(stamp: str | None) -> float | None:
    """An RFC 3339 stamp as seconds since the epoch; None for what is no stamp."""
    try:
        found = datetime.fromisoformat(stamp or "")
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def span(first: float | None, last: float | None) -> str:
    """From when to when; the day once if it is the same."""
    if first is None or last is None:
        return "unknown"
    begin, end = moment(first), moment(last)
    if not begin or not end or begin == end:
        return f"{begin or end or 'unknown'} UTC"
    same = begin.split()[0] == end.split()[0]
    return f"{begin} to {end.split()[1] if same else end} UTC"


def _datetime(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
