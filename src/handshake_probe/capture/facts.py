"""What a capture file says about itself, filled in while its frames are read."""

from __future__ import annotations

from dataclasses import dataclass, field

FRAME_LIMIT = 262_144  # the largest captured length Wireshark and libpcap accept for network frames
_TIME_LIMIT = 1 << 63


@dataclass(frozen=True, slots=True)
class CaptureInterface:
    """One interface the capture was taken on."""

    index: int  # as in `Frame.interface`; counted over all sections of a pcapng file
    name: str | None  # if_name; None in classic pcap
    link_type: int  # LINKTYPE_* value
    snap_length: int  # most bytes kept of a frame; 0 when unlimited
    drops: int | None  # frames lost by interface and system (interface statistics); None unknown


@dataclass(slots=True)
class CaptureFacts:
    """Counted and learned so far."""

    format: str  # "pcap" or "pcapng"
    frames: int = 0  # as Wireshark counts them, the few that hold no packet included
    interfaces: list[CaptureInterface] = field(default_factory=list)


def bounded_time(time_ns: int) -> int:
    """Return `time_ns` within 0 … 2**63-1 (years 1970 to 2262); other times are nonsense."""
    return min(max(time_ns, 0), _TIME_LIMIT - 1)
