"""Bytes of one direction waiting to be taken, in which a gap stays a gap."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, Self

from handshake_probe.packets.units import GapReason, StreamData, StreamGap


class Mark(NamedTuple):
    """The frame that delivered a byte."""

    frame: int
    time_ns: int


class Chunk(NamedTuple):
    """A stretch of the stream as one piece delivered it; a gap has no data."""

    length: int
    data: memoryview | None  # cutting a view copies nothing
    doubtful: bool  # a gap nobody acknowledged: its bytes may never have been delivered
    mark: Mark

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return itself: nothing in it changes, and a view cannot be copied."""
        return self


class Taken(NamedTuple):
    """Bytes taken from the front."""

    data: bytes | None  # None when a gap lies in them
    head: bytes  # the captured bytes before the first gap
    pieces: int  # pieces of captured data they came from
    doubtful: bool
    mark: Mark  # who delivered the last of them


class StreamBuffer:
    """A queue of chunks. Gaps are kept as lengths, so even a huge one costs nothing."""

    __slots__ = ("_length", "captured", "chunks", "offset")

    def __init__(self) -> None:
        self.chunks: deque[Chunk] = deque()
        self.offset = 0  # of the first byte waiting, in the stream
        self.captured = 0  # bytes waiting that the capture holds
        self._length = 0

    def __len__(self) -> int:
        """Bytes waiting, gaps included, but not an unacknowledged gap that nothing follows."""
        if self.chunks and self.chunks[-1].doubtful:
            return self._length - self.chunks[-1].length
        return self._length

    def append(self, piece: StreamData | StreamGap) -> None:
        """Add a piece at the end; its own offset is trusted to follow what came before."""
        mark = Mark(piece.frame, piece.time_ns)
        if isinstance(piece, StreamData):
            length = len(piece.data)
            if length:
                self.chunks.append(Chunk(length, memoryview(piece.data), False, mark))
                self._length += length
                self.captured += length
            return
        if piece.length > 0:
            chunk = Chunk(piece.length, None, piece.reason is GapReason.NOT_SEEN, mark)
            if chunk.doubtful and self.chunks and self.chunks[-1].doubtful:
                chunk = chunk._replace(length=chunk.length + self.chunks[-1].length)
                self._length -= self.chunks.pop().length
            self.chunks.append(chunk)
            self._length += chunk.length

    def peek(self, size: int) -> bytes:
        """Return the captured bytes at the front, up to the first gap and at most `size`."""
        if not self.chunks:
            return b""
        first = self.chunks[0]
        if first.data is not None and first.length >= size:
            return bytes(first.data[:size])
        out = bytearray()
        for chunk in self.chunks:
            if chunk.data is None or len(out) >= size:
                break
            out += chunk.data[: size - len(out)]
        return bytes(out)

    def take(self, size: int) -> Taken:
        """Take `size` bytes, 1 to `len(self)`, from the front."""
        first = self.chunks[0]
        if first.data is not None and first.length >= size:
            return self._take_within(first, first.data, size)
        head, whole, pieces, doubtful = bytearray(), True, 0, False
        left = size
        while left:
            chunk = self.chunks.popleft()
            used = min(left, chunk.length)
            left -= used
            doubtful |= chunk.doubtful
            if chunk.data is None:
                whole = False
            else:
                pieces += 1
                self.captured -= used
                if whole:
                    head += chunk.data[:used]
            if used < chunk.length:
                rest = None if chunk.data is None else chunk.data[used:]
                self.chunks.appendleft(chunk._replace(length=chunk.length - used, data=rest))
        self.offset += size
        self._length -= size
        data = bytes(head)
        return Taken(data if whole else None, data, pieces, doubtful, chunk.mark)

    def _take_within(self, first: Chunk, held: memoryview, size: int) -> Taken:
        """Take bytes of the first chunk alone, the common case."""
        data = bytes(held[:size])
        if first.length == size:
            self.chunks.popleft()
        else:
            self.chunks[0] = Chunk(first.length - size, held[size:], False, first.mark)
        self.offset += size
        self._length -= size
        self.captured -= size
        return Taken(data, data, 1, False, first.mark)

    def doubtful(self, size: int) -> bool:
        """Tell whether an unacknowledged gap lies in the first `size` bytes."""
        at = 0
        for chunk in self.chunks:
            if at >= size:
                break
            if chunk.doubtful:
                return True
            at += chunk.length
        return False

    def ends_piece(self, size: int) -> bool:
        """Tell whether a piece ends exactly `size` bytes from the front."""
        at = 0
        for chunk in self.chunks:
            at += chunk.length
            if at >= size:
                break
        return at == size

    def first_mark(self) -> Mark:
        """Return who delivered the first byte waiting; there must be one."""
        return self.chunks[0].mark
