"""One sender of a TCP connection: where its sequence numbers start, what it was seen sending."""

from __future__ import annotations

from collections import Counter
from typing import Final, TypeVar

from handshake_probe.packets.path import ControlPacket, DirectionFacts, Retransmission
from handshake_probe.packets.plain import PlainSide
from handshake_probe.packets.reassembly import StreamReassembler
from handshake_probe.packets.sequence import PLAUSIBLE_LEAP, relative
from handshake_probe.packets.tcp_options import TIMESTAMPS, TcpOptions
from handshake_probe.packets.units import Segment, StreamData, TcpFlags

LIST_LIMIT: Final = 10_000  # entries kept of each list of facts
_MAC_LIMIT: Final = 64
_MASK: Final = 0xFFFF_FFFF
_SYN, _FIN, _RST = (int(flag) for flag in (TcpFlags.SYN, TcpFlags.FIN, TcpFlags.RST))
_CONTROL: Final = _SYN | _FIN | _RST

# The same packet seen twice (on two interfaces, by a mirror port) follows within this time; the
# fastest retransmission timers are tens of milliseconds.
_COPY_NS: Final = 5_000_000
_COPY_WITHOUT_ID_NS: Final = 1_000_000
_COPY_HOPS: Final = 4
_RECENT: Final = 8


Value = TypeVar("Value")


class Side:
    """One sender of a connection."""

    __slots__ = (
        "_is_device",
        "_recent",
        "base",
        "capped",
        "expected",
        "facts",
        "finished",
        "reset",
        "stream",
        "syn",
    )

    def __init__(self, facts: DirectionFacts, *, is_device: bool) -> None:
        self.facts = facts
        self._is_device = is_device
        self.stream = StreamReassembler(facts)
        self.base: int | None = None
        """Raw sequence number of the SYN, or of where it would have been; None while unknown."""
        self.syn: Segment | None = None
        """The first SYN or SYN/ACK."""
        self.reset = False
        self.finished = False
        self.capped = False
        self.expected = -1
        """Raw sequence number of the next byte while everything is in order, else -1."""
        self._recent: list[Segment] = []

    def resume(self, side: PlainSide) -> None:
        """Go on where the fast path left this sender."""
        self.base, self.syn, self.finished = side.base, side.syn, side.finished
        self._recent = list(side.recent)
        self.stream.resume(side)

    def close(self) -> None:
        """End the stream, and forget what only serves further segments."""
        self.stream.finish()
        self._recent = []
        self.expected = -1

    def is_copy(self, segment: Segment) -> bool:
        """Tell whether the capture has shown this packet just before; remembers it if not."""
        recent = self._recent
        while recent and segment.time_ns - recent[0].time_ns > _COPY_NS:
            del recent[0]
        for place, earlier in enumerate(recent):
            if _same_packet(segment, earlier):
                self.facts.duplicate_frames += 1
                if segment.ttl != earlier.ttl and (segment.ttl > earlier.ttl) is self._is_device:
                    recent[place] = self._see_nearer(earlier, segment)
                return True
        if len(recent) >= _RECENT:
            del recent[0]
        recent.append(segment)
        return False

    def _see_nearer(self, earlier: Segment, copy: Segment) -> Segment:
        """Prefer a copy's TTL and MAC: a router's capture shows packets on both its sides.

        The view nearer to the device counts. There its packets have lost no hop yet, and the
        cloud's have lost all.
        """
        facts, source = self.facts, copy.link_source
        if not copy.flags & _RST:
            _recount(facts.ttls, earlier.ttl, copy.ttl)
        if source is not None and earlier.link_source is not None:
            _recount(facts.link_sources, earlier.link_source, source)
        for place, control in enumerate(facts.controls):
            if control.frame == earlier.frame:
                facts.controls[place] = control._replace(ttl=copy.ttl, link_source=source)
        return earlier._replace(ttl=copy.ttl, link_source=source)

    def settle(self) -> bool:
        """Tell whether all is in order by now, so that `follow` may take what comes next."""
        self.expected = -1
        base = self.base
        if base is None or self.reset or self.finished or not self.stream.calm:
            return False
        self.expected = (base + self.facts.claimed_up_to) & _MASK
        return True

    def follow(self, segment: Segment) -> StreamData | bool:
        """Take the `expected` segment in the common case: a few checks, and the counts.

        Returns:
            The bytes it brings, True when it brings none, False when it is no common case and
            nothing was taken: odd headers, cut bytes, the first bytes of all, perhaps a copy.
        """
        frame, time_ns, _, _, _, _, _, _, _, options, payload, length, ttl, _, mac, _ = segment
        facts = self.facts
        macs = facts.link_sources
        recent = self._recent
        while recent and time_ns - recent[0].time_ns > _COPY_NS:
            del recent[0]
        if (
            length != len(payload)
            or (mac is not None and mac not in macs)
            or (options and not facts.uses_timestamps)
            or (facts.first_data_ns is None if length else recent)
        ):
            return False
        if len(recent) >= _RECENT:
            del recent[0]
        recent.append(segment)
        facts.packets += 1
        facts.last_packet_ns = time_ns
        facts.last_packet_frame = frame
        if mac is not None:
            macs[mac] += 1
        facts.ttls[ttl] += 1
        if not length:
            return True
        facts.last_data_ns = time_ns
        facts.last_data_frame = frame
        facts.data_segments += 1
        self.expected = (self.expected + length) & _MASK
        return self.stream.follow(payload, frame, time_ns)

    def place_own(self, segment: Segment) -> None:
        """Learn from the sender's own segment where its sequence numbers start."""
        facts = self.facts
        if not segment.flags & _SYN:
            if self.base is None:
                self.base = (segment.sequence - 1) & _MASK
            return
        # An earlier guess gives way to a SYN as long as nothing rests on it: an answer to an older
        # connection may have come first.
        untouched = not facts.captured_bytes and not facts.acknowledged_up_to
        if self.base is None or (untouched and self.base != segment.sequence):
            self.base = segment.sequence
            facts.sent_up_to = facts.claimed_up_to = 0
        self.syn = self.syn or segment

    def place_by_peer(self, acknowledgment: int) -> None:
        """Learn from the peer's acknowledgment number where the sequence numbers start."""
        if self.base is None:
            self.base = (acknowledgment - 1) & _MASK

    def position(self, raw: int) -> int | None:
        """Return the relative number of a raw one; None while the start is unknown."""
        return None if self.base is None else relative(raw, self.base, self.highest)

    @property
    def highest(self) -> int:
        """The highest relative sequence number known of this sender."""
        claimed, acknowledged = self.facts.claimed_up_to, self.facts.acknowledged_up_to
        return claimed if claimed > acknowledged else acknowledged

    def is_near(self, raw: int) -> bool | None:
        """Tell whether a raw number lies near what is known; None while nothing is known."""
        position = self.position(raw)
        return None if position is None else self.is_plausible(position)

    def is_plausible(self, position: int) -> bool:
        """Tell whether a relative number lies near what is known."""
        return abs(position - self.highest) <= PLAUSIBLE_LEAP

    def is_keepalive(self, segment: Segment, position: int) -> bool:
        """Tell a keep-alive: at most one byte, one before the next to send (RFC 9293 3.8.4)."""
        return (
            segment.payload_length <= 1
            and not segment.flags & _CONTROL
            and position == self.facts.claimed_up_to - 1
        )

    def note_packet(self, segment: Segment, options: TcpOptions) -> None:
        """Count a packet and what its headers say."""
        facts = self.facts
        facts.packets += 1
        facts.last_packet_ns = segment.time_ns
        facts.last_packet_frame = segment.frame
        source = segment.link_source
        if source is not None and (
            source in facts.link_sources or len(facts.link_sources) < _MAC_LIMIT
        ):
            facts.link_sources[source] += 1
        if segment.flags & _RST:
            self.reset = True
            return
        facts.ttls[segment.ttl] += 1
        facts.uses_timestamps = facts.uses_timestamps or TIMESTAMPS in options.kinds

    def note_control(
        self, segment: Segment, position: int, acknowledgment: int | None, options: TcpOptions
    ) -> None:
        """Record a SYN, FIN or RST; other segments are no control packets."""
        if not segment.flags & _CONTROL:
            return
        if len(self.facts.controls) >= LIST_LIMIT:
            self.capped = True
            return
        self.facts.controls.append(
            ControlPacket(
                segment.frame,
                segment.time_ns,
                segment.flags,
                position,
                acknowledgment,
                segment.payload_length,
                segment.ttl,
                segment.ip_id,
                segment.window,
                options.kinds,
                options.mss,
                segment.link_source,
            )
        )

    def note_data(self, segment: Segment, position: int) -> bool:
        """Take the payload of a segment that has one; tell whether any of it is new."""
        facts = self.facts
        length = segment.payload_length
        if facts.first_data_ns is None:
            facts.first_data_ns, facts.first_data_frame = segment.time_ns, segment.frame
        facts.last_data_ns, facts.last_data_frame = segment.time_ns, segment.frame
        if self.reset:
            facts.after_reset_data += length
        acknowledged = position + length <= facts.acknowledged_up_to
        if self.stream.add(position, segment.payload, length, segment.frame, segment.time_ns):
            facts.data_segments += 1
            return True
        if len(facts.retransmissions) < LIST_LIMIT:
            facts.retransmissions.append(
                Retransmission(segment.frame, segment.time_ns, position, length, acknowledged)
            )
        else:
            self.capped = True
        return False


def _recount(counted: Counter[Value], before: Value, after: Value) -> None:
    """Count one of a value as another."""
    if counted[before] > 1:
        counted[before] -= 1
    else:
        del counted[before]
    counted[after] += 1


def _same_packet(one: Segment, other: Segment) -> bool:
    apart = abs(one.time_ns - other.time_ns)
    if (
        apart > _COPY_NS
        or one.sequence != other.sequence
        or one.acknowledgment != other.acknowledgment
        or one.flags != other.flags
        or one.window != other.window
        or one.ip_id != other.ip_id
        or one.options != other.options
        or one.payload_length != other.payload_length
        or one.payload != other.payload
        or abs(one.ttl - other.ttl) > _COPY_HOPS
    ):
        return False
    # Without an identification a quick retransmission looks the same: it must be seen elsewhere,
    # or follow faster than any sender repeats itself.
    return (
        bool(one.ip_id)
        or apart <= _COPY_WITHOUT_ID_NS
        or one.interface != other.interface
        or one.ttl != other.ttl
        or one.link_source != other.link_source
    )
