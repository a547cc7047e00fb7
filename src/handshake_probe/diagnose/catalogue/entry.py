"""One kind of finding, and the remedy that several share."""

from __future__ import annotations

from dataclasses import dataclass

from handshake_probe.model.vocabulary import Severity

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
CLOUD_SIDE = ("The operator of the cloud reads its log for {device} at the times above.",)


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of finding."""

    code: str
    title: str
    severity: Severity
    meaning: str
    detection: str
    doubt: str  # what would change our mind
    remedy: tuple[str, ...]


def entry(
    code: str,
    title: str,
    severity: Severity,
    meaning: str,
    detection: str,
    doubt: str,
    *remedy: str,
) -> Entry:
    """An `Entry` whose remedy is given line by line."""
    return Entry(code, title, severity, meaning, detection, doubt, remedy)
