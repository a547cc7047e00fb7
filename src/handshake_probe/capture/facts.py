"""What a capture file says about itself, filled in while its frames are read."""

from __future__ import annotations

from dataclasses import dataclass, field

FRAME_LIMIT = 262_144  # the largest captured length Wireshark and libpcap accept for network frames
INTERFACE_LIMIT = 65_536  # a hostile file must not fill the memory with descriptions
_TIME_LIMIT = 1 << 63


@dataclass(frozen=True, slots=True)
class CaptureInterface:
    """One interface the capture was taken on."""

    index: int  # as in `Frame.interface`; counted over all sections of a pcapng file
    name: str | None  # if_name; None in classic pcap
    link_type: int  # LINKTYPE_* value
    snap_length: int  # most bytes kept of a frame; 0 when unlimited
    drops: int | None  # frames lost by interface and system (interface statistics); None unknown
    comments: int = 0  # comments on the interface


@dataclass(slots=True)
class CaptureFacts:
    """Counted and learned so far."""

    format: str  # "pcap" or "pcapng"
    frames: int = 0  # as Wireshark counts them, the few that hold no packet included
    interfaces: list[CaptureInterface] = field(default_factory=list)
    first_ns: int | None = None  # time of the first frame, selected or not
    last_ns: int = 0  # the latest time of any frame, or the end that a pcapng file tells
    sections: int = 1
    section_comments: int = 0
    packet_comments: int = 0

    @property
    def comments(self) -> int:
        """Comments of all kinds."""
        interfaces = sum(item.comments for item in self.interfaces)
        return self.section_comments + interfaces + self.packet_comments

    def note_time(self, time_ns: int) -> None:
        """Take the time of the next frame."""
        if time_ns > self.last_ns:
            self.last_ns = time_ns
        if self.first_ns is None:
            self.first_ns = time_ns


def bounded_time(time_ns: int) -> int:
    """Return `time_ns` within 0 … 2**63-1 (years 1970 to 2262); other times are nonsense."""
    return min(max(time_ns, 0), _TIME_LIMIT - 1)
