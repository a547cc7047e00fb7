"""Where a probe goes."""

from __future__ import annotations

import ipaddress
import socket
from typing import NamedTuple


class Endpoint(NamedTuple):
    """An address in RFC 5952 text and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"

    @property
    def version(self) -> int:
        """4 or 6."""
        return ipaddress.ip_address(self.address).version

    @property
    def family(self) -> socket.AddressFamily:
        """For `socket.socket`."""
        return socket.AF_INET if self.version == 4 else socket.AF_INET6


def endpoint_of(name: tuple[str, int] | tuple[str, int, int, int]) -> Endpoint:
    """From `getsockname`, `getpeername` or an error queue's offender, scope left out."""
    return Endpoint(str(ipaddress.ip_address(name[0].partition("%")[0])), name[1])
