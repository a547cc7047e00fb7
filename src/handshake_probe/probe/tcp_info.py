"""What the kernel knows of a TCP connection: Linux's `struct tcp_info`, <linux/tcp.h>.

The struct has only ever grown at its end, so fixed offsets hold, and an older kernel gives fewer
bytes. Other systems have nothing equal.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import NamedTuple

_TCP_INFO = 11
_LONGEST = 512  # bytes asked for; the struct has 248 to 280 today
_NO_SAMPLE = 0xFFFFFFFF  # of the smallest round-trip time
_MICROSECOND = 1e-6
ESTABLISHED = 1  # a state

_STATE, _RETRANSMITS, _UNACKED, _RTT, _TOTAL_RETRANS, _BYTES_ACKED, _SEGMENTS_IN, _MIN_RTT = (
    (0, "=B"),
    (2, "=B"),
    (24, "=I"),
    (68, "=I"),
    (100, "=I"),
    (120, "=Q"),
    (140, "=I"),
    (148, "=I"),
)


class TcpInfo(NamedTuple):
    """The fields a probe reads; None where this kernel's struct ends before them."""

    state: int
    retransmits: int  # of the oldest segment that is outstanding
    unacked: int  # segments outstanding
    rtt: float | None  # seconds, smoothed; None without a sample
    total_retrans: int  # segments sent again so far, SYNs included
    bytes_acked: int | None  # the SYN counts as one
    segments_in: int | None
    min_rtt: float | None  # seconds; None without a sample


def tcp_info(sock: socket.socket) -> TcpInfo | None:
    """Ask the kernel; None where it does not tell."""
    if sys.platform != "linux":
        return None
    try:
        return decode(sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _LONGEST))
    except OSError:
        return None


def decode(data: bytes) -> TcpInfo | None:
    """Read a struct as long as the kernel gave it; None below the 104 bytes of Linux 2.6."""

    def field(place: tuple[int, str]) -> int | None:
        offset, form = place
        if offset + struct.calcsize(form) > len(data):
            return None
        value: int = struct.unpack_from(form, data, offset)[0]
        return value

    total = field(_TOTAL_RETRANS)
    if total is None:
        return None
    rtt, smallest = field(_RTT), field(_MIN_RTT)
    return TcpInfo(
        state=data[_STATE[0]],
        retransmits=data[_RETRANSMITS[0]],
        unacked=field(_UNACKED) or 0,
        rtt=rtt * _MICROSECOND if rtt else None,
        total_retrans=total,
        bytes_acked=field(_BYTES_ACKED),
        segments_in=field(_SEGMENTS_IN),
        min_rtt=None if smallest in (None, _NO_SAMPLE) else smallest * _MICROSECOND,
    )
