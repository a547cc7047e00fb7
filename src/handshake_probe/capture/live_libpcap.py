"""Live frames through libpcap, filtered in the kernel."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from handshake_probe.capture.live import CannotCapture, NoDoor
from handshake_probe.capture.live_kernel import AT_ONCE, BUFFER, SNAP_LENGTH, KernelLive
from handshake_probe.errors import UnreadableInput
from handshake_probe.packets.units import Frame

_LATENCY = 0.1  # seconds that the kernel may collect frames before it wakes us


class LibpcapLive(KernelLive):
    """Frames of one interface.

    Raises:
        NoDoor: cypcap is not installed.
        UnreadableInput: no such interface.
        CannotCapture: no permission, the interface is down, or no filter that can be said.
    """

    how = "libpcap"

    def __init__(self, interface: str, filters: Sequence[str]) -> None:
        try:
            import cypcap
        except ImportError:
            raise NoDoor from None
        super().__init__(interface)
        self._error: type[Exception] = cypcap.Error
        self._number = 0
        self._pcap = cypcap.create(interface)
        try:
            self._pcap.set_snaplen(SNAP_LENGTH)
            self._pcap.set_promisc(True)
            self._pcap.set_timeout(_LATENCY)
            self._pcap.set_buffer_size(BUFFER)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # no promiscuous mode: we see what we see
                self._pcap.activate()
            self._set_filter(filters)
            self._pcap.setnonblock(True)
            self._descriptor: int = self._pcap.get_selectable_fd()
        except cypcap.Error as error:
            self._pcap.close()
            raise _told(interface, error, cypcap.ErrorCode) from error
        self.link_type = int(self._pcap.datalink())

    def _set_filter(self, filters: Sequence[str]) -> None:
        *others, last = filters
        program = None
        for what in others:
            with suppress(self._error):  # a link type without VLAN tags
                program = self._compile(what)
                break
        self._pcap.setfilter(program or self._compile(last))

    def _compile(self, expression: str) -> Any:
        import cypcap

        # Without a mask it would look for the interface's IPv4 address, and fail without one.
        return self._pcap.compile(expression, netmask=cypcap.NETMASK_UNKNOWN)

    @property
    def dropped(self) -> int | None:
        """Frames lost by kernel and interface since the start."""
        try:
            told = self._pcap.stats()
        except (self._error, ValueError):
            return self._dropped
        self._dropped = told.drop + told.ifdrop
        return self._dropped

    def fileno(self) -> int:
        """Return libpcap's descriptor."""
        return self._descriptor

    def take(self) -> list[Frame]:
        """Return the frames that are there."""
        frames: list[Frame] = []
        link_type = self.link_type

        def keep(header: Any, data: bytes) -> None:
            time_ns = round(header.ts * 1_000_000) * 1000
            number = self._number + len(frames) + 1
            frames.append(Frame(number, time_ns, link_type, 0, data, max(header.len, len(data))))

        before = -1
        try:
            while before < len(frames) < AT_ONCE:
                before = len(frames)
                self._pcap.dispatch(-1, keep)
        except self._error as error:
            self.damage = _words(error)
        self._number += len(frames)
        return frames

    def _close(self) -> None:
        self._pcap.close()


def _told(interface: str, error: Any, codes: Any) -> Exception:
    if error.code in (codes.PERM_DENIED, codes.PROMISC_PERM_DENIED):
        return CannotCapture(f"{interface}: no permission to capture")
    if error.code == codes.NO_SUCH_DEVICE:
        return UnreadableInput(f"{interface}: there is no such interface")
    if error.code == codes.IFACE_NOT_UP:
        return CannotCapture(f"{interface}: the interface is down")
    return CannotCapture(f"{interface}: {_words(error)}")


def _words(error: Exception) -> str:
    return str(error.args[-1]) if error.args else type(error).__name__
