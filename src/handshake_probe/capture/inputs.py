"""Opens captures: files, compressed ones, and standard input; chooses who reads the frames.

The one door to captured files. A capture is opened once for every pass over it.
"""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from handshake_probe.capture.compressed import (
    UnknownCompression,
    compression_of,
    decompressed,
)
from handshake_probe.capture.facts import CaptureFacts
from handshake_probe.capture.fast_path import FastPath
from handshake_probe.capture.files import CaptureFile
from handshake_probe.capture.looks import describe_content
from handshake_probe.capture.pcap import HEADER_LENGTH, MAGICS, read_pcap
from handshake_probe.capture.pcapng import MAGIC, PcapngReader, section_fault
from handshake_probe.capture.sieve import Selection, Sieve
from handshake_probe.capture.sift import make_sieve
from handshake_probe.capture.source import ByteSource, DamageError, Digest, FileBytes
from handshake_probe.errors import UnreadableInput

STANDARD_INPUT = "-"
_SNIFF = 512
WORTH_SIEVING = 128 << 10  # bytes; below, nothing is gained


class Engine(StrEnum):
    """Who reads the frames of a capture, and which of them."""

    AUTO = "auto"  # our reader; in large files it passes over what no verdict needs
    OWN = "own"  # our reader, and our decoder sees every frame
    TSHARK = "tshark"  # tshark reads and decodes up to TCP: a second opinion, and slow


class CaptureInput:
    """A capture that can be read several times, standard input (`-`) as well.

    Standard input is kept in a nameless temporary file for later passes. `tick` is called now and
    then with the bytes of the file read so far in this pass.

    Raises:
        UnreadableInput: (when opened) no such file, not a regular file, no permission, or not a
            capture; the message is one line that says what the file looks like.
    """

    def __init__(
        self,
        path: str | Path,
        engine: Engine = Engine.AUTO,
        tick: Callable[[int], None] | None = None,
    ) -> None:
        self.path = path
        self.engine = engine
        self._tick = tick
        self._hashed = False
        self._sieve: Sieve | None = None  # of the last pass by ports
        self._spool: BinaryIO | None = None

    @property
    def size(self) -> int | None:
        """Bytes of the file as it lies there; None for standard input or what cannot be asked."""
        if self.path == STANDARD_INPUT:
            return None
        try:
            return Path(self.path).stat().st_size
        except (OSError, ValueError):
            return None

    @property
    def sieved(self) -> bool:
        """Whether it pays to leave frames out and read several times instead."""
        return self.engine is Engine.AUTO and (self.size or -1) >= WORTH_SIEVING

    def open(self, selection: Selection | None = None) -> CaptureFile:
        """Open the capture from its start.

        Args:
            selection: frames it surely does not want may be left out.

        Raises:
            UnreadableInput: see the class.
        """
        stream, copy = self._streams()
        source = FileBytes(stream, copy, self._tick, None if self._hashed else Digest())
        self._hashed = True
        try:
            sieve = None if selection is None else make_sieve(selection)
            if selection is not None and not selection.all_tcp:
                self._sieve = sieve
            return _capture(self._name, source, sieve)
        except BaseException:
            source.close()
            raise

    def passed_over(self, sources: frozenset[bytes]) -> bool:
        """Whether the last pass by ports may have left out a frame that one of these sent."""
        return self._sieve is not None and self._sieve.may_have_seen(sources)

    @property
    def fast_path(self) -> FastPath | None:
        """What follows connections in the last pass by ports, where that is compiled."""
        return self._sieve.fast_path if self._sieve is not None else None

    def close(self) -> None:
        """Forget what standard input said."""
        if self._spool is not None:
            self._spool.close()

    def __enter__(self) -> Self:
        """Return this input; it is closed when the block is left."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the input."""
        self.close()

    @property
    def _name(self) -> str:
        return "standard input" if self.path == STANDARD_INPUT else str(self.path)

    def _streams(self) -> tuple[BinaryIO, BinaryIO | None]:
        if self.path != STANDARD_INPUT:
            return _open_regular(self.path), None
        if self._spool is None:
            if sys.stdin is None or sys.stdin.isatty():
                raise _unreadable(self._name, "is a terminal, not a capture")
            import tempfile  # loads much, for the few who pipe

            self._spool = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this object
            return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False), self._spool
        self._spool.seek(0)
        return open(self._spool.fileno(), "rb", buffering=0, closefd=False), None


def open_capture(path: str | Path) -> CaptureFile:
    """Open a capture file for one pass over all of its frames.

    Raises:
        UnreadableInput: no such file, not a regular file, no permission, or not a capture; the
            message is one line that says what the file looks like.
    """
    return CaptureInput(path, Engine.OWN).open()


def open_stream(name: str, stream: BinaryIO) -> CaptureFile:
    """Read a capture from a pipe as it comes, once; waits for its first bytes.

    Args:
        name: What the pipe is called in a complaint.
        stream: Unbuffered; it belongs to the capture from now on.

    Raises:
        UnreadableInput: what comes is no capture.
    """
    return _capture(name, FileBytes(stream), None)


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


def _capture(name: str, file: FileBytes, sieve: Sieve | None) -> CaptureFile:
    try:
        head = _first(file)
        compression = compression_of(head)
        if compression is None:
            source = ByteSource(iter(file.read, b""))
        else:
            source = ByteSource(decompressed(compression, head, file))
            head = source.first(_SNIFF)
    except (DamageError, UnknownCompression) as fault:
        raise _unreadable(name, str(fault)) from fault
    around = f"{compression} data around " if compression else ""
    if head[:4] in MAGICS:
        if len(head) < HEADER_LENGTH:
            words = f"a pcap file cut off in its header ({len(head)} bytes)"
            raise _unreadable(name, around + words)
        facts = CaptureFacts("pcap")
        frames = read_pcap(source, head, facts, sieve)
        return CaptureFile(file, frames, facts, compression)
    if head[:4] == MAGIC:
        fault_words = section_fault(head[:16])
        if fault_words is not None:
            words = f"a pcapng file that cannot be read: {fault_words}"
            raise _unreadable(name, around + words)
        facts = CaptureFacts("pcapng")
        frames = PcapngReader(source, head, facts, sieve).frames()
        return CaptureFile(file, frames, facts, compression)
    raise _unreadable(name, f"not a capture: looks like {around}{describe_content(head[:_SNIFF])}")


def _first(file: FileBytes) -> bytes:
    """The first bytes; a pipe may hand over a few at a time, and then none for long."""
    head = b""
    need = _SNIFF
    while len(head) < need and (chunk := file.read()):
        head += chunk
        need = HEADER_LENGTH if head[:4] in (*MAGICS, MAGIC) else _SNIFF
    return head


def _unreadable(path: str | Path, words: str) -> UnreadableInput:
    name = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(path))
    return UnreadableInput(f"{name}: {words}")
