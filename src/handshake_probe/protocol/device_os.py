"""Versions of Device OS, and the ones at which a device began to say something else."""

from __future__ import annotations

import re
from typing import NamedTuple

_VERSION = re.compile(r"v?(\d{1,2})\.(\d{1,2})(?:\.(\d{1,3}))?(?:[-+.]?[a-z][\w.+-]*)?", re.I)


class DeviceOs(NamedTuple):
    """A version; a pre-release counts as the release it led to."""

    major: int
    minor: int
    patch: int = 0

    def __str__(self) -> str:
        """As it is written: `1.5.2`."""
        return f"{self.major}.{self.minor}.{self.patch}"


# A flash while the handshake is running is fast cyan, before that slow as in connecting.
FAST_CYAN = DeviceOs(0, 7)
# Photon and P1 change from the classic handshake code to LightSSL, which numbers its errors.
NUMBERED_ERRORS = DeviceOs(0, 8)
# Errors are logged as system errors, every flash is red, the internet is tested with NTP (before:
# TCP to 8.8.8.8:53), and it is tested after failed handshakes too.
SYSTEM_ERRORS = DeviceOs(2, 0)


def device_os(text: str) -> DeviceOs | None:
    """Read `1.5.2`, `v2.3`, `3.0.0-rc.1`; None for anything else."""
    match = _VERSION.fullmatch(text.strip())
    return DeviceOs(*(int(part or 0) for part in match.groups())) if match else None
