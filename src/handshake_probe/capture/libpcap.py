"""Frames through libpcap, for classic pcap files with microseconds; the one door to cypcap.

Every frame passes through Python and is counted, because libpcap does not tell the number of a
frame once it filters itself. Its compiled filter only says which frames to leave out.

What libpcap reads otherwise than our reader, or not at all, is refused, and whoever asked reads
the file again from the start with our reader: pcapng (libpcap hides numbered blocks, comments and
drop counters), nanoseconds (cypcap's times are floats), frames that reach the snap length (it cuts
what a lying header says), damage.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Generator
from hashlib import sha256
from pathlib import Path

from handshake_probe.capture.facts import FRAME_LIMIT, CaptureFacts
from handshake_probe.capture.pcap import HEADER_LENGTH, MAGICS, describe_pcap
from handshake_probe.capture.sieve import Selection, boring_expression
from handshake_probe.packets.units import Frame

_HASH_CHUNK = 8 << 20  # large, so that the hashing thread seldom waits for the interpreter lock
_TIME_LIMIT = 1 << 31  # libpcap reads seconds as signed
_TICK = 16_384  # frames


def _nanoseconds(time: float) -> int:
    return round(time * 1_000_000) * 1000


class Refused(Exception):
    """Libpcap cannot read this file, or not as our reader would; the message says why."""


class LibpcapFrames:
    """The frames of one pcap file that are not boring; `facts` counts all of them.

    Raises:
        Refused: at once or while iterating; frames delivered until then must be forgotten.
    """

    def __init__(
        self,
        path: Path,
        selection: Selection,
        facts: CaptureFacts,
        tick: Callable[[int], None] | None = None,
    ) -> None:
        self._tick = tick
        try:
            import cypcap
        except ImportError:
            raise Refused("cypcap is not installed") from None
        with path.open("rb") as stream:
            header = stream.read(HEADER_LENGTH)
        if len(header) < HEADER_LENGTH or MAGICS.get(header[:4], ("", 0))[1] != 1000:
            raise Refused("not a pcap file with microseconds")
        order = MAGICS[header[:4]][0]
        if struct.unpack_from(order + "HH", header, 4) != (2, 4):
            raise Refused("an old version of pcap")
        self._link_type = describe_pcap(header, facts)
        expression = boring_expression(self._link_type, selection)
        if expression is None:
            raise Refused(f"no filter for link type {self._link_type}")
        try:
            self._capture = cypcap.open_offline(str(path))
            self._boring = self._capture.compile(expression)
        except cypcap.Error as error:
            raise Refused(str(error)) from error
        self._hash: HashInBackground | None = None
        self._path = path
        self._error: type[Exception] = cypcap.Error
        self._facts = facts
        self.position = HEADER_LENGTH
        """Bytes read so far, now and then."""

    def frames(self) -> Generator[Frame, None, None]:
        """Yield the frames in file order."""
        facts, link_type = self._facts, self._link_type
        boring = self._boring.offline_filter
        snap_length = facts.interfaces[0].snap_length or FRAME_LIMIT
        number = size = 0
        latest = 0.0
        time = -1.0

        def note() -> None:
            facts.frames = number
            facts.last_ns = _nanoseconds(latest)
            self.position = HEADER_LENGTH + 16 * number + size

        try:
            for header, data in self._capture:
                number += 1
                size += len(data)
                time = header.ts
                if not 0 <= time <= latest:
                    if not 0 <= time < _TIME_LIMIT:
                        raise Refused("a time before 1970 or after 2038")
                    latest = time
                if boring(header, data):
                    if not number % _TICK:
                        note()
                        if self._tick is not None:
                            self._tick(self.position)
                    elif number == 1:
                        facts.first_ns = _nanoseconds(time)
                    continue
                captured = len(data)
                if captured >= snap_length:
                    raise Refused("a frame reaches the snap length")
                time_ns = _nanoseconds(time)
                if number == 1:
                    facts.first_ns = time_ns
                note()
                if not number % _TICK and self._tick is not None:
                    self._tick(self.position)
                length = header.len
                yield Frame(
                    number,
                    time_ns,
                    link_type,
                    0,
                    data,
                    length if length > captured else captured,
                )
        except self._error as error:
            raise Refused(str(error)) from error
        note()

    def hash_beside(self) -> None:
        """Start computing the file's hash beside the reading."""
        self._hash = HashInBackground(self._path)

    def finish(self) -> str:
        """Return the SHA-256 of the whole file in hex."""
        if self._hash is None:
            self.hash_beside()
        assert self._hash is not None
        return self._hash.hexdigest()

    def close(self) -> None:
        """Close the file and stop hashing."""
        self._capture.close()
        if self._hash is not None:
            self._hash.close()


def selects_more(path: Path, link_type: int, one: Selection, other: Selection) -> bool:
    """Whether `other` wants a frame that is boring for `one`; True when that cannot be told.

    Here libpcap itself filters: three times as fast, and nobody asks for frame numbers.
    """
    boring, still_boring = (boring_expression(link_type, wanted) for wanted in (one, other))
    if boring is None or still_boring is None:
        return True
    import cypcap  # it was there for the first pass

    try:
        with cypcap.open_offline(str(path)) as capture:
            capture.setfilter(capture.compile(f"({boring}) and not ({still_boring})"))
            return next(iter(capture), None) is not None
    except cypcap.Error:
        return True


class HashInBackground:
    """SHA-256 of a file, computed beside the reading."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("rb", buffering=0)
        self._digest = sha256()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        buffer = bytearray(_HASH_CHUNK)
        view = memoryview(buffer)
        with self._stream:
            while not self._stop.is_set() and (size := self._stream.readinto(buffer)):
                self._digest.update(view[:size])

    def hexdigest(self) -> str:
        """Wait for the end of the file and return the hash in hex."""
        self._thread.join()
        return self._digest.hexdigest()

    def close(self) -> None:
        """Stop hashing."""
        self._stop.set()
        self._thread.join()
