"""A box beside the path: it sees a payload of a certain length and forges resets for both ends.

What it saw goes on its way all the same. It sits on a host that the packets pass through.
"""

from __future__ import annotations

import asyncio
import socket
import struct

from handshake_probe.packets.decode import Decoder
from handshake_probe.packets.units import Endpoint, Frame, Segment, TcpFlags

_ETHERNET = 1  # LINKTYPE_ETHERNET
_ETHER_TYPES = {4: 0x0800, 6: 0x86DD}
_LARGEST = 65_536
_HEADERS = 20  # of IPv4 as well as of TCP, without options
_HEADER_INCLUDED = 36  # IPV6_HDRINCL
_MODULUS = 1 << 32


def sniffing_socket(interface: str, version: int) -> socket.socket:
    """Return a socket that reads the IP frames of an interface; to be called within a host."""
    kind = socket.htons(_ETHER_TYPES[version])
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, kind)
    sniffer.bind((interface, 0))
    sniffer.setblocking(False)
    return sniffer


def forging_socket(version: int) -> socket.socket:
    """Return a socket that sends IP packets as they are; to be called within a host."""
    if version == 4:
        return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    forger = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    forger.setsockopt(socket.IPPROTO_IPV6, _HEADER_INCLUDED, 1)
    return forger


class Injector:
    """Resets every connection once in which a payload of `length` bytes was seen."""

    def __init__(
        self, sniffer: socket.socket, forger: socket.socket, length: int, ttl: int
    ) -> None:
        self._sniffer, self._forger = sniffer, forger
        self._length, self._ttl = length, ttl
        self._decoder = Decoder()
        self._done: set[tuple[Endpoint, Endpoint]] = set()
        asyncio.get_running_loop().add_reader(sniffer, self._see)

    def close(self) -> None:
        """Stop looking."""
        asyncio.get_running_loop().remove_reader(self._sniffer)
        self._sniffer.close()
        self._forger.close()

    def _see(self) -> None:
        data = self._sniffer.recv(_LARGEST)
        seen = self._decoder.decode(Frame(1, 0, _ETHERNET, 0, data, len(data)))
        if not isinstance(seen, Segment) or seen.payload_length != self._length:
            return
        pair = (seen.source, seen.destination)
        if pair in self._done:
            return
        self._done.add(pair)
        after = (seen.sequence + seen.payload_length) % _MODULUS
        self._forge(seen.destination, seen.source, seen.acknowledgment)
        self._forge(seen.source, seen.destination, after)

    def _forge(self, source: Endpoint, destination: Endpoint, sequence: int) -> None:
        reset = forged_reset(source, destination, sequence, self._ttl)
        family = socket.AF_INET if len(destination.address) == 4 else socket.AF_INET6
        self._forger.sendto(reset, (socket.inet_ntop(family, destination.address), 0))


def forged_reset(source: Endpoint, destination: Endpoint, sequence: int, ttl: int) -> bytes:
    """Return an IP packet: a bare RST, without acknowledgment, window or options."""
    addresses = source.address + destination.address
    if len(source.address) == 4:  # the kernel adds the header's checksum
        head = struct.pack(">BBHHHBBH", 0x45, 0, 2 * _HEADERS, 0, 0, ttl, socket.IPPROTO_TCP, 0)
    else:
        head = struct.pack(">IHBB", 6 << 28, _HEADERS, socket.IPPROTO_TCP, ttl)
    ports = (source.port, destination.port)
    tcp = struct.pack(">HHIIBBHHH", *ports, sequence, 0, 0x50, TcpFlags.RST, 0, 0, 0)
    # For RFC 8200's pseudo-header, whose numbers are longer, the sum is the same.
    pseudo = addresses + struct.pack(">BBH", 0, socket.IPPROTO_TCP, _HEADERS)
    checksum = struct.pack(">H", _checksum(pseudo + tcp))
    return head + addresses + tcp[:16] + checksum + tcp[18:]


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
