"""What a device does after a failure, and how that shows in a capture."""

from __future__ import annotations

from typing import NamedTuple

AFTER_FAILURE: tuple[tuple[str, str], ...] = (
    (
        "internet test",
        "Up to 1.5 only after a failed connection: a TCP connection to 8.8.8.8, port 53. Since 2.0 "
        "after every failure, also of the handshake: DNS and NTP to pool.ntp.org, UDP port 123. "
        "Networks that forbid just that show 2 orange flashes although the internet works.",
    ),
    (
        "flash",
        "A quarter of a second in one colour, then the connection is closed. Since 2.0 the "
        "internet test comes first, so the device's FIN is late: 0.26 s after the failure with a "
        "working test, about 4.3 s with dead DNS, about 10.3 s with silent NTP.",
    ),
    (
        "back-off",
        "Blinking cyan for 1 s after each of the first five failures, 2 s after the next five, "
        "then 4, 8, 16, 32, 64 and 128 s. Only a complete handshake resets the count; after a lost "
        "session the device tries again at once.",
    ),
    (
        "network reset",
        "Since 2.0 the Wi-Fi is restarted after five minutes of failures (DHCP again), and the "
        "count of failures starts anew.",
    ),
    (
        "flash memory",
        "Nothing is rewritten because a handshake failed: no failure damages or repairs a key.",
    ),
)


class Trace(NamedTuple):
    """Traffic after a failure that tells something."""

    seen: str
    tells: str


TRACES: tuple[Trace, ...] = (
    Trace(
        "NTP: 48 bytes to UDP port 123 of pool.ntp.org right after a failed attempt",
        "the firmware noticed the failure, and it is Device OS 2.0 or later",
    ),
    Trace(
        "a TCP connection to 8.8.8.8, port 53, right after a failed attempt",
        "the firmware noticed that the connection failed, and it is older than 2.0",
    ),
)
