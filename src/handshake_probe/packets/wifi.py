"""Wi-Fi frames (IEEE 802.11-2020 clause 9) and radiotap headers.

Only what the air carries in clear: data frames of open networks, or frames that the capturing
card decrypted and says so.
"""

from __future__ import annotations

from typing import Final

from handshake_probe.packets.snap import LinkLayer, read_snap

_DATA: Final = 2
_TO_SYSTEM: Final = 0x01
_FROM_SYSTEM: Final = 0x02
_MORE_FRAGMENTS: Final = 0x04
_PROTECTED: Final = 0x40
_ORDER: Final = 0x80
_NO_DATA: Final = 0x4  # subtype bits
_QOS: Final = 0x8
_AGGREGATE: Final = 0x80  # first QoS byte: the frame holds an A-MSDU
_RADIOTAP_PADDED: Final = 0x20  # flags: zero bytes make the 802.11 header a multiple of 4


def read_radiotap(data: bytes) -> LinkLayer | str:
    """Read a Wi-Fi frame behind a radiotap header.

    Version (1), pad (1), length (2), one or more words of present bits (4 each, the highest bit
    says that another follows), fields; all little-endian.
    """
    if len(data) < 8:
        return "truncated"
    length = int.from_bytes(data[2:4], "little")
    if data[0] or length < 8:
        return "malformed"
    if len(data) < length:
        return "truncated"
    fields = 4
    while data[fields + 3] & 0x80:
        fields += 4
        if fields + 4 > length:
            return "malformed"
    fields += 4
    present = data[4]
    if present & 1:  # the time: 8 bytes, aligned to 8
        fields += -fields % 8 + 8
    padded = present & 2 and fields < length and data[fields] & _RADIOTAP_PADDED
    return read_wifi(data, length, padded=bool(padded))


def read_wifi(data: bytes, at: int = 0, *, padded: bool = False) -> LinkLayer | str:
    """Read a Wi-Fi frame at `at`.

    Frame control (2), duration (2), three addresses (6 each), sequence (2), a fourth address (6)
    between access points, QoS (2), HT control (4), then IEEE 802.2. A frame check sequence behind
    it does no harm: the IP length decides where a packet ends.
    """
    if len(data) < at + 2:
        return "truncated"
    control, flags = data[at], data[at + 1]
    if control & 3:  # the protocol version
        return "malformed"
    subtype = control >> 4
    if control >> 2 & 3 != _DATA or subtype & _NO_DATA:
        return "management"
    if flags & _PROTECTED:
        return "encrypted"
    both = flags & (_TO_SYSTEM | _FROM_SYSTEM) == _TO_SYSTEM | _FROM_SYSTEM
    body = 30 if both else 24
    if subtype & _QOS:
        if len(data) < at + body + 2:
            return "truncated"
        if data[at + body] & _AGGREGATE:
            return "aggregated"
        body += 6 if flags & _ORDER else 2
    if padded:
        body += -body % 4
    if len(data) < at + body:
        return "truncated"
    if flags & _MORE_FRAGMENTS or data[at + 22] & 0x0F:
        return "fragment"
    first, second, third = (data[at + start : at + start + 6] for start in (4, 10, 16))
    destination = third if flags & _TO_SYSTEM else first
    source = second
    if flags & _FROM_SYSTEM:
        source = data[at + 24 : at + 30] if both else third
    return read_snap(data, at + body, (source, destination))
