"""The test a device makes when its cloud connection fails, to tell by its LED who is to blame.

Device OS 1.5 and older opens a TCP connection to a public resolver, 2.0 and later asks a public
time server. Neither says anything about the cloud, so both are asked only when somebody wants to
know what the LED meant.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence

from handshake_probe.model.observation import Observation
from handshake_probe.model.probed import DnsProbed, UdpProbed
from handshake_probe.probe import datagrams
from handshake_probe.probe.attempt import attempt
from handshake_probe.probe.endpoint import Endpoint
from handshake_probe.probe.lookups import Question
from handshake_probe.probe.patience import PATIENCE, Patience
from handshake_probe.probe.system_names import ask_system

PURPOSE = "internet_test"

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


async def measure(
    tcp: Endpoint,
    time_server: str,
    next_id: Callable[[], str],
    *,
    time_port: int = 123,
    patience: Patience = PATIENCE,
    waits: Sequence[float] = datagrams.WAITS,
) -> list[Observation]:
    """Do both tests, side by side.

    Args:
        tcp: What the older test connects to.
        time_server: The name that the newer one asks, looked up as any program would.
        next_id: Gives the ids of the observations.
        time_port: Where the time server listens.
        patience: For the connection.
        waits: See `datagrams.exchange`.
    """
    connected, told = await asyncio.gather(
        attempt(tcp, next_id=next_id, purpose=PURPOSE, listen=False, patience=patience),
        _ask_time_server(time_server, time_port, next_id, waits),
    )
    return [connected, *told]


async def _ask_time_server(
    name: str, port: int, next_id: Callable[[], str], waits: Sequence[float]
) -> list[DnsProbed | UdpProbed]:
    """Look it up, and ask its first address; without one nothing can be sent, which is told."""
    found = await ask_system([Question(name, PURPOSE)], next_id)
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
