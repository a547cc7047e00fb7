"""A socket's error queue: which ICMP error came, and who sent it, without any privilege.

Linux only: `IP_RECVERR` makes the kernel keep ICMP errors for a socket, `MSG_ERRQUEUE` reads them
(ip(7), ipv6(7)). For TCP the kernel keeps those that answer a SYN, though tcp(7) denies it; one
that answers data of a connection that is up only shows as an error of the socket, sender unknown.
Where there is no such queue these functions do nothing.
"""

from __future__ import annotations

import ipaddress
import select
import socket
import struct
import sys

from handshake_probe.model.probed import IcmpAnswer

# <linux/in.h>, <linux/in6.h>, <linux/errqueue.h>; Python names few of them.
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_VERSIONS = {2: 4, 3: 6}  # SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6
_ADDRESSES = {4: (4, 4), 6: (8, 16)}  # where sockaddr_in and sockaddr_in6 hold it, how long
_OPTIONS = {
    socket.AF_INET: (socket.IPPROTO_IP, _IP_RECVERR),
    socket.AF_INET6: (socket.IPPROTO_IPV6, _IPV6_RECVERR),
}
# ee_errno(4) | ee_origin(1) | ee_type(1) | ee_code(1) | ee_pad(1) | ee_info(4) | ee_data(4)
_EXTENDED_ERROR = struct.Struct("=IBBBxII")
_MOST = 64  # errors read at once; the kernel's limit is the socket's receive buffer
_SPACE = 512  # for control messages; one of ours takes 60 bytes
_PATIENCE_MS = 200


def exists() -> bool:
    """Tell whether this system has error queues at all."""
    return sys.platform == "linux"


def supported() -> bool:
    """Measure on the loopback whether a socket gets to know who sent an ICMP error."""
    if not exists():
        return False
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
            unused.bind(("127.0.0.1", 0))
            closed = unused.getsockname()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            enable(sock)
            sock.connect(closed)
            sock.send(b"")
            poll = select.poll()
            poll.register(sock, 0)  # POLLERR is always told
            poll.poll(_PATIENCE_MS)
            return any(answer.source == closed[0] for answer in read(sock))
    except OSError:
        return False


def enable(sock: socket.socket) -> None:
    """Keep a queue for this socket, and make its errors show at once."""
    if exists() and sock.family in _OPTIONS:
        sock.setsockopt(*_OPTIONS[sock.family], 1)


def read(sock: socket.socket) -> list[IcmpAnswer]:
    """Take everything out of the queue, the oldest first."""
    answers: list[IcmpAnswer] = []
    if not exists():
        return answers
    for _ in range(_MOST):
        try:
            _, ancillary, _, _ = sock.recvmsg(0, _SPACE, socket.MSG_ERRQUEUE)
        except OSError:
            break
        found = (
            _icmp(data) for level, kind, data in ancillary if (level, kind) in _OPTIONS.values()
        )
        answers += [answer for answer in found if answer is not None]
    return answers


def _icmp(data: bytes) -> IcmpAnswer | None:
    """Read `sock_extended_err` and the sender's socket address behind it; None if it is no ICMP."""
    if len(data) < _EXTENDED_ERROR.size:
        return None
    _, origin, kind, code, _, _ = _EXTENDED_ERROR.unpack_from(data)
    version = _VERSIONS.get(origin)
    if version is None:
        return None
    offset, length = _ADDRESSES[version]
    start = _EXTENDED_ERROR.size + offset
    address = data[start : start + length]
    if len(address) != length:
        return None
    return IcmpAnswer(
        source=str(ipaddress.ip_address(address)), version=version, type=kind, code=code
    )
