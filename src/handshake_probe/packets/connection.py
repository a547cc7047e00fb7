"""One TCP connection: what the path says about it, and its two streams merged in causal order."""

from __future__ import annotations

from heapq import merge
from typing import Final, Self

from handshake_probe.packets.causal import CausalOrder, DirectedPiece
from handshake_probe.packets.path import PathFacts
from handshake_probe.packets.plain import PlainConnection
from handshake_probe.packets.side import LIST_LIMIT, Side
from handshake_probe.packets.tcp_options import read_options
from handshake_probe.packets.units import (
    Direction,
    Endpoint,
    Icmp,
    Segment,
    StreamData,
    TcpFlags,
)

_COPY_NS: Final = 5_000_000
_NEVER_NS: Final = 1 << 64  # later than any capture time
_TIMED: Final = 64  # stretches of bytes whose acknowledgment is timed at once
_MASK: Final = 0xFFFF_FFFF
_SYN, _FIN, _RST, _PSH, _ACK = (
    int(flag) for flag in (TcpFlags.SYN, TcpFlags.FIN, TcpFlags.RST, TcpFlags.PSH, TcpFlags.ACK)
)


class Connection:
    """A TCP connection between a device and a cloud, fed with its segments in capture order.

    `facts` grows with every segment and is complete after `finish`.
    """

    __slots__ = ("_cloud", "_device", "_order", "_unanswered", "facts", "rank")

    def __init__(
        self,
        number: int,
        first: Segment,
        device: Endpoint,
        cloud: Endpoint,
        *,
        orientation_known: bool,
    ) -> None:
        self._follow_facts(
            PathFacts(
                number,
                device,
                cloud,
                first.frame,
                first.time_ns,
                first.frame,
                first.time_ns,
                midstream=True,
                orientation_known=orientation_known,
            )
        )

    @classmethod
    def resume(cls, plain: PlainConnection) -> Self:
        """Go on where the fast path left a connection; its pieces so far are known."""
        connection = cls.__new__(cls)
        connection._follow_facts(plain.facts)
        connection.rank = plain.rank
        connection._unanswered = list(plain.unanswered)
        connection._device.resume(plain.device)
        connection._cloud.resume(plain.cloud)
        connection._settle()
        return connection

    def _follow_facts(self, facts: PathFacts) -> None:
        self.facts = facts
        self.rank = 0
        """Among the closed connections of a flow table, from 1; 0 while it is open."""
        self._device = Side(self.facts.from_device, is_device=True)
        self._cloud = Side(self.facts.from_cloud, is_device=False)
        self._order = CausalOrder(self._device.stream, self._cloud.stream)
        self._unanswered: list[tuple[int, int]] = []  # device's (end, time_ns)

    @property
    def closed(self) -> bool:
        """Both sides sent FIN, or one sent RST."""
        device, cloud = self._device, self._cloud
        return (device.finished and cloud.finished) or device.reset or cloud.reset

    @property
    def bare(self) -> bool:
        """No byte of payload was seen from either side."""
        return self._device.facts.first_data_ns is None and self._cloud.facts.first_data_ns is None

    @property
    def starts(self) -> tuple[int, int] | None:
        """Raw sequence numbers where device and cloud start: equal in every view of it."""
        if self._device.base is None or self._cloud.base is None:
            return None
        return self._device.base, self._cloud.base

    @property
    def device_start(self) -> int | None:
        """Raw sequence number of the device's SYN, or of where it would have been."""
        return self._device.base

    @property
    def device_syn(self) -> Segment | None:
        """The device's first SYN."""
        return self._device.syn

    def starts_with(self, segment: Segment) -> bool:
        """Tell whether a SYN or SYN/ACK belongs to this connection by its sequence number."""
        return self._sender(segment).base == segment.sequence

    def is_answered_by(self, segment: Segment) -> bool:
        """Tell whether a SYN/ACK acknowledges the SYN of this connection."""
        return self._receiver(segment).base == (segment.acknowledgment - 1) & 0xFFFF_FFFF

    def fits(self, segment: Segment) -> bool:
        """Tell whether nothing known of this connection speaks against the segment's numbers."""
        return False not in self._nearness(segment)

    def is_foreign(self, segment: Segment) -> bool:
        """Tell whether both of the segment's numbers lie far from this connection's."""
        return self._nearness(segment) == [False, False]

    def has_sent(self, source: Endpoint, sequence: int | None) -> bool:
        """Tell whether a quoted segment of `source` may be one of this connection's."""
        side = self._device if source == self.facts.device else self._cloud
        return sequence is None or side.is_near(sequence) is not False

    def feed(self, segment: Segment) -> list[DirectedPiece]:
        """Take the connection's next segment; return the pieces of both streams now known."""
        sender, receiver = self._sender(segment), self._receiver(segment)
        if sender.is_copy(segment):
            return []
        facts = self.facts
        facts.last_frame, facts.last_ns = segment.frame, segment.time_ns
        pieces: list[DirectedPiece] = []
        for direction, side in self._sides():
            if side.stream.waiting:
                side.stream.tick(segment.time_ns)
                self._order.hold(direction)
        pieces += self._order.release()
        flags = segment.flags
        if not flags & _RST:
            sender.place_own(segment)
        # A reset that refuses a SYN has the number 0 (RFC 9293 3.10.7.1) and may be captured first.
        if flags & _ACK and not (flags & _RST and segment.sequence):
            receiver.place_by_peer(segment.acknowledgment)
        facts.midstream = facts.midstream and not flags & _SYN
        options = read_options(segment.options)
        # A RST may answer a SYN before the sender's numbers are known: it stands at the start.
        position = sender.position(segment.sequence)
        acknowledgment = receiver.position(segment.acknowledgment) if flags & _ACK else None
        sender.note_packet(segment, options)
        sender.note_control(segment, position or 0, acknowledgment, options)
        if acknowledgment is not None and not flags & _RST:
            self._acknowledge(segment, acknowledgment)
            self._order.hold(self._direction(segment).other)
            pieces += self._order.release()
        if position is None:
            sender.stream.end("rst", None, segment.frame, segment.time_ns)
        elif sender.is_plausible(position):
            self._take(sender, segment, position)
        self._order.hold(self._direction(segment), segment.frame, acknowledgment or 0)
        pieces += self._order.release()
        facts.capped = facts.capped or sender.capped or sender.stream.capped
        self._settle()
        return pieces

    def follow(self, segment: Segment, *, from_device: bool) -> StreamData | bool:
        """Take the segment if it is the common case: the next bytes, or an acknowledgment alone.

        Does what `feed` would do, which is ten times the work.

        Returns:
            The bytes it brings, True when it brings none, False when `feed` must take it.
        """
        if from_device:
            sender, receiver = self._device, self._cloud
        else:
            sender, receiver = self._cloud, self._device
        if segment.sequence != sender.expected or segment.flags & ~_PSH != _ACK:
            return False
        heard = receiver.facts
        old = heard.acknowledged_up_to
        new = (segment.acknowledgment - receiver.expected + heard.claimed_up_to - old) & _MASK
        if new > heard.claimed_up_to - old:
            return False
        taken = sender.follow(segment)
        if taken is False:
            return False
        facts = self.facts
        frame, time_ns = facts.last_frame, facts.last_ns = segment.frame, segment.time_ns
        if new:
            receiver.stream.follow_acknowledgment(old + new, frame, time_ns)
        if not from_device:
            if self._unanswered:
                self._time_answer(old + new, time_ns)
        elif taken is not True:
            self._expect_answer(sender, sender.facts.claimed_up_to, time_ns, fresh=True)
        return taken

    def _settle(self) -> None:
        """Find out whether the next segment may be taken by `follow`."""
        device, cloud = self._device, self._cloud
        if (
            self.facts.established_ns is None
            or self._order.holds
            or not device.settle()
            or not cloud.settle()
        ):
            device.expected = cloud.expected = -1

    def add_error(self, icmp: Icmp) -> None:
        """Attach an ICMP error that quotes this connection; a second copy is left out."""
        errors = self.facts.icmp_errors
        if len(errors) >= LIST_LIMIT:
            self.facts.capped = True
        elif not any(_same_error(icmp, earlier) for earlier in errors[-4:]):
            errors.append(icmp)

    def finish(self) -> list[DirectedPiece]:
        """Turn what is still open into pieces: no segment will follow."""
        pieces: list[DirectedPiece] = []
        for direction, side in self._sides():
            while side.stream.waiting:
                side.stream.tick(_NEVER_NS)
            self._order.hold(direction)
        pieces += self._order.release()
        last: list[list[DirectedPiece]] = []
        for direction, side in self._sides():
            side.close()
            last.append([(direction, piece) for piece in side.stream.take()])
        pieces.extend(merge(*last, key=lambda directed: directed[1].frame))
        return pieces

    def _sides(self) -> tuple[tuple[Direction, Side], tuple[Direction, Side]]:
        return (
            (Direction.DEVICE_TO_CLOUD, self._device),
            (Direction.CLOUD_TO_DEVICE, self._cloud),
        )

    def _direction(self, segment: Segment) -> Direction:
        if segment.source == self.facts.device:
            return Direction.DEVICE_TO_CLOUD
        return Direction.CLOUD_TO_DEVICE

    def _sender(self, segment: Segment) -> Side:
        return self._device if segment.source == self.facts.device else self._cloud

    def _receiver(self, segment: Segment) -> Side:
        return self._cloud if segment.source == self.facts.device else self._device

    def _nearness(self, segment: Segment) -> list[bool | None]:
        near = [self._sender(segment).is_near(segment.sequence)]
        if segment.flags & _ACK:
            near.append(self._receiver(segment).is_near(segment.acknowledgment))
        return near

    def _acknowledge(self, segment: Segment, acknowledgment: int) -> None:
        receiver = self._receiver(segment)
        if not receiver.is_plausible(acknowledgment):
            return
        receiver.stream.acknowledge(acknowledgment, segment.frame, segment.time_ns)
        facts = self.facts
        if receiver is self._cloud:
            if facts.established_ns is None and not segment.flags & _SYN and acknowledgment > 0:
                facts.established_ns = segment.time_ns
            return
        self._time_answer(acknowledgment, segment.time_ns)

    def _time_answer(self, acknowledgment: int, time_ns: int) -> None:
        """Measure how long the cloud took to acknowledge the device's bytes."""
        facts, unanswered = self.facts, self._unanswered
        sent_ns: int | None = None
        while unanswered and unanswered[0][0] <= acknowledgment:
            sent_ns = unanswered.pop(0)[1]
        if sent_ns is not None and time_ns >= sent_ns:
            taken = time_ns - sent_ns
            if facts.min_rtt_ns is None or taken < facts.min_rtt_ns:
                facts.min_rtt_ns = taken

    def _take(self, sender: Side, segment: Segment, position: int) -> None:
        """Take what a segment at a believable position sends: bytes, a claim, an end."""
        flags, frame, time_ns = segment.flags, segment.frame, segment.time_ns
        if flags & _RST:
            sender.stream.end("rst", position, frame, time_ns)
            return
        if sender.is_keepalive(segment, position):
            sender.facts.keepalives += 1
            return
        if flags & _SYN:
            self._expect_answer(sender, 1, time_ns, fresh=sender.syn is segment)
            position += 1
        end = position + segment.payload_length
        if segment.payload_length:
            fresh = sender.note_data(segment, position)
            self._expect_answer(sender, end, time_ns, fresh=fresh)
            if self.facts.established_ns is None and not flags & _SYN:
                self.facts.established_ns = time_ns
        else:
            sender.stream.claim(position, frame, time_ns)
        if flags & _FIN:
            sender.finished = True
            sender.stream.end("fin", end, frame, time_ns)

    def _expect_answer(self, sender: Side, end: int, time_ns: int, *, fresh: bool) -> None:
        """Time the device's bytes; sent twice, an answer cannot be told to be to which (Karn)."""
        if sender is not self._device:
            return
        if fresh:
            if len(self._unanswered) >= _TIMED:
                del self._unanswered[0]
            self._unanswered.append((end, time_ns))
        else:
            self._unanswered.clear()


def _same_error(one: Icmp, other: Icmp) -> bool:
    return (
        abs(one.time_ns - other.time_ns) <= _COPY_NS
        and (one.source, one.type, one.code) == (other.source, other.type, other.code)
        and one.quote is not None
        and other.quote is not None
        and one.quote._replace(ttl=0) == other.quote._replace(ttl=0)
    )
