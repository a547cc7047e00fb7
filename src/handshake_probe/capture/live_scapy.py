"""Live frames through scapy: the last resort, and the one door to it.

Scapy is GPL-2.0-only and no dependency: the user chooses it with the extra `scapy`; docs/adr/0001
says what that means. It serves where cypcap has no wheel and dumpcap is not installed. It takes a
frame at a time from the kernel, and has libpcap compile the filter.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from handshake_probe.capture.live import CannotCapture, NoDoor
from handshake_probe.capture.live_kernel import AT_ONCE, BUFFER, SNAP_LENGTH, KernelLive
from handshake_probe.errors import UnreadableInput
from handshake_probe.packets.units import Frame

_LOOPBACK = 772  # ARPHRD_LOOPBACK, <linux/if_arp.h>
_FORCED_BUFFER = 33  # SO_RCVBUFFORCE, <asm-generic/socket.h>
_SOL_PACKET, _STATISTICS, _IGNORE_OUTGOING = 263, 6, 23  # <linux/if_packet.h>


class ScapyLive(KernelLive):
    """Frames of one interface, on Linux.

    Raises:
        NoDoor: scapy is not installed, or this is not Linux.
        UnreadableInput: no such interface.
        CannotCapture: no permission, or no libpcap to compile the filter.
    """

    how = "scapy"

    def __init__(self, interface: str, filters: Sequence[str]) -> None:
        if sys.platform != "linux":
            raise NoDoor
        try:
            from scapy.arch import conf
            from scapy.error import Scapy_Exception
            from scapy.layers import inet  # noqa: F401 - names the link types
        except ImportError:
            raise NoDoor from None
        if interface not in {name for _, name in socket.if_nameindex()}:
            raise UnreadableInput(f"{interface}: there is no such interface")
        super().__init__(interface)
        self._number = 0
        conf.ifaces.reload()  # it knows those that were there when it was imported
        refused: Exception | None = None
        for what in filters:
            try:
                self._sniffer = conf.L2listen(iface=interface, filter=what, promisc=True)
                break
            except PermissionError:
                raise CannotCapture(f"{interface}: no permission to capture") from None
            except (Scapy_Exception, OSError) as error:  # a link type without VLAN tags
                refused = error
        else:
            raise CannotCapture(f"scapy: {refused}") from refused
        self._socket: socket.socket = self._sniffer.ins
        self._adjust()
        self._link_types: dict[Any, int] = conf.l2types.layer2num

    def _adjust(self) -> None:
        own = self._socket
        own.setblocking(False)
        with suppress(OSError):  # not in every container; then the buffer is smaller
            own.setsockopt(socket.SOL_SOCKET, _FORCED_BUFFER, BUFFER)
        if own.getsockname()[3] == _LOOPBACK:  # where each frame goes out and comes in
            own.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)

    @property
    def dropped(self) -> int | None:
        """Frames lost by the kernel since the start, which it tells once."""
        with suppress(OSError):
            told = self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 8)
            self._dropped += struct.unpack("II", told)[1]
        return self._dropped

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def take(self) -> list[Frame]:
        """Return the frames that are there."""
        frames: list[Frame] = []
        try:
            while len(frames) < AT_ONCE:
                kind, data, time = self._sniffer.recv_raw(SNAP_LENGTH)
                time_ns = round(time * 1_000_000) * 1000  # a float: nanoseconds are lost
                self._number += 1
                link_type = self._link_types[kind]
                frames.append(Frame(self._number, time_ns, link_type, 0, data, len(data)))
        except BlockingIOError:
            pass  # that was all
        except OSError as error:
            self.damage = error.strerror or str(error)
        return frames

    def _close(self) -> None:
        self._sniffer.close()
