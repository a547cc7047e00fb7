"""The door to `fast_path.c`: takes over the connections it followed.

Counts and limits are shared with whoever keeps the other connections, so that both together do
what one would have done alone.
"""

from __future__ import annotations

import struct
import weakref
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from handshake_probe.capture.fast_path_form import PlainStory, Written
from handshake_probe.packets.plain import PlainConnection
from handshake_probe.packets.units import Endpoint

if TYPE_CHECKING:
    import ctypes

_ROOM: Final = 1 << 20  # bytes; one connection takes at most some 60 kB
_FUNCTIONS: Final = {
    "fast_path_write_parted": "pz",
    "fast_path_hand_over": "cpz",
    "fast_path_hand_over_any": "pz",
    "fast_path_note_start": "ipz",
}


class FastPath:
    """The connections that are followed while frames are passed over."""

    def __init__(self, library: ctypes.CDLL) -> None:
        import ctypes

        self._library = library
        self.address: int = library.fast_path_new()
        """Of the `struct fast_path`."""
        if not self.address:
            raise MemoryError
        weakref.finalize(self, library.fast_path_free, self.address)
        self.shared: Any = _shared_type().from_address(self.address)
        """Its first fields, for both to read and write."""
        self.when_full: Callable[[], None] = lambda: None
        """Called when many connections are over, to take them."""
        self._buffer = ctypes.create_string_buffer(_ROOM)
        self._string_at = ctypes.string_at

    def parted(self) -> Iterator[tuple[int, PlainStory]]:
        """Take the connections that were closed long ago, with their ranks."""
        while size := self._library.fast_path_write_parted(self.address, self._buffer, _ROOM):
            written, at = self._written(size), 0
            while at < size:
                connection = Written(written, at)
                yield connection.rank, connection.story()
                at += connection.size

    def rest(self) -> Iterator[PlainStory]:
        """Take all that are still followed."""
        self._library.fast_path_part_all(self.address)
        return (story for _, story in self.parted())

    def hand_over(self, one: Endpoint, other: Endpoint) -> PlainConnection | None:
        """Take the connection between two ends, and leave its segments to others from now on."""
        if len(one.address) != 4:
            return None
        ends = one.address + other.address + struct.pack(">HH", one.port, other.port)
        write = self._library.fast_path_hand_over
        return self._read(write(self.address, ends, self._buffer, _ROOM))

    def hand_over_any(self) -> PlainConnection | None:
        """The same for any connection; None when there is none left."""
        return self._read(self._library.fast_path_hand_over_any(self.address, self._buffer, _ROOM))

    def note_start(self, sequence: int) -> PlainConnection | None:
        """Note where the device's numbers start in a connection that others keep.

        Returns:
            A connection with the same start, to be left to others: both may be views of one.
        """
        write = self._library.fast_path_note_start
        return self._read(write(self.address, sequence, self._buffer, _ROOM))

    def _read(self, size: int) -> PlainConnection | None:
        return Written(self._written(size), 0).connection() if size else None

    def _written(self, size: int) -> bytes:
        return self._string_at(self._buffer, size)


def declare(library: ctypes.CDLL) -> None:
    """Declare the functions of the library.

    Raises:
        AttributeError: it lacks one.
    """
    import ctypes

    types = {
        "p": ctypes.c_void_p,
        "c": ctypes.c_char_p,
        "z": ctypes.c_size_t,
        "i": ctypes.c_uint32,
    }
    library.fast_path_new.restype = ctypes.c_void_p
    for name in ("fast_path_free", "fast_path_part_all"):
        getattr(library, name).argtypes = (ctypes.c_void_p,)
    for name, arguments in _FUNCTIONS.items():
        function = getattr(library, name)
        function.argtypes = (ctypes.c_void_p, *(types[letter] for letter in arguments))
        function.restype = ctypes.c_size_t


@cache
def _shared_type() -> type[ctypes.Structure]:
    """The first fields of `struct fast_path`."""
    import ctypes

    class Shared(ctypes.Structure):
        _fields_ = tuple(
            (name, ctypes.c_uint64)
            for name in (
                "started",
                "closings",
                "kept",
                "bare",
                "kept_elsewhere",
                "bare_elsewhere",
                "limit",
                "closed_limit",
                "bare_limit",
                "parted",
                "off",
            )
        )

    return Shared
