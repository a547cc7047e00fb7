"""One end of a simulated TCP connection: as much of TCP as a short handshake shows.

Sequence numbers, acknowledgments, cutting to the MSS, putting in order, sending again, FIN and
RST; no windows and no congestion control, which nothing here ever fills.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from handshake_probe.lab.memory.schedule import Schedule
from handshake_probe.lab.memory.wire import Tcp, tcp_options
from handshake_probe.packets.units import Endpoint, TcpFlags

SYN, ACK, FIN, RST, PSH = (
    int(flag) for flag in (TcpFlags.SYN, TcpFlags.ACK, TcpFlags.FIN, TcpFlags.RST, TcpFlags.PSH)
)
_FIRST_WAIT = {True: 1.0, False: 0.3}  # seconds until a SYN, or data, is sent again; then doubled
_TRIES = 8


class User(Protocol):
    """What uses a connection; it is told what happens."""

    def connected(self) -> None:
        """Both SYNs are acknowledged."""

    def data(self, data: bytes) -> None:
        """Bytes came, in order."""

    def ended(self, *, reset: bool) -> None:
        """The peer closed, reset the connection, or is not heard any more."""


class _Sent(NamedTuple):
    sequence: int
    flags: int
    payload: bytes

    @property
    def after(self) -> int:
        return self.sequence + len(self.payload) + bool(self.flags & (SYN | FIN))


class TcpEnd:
    """One end.

    Args:
        schedule: The time.
        own: This end.
        peer: The other end.
        emit: Takes each segment to send.
        sequence: The initial sequence number.
        mss: The largest payload this end accepts, and sends.
        timestamps: Whether its segments carry that option.
    """

    def __init__(
        self,
        schedule: Schedule,
        own: Endpoint,
        peer: Endpoint,
        emit: Callable[[Tcp], None],
        sequence: int,
        *,
        mss: int = 1460,
        timestamps: bool = False,
    ) -> None:
        self.own, self.peer = own, peer
        self.user: User | None = None
        self.over = False  # reset, given up, or closed by both sides
        self._schedule = schedule
        self._emit = emit
        self._mss = mss
        self._timestamps = timestamps
        self._next = sequence
        self._unacknowledged: deque[_Sent] = deque()
        self._expected: int | None = None  # the peer's next sequence number
        self._early: dict[int, _Sent] = {}  # came before what they follow
        self._established = False
        self._tries = 0
        self._watch = 0  # the timer that counts; older ones are void
        self._finished = False  # our FIN is sent
        self._peer_finished = False
        self._reads = True
        self._owes_ack = False

    def connect(self) -> None:
        """Send the SYN."""
        self._queue(SYN, b"")

    def send(self, data: bytes) -> None:
        """Send bytes, cut to the MSS."""
        for at in range(0, len(data), self._mss):
            self._queue(PSH | ACK, data[at : at + self._mss])

    def close(self, *, reads_on: bool = False) -> None:
        """Send a FIN; unless it `reads_on`, data of the peer is answered with a reset."""
        self._reads = self._reads and reads_on
        if not self._finished and not self.over:
            self._finished = True
            self._queue(FIN | ACK, b"")
            self._note_end()

    def abort(self) -> None:
        """Send a reset."""
        if not self.over:
            self._send(RST | ACK, self._next)
            self._die()

    def vanish(self) -> None:
        """Stop without a word: power is lost, or the program gave up its attempt to connect."""
        self._die()

    def receive(self, segment: Tcp) -> None:
        """Take a segment of the peer."""
        if self.over:
            return
        if segment.flags & RST:
            self._die()
            self._tell_end(reset=True)
            return
        if segment.flags & SYN:
            self._take_syn(segment)
            return
        if segment.flags & ACK:
            self._acknowledged(segment.acknowledgment)
        if segment.payload or segment.flags & FIN:
            self._take(segment)

    def _take_syn(self, segment: Tcp) -> None:
        if self._expected is None:
            self._expected = segment.sequence + 1
            if not segment.flags & ACK:
                self._queue(SYN | ACK, b"")
                return
            self._acknowledged(segment.acknowledgment)
            self._acknowledge()
        elif not segment.flags & ACK and not self._established:
            self._again()  # our own SYN/ACK did not arrive
        else:
            self._acknowledge()  # ours was lost

    def _acknowledged(self, number: int) -> None:
        progress = False
        if self._expected is None:
            return
        while self._unacknowledged and self._unacknowledged[0].after <= number:
            self._unacknowledged.popleft()
            progress = True
        if not progress:
            return
        self._tries = 0
        self._arm()
        if not self._established:
            self._established = True
            if self.user is not None:
                self.user.connected()
        self._note_end()

    def _take(self, segment: Tcp) -> None:
        if not self._reads and segment.payload:
            self._send(RST, self._next)
            self._die()
            self._tell_end(reset=True)
            return
        self._early[segment.sequence] = _Sent(
            segment.sequence, segment.flags & FIN, segment.payload
        )
        self._owes_ack = True
        while self._expected in self._early:
            piece = self._early.pop(self._expected)
            self._expected = piece.after
            if piece.payload and self.user is not None:
                self.user.data(piece.payload)
            if piece.flags & FIN:
                self._peer_finished = True
                self._tell_end(reset=False)
        if self._owes_ack and not self.over:
            self._acknowledge()
        self._note_end()

    def _note_end(self) -> None:
        if self._finished and self._peer_finished and not self._unacknowledged:
            self._die()

    def _tell_end(self, *, reset: bool) -> None:
        if self.user is not None:
            self.user.ended(reset=reset)

    def _queue(self, flags: int, payload: bytes) -> None:
        if self.over:
            return
        sent = _Sent(self._next, flags, payload)
        self._next = sent.after
        self._unacknowledged.append(sent)
        self._send(flags, sent.sequence, payload)
        if len(self._unacknowledged) == 1:
            self._arm()

    def _arm(self) -> None:
        """Watch over the oldest segment that is not acknowledged."""
        self._watch += 1
        if not self._unacknowledged:
            return
        watch = self._watch
        wait = _FIRST_WAIT[bool(self._unacknowledged[0].flags & SYN)] * 2**self._tries
        self._schedule.after(wait, lambda: self._expire(watch))

    def _expire(self, watch: int) -> None:
        if watch != self._watch or self.over or not self._unacknowledged:
            return
        self._tries += 1
        if self._tries > _TRIES:
            self._die()
            self._tell_end(reset=True)
            return
        self._again()
        self._arm()

    def _again(self) -> None:
        """Send the oldest segment that is not acknowledged once more."""
        if self._unacknowledged:
            oldest = self._unacknowledged[0]
            self._send(oldest.flags, oldest.sequence, oldest.payload)

    def _acknowledge(self) -> None:
        self._send(ACK, self._next)

    def _send(self, flags: int, sequence: int, payload: bytes = b"") -> None:
        self._owes_ack = False
        known = self._expected is not None and flags & ACK
        stamp = round(self._schedule.now * 1000) if self._timestamps and not flags & RST else None
        self._emit(
            Tcp(
                self.own.port,
                self.peer.port,
                sequence,
                (self._expected or 0) if known else 0,
                flags,
                payload,
                tcp_options(self._mss if flags & SYN else None, stamp),
                0 if flags & RST else 29200,
            )
        )

    def _die(self) -> None:
        self.over = True
        self._watch += 1
        self._unacknowledged.clear()
