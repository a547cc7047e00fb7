"""What the path itself says about one connection: `PathFacts`, one `DirectionFacts` per sender.

Most network findings rest on these facts and not on decoded bytes. All sequence numbers are
relative: 0 is the sender's SYN, 1 its first payload byte (for a conversation picked up in
mid-stream, 1 is the first payload byte seen).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from handshake_probe.packets.units import Direction, Endpoint, Icmp


class ControlPacket(NamedTuple):
    """A SYN, SYN/ACK, FIN or RST as it was seen (retransmitted ones too)."""

    frame: int
    time_ns: int
    flags: int
    sequence: int  # relative to the sender's SYN
    acknowledgment: int | None  # relative to the peer's SYN; None without ACK
    payload_length: int
    ttl: int
    ip_id: int | None
    window: int
    options: tuple[int, ...]  # TCP option kinds in order, without NOP and end of list
    mss: int | None  # maximum segment size option value
    link_source: bytes | None


class Retransmission(NamedTuple):
    """A payload-bearing segment whose bytes had all been sent before (keep-alives excluded)."""

    frame: int
    time_ns: int
    sequence: int
    length: int
    acknowledged: bool  # the peer had already acknowledged all of it when it was sent again


@dataclass(slots=True)
class DirectionFacts:
    """Facts about the packets of one sender."""

    packets: int = 0  # frames, duplicates of the capture not counted
    captured_bytes: int = 0  # payload bytes captured and in the stream
    sent_up_to: int = 0  # one past the highest payload byte captured or snapped (relative)
    claimed_up_to: int = 0  # highest sequence this sender ever claimed (FIN, RST, keep-alive, data)
    # Highest acknowledgment by the peer (relative to this sender; a FIN takes one number). That of
    # a RST does not count: whoever forges one can acknowledge what never arrived.
    acknowledged_up_to: int = 0
    # Bytes between 1 and the higher of claimed_up_to and acknowledged_up_to that the capture does
    # not hold; counted when their gap is certain, so complete when the flow table has finished.
    missing_bytes: int = 0
    snapped_bytes: int = 0  # of these, cut off by the snap length
    late_bytes: int = 0  # of the missing ones, captured too long after they were acknowledged
    duplicate_frames: int = 0  # the same packet captured twice
    conflicting_bytes: int = 0  # overlapping copies that differ from the first copy
    keepalives: int = 0
    data_segments: int = 0  # payload-bearing segments with new bytes
    first_data_ns: int | None = None
    first_data_frame: int | None = None
    last_data_ns: int | None = None  # last payload-bearing segment, retransmissions included
    last_data_frame: int | None = None
    last_packet_ns: int | None = None
    last_packet_frame: int | None = None
    controls: list[ControlPacket] = field(default_factory=list)
    retransmissions: list[Retransmission] = field(default_factory=list)
    ttls: Counter[int] = field(default_factory=Counter)  # of every packet that is not a RST
    link_sources: Counter[bytes] = field(default_factory=Counter)
    uses_timestamps: bool = False  # timestamps option on a packet that is not a RST
    after_reset_data: int = 0  # payload bytes this sender sent after its own RST was seen


@dataclass(slots=True)
class PathFacts:
    """One connection seen by the path."""

    number: int  # stream number in order of the first frame, from 0
    device: Endpoint
    cloud: Endpoint
    first_frame: int
    first_ns: int
    last_frame: int
    last_ns: int
    midstream: bool  # no SYN and no SYN/ACK was captured
    orientation_known: bool  # False when who is the device had to be guessed
    established_ns: int | None = None  # the device's ACK of the SYN/ACK, or first data either way
    min_rtt_ns: int | None = None  # shortest time from a cloud-bound byte to its acknowledgment
    directions: dict[Direction, DirectionFacts] = field(
        default_factory=lambda: {d: DirectionFacts() for d in Direction}
    )
    icmp_errors: list[Icmp] = field(default_factory=list)  # errors quoting this connection
    capped: bool = False  # a memory limit was reached; some bytes or packets were not kept
    same_as: int | None = None  # number of the view nearer to the device of this same connection

    @property
    def from_device(self) -> DirectionFacts:
        """Facts about what the device sent."""
        return self.directions[Direction.DEVICE_TO_CLOUD]

    @property
    def from_cloud(self) -> DirectionFacts:
        """Facts about what the cloud (or whoever speaks with its address) sent."""
        return self.directions[Direction.CLOUD_TO_DEVICE]
