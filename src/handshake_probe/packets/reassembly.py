"""Puts the bytes of one direction in order. Nothing is ever filled in: a gap stays a gap.

Sequence numbers are relative and do not wrap (see `sequence.relative`): 0 is the SYN, 1 the first
byte; stream offsets are one less.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from handshake_probe.packets.path import DirectionFacts
from handshake_probe.packets.plain import PlainSide
from handshake_probe.packets.ranges import Chunk, WaitingChunks, differing
from handshake_probe.packets.units import (
    GapReason,
    StreamData,
    StreamEnd,
    StreamGap,
    StreamPiece,
)

BUFFER_LIMIT: Final = 1 << 20
# Captures on several interfaces or queues show some frames late, so that an acknowledgment comes
# before the bytes it acknowledges. Only after this many packets or this long they count as lost.
_GRACE_PACKETS: Final = 32
_GRACE_NS: Final = 1_000_000_000
_GAPS_KEPT: Final = 64  # to recognise bytes that turn up after all
_HISTORY: Final = 8192  # delivered bytes kept to recognise differing copies


class _Mark(NamedTuple):
    """The frame that showed something."""

    frame: int
    time_ns: int


_NO_MARK: Final = _Mark(0, 0)


class _Grace(NamedTuple):
    """Bytes below `level` are believed lost unless they turn up soon."""

    level: int
    packets: int
    until_ns: int


class _End(NamedTuple):
    sequence: int
    kind: str
    mark: _Mark


class StreamReassembler:
    """One direction of one connection; `take` returns the pieces that became known.

    Keeps in `facts` what is counted per byte: captured, missing, snapped and conflicting bytes,
    and how far the sender and the acknowledgments got.
    """

    __slots__ = (
        "_aborted_at",
        "_acknowledge_mark",
        "_chunks",
        "_claim_mark",
        "_end",
        "_ended",
        "_facts",
        "_finished",
        "_gaps",
        "_grace",
        "_history",
        "_limit",
        "_lost_up_to",
        "_next",
        "_pieces",
        "capped",
    )

    def __init__(self, facts: DirectionFacts, limit: int = BUFFER_LIMIT) -> None:
        self._facts = facts
        self._limit = limit
        self._next = 1  # first sequence number not delivered
        self._chunks = WaitingChunks()
        self._history = bytearray()  # the delivered bytes before _next
        self._pieces: list[StreamPiece] = []
        self._claim_mark = self._acknowledge_mark = _NO_MARK
        self._lost_up_to = 0  # bytes below are not waited for
        self._aborted_at = 0  # the sender's RST: it sends nothing below again
        self._gaps: list[tuple[int, int]] = []  # acknowledged, given up
        self._grace: _Grace | None = None
        self._end: _End | None = None
        self._ended = False
        self._finished = False
        self.capped = False
        """The out-of-order buffer was full: the oldest hole became a gap early."""

    def resume(self, side: PlainSide) -> None:
        """Go on where a sender stands of whom every byte came in order so far."""
        self._next = len(side.data) + 1
        self._history += side.data
        self._claim_mark = _Mark(*side.claimed)
        self._acknowledge_mark = _Mark(*side.acknowledged)
        if side.fin is not None:
            self._end = _End(self._next, "fin", _Mark(*side.fin))
            self._ended = True

    @property
    def waiting(self) -> bool:
        """Bytes that must have existed are missing, and may still turn up."""
        return self._grace is not None

    @property
    def following(self) -> int:
        """The sequence number behind all that was delivered, or given up."""
        return self._next

    @property
    def calm(self) -> bool:
        """Nothing is missing, doubted, waiting or ended, and none of it was claimed ahead."""
        facts, following = self._facts, self._next
        return (
            self._end is None
            and self._grace is None
            and not self._finished
            and not self._aborted_at
            and not self._chunks
            and not self._pieces
            and self._lost_up_to <= following
            and facts.sent_up_to <= facts.claimed_up_to == following
            and facts.acknowledged_up_to <= following
        )

    def follow(self, payload: bytes, frame: int, time_ns: int) -> StreamData:
        """Take the whole payload that comes next, while the stream is `calm`."""
        facts, start = self._facts, self._next
        end = start + len(payload)
        facts.sent_up_to = facts.claimed_up_to = self._next = end
        facts.captured_bytes += len(payload)
        mark = self._claim_mark = _Mark(frame, time_ns)
        history = self._history
        history += payload
        if len(history) > 2 * _HISTORY:
            del history[:-_HISTORY]
        return StreamData(start - 1, payload, *mark)

    def follow_acknowledgment(self, sequence: int, frame: int, time_ns: int) -> None:
        """Note that delivered bytes were acknowledged, while the stream is `calm`."""
        self._facts.acknowledged_up_to = sequence
        self._acknowledge_mark = _Mark(frame, time_ns)

    def take(self) -> list[StreamPiece]:
        """Return the pieces that became known since the last call, in stream order."""
        if not self._pieces:
            return []
        pieces, self._pieces = self._pieces, []
        return pieces

    def tick(self, time_ns: int) -> None:
        """Note that the connection had another packet at `time_ns`."""
        if self._grace is None:
            return
        self._grace = self._grace._replace(packets=self._grace.packets - 1)
        if self._grace.packets < 0 or time_ns >= self._grace.until_ns:
            self._lost_up_to = self._grace.level
            self._advance(time_ns)

    def add(self, sequence: int, payload: bytes, length: int, frame: int, time_ns: int) -> int:
        """Add a segment's payload, of which `length` bytes were on the wire.

        Returns:
            How many of the bytes had not been sent before, as far as the capture shows.
        """
        end = sequence + length
        facts = self._facts
        facts.sent_up_to = max(facts.sent_up_to, end)
        self._raise_claim(end, frame, time_ns)
        if sequence == self._next and len(payload) == length and not self._chunks:
            facts.captured_bytes += length
            self._deliver(Chunk(sequence, end, payload, frame, time_ns))
            self._advance(time_ns)
            return length
        captured_end = sequence + len(payload)
        if self._gaps and sequence < self._next:
            self._fill_late(sequence, captured_end)
        facts.conflicting_bytes += differing(
            self._next - len(self._history), self._history, sequence, payload
        )
        start = max(sequence, self._next)
        fresh = sum(right - left for left, right in self._chunks.uncovered(start, end))
        if start < captured_end:
            data = payload[start - sequence :]
            added, conflicts = self._chunks.add(Chunk(start, captured_end, data, frame, time_ns))
            facts.captured_bytes += added
            facts.conflicting_bytes += conflicts
        cut_start = max(start, captured_end)
        if cut_start < end:
            self._chunks.add(Chunk(cut_start, end, None, frame, time_ns))
        self._advance(time_ns)
        while self._chunks.cost > self._limit and (first := self._chunks.first) is not None:
            self.capped = True
            self._lost_up_to = first.end
            self._advance(time_ns)
        return fresh

    def claim(self, sequence: int, frame: int, time_ns: int) -> None:
        """Note that the sender's sequence number stands at `sequence`: it has sent all before."""
        self._raise_claim(self._without_fin(sequence), frame, time_ns)

    def acknowledge(self, sequence: int, frame: int, time_ns: int) -> None:
        """Note that the peer acknowledged all before `sequence`."""
        if sequence > self._facts.acknowledged_up_to:
            self._facts.acknowledged_up_to = sequence
            self._acknowledge_mark = _Mark(frame, time_ns)
            self._advance(time_ns)

    def end(self, kind: str, sequence: int | None, frame: int, time_ns: int) -> None:
        """Note the sender's FIN ("fin") or RST ("rst"); the first one ends the stream.

        Args:
            kind: "fin" or "rst".
            sequence: its position; None when it cannot be believed: it ends what is there.
            frame: the frame that carried it.
            time_ns: when.
        """
        if sequence is not None:
            sequence = self._without_fin(sequence)
            self._raise_claim(sequence, frame, time_ns)
            if kind == "fin" and self._facts.claimed_up_to == sequence + 1:
                # A later packet had shown the FIN's place already.
                self._facts.claimed_up_to = max(sequence, self._facts.sent_up_to)
            if kind == "rst":
                self._aborted_at = max(self._aborted_at, sequence)
        if self._end is None:
            at = self._next if sequence is None else sequence
            self._end = _End(at, kind, _Mark(frame, time_ns))
        self._advance(time_ns)

    def finish(self) -> None:
        """Turn what is still open into pieces: nothing more will come."""
        self._finished = True
        self._lost_up_to = self._last()
        self._advance(0)
        self._history = bytearray()

    def _raise_claim(self, sequence: int, frame: int, time_ns: int) -> None:
        if sequence > self._facts.claimed_up_to:
            self._facts.claimed_up_to = sequence
            self._claim_mark = _Mark(frame, time_ns)

    def _without_fin(self, sequence: int) -> int:
        """Return `sequence` as a position among the bytes: a FIN takes one number behind them."""
        if self._end is not None and self._end.kind == "fin":
            return sequence - (sequence == self._end.sequence + 1)
        return sequence

    def _last(self) -> int:
        """Return the sequence number behind the last byte the sender must have sent."""
        held = max(self._next, self._chunks.end)
        last = max(held, self._facts.claimed_up_to, self._facts.acknowledged_up_to)
        if last == (held if self._end is None else self._end.sequence) + 1:
            # A FIN takes a sequence number as well, whether it was captured or not.
            last -= 1
        return last

    def _advance(self, time_ns: int) -> None:
        while True:
            first = self._chunks.first
            if first is not None and first.start == self._next:
                if first.data is None and not self._is_cut_for_good(first):
                    break
                self._deliver(self._chunks.pop())
            elif self._lost_up_to > self._next:
                reach = self._lost_up_to if first is None else min(self._lost_up_to, first.start)
                self._give_up(reach, first)
            else:
                break
        end = self._end
        if end is not None and not self._ended and (self._next >= end.sequence or self._finished):
            self._ended = True
            self._pieces.append(StreamEnd(self._next - 1, end.kind, *end.mark))
        self._watch_hole(time_ns)

    def _is_cut_for_good(self, chunk: Chunk) -> bool:
        """Tell whether a retransmission can no longer bring what the snap length cut off."""
        return (
            self._finished
            or self._end is not None
            or len(self._chunks) > 1
            or self._facts.acknowledged_up_to > chunk.start
        )

    def _deliver(self, chunk: Chunk) -> None:
        self._next = chunk.end
        if chunk.data is None:
            self._gap(chunk.start, GapReason.SNAPPED, _Mark(chunk.frame, chunk.time_ns))
            self._facts.snapped_bytes += chunk.end - chunk.start
            return
        self._pieces.append(StreamData(chunk.start - 1, chunk.data, chunk.frame, chunk.time_ns))
        self._history += chunk.data
        if len(self._history) > 2 * _HISTORY:
            del self._history[:-_HISTORY]

    def _give_up(self, end: int, following: Chunk | None) -> None:
        """Turn the hole up to `end` into gaps: acknowledged bytes arrived, of others none knows."""
        start = self._next
        arrived = min(end, self._facts.acknowledged_up_to)
        if start < arrived:
            self._next = arrived
            self._gap(start, GapReason.NOT_CAPTURED, self._acknowledge_mark)
            if len(self._gaps) < _GAPS_KEPT:
                self._gaps.append((start, arrived))
            start = arrived
        if start < end:
            self._next = end
            mark = self._claim_mark
            if following is not None:
                mark = _Mark(following.frame, following.time_ns)
            self._gap(start, GapReason.NOT_SEEN, mark)

    def _fill_late(self, start: int, end: int) -> None:
        """Count the bytes of a gap that are captured after all, too late for the stream."""
        left: list[tuple[int, int]] = []
        for first, behind in self._gaps:
            self._facts.late_bytes += max(0, min(end, behind) - max(start, first))
            left += [(first, min(start, behind)), (max(end, first), behind)]
        self._gaps = [(first, behind) for first, behind in left if first < behind]

    def _gap(self, start: int, reason: GapReason, mark: _Mark) -> None:
        """Emit the gap from `start` to the next byte to deliver."""
        length = self._next - start
        self._facts.missing_bytes += length
        self._history = bytearray()
        self._pieces.append(StreamGap(start - 1, length, reason, *mark))

    def _watch_hole(self, time_ns: int) -> None:
        due = max(self._facts.acknowledged_up_to, self._aborted_at)
        if self._end is not None:
            due = min(due, max(self._end.sequence, self._aborted_at))
        elif due == self._next + 1 and not self._chunks:
            due = self._next  # most likely the acknowledgment of a FIN that was not captured
        if self._finished or due <= self._next:
            self._grace = None
        elif self._grace is None or self._grace.level <= self._next:
            self._grace = _Grace(due, _GRACE_PACKETS, time_ns + _GRACE_NS)
