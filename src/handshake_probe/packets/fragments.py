"""Puts IP packets in parts together again (RFC 791 section 3.2, RFC 8200 section 4.5).

Parts may come in any order and twice. Parts that overlap otherwise are refused with the whole
packet (RFC 5722): two readings of one packet are no evidence. Memory is bounded.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from handshake_probe.packets.internet import Fragment, IpHeader, read_extensions
from handshake_probe.packets.units import Frame

PACKET_LIMIT: Final = 65_535  # bytes of one packet's payload
PARTS_LIMIT: Final = 128  # of one packet; 65,535 bytes over links of 576 bytes make 119
OPEN_LIMIT: Final = 256  # packets waited for at once
MEMORY_LIMIT: Final = 4 << 20  # bytes kept in all
_WAIT_NS: Final = 60 * 10**9


class _Key(NamedTuple):
    interface: int
    version: int
    source: bytes
    destination: bytes
    protocol: int  # 0 for IPv6, where only the first part's counts
    identification: int


class _Parts:
    """The parts of one packet so far."""

    __slots__ = ("first", "given_up", "length", "parts", "since_ns", "size")

    def __init__(self, since_ns: int) -> None:
        self.since_ns = since_ns
        self.parts: dict[int, bytes] = {}
        self.size = 0
        self.length: int | None = None  # of the whole, once the last part came
        self.first: IpHeader | None = None
        self.given_up = False


class FragmentTable:
    """Collects parts until packets are whole."""

    def __init__(self) -> None:
        self._open: dict[_Key, _Parts] = {}
        self._size = 0
        self._dropped = 0
        self.capped = False
        """Whether a packet was given up because too many were waited for, or it was too large."""

    @property
    def abandoned(self) -> int:
        """Packets given up, and those still waited for."""
        return self._dropped + sum(not parts.given_up for parts in self._open.values())

    def feed(self, fragment: Fragment, frame: Frame) -> tuple[IpHeader, Frame] | str:
        """Take the next part.

        Returns:
            A header and a frame that holds the whole payload and nothing before it, number and
            time those of `frame`; or the reason there is none (yet).
        """
        ip = fragment.ip
        size = ip.end - ip.start
        data = frame.data[ip.start : ip.end]
        if size <= 0 or (fragment.more and size % 8) or fragment.offset + size > PACKET_LIMIT:
            return "malformed"
        if len(data) < size:
            return "truncated"
        key = _Key(
            frame.interface,
            ip.version,
            ip.source,
            ip.destination,
            ip.protocol if ip.version == 4 else 0,
            fragment.identification,
        )
        parts = self._parts(key, frame.time_ns)
        if parts.given_up:
            return "fragment_overlap"
        agrees = fragment.more or fragment.offset + size == parts.length
        if agrees and parts.parts.get(fragment.offset) == data:
            return "fragment"  # the same frame captured twice
        if not _fits(parts, fragment, size):
            self._give_up(parts)
            return "fragment_overlap"
        if len(parts.parts) >= PARTS_LIMIT or self._size + size > MEMORY_LIMIT:
            self.capped = True
            self._give_up(parts)
            return "fragment_limit"
        return self._add(key, parts, fragment, data, frame)

    def _add(
        self, key: _Key, parts: _Parts, fragment: Fragment, data: bytes, frame: Frame
    ) -> tuple[IpHeader, Frame] | str:
        parts.parts[fragment.offset] = data
        parts.size += len(data)
        self._size += len(data)
        if not fragment.more:
            parts.length = fragment.offset + len(data)
        if not fragment.offset:
            parts.first = fragment.ip
        if parts.size != parts.length or parts.first is None:
            return "fragment"
        payload = b"".join(parts.parts[offset] for offset in sorted(parts.parts))
        self._size -= parts.size
        del self._open[key]
        whole = parts.first._replace(start=0, end=len(payload))
        if whole.version == 6:
            behind = read_extensions(payload, whole)
            if not isinstance(behind, IpHeader):
                return behind if isinstance(behind, str) else "malformed"
            whole = behind
        return whole, frame._replace(data=payload, length=len(payload))

    def _parts(self, key: _Key, time_ns: int) -> _Parts:
        parts = self._open.get(key)
        if parts is not None and time_ns - parts.since_ns > _WAIT_NS:
            self._forget(key)  # the identification is used again
            parts = None
        if parts is None:
            if len(self._open) >= OPEN_LIMIT:
                oldest = next(iter(self._open))
                stale = time_ns - self._open[oldest].since_ns > _WAIT_NS
                self.capped = self.capped or not stale
                self._forget(oldest)
            parts = self._open[key] = _Parts(time_ns)
        return parts

    def _forget(self, key: _Key) -> None:
        parts = self._open.pop(key)
        self._size -= parts.size
        self._dropped += not parts.given_up

    def _give_up(self, parts: _Parts) -> None:
        self._size -= parts.size
        self._dropped += 1
        parts.given_up = True
        parts.parts.clear()
        parts.size = 0


def _fits(parts: _Parts, fragment: Fragment, size: int) -> bool:
    """Whether a part touches none of the others and agrees with where the packet ends."""
    start, end = fragment.offset, fragment.offset + size
    length = end if not fragment.more else parts.length
    if not fragment.more and parts.length not in (None, end):
        return False
    if length is not None and end > length:
        return False
    return all(
        end <= offset or start >= offset + len(data) for offset, data in parts.parts.items()
    ) and (fragment.more or all(offset < end for offset in parts.parts))
