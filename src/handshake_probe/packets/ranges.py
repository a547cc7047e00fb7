"""The bytes of one direction that are known but cannot be delivered yet, by sequence number."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import attrgetter
from typing import NamedTuple

_OVERHEAD = 256  # what keeping a chunk costs beside its bytes
_START = attrgetter("start")
_END = attrgetter("end")


class Chunk(NamedTuple):
    """Sequence numbers `start` to `end` (excluded) and their bytes."""

    start: int
    end: int
    data: bytes | None  # None: sent, but cut off by the snap length
    frame: int
    time_ns: int


class WaitingChunks:
    """Chunks in order, without overlap; the first copy of a byte stays."""

    __slots__ = ("_chunks", "cost")

    def __init__(self) -> None:
        self._chunks: list[Chunk] = []
        self.cost = 0
        """About how much memory the chunks take, in bytes."""

    def __len__(self) -> int:
        """Count the chunks."""
        return len(self._chunks)

    @property
    def first(self) -> Chunk | None:
        """The chunk with the lowest sequence numbers."""
        return self._chunks[0] if self._chunks else None

    @property
    def end(self) -> int:
        """One past the highest sequence number held; 0 when empty."""
        return self._chunks[-1].end if self._chunks else 0

    def pop(self) -> Chunk:
        """Take the first chunk out."""
        chunk = self._chunks.pop(0)
        self.cost -= _cost(chunk)
        return chunk

    def uncovered(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return the parts of `start` to `end` that no chunk covers."""
        parts: list[tuple[int, int]] = []
        low, high = self._overlapping(start, end)
        for chunk in self._chunks[low:high]:
            if start < chunk.start:
                parts.append((start, chunk.start))
            start = chunk.end
        if start < end:
            parts.append((start, end))
        return parts

    def add(self, chunk: Chunk) -> tuple[int, int]:
        """Add what is new of `chunk`.

        Returns:
            How many bytes were added, and how many overlap a differing first copy.
        """
        conflicts = 0
        if chunk.data is not None:
            conflicts = self._conflicts(chunk.start, chunk.data)
            self._uncut(chunk.start, chunk.end)
        added = 0
        for start, end in self.uncovered(chunk.start, chunk.end):
            data = chunk.data
            if data is not None:
                data = data[start - chunk.start : end - chunk.start]
            part = chunk._replace(start=start, end=end, data=data)
            self._chunks.insert(bisect_left(self._chunks, start, key=_START), part)
            self.cost += _cost(part)
            added += end - start
        return added, conflicts

    def _overlapping(self, start: int, end: int) -> tuple[int, int]:
        """Return the index range of chunks that share a byte with `start` to `end`."""
        low = bisect_right(self._chunks, start, key=_END)
        return low, max(low, bisect_left(self._chunks, end, key=_START))

    def _conflicts(self, start: int, data: bytes) -> int:
        low, high = self._overlapping(start, start + len(data))
        total = 0
        for chunk in self._chunks[low:high]:
            if chunk.data is not None:
                total += differing(chunk.start, chunk.data, start, data)
        return total

    def _uncut(self, start: int, end: int) -> None:
        """Forget that `start` to `end` was cut off: now there are bytes for it."""
        low, high = self._overlapping(start, end)
        kept: list[Chunk] = []
        for chunk in self._chunks[low:high]:
            if chunk.data is not None:
                kept.append(chunk)
                continue
            self.cost -= _cost(chunk)
            outside = ((chunk.start, min(chunk.end, start)), (max(chunk.start, end), chunk.end))
            for left, right in outside:
                if left < right:
                    kept.append(chunk._replace(start=left, end=right))
                    self.cost += _OVERHEAD
        self._chunks[low:high] = kept


def differing(first_start: int, first: bytes | bytearray, second_start: int, second: bytes) -> int:
    """Count the bytes that differ where two pieces of one stream overlap."""
    start = max(first_start, second_start)
    end = min(first_start + len(first), second_start + len(second))
    if start >= end:
        return 0
    one = first[start - first_start : end - first_start]
    other = second[start - second_start : end - second_start]
    return 0 if one == other else sum(a != b for a, b in zip(one, other, strict=True))


def _cost(chunk: Chunk) -> int:
    return _OVERHEAD + len(chunk.data or b"")
