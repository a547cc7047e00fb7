"""A slow and unreliable cable: a bridge of two interfaces that holds frames back.

Every frame is passed on as it is, ARP as well, so a shaped path counts no hop and has no address.
It does what the kernel's netem does, where that is not to be had.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import random
import socket
import struct
from functools import partial

from handshake_probe.lab.scenario import Shaper

HOLD = 0.04  # seconds that a frame is held back longer, for others to overtake it
QUEUE = 1000  # frames on their way, both ways; further ones are lost

_ALL = 0x0003  # ETH_P_ALL
_LARGEST = 65_536
_STEP = 1e-6  # seconds; timers of the same moment have no order
# linux/sockios.h and linux/ethtool.h
_SIOCETHTOOL = 0x8946
_SET_TX_CHECKSUM, _SET_TSO, _SET_GSO = 0x17, 0x1F, 0x24


def bridging_socket(interface: str) -> socket.socket:
    """Return a socket for all frames of an interface; to be called within a host."""
    bridging = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
    bridging.bind((interface, 0))
    bridging.setblocking(False)
    return bridging


def send_as_on_a_wire(interface: str) -> None:
    """Let an interface send whole checksums and frames of its MTU; to be called within a host.

    A virtual cable leaves both to the receiver, which is no kernel here.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in (_SET_TX_CHECKSUM, _SET_TSO, _SET_GSO):
            value = ctypes.create_string_buffer(struct.pack("=II", command, 0), 8)
            request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(value))
            fcntl.ioctl(control, _SIOCETHTOOL, request)


class Bridge:
    """Passes frames between two sockets, each way with the same faults.

    Args:
        one: A bridging socket, closed by `close`.
        other: The same.
        faults: What happens to the frames.
        seed: Fixes the dice, not the frames that they are thrown for.
    """

    def __init__(self, one: socket.socket, other: socket.socket, faults: Shaper, seed: str) -> None:
        self._sockets = (one, other)
        self._faults = faults
        self._dice = random.Random(seed)
        self._waiting: dict[int, asyncio.TimerHandle] = {}
        self._numbers = 0
        self._free_at = {one: 0.0, other: 0.0}  # frames keep their order unless held back
        self._loop = asyncio.get_running_loop()
        for source, sink in ((one, other), (other, one)):
            self._loop.add_reader(source, partial(self._take, source, sink))

    def close(self) -> None:
        """Cut the cable; what is on its way is lost."""
        for handle in self._waiting.values():
            handle.cancel()
        for end in self._sockets:
            self._loop.remove_reader(end)
            end.close()

    def _take(self, source: socket.socket, sink: socket.socket) -> None:
        data, (_, _, kind, *_) = source.recvfrom(_LARGEST)
        if kind == socket.PACKET_OUTGOING or self._happens(self._faults.loss):
            return
        for _ in range(1 + self._happens(self._faults.duplicate)):
            self._send_at(self._departure(sink), data, sink)

    def _happens(self, probability: float) -> bool:
        return self._dice.random() < probability

    def _departure(self, sink: socket.socket) -> float:
        faults = self._faults
        at = self._loop.time() + faults.delay + self._dice.uniform(0, faults.jitter)
        if self._happens(faults.reorder):
            return at + HOLD
        self._free_at[sink] = max(at, self._free_at[sink] + _STEP)
        return self._free_at[sink]

    def _send_at(self, moment: float, data: bytes, sink: socket.socket) -> None:
        if len(self._waiting) < QUEUE:
            self._numbers += 1
            handle = self._loop.call_at(moment, self._send, self._numbers, data, sink)
            self._waiting[self._numbers] = handle

    def _send(self, number: int, data: bytes, sink: socket.socket) -> None:
        del self._waiting[number]
        with contextlib.suppress(OSError):  # a link that is full or down loses frames
            sink.send(data)
