"""Reads a binary stream once, front to back, and hashes every byte that passes."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

CHUNK = 1 << 20


class DamageError(Exception):
    """A capture cannot be read further; `truncated` when the file simply ends too early."""

    def __init__(self, what: str, offset: int, *, truncated: bool = False) -> None:
        super().__init__(f"{what} at byte offset {offset}")
        self.truncated = truncated


class ByteSource:
    """A forward-only reader over `stream`, which it owns; memory stays at about one chunk."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self._position = 0
        self._ended = False

    def more(self, rest: bytes, need: int) -> bytes:
        """Return `rest` and the bytes after it: at least `need` in all unless the stream ends.

        Raises:
            DamageError: the operating system could not read on.
        """
        parts = [rest]
        have = len(rest)
        while have < need and not self._ended:
            chunk = self._read()
            parts.append(chunk)
            have += len(chunk)
        return b"".join(parts)

    def finish(self) -> str:
        """Read what is left and return the SHA-256 of the whole stream in hex.

        Raises:
            DamageError: the operating system could not read on.
        """
        while not self._ended:
            self._read()
        return self._digest.hexdigest()

    def close(self) -> None:
        """Close the stream; reading on raises ValueError."""
        self._stream.close()

    def _read(self) -> bytes:
        try:
            chunk = self._stream.read(CHUNK)
        except OSError as error:
            self._ended = True
            raise DamageError(f"read error ({error.strerror})", self._position) from error
        self._ended = not chunk
        self._position += len(chunk)
        self._digest.update(chunk)
        return chunk
