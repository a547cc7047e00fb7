"""Whether bytes we send get through, from the kernel's numbers before and after."""

from __future__ import annotations

import socket

from handshake_probe.model.probed import Delivery
from handshake_probe.probe.tcp_info import ESTABLISHED, tcp_info

POLL = 0.05  # seconds between looks at the kernel's numbers
_SURELY_LOST = 3  # retransmissions in vain: no use in waiting longer
_LOST = 2  # so many when time is up say the same


class Carriage:
    """The bytes sent on one socket since this was made; `add` what is sent before `look`."""

    def __init__(self, sock: socket.socket) -> None:
        self.again = 0  # retransmissions
        self.sent = 0  # bytes
        self.acknowledged: int | None = None  # bytes of these; None: this system does not tell
        self._sock = sock
        self._before = tcp_info(sock)
        self._all = False  # acknowledged
        self._again_then = 0  # retransmissions when all was acknowledged last

    def add(self, size: int) -> None:
        """Bytes that are sent now."""
        if self._all:
            self._again_then = self.again
        self.sent += size
        self._all = False

    def look(self) -> bool:
        """Read the numbers; tell whether it is new that all is acknowledged."""
        before, info = self._before, tcp_info(self._sock)
        if before is None or info is None:
            return False
        self.again = info.total_retrans - before.total_retrans
        known = self._all
        if before.bytes_acked is None or info.bytes_acked is None:
            self._all |= info.state == ESTABLISHED and not info.unacked
            self.acknowledged = self.sent if self._all else None
        else:
            self.acknowledged = min(info.bytes_acked - before.bytes_acked, self.sent)
            self._all |= self.acknowledged >= self.sent
        return self._all and not known

    @property
    def in_vain(self) -> bool:
        """Sent so often that chance no longer explains the silence."""
        return not self._all and self.again - self._again_then >= _SURELY_LOST

    @property
    def delivery(self) -> Delivery:
        """What became of the bytes by now."""
        if self._all:
            return Delivery.ACKNOWLEDGED
        lost = self.again - self._again_then >= _LOST
        return Delivery.UNACKNOWLEDGED if lost else Delivery.UNKNOWN
