"""Exit codes, a contract with scripts."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from handshake_probe.model.vocabulary import Cause


class ExitCode(IntEnum):
    """What the process says to its caller."""

    HEALTHY = 0
    CAUSE_FOUND = 1
    UNUSABLE = 2  # wrong usage or unreadable input
    INCONCLUSIVE = 3
    COULD_NOT_RUN = 4
    INTERRUPTED = 130


_GRAVEST_FIRST = (
    ExitCode.INTERRUPTED,
    ExitCode.COULD_NOT_RUN,
    ExitCode.UNUSABLE,
    ExitCode.CAUSE_FOUND,
    ExitCode.INCONCLUSIVE,
    ExitCode.HEALTHY,
)


def exit_code_of(cause: Cause) -> ExitCode:
    """The code for a document whose verdict names this cause."""
    if cause is Cause.HEALTHY:
        return ExitCode.HEALTHY
    return ExitCode.INCONCLUSIVE if cause is Cause.INCONCLUSIVE else ExitCode.CAUSE_FOUND


def merged(codes: Iterable[ExitCode]) -> ExitCode:
    """The one code for several captures: the gravest, healthy for none."""
    return min(codes, key=_GRAVEST_FIRST.index, default=ExitCode.HEALTHY)
