"""A capture being read: its frames, and what the file says about itself."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Self

from handshake_probe.capture.facts import CaptureFacts, CaptureInterface
from handshake_probe.capture.source import DamageError, FileBytes
from handshake_probe.packets.units import Frame


class CaptureFile:
    """Frames of one capture, once, in file order; facts grow while it is iterated.

    Memory stays constant. A damaged file ends at the damage: the frames before it count.
    """

    def __init__(
        self,
        file: FileBytes,
        frames: Generator[Frame, None, None],
        facts: CaptureFacts,
        compression: str | None = None,
    ) -> None:
        self._file = file
        self._frames = frames
        self._facts = facts
        self._sha256: str | None = None
        self.compression = compression
        """The name of the compression around the capture, None for none."""
        self.truncated = False
        """The file ends inside a record, as when a capture was cut off while being written."""
        self.damage: str | None = None
        """What stopped the reading and at which byte offset, in one line; None for nothing."""

    @property
    def format(self) -> str:
        """The file format: "pcap" or "pcapng"."""
        return self._facts.format

    @property
    def frames(self) -> int:
        """Frames read so far, counted as Wireshark counts them."""
        return self._facts.frames

    @property
    def interfaces(self) -> list[CaptureInterface]:
        """Interfaces described so far, by index."""
        return self._facts.interfaces

    @property
    def facts(self) -> CaptureFacts:
        """Everything the file says about itself, as far as it has been read."""
        return self._facts

    @property
    def position(self) -> int:
        """Bytes of the file read so far, before decompression."""
        return self._file.position

    @property
    def snap_length(self) -> int | None:
        """The smallest limit on captured bytes of any interface so far; None without limit."""
        limits = [item.snap_length for item in self._facts.interfaces if item.snap_length]
        return min(limits, default=None)

    @property
    def sha256(self) -> str:
        """SHA-256 of the whole file in hex; ends the iteration when asked before its end.

        Empty for a second pass over a capture: it is hashed once.

        Raises:
            ValueError: the file was closed before its end was reached.
        """
        if self._sha256 is None:
            self._frames.close()
            try:
                self._sha256 = self._file.finish()
            except DamageError as damage:
                self._stop(damage)
                self._sha256 = self._file.finish()
        return self._sha256

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames that have not been read yet."""
        try:
            yield from self._frames
        except DamageError as damage:
            self._stop(damage)

    def __enter__(self) -> Self:
        """Return this capture; it is closed when the block is left."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file and end the iteration; ask for `sha256` before."""
        self._frames.close()
        self._file.close()

    def _stop(self, damage: DamageError) -> None:
        if self.damage is None:
            self.damage = str(damage)
            self.truncated = damage.truncated
