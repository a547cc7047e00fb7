"""One direction of a watched connection: its bytes, the step it is at, its records."""

from __future__ import annotations

from handshake_probe.packets.units import Direction, StreamData, StreamGap
from handshake_probe.protocol.records import RecordReader
from handshake_probe.protocol.state import TABLE, Step, steps_of
from handshake_probe.protocol.stream import StreamBuffer

EXCERPT = 120
HELD = 4096  # captured bytes that may wait for the other side


class Side:
    """What one direction has sent and not yet been read."""

    def __init__(self, direction: Direction, *, midstream: bool) -> None:
        self.direction = direction
        self.buffer = StreamBuffer()
        self.step = Step.RECORDS if midstream else steps_of(direction)[0]
        self.reader = RecordReader(self.buffer, searching=midstream)
        self.received = 0  # captured bytes
        self.beginning = b""  # first bytes of the stream, before any gap, at most EXCERPT
        self._gap = False
        self.short = False  # it was said that this side's step stayed short

    @property
    def waits(self) -> bool:
        """Bytes wait to be read, or framing to be found."""
        return bool(self.buffer.chunks) or self.reader.searching

    @property
    def awaits_step(self) -> bool:
        """Bytes wait that are no records, as far as is known."""
        return self.step is not Step.RECORDS and bool(self.buffer.chunks)

    def append(self, piece: StreamData | StreamGap) -> None:
        """Add a piece to the waiting bytes."""
        if isinstance(piece, StreamGap):
            self._gap = True
        else:
            if not self._gap and len(self.beginning) < EXCERPT:
                self.beginning += piece.data[: EXCERPT - len(self.beginning)]
            self.received += len(piece.data)
        self.buffer.append(piece)

    def pass_step(self, piece: StreamData) -> None:
        """Take a piece that is exactly the step this side is at, while nothing waits.

        Does what `append`, the buffer's `take` and `advance` would do.
        """
        self.beginning += piece.data[: EXCERPT - len(self.beginning)]
        self.received += len(piece.data)
        self.buffer.offset += len(piece.data)
        self.advance()

    @property
    def settled(self) -> bool:
        """Nothing waits, and the beginning is known as far as it is kept."""
        return not self.buffer.chunks and (self._gap or len(self.beginning) >= EXCERPT)

    @property
    def follows(self) -> bool:
        """A piece that is exactly one record can be read as it comes, for all this side knows."""
        return self.step is Step.RECORDS and self.settled and not self.reader.searching

    @property
    def position(self) -> int:
        """Bytes sent so far, gaps included."""
        return self.buffer.offset + len(self.buffer)

    @property
    def overflows(self) -> bool:
        """More waits than any handshake would let wait."""
        return self.buffer.captured > HELD

    def has(self, step: Step, *, borne_out: bool) -> bool:
        """Tell whether this side is at `step` and its bytes are whole.

        An unacknowledged gap among them counts only when what the other side did since bears out
        that it received them.
        """
        if self.step is not step:
            return False
        size = TABLE[step].size
        if size is None or len(self.buffer) < size:
            return False
        return borne_out or not self.buffer.doubtful(size)

    def advance(self) -> None:
        """Go on to this direction's next step."""
        steps = steps_of(self.direction)
        self.step = steps[steps.index(self.step) + 1]

    def give_up(self) -> None:
        """Read what waits and follows as records begun in the middle: this is no handshake."""
        self.step = Step.RECORDS
        self.reader = RecordReader(self.buffer, searching=True)
