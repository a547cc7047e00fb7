"""What this process may do."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

_CAPABILITIES = Path("/proc/self/status")


def is_root() -> bool:
    """Whether this process is root's; never where there is no such user."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def holds(bit: int) -> bool:
    """Whether this process has a capability; where there are none, whether it is root's."""
    if sys.platform != "linux":
        return is_root()
    with suppress(OSError, StopIteration, ValueError):
        lines = _CAPABILITIES.read_text().splitlines()
        effective = next(line for line in lines if line.startswith("CapEff:"))
        return bool(int(effective.split()[1], 16) >> bit & 1)
    return is_root()
