"""What firmware sends beside its connection: an internet test after a failure, its presence.

Both go to hosts that nobody named on the command line, so a lab device does it only when asked to.
"""

from __future__ import annotations

import asyncio
import socket

from handshake_probe.packets.ntp import ntp_role
from handshake_probe.protocol.layouts import PRESENCE_HEAD
from handshake_probe.protocol.settings import Generation

TEST_RESOLVER = ("8.8.8.8", 53)  # up to 1.5: connects by TCP
TIME_SERVER = ("pool.ntp.org", 123)  # from 2.0 on
PRESENCE_GROUP = ("224.0.1.187", 5683)  # multicast: all CoAP nodes

TIME_REQUEST = bytes((0x23,)) + bytes(47)  # NTP version 4, client

_TESTS_BY_TCP = frozenset({Generation.CORE, Generation.V1_0})
_TCP_TIMEOUT = 5.0  # seconds
_DNS_TIMEOUT, _NTP_TIMEOUT = 4.0, 10.0
_READ = 512


def tests_after_handshake(generation: Generation) -> bool:
    """Tell whether a failed handshake is followed by the test; a failed connection always is."""
    return generation not in _TESTS_BY_TCP


async def internet_works(generation: Generation) -> bool:
    """Test as the firmware does; takes 10 seconds at most."""
    test = _connects if generation in _TESTS_BY_TCP else _tells_time
    try:
        return await test()
    except OSError:  # a time-out is one
        return False


async def _connects() -> bool:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tester:
        tester.setblocking(False)
        async with asyncio.timeout(_TCP_TIMEOUT):
            await loop.sock_connect(tester, TEST_RESOLVER)
    return True


async def _tells_time() -> bool:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_DNS_TIMEOUT):
        found = await loop.getaddrinfo(*TIME_SERVER, family=socket.AF_INET, type=socket.SOCK_DGRAM)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect(found[0][4])
        client.send(TIME_REQUEST)
        async with asyncio.timeout(_NTP_TIMEOUT):
            return ntp_role(await loop.sock_recv(client, _READ)) == "reply"


def announces_presence(generation: Generation) -> bool:
    """Tell whether the firmware's datagram leaves; later than the Core's it has no length."""
    return generation is Generation.CORE


def announce(device_id: str, source: str) -> None:
    """Send the presence datagram, 19 bytes, from an IPv4 address to its link."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((source, 0))
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
            sender.sendto(PRESENCE_HEAD + bytes.fromhex(device_id), PRESENCE_GROUP)
    except OSError:
        return  # no way for multicast, as firmware would not notice either
