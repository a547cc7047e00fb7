"""The number in the event spark/device/key/error: what the firmware found blank or damaged at boot.

Device OS, system/inc/system_cloud.h. "Blank" means that the first byte is FF, nothing more.
"""

from __future__ import annotations

KEY_ERROR_BITS: dict[int, str] = {
    1: "server key blank",
    2: "server key corrupted",
    4: "server address blank",
    8: "server address corrupted",
    16: "device public key blank",
    32: "device public key corrupted",
    64: "device private key blank",
    128: "device private key corrupted",
}


def key_errors(mask: int) -> list[str]:
    """The problems a number stands for."""
    return [words for bit, words in KEY_ERROR_BITS.items() if mask & bit]
