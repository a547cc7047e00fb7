"""Measures how many ordinary keys of OpenSSL the firmware misreads, and how fast files are checked.

Keys are made by OpenSSL through `cryptography`, as `openssl genrsa 1024` makes them.
"""

from __future__ import annotations

import time
from math import sqrt

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from handshake_probe.keys.check import Firmware, Tools, check_key

_EXPONENT, _BITS = 65537, 1024
_Z = 1.96  # of a 95 % interval


def table(count: int) -> list[str]:
    """Check `count` new keys; return the lines of a table."""
    misread, checking = 0, 0.0
    for _ in range(count):
        der = rsa.generate_private_key(_EXPONENT, _BITS).private_bytes(
            Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )
        start = time.perf_counter()
        checked = check_key("device.der", der)
        checking += time.perf_counter() - start
        if checked.tools is not Tools.ACCEPT:
            raise AssertionError(f"a new key is refused: {checked.defects}")
        misread += checked.firmware is not Firmware.USABLE
    low, high = _interval(misread, count)
    return [
        f"{count:,} keys of {_BITS} bits made by OpenSSL, PKCS#1 DER.",
        "| keys that the firmware misreads | share | 95 % interval | ms to check one file |",
        "|---|---|---|---|",
        f"| {misread:,} | {misread / count:.2%} | {low:.2%} to {high:.2%} "
        f"| {checking / count * 1000:.1f} |",
    ]


def _interval(hits: int, count: int) -> tuple[float, float]:
    """Wilson's interval of a share."""
    share, weight = hits / count, _Z * _Z / count
    middle = (share + weight / 2) / (1 + weight)
    half = _Z * sqrt(share * (1 - share) / count + weight / count / 4) / (1 + weight)
    return max(0.0, middle - half), min(1.0, middle + half)
