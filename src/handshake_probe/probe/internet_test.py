"""The test a device makes when its cloud connection fails, to tell by its LED who is to blame.

Device OS 1.5 and older opens a TCP connection to a public resolver, 2.0 and later asks a public
time server. Neither says anything about the cloud, so both are asked only when somebody wants to
know what the LED meant.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from handshake_probe.model.probed import DnsProbed, UdpProbed
from handshake_probe.probe import datagrams
from handshake_probe.probe.endpoint import Endpoint
from handshake_probe.probe.resolvers import Question, ask_system

_CLIENT = 0x23  # no leap second, version 4, mode 3 (RFC 5905 section 7.3)
_SERVER_MODE = 4
_LENGTH = 48
_TRANSMIT, _ORIGIN = slice(40, 48), slice(24, 32)


async def ask_time(
    target: Endpoint, next_id: Callable[[], str], *, waits: Sequence[float] = datagrams.WAITS
) -> UdpProbed:
    """Ask a time server; the answer is "time", or "other" for what is no reply to the request."""
    cookie = secrets.token_bytes(8)  # in place of our time, which is nobody's business
    request = bytes((_CLIENT,)) + bytes(_LENGTH - 9) + cookie

    def name(answer: bytes) -> str:
        right = (
            len(answer) >= _LENGTH
            and answer[0] & 7 == _SERVER_MODE
            and answer[_ORIGIN] == request[_TRANSMIT]
        )
        return "time" if right else "other"

    return await datagrams.probe("ntp", target, [request] * len(waits), name, next_id, waits)


async def ask_time_server(
    name: str,
    next_id: Callable[[], str],
    *,
    port: int = 123,
    waits: Sequence[float] = datagrams.WAITS,
) -> list[DnsProbed | UdpProbed]:
    """Look a time server up as any program would, then ask its first address for the time.

    Without an address nothing can be sent, and the second observation says so.
    """
    found = await ask_system([Question(name, "internet_test")], next_id)
    addresses = found[0].addresses
    if addresses:
        return [*found, await ask_time(Endpoint(addresses[0], port), next_id, waits=waits)]
    unsent = UdpProbed(
        id=next_id(),
        time=found[0].time,
        target=f"{name}:{port}",
        test="ntp",
        outcome="not_sent",
        attempts=0,
    )
    return [*found, unsent]
