"""Reads a binary stream once, front to back, and hashes every byte that passes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from queue import Queue
from typing import BinaryIO

CHUNK = 1 << 20
_HASHED_BESIDE = 4  # chunks: fewer are not worth a thread, and no more wait for it


class DamageError(Exception):
    """A capture cannot be read further; `truncated` when the file simply ends too early."""

    def __init__(self, what: str, offset: int, *, truncated: bool = False) -> None:
        super().__init__(f"{what} at byte offset {offset}")
        self.truncated = truncated


class Digest:
    """SHA-256 of chunks, beside the reading as soon as there are many: it takes as long as that."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._waiting: Queue[bytes] = Queue(_HASHED_BESIDE)
        self._thread: threading.Thread | None = None
        self._given = 0

    def update(self, chunk: bytes) -> None:
        """Take the next chunk; an empty one says nothing."""
        self._given += 1
        if not chunk or self._given <= _HASHED_BESIDE:
            self._hash.update(chunk)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        self._waiting.put(chunk)

    def hexdigest(self) -> str:
        """Return the hash of all chunks in hex; no further ones may come."""
        self.close()
        return self._hash.hexdigest()

    def close(self) -> None:
        """Hash what waits, and end the thread."""
        if self._thread is not None:
            self._waiting.put(b"")
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while chunk := self._waiting.get():
            self._hash.update(chunk)


class FileBytes:
    """The bytes of a file or pipe as they lie there, in chunks; owns the stream.

    `copy` gets every byte as well, for a pipe that must be read a second time; `tick` is called
    with the bytes read so far, after each chunk; `digest` hashes them.
    """

    def __init__(
        self,
        stream: BinaryIO,
        copy: BinaryIO | None = None,
        tick: Callable[[int], None] | None = None,
        digest: Digest | None = None,
    ) -> None:
        self._stream = stream
        self._copy = copy
        self._tick = tick
        self._digest = digest
        self.position = 0
        """Bytes read so far."""
        self.ended = False

    def read(self) -> bytes:
        """Return the next chunk, at most `CHUNK` bytes; nothing at the end.

        Raises:
            DamageError: the operating system could not read on.
        """
        if self.ended:
            return b""
        try:
            chunk = self._stream.read(CHUNK)
        except OSError as error:
            self.ended = True
            raise DamageError(f"read error ({error.strerror})", self.position) from error
        self.ended = not chunk
        self.position += len(chunk)
        if self._digest is not None:
            self._digest.update(chunk)
        if self._copy is not None:
            self._copy.write(chunk)
        if self._tick is not None:
            self._tick(self.position)
        return chunk

    def finish(self) -> str:
        """Read what is left and return the SHA-256 of all bytes in hex, if they are hashed.

        Raises:
            DamageError: the operating system could not read on.
        """
        while not self.ended:
            self.read()
        return "" if self._digest is None else self._digest.hexdigest()

    def close(self) -> None:
        """Close the stream; reading on raises ValueError."""
        self._stream.close()
        if self._digest is not None:
            self._digest.close()


class ByteSource:
    """A forward-only buffer over chunks of content; memory stays at about one chunk."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._fault: DamageError | None = None

    def first(self, need: int) -> bytes:
        """Return the first `need` bytes, or what there is; damage behind them is told later.

        Raises:
            DamageError: not a single byte can be read.
        """
        head = b""
        try:
            while len(head) < need:
                chunk = next(self._chunks, b"")
                if not chunk:
                    break
                head += chunk
        except DamageError as fault:
            if not head:
                raise
            self._fault = fault
        return head

    def more(self, rest: bytes, need: int) -> bytes:
        """Return `rest` and the bytes after it: at least `need` in all unless the content ends.

        Raises:
            DamageError: the operating system or the decompressor could not read on.
        """
        parts = [rest]
        have = len(rest)
        while have < need:
            if self._fault is not None:
                raise self._fault
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            parts.append(chunk)
            have += len(chunk)
        return b"".join(parts)
