"""Lets the end of a connection vanish as a device does that lost its power: without a word.

Linux only. A filter on the socket takes what arrives away before TCP sees it, so nothing is
acknowledged; no privilege is needed for that. Closing without a FIN needs root.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import socket
import struct
import sys
import termios

_ATTACH_FILTER = 26  # SO_ATTACH_FILTER
_REPAIR = 19  # TCP_REPAIR
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)  # one instruction of classic BPF: return 0
_PATIENCE = 100  # steps
_STEP = 0.01  # seconds


async def vanish(sock: socket.socket) -> None:
    """Let nothing through any more, after what was sent so far has been acknowledged."""
    if sys.platform != "linux":
        return
    for _ in range(_PATIENCE):  # else the kernel would go on repeating it
        if not _outstanding(sock):
            break
        await asyncio.sleep(_STEP)
    program = ctypes.create_string_buffer(_DROP_ALL, len(_DROP_ALL))
    sock.setsockopt(
        socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(program))
    )


def close_without_a_word(sock: socket.socket) -> bool:
    """Forget the connection, if that is allowed; else it is still there, for a usual close."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, _REPAIR, 1)
        sock.close()
        return True
    return False


def _outstanding(sock: socket.socket) -> int:
    """Bytes that the peer has not acknowledged."""
    (count,) = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))
    return int(count)
