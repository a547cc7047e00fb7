"""The compiled sieve: `sift.c` behind the interface of `sieve.Sieve`.

Built where there is a C compiler (see `hatch_build.py`); a library that was made from another
source than the one beside it is not used.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from handshake_probe.capture.fast_path import FastPath, declare
from handshake_probe.capture.sieve import ETHERNET, LINKS, PythonSieve, Selection, Sieve

if TYPE_CHECKING:
    import ctypes

_PARTS = (
    "fast_path.c",
    "fast_path_form.c",
    "fast_path_slots.c",
    "fast_path.h",
    "fast_path_parts.h",
)
SOURCES = tuple(map(Path(__file__).with_name, ("sift.c", *_PARTS)))  # as in hatch_build.py
_LINKS = 32  # interfaces it knows; frames of further ones go to the decoder
_PORTS = 1 << 16
_SET = (1 << 20) // 64  # words of a set of addresses
_PARTED_MANY = 256  # as in sift.c
_RAW, _UNKNOWN = -1, -2
_WANTED_TCP, _WANTED_UDP, _PASSED_OVER, _FOLLOWED = 1, 2, 4, 8


def make_sieve(selection: Selection) -> Sieve:
    """Return the compiled sieve, or the one in Python where it was not built."""
    library = load()
    return PythonSieve(selection) if library is None else CompiledSieve(selection, library)


def library_path() -> Path:
    """Where the library belongs that was compiled from the sources as they are."""
    from hashlib import sha256

    mark = sha256(b"".join(source.read_bytes() for source in SOURCES)).hexdigest()[:16]
    return SOURCES[0].with_name(f"sift-{mark}.so")


@cache
def load(path: Path | None = None) -> ctypes.CDLL | None:
    """Load the library; None when there is none, or none for this source and machine."""
    import ctypes

    try:
        library = ctypes.CDLL(str(path or library_path()))
        library.sift_size.restype = ctypes.c_size_t
        for name in ("sift_pcap", "sift_pcapng"):
            walk = getattr(library, name)
            size = ctypes.c_size_t
            walk.argtypes = (ctypes.c_void_p, ctypes.c_char_p, size, size, ctypes.c_uint64)
            walk.restype = size
        for name in ("sift_want_source", "sift_may_have_seen"):
            getattr(library, name).argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)
        declare(library)
    except (OSError, AttributeError):
        return None
    return library


class CompiledSieve:
    """See `Sieve`. Sets of addresses are Bloom filters: they may hold more than was put in."""

    def __init__(self, selection: Selection, library: ctypes.CDLL) -> None:
        import ctypes

        self._library = library
        self._state = state = _state_type()()
        if library.sift_size() != ctypes.sizeof(state):
            raise RuntimeError("sift.c and sift.py disagree about their state")
        self._address = ctypes.addressof(state)
        state.all_tcp = selection.all_tcp
        for ports, bit in (
            (selection.tcp_ports, _WANTED_TCP),
            (selection.wanted_udp_ports, _WANTED_UDP),
            (selection.passed_over, _PASSED_OVER),
            (selection.followed, _FOLLOWED),
        ):
            for port in ports:
                state.ports[port] |= bit
        for source in selection.sources:
            library.sift_want_source(self._address, source, len(source))
        self.fast_path = FastPath(library) if selection.followed else None
        if self.fast_path is not None:
            state.fast = self.fast_path.address
        self.passed = self.time_ns = self.latest_ns = 0
        self._interfaces = 0  # in the whole capture

    def begin(self, order: str) -> None:
        """See `Sieve`."""
        self._state.big_endian = order == ">"
        self._state.links = 0
        self._state.first_interface = self._interfaces

    def add_interface(self, link_type: int, unit: int) -> None:
        """See `Sieve`."""
        state = self._state
        self._interfaces += 1
        if state.links == _LINKS:
            return
        link = state.link[state.links]
        ethertype_at, link.ip_at = LINKS.get(link_type, (_UNKNOWN, 0))
        link.ethertype_at = _RAW if ethertype_at is None else ethertype_at
        link.tagged = link_type == ETHERNET
        link.unit = unit
        state.links += 1

    def walk_pcap(self, buffer: bytes, at: int, number: int) -> int:
        """See `Sieve`."""
        return self._walk(self._library.sift_pcap, buffer, at, number)

    def walk_pcapng(self, buffer: bytes, at: int, number: int) -> int:
        """See `Sieve`."""
        return self._walk(self._library.sift_pcapng, buffer, at, number)

    def may_have_seen(self, sources: frozenset[bytes]) -> bool:
        """See `Sieve`."""
        ask = self._library.sift_may_have_seen
        return any(ask(self._address, source, len(source)) for source in sources)

    def _walk(self, walk: Callable[..., int], buffer: bytes, at: int, number: int) -> int:
        state = self._state
        self.passed = 0
        while True:
            at = walk(self._address, buffer, len(buffer), at, number + self.passed)
            if state.passed:
                later = not self.passed or state.latest_ns > self.latest_ns
                self.latest_ns = state.latest_ns if later else self.latest_ns
                self.time_ns = state.time_ns
                self.passed += state.passed
            if self.fast_path is None or self.fast_path.shared.parted < _PARTED_MANY:
                return at
            self.fast_path.when_full()


@cache
def _state_type() -> type[ctypes.Structure]:
    """`struct sift` of sift.c, field by field."""
    import ctypes

    class Link(ctypes.Structure):
        _fields_ = (
            ("ethertype_at", ctypes.c_int32),
            ("ip_at", ctypes.c_int32),
            ("tagged", ctypes.c_int32),
            ("reserved", ctypes.c_int32),
            ("unit", ctypes.c_int64),
        )

    class State(ctypes.Structure):
        _fields_ = (
            ("passed", ctypes.c_uint64),
            ("time_ns", ctypes.c_int64),
            ("latest_ns", ctypes.c_int64),
            ("big_endian", ctypes.c_int32),
            ("links", ctypes.c_int32),
            ("first_interface", ctypes.c_int64),
            ("link", Link * _LINKS),
            ("all_tcp", ctypes.c_int32),
            ("any_source", ctypes.c_int32),
            ("ports", ctypes.c_uint8 * _PORTS),
            ("sources", ctypes.c_uint64 * _SET),
            ("seen", ctypes.c_uint64 * _SET),
            ("fast", ctypes.c_void_p),
        )

    return State
