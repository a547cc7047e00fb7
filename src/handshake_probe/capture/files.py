"""Opens a capture file: its frames, and what the file says about itself.

The one door to captured files. Anything that yields `Frame` and has the facts of `CaptureFile`
can stand behind it.
"""

from __future__ import annotations

import stat
from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from handshake_probe.capture.facts import CaptureFacts, CaptureInterface
from handshake_probe.capture.looks import describe_content
from handshake_probe.capture.pcap import HEADER_LENGTH, MAGICS, read_pcap
from handshake_probe.capture.pcapng import MAGIC, PcapngReader, section_fault
from handshake_probe.capture.source import ByteSource, DamageError
from handshake_probe.errors import UnreadableInput
from handshake_probe.packets.units import Frame

_SNIFF = 512


class CaptureFile:
    """Frames of one capture, once, in file order; facts grow while it is iterated.

    Memory stays constant. A damaged file ends at the damage: the frames before it count.
    """

    def __init__(
        self, source: ByteSource, frames: Generator[Frame, None, None], facts: CaptureFacts
    ) -> None:
        self._source = source
        self._frames = frames
        self._facts = facts
        self._sha256: str | None = None
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
    def snap_length(self) -> int | None:
        """The smallest limit on captured bytes of any interface so far; None without limit."""
        limits = [item.snap_length for item in self._facts.interfaces if item.snap_length]
        return min(limits, default=None)

    @property
    def sha256(self) -> str:
        """SHA-256 of the whole file in hex; ends the iteration when asked before its end.

        Raises:
            ValueError: the file was closed before its end was reached.
        """
        if self._sha256 is None:
            self._frames.close()
            try:
                self._sha256 = self._source.finish()
            except DamageError as damage:
                self._stop(damage)
                self._sha256 = self._source.finish()
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
        self._source.close()

    def _stop(self, damage: DamageError) -> None:
        if self.damage is None:
            self.damage = str(damage)
            self.truncated = damage.truncated


def open_capture(path: str | Path) -> CaptureFile:
    """Open a pcap or pcapng file.

    Raises:
        UnreadableInput: no such file, not a regular file, no permission, or not a capture; the
            message is one line that says what the file looks like.
    """
    stream = _open_regular(path)
    try:
        return _capture(path, ByteSource(stream))
    except BaseException:
        stream.close()
        raise


def _open_regular(path: str | Path) -> BinaryIO:
    try:
        # Asked before opening: opening a FIFO would wait for a writer.
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise _unreadable(path, "is a directory")
        if not stat.S_ISREG(mode):
            raise _unreadable(path, "is a pipe, socket or device, not a file")
        return Path(path).open("rb", buffering=0)
    except OSError as error:
        raise _unreadable(path, (error.strerror or "cannot be opened").lower()) from error
    except ValueError as error:  # a NUL byte in the name
        raise _unreadable(path, "is not a file name") from error


def _capture(path: str | Path, source: ByteSource) -> CaptureFile:
    try:
        head = source.more(b"", _SNIFF)
    except DamageError as damage:
        raise _unreadable(path, str(damage)) from damage
    if head[:4] in MAGICS:
        if len(head) < HEADER_LENGTH:
            raise _unreadable(path, f"a pcap file cut off in its header ({len(head)} bytes)")
        facts = CaptureFacts("pcap")
        return CaptureFile(source, read_pcap(source, head, facts), facts)
    if head[:4] == MAGIC:
        fault = section_fault(head[:16])
        if fault is not None:
            raise _unreadable(path, f"a pcapng file that cannot be read: {fault}")
        facts = CaptureFacts("pcapng")
        return CaptureFile(source, PcapngReader(source, head, facts).frames(), facts)
    raise _unreadable(path, f"not a capture: looks like {describe_content(head[:_SNIFF])}")


def _unreadable(path: str | Path, words: str) -> UnreadableInput:
    name = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(path))
    return UnreadableInput(f"{name}: {words}")
