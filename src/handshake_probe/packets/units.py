"""The units every reader and decoder exchanges: frames, segments, datagrams, ICMP, stream pieces.

Plain values without behaviour. Words are Wireshark's and the IETF's: a *frame* is the captured
link-layer unit, a *segment* the TCP unit, a *datagram* the UDP unit.
"""

from __future__ import annotations

from enum import IntFlag, StrEnum
from typing import NamedTuple


class Frame(NamedTuple):
    """One captured link-layer unit, as a capture file or an interface delivered it."""

    number: int  # the number Wireshark shows, from 1
    time_ns: int  # nanoseconds since the Unix epoch, UTC
    link_type: int  # LINKTYPE_* value (1 Ethernet, 101 raw IP, 113 SLL, 276 SLL2)
    interface: int  # index of the capture interface, 0 for classic pcap
    data: bytes  # captured bytes, at most `length`
    length: int  # bytes the frame had on the wire


class Endpoint(NamedTuple):
    """One end of a conversation."""

    address: bytes  # 4 bytes IPv4 or 16 bytes IPv6, network order
    port: int


class TcpFlags(IntFlag):
    """TCP control bits (RFC 9293 section 3.1)."""

    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10
    URG = 0x20


class Segment(NamedTuple):
    """One TCP segment with the IP facts a verdict may rest on."""

    frame: int
    time_ns: int
    interface: int
    source: Endpoint
    destination: Endpoint
    sequence: int  # raw 32-bit
    acknowledgment: int  # raw 32-bit, meaningful when ACK is set
    flags: int  # TcpFlags bits
    window: int  # raw 16-bit field
    options: bytes  # raw TCP options
    payload: bytes  # captured payload bytes
    payload_length: int  # payload bytes on the wire per IP length; > len(payload) when snapped
    ttl: int  # IPv4 TTL or IPv6 hop limit
    ip_id: int | None  # IPv4 identification; None for IPv6
    link_source: bytes | None  # MAC where the link layer has one
    link_destination: bytes | None


class Datagram(NamedTuple):
    """One UDP datagram."""

    frame: int
    time_ns: int
    interface: int
    source: Endpoint
    destination: Endpoint
    payload: bytes
    payload_length: int
    ttl: int
    link_source: bytes | None
    link_destination: bytes | None


class Quote(NamedTuple):
    """The packet an ICMP error quotes: whose packet was refused."""

    protocol: int  # IP protocol number, 6 TCP, 17 UDP
    source: Endpoint
    destination: Endpoint
    sequence: int | None  # TCP sequence number when quoted
    ttl: int  # TTL at the refusing router


class Icmp(NamedTuple):
    """One ICMP or ICMPv6 message; `quote` is set for errors only."""

    frame: int
    time_ns: int
    interface: int
    version: int  # 4 or 6
    source: bytes
    destination: bytes
    type: int
    code: int
    ttl: int
    quote: Quote | None
    mtu: int | None  # next-hop MTU of "fragmentation needed" / "packet too big"
    link_source: bytes | None


class Arp(NamedTuple):
    """One ARP packet: a sign of life of its sender (RFC 826)."""

    frame: int
    time_ns: int
    interface: int
    operation: int  # 1 request, 2 reply
    sender_mac: bytes
    sender_address: bytes
    target_address: bytes


class Skipped(NamedTuple):
    """A frame that carries nothing we read, or that is damaged; `reason` is a fixed word."""

    frame: int
    time_ns: int
    reason: str  # see packets.decode.SKIP_REASONS


Packet = Segment | Datagram | Icmp | Arp | Skipped


class Direction(StrEnum):
    """Who speaks."""

    DEVICE_TO_CLOUD = "device_to_cloud"
    CLOUD_TO_DEVICE = "cloud_to_device"

    @property
    def other(self) -> Direction:
        """The opposite direction."""
        if self is Direction.DEVICE_TO_CLOUD:
            return Direction.CLOUD_TO_DEVICE
        return Direction.DEVICE_TO_CLOUD


class GapReason(StrEnum):
    """Why bytes of a stream are missing. A gap is a value; nothing is ever filled in."""

    NOT_CAPTURED = "not_captured"  # acknowledged by the peer, so they existed and arrived
    SNAPPED = "snapped"  # cut off by the snap length
    NOT_SEEN = "not_seen"  # claimed by the sender's sequence numbers, never acknowledged


class StreamData(NamedTuple):
    """Contiguous bytes of one direction, in stream order."""

    offset: int  # from the first byte after SYN, or from the first byte seen (mid-stream)
    data: bytes
    frame: int
    time_ns: int


class StreamGap(NamedTuple):
    """Bytes of one direction that the capture does not hold."""

    offset: int
    length: int
    reason: GapReason
    frame: int  # the frame that showed the gap
    time_ns: int


class StreamEnd(NamedTuple):
    """The end of one direction."""

    offset: int
    kind: str  # "fin" or "rst"
    frame: int
    time_ns: int


StreamPiece = StreamData | StreamGap | StreamEnd
