"""The record layer of one direction: `LEN(2, big-endian) | ciphertext(LEN)`, without any key.

LEN is a multiple of 16 from 16 to 1024. Nothing else marks a record, so framing that is lost is
found again by lengths that lead from one piece of the stream to the end of another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from handshake_probe.packets.units import StreamData
from handshake_probe.protocol.layouts import BLOCK_SIZE, LENGTH_SIZE, RECORD_MAX
from handshake_probe.protocol.stream import Mark, StreamBuffer

SEARCH_WINDOW = 4096  # bytes kept while framing is lost
_EXCERPT = 40
_PIECES_PER_NEW_BYTE = 16  # so that a stream of tiny pieces is not searched for each of them
_SURE_CHAIN = 3  # records in a row that prove a place which is not the start of a piece

_LOW = bytes(range(0x10, 0x100, 0x10))
_LENGTHS = re.compile(
    b"(?=\x00[" + re.escape(_LOW) + b"]|[\x01-\x03][\x00" + re.escape(_LOW) + b"]|\x04\x00)"
)

# The first bytes of a piece that is exactly one record of a legal length, and how long it is.
_ALONE = {
    length.to_bytes(LENGTH_SIZE, "big"): LENGTH_SIZE + length
    for length in range(BLOCK_SIZE, RECORD_MAX + 1, BLOCK_SIZE)
}


class Record(NamedTuple):
    """One record as framed."""

    number: int  # 0 is the first one seen
    length: int  # ciphertext bytes
    ciphertext: bytes | None  # None when a gap lies in it
    first: bool  # the direction's true first record: its IV is the session's
    iv: bytes | None  # 16 bytes: the head of the record before; None when unknown or first
    problem: str | None  # "length_not_multiple_of_16", "empty", or None
    mark: Mark


class Lost(NamedTuple):
    """Framing broke here."""

    offset: int
    problem: str  # "gap" or "bad_length"
    excerpt: bytes
    mark: Mark


class Found(NamedTuple):
    """Framing was found again here."""

    offset: int
    mark: Mark


def is_chain(data: bytes) -> bool:
    """Tell whether records, and nothing but whole records, make up `data`."""
    at = 0
    while at + LENGTH_SIZE <= len(data):
        length = int.from_bytes(data[at : at + LENGTH_SIZE], "big")
        if not _is_legal(length):
            return False
        at += LENGTH_SIZE + length
    return at == len(data)


def is_record(data: bytes) -> bool:
    """Tell whether `data` is exactly one record of a legal length."""
    return _ALONE.get(data[:LENGTH_SIZE]) == len(data)


class RecordReader:
    """Cuts one direction's stream into records."""

    def __init__(self, buffer: StreamBuffer, *, searching: bool = False) -> None:
        self._buffer = buffer
        self._searching = searching
        self._first = not searching
        self._iv: bytes | None = None
        self._searched = 0  # up to this offset
        self.count = 0

    def drain(self, *, final: bool = False) -> Iterator[Record | Lost | Found]:
        """Yield all that the waiting bytes hold; with `final`, wait for nothing more."""
        while self._searching or self._buffer.chunks:
            if self._searching:
                found = self._search() if final or self._is_worth_a_search() else None
                if found is None:
                    return
                yield found
            item = self._next(final)
            if item is None:
                return
            yield item

    @property
    def searching(self) -> bool:
        """Framing is lost, or was not found yet."""
        return self._searching

    def follow(self, piece: StreamData) -> Record:
        """Take a piece that is exactly one record, while nothing waits and framing is found.

        Does what `append` and `drain` would do.
        """
        ciphertext = piece.data[LENGTH_SIZE:]
        mark = Mark(piece.frame, piece.time_ns)
        record = Record(self.count, len(ciphertext), ciphertext, self._first, self._iv, None, mark)
        self._buffer.offset += len(piece.data)
        self._iv = ciphertext[:BLOCK_SIZE]
        self._first = False
        self.count += 1
        return record

    def pass_by(self, count: int, first: StreamData, last: StreamData) -> None:
        """Take what `follow` would take, but from one piece to another without a look."""
        self._buffer.offset += last.offset + len(last.data) - first.offset
        self._iv = last.data[LENGTH_SIZE : LENGTH_SIZE + BLOCK_SIZE]
        self._first = False
        self.count += count

    def _next(self, final: bool) -> Record | Lost | None:
        """Return the next record; None when more bytes are needed."""
        waiting = len(self._buffer)
        prefix = self._buffer.peek(LENGTH_SIZE)
        if len(prefix) < min(LENGTH_SIZE, waiting):
            return self._lose("gap")
        if waiting < LENGTH_SIZE:
            return None
        length = int.from_bytes(prefix, "big")
        if length > RECORD_MAX:
            return self._lose("bad_length")
        legal = _is_legal(length)
        if waiting < LENGTH_SIZE + length:
            return self._lose("bad_length") if final and not legal else None
        # A wrong length that a peer's write bears out is the peer's fault, not a loss of framing.
        if not legal and not self._buffer.ends_piece(LENGTH_SIZE + length):
            return self._lose("bad_length")
        return self._take(length, legal)

    def _take(self, length: int, legal: bool) -> Record:
        """Take a record that is whole in the stream."""
        taken = self._buffer.take(LENGTH_SIZE)
        if length:
            taken = self._buffer.take(length)
        problem = None
        if not legal:
            problem = "length_not_multiple_of_16" if length else "empty"
        record = Record(
            number=self.count,
            length=length,
            ciphertext=taken.data if length else b"",
            first=self._first,
            iv=self._iv,
            problem=problem,
            mark=taken.mark,
        )
        known = length >= BLOCK_SIZE and len(taken.head) >= BLOCK_SIZE
        self._iv = taken.head[:BLOCK_SIZE] if known else None
        self._first = False
        self.count += 1
        return record

    def _lose(self, problem: str) -> Lost:
        """Begin to search, behind the gap or from the bad length on."""
        buffer = self._buffer
        lost = Lost(buffer.offset, problem, buffer.peek(_EXCERPT), buffer.first_mark())
        if problem == "gap":
            while len(buffer) and buffer.chunks[0].data is not None:
                buffer.take(buffer.chunks[0].length)
            while len(buffer) and buffer.chunks[0].data is None:
                buffer.take(buffer.chunks[0].length)
        self._searching, self._first, self._iv = True, False, None
        return lost

    def _is_worth_a_search(self) -> bool:
        """Tell whether enough is new: a search costs as much as there are pieces in the window."""
        new = self._buffer.offset + len(self._buffer) - self._searched
        return len(self._buffer.chunks) <= new * _PIECES_PER_NEW_BYTE

    def _search(self) -> Found | None:
        """Look for a record boundary in the waiting bytes, and drop what lies before it.

        Believed is the start of a piece from which records lead to the end of a piece, or a place
        that such a chain of records reaches and continues from. The first record of a chain that
        begins within a piece is not believed: a chance length may have led onto the chain.
        """
        buffer = self._buffer
        while len(buffer) > SEARCH_WINDOW:
            buffer.take(min(buffer.chunks[0].length, len(buffer) - SEARCH_WINDOW))
        self._searched = buffer.offset + len(buffer)
        window, starts, ends = self._window()
        chains: dict[int, int] = {}
        reached: list[int] = []
        for match in reversed(list(_LENGTHS.finditer(window))):
            at = match.start()
            behind = at + LENGTH_SIZE + int.from_bytes(window[at : at + LENGTH_SIZE], "big")
            chain = chains.get(behind, 0)
            if chain or behind in ends:
                chains[at] = chain + 1
                if chain + 1 >= _SURE_CHAIN:
                    reached.append(behind)
        places = [start for start in starts if start in chains] + reached
        if not places:
            return None
        if min(places):
            buffer.take(min(places))
        self._searching = False
        return Found(buffer.offset, buffer.first_mark())

    def _window(self) -> tuple[bytes, set[int], set[int]]:
        """Return the waiting bytes, gaps as FF (never a length), and where pieces start and end."""
        out, starts, ends = bytearray(), set(), set()
        waiting = len(self._buffer)
        for chunk in self._buffer.chunks:
            if len(out) >= waiting:
                break
            starts.add(len(out))
            out += b"\xff" * chunk.length if chunk.data is None else chunk.data
            ends.add(len(out))
        return bytes(out), starts, ends


def _is_legal(length: int) -> bool:
    return 0 < length <= RECORD_MAX and length % BLOCK_SIZE == 0
