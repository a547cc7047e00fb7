"""The handshake in a device's place, with its own private key: proves network, cloud and key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from handshake_probe.model.probed import Connect, Ending, HandshakeProbed
from handshake_probe.model.vocabulary import Stage
from handshake_probe.probe.endpoint import Endpoint
from handshake_probe.probe.line import connect
from handshake_probe.probe.patience import PATIENCE
from handshake_probe.probe.seat import Seat
from handshake_probe.protocol.settings import DeviceSettings

_ENDINGS = {
    Connect.CONNECTED: Ending.RESET,  # as soon as it was up
    Connect.REFUSED: Ending.RESET,
    Connect.REJECTED: Ending.ICMP,
    Connect.TIMEOUT: Ending.SILENCE,
    Connect.NOT_SENT: Ending.OURSELVES,
}
_STAGES = {Connect.CONNECTED: Stage.TCP_ESTABLISHED, Connect.NOT_SENT: Stage.NONE}


async def stand_in(
    target: Endpoint,
    settings: DeviceSettings,
    *,
    next_id: Callable[[], str],
    pings: int = 1,
    limit: float = PATIENCE.connect,
) -> HandshakeProbed:
    """Do the whole handshake once, ping, say goodbye, close.

    The cloud may end the session that the device itself has: one run, and only if asked to.

    Args:
        target: Where to.
        settings: The device, see `seat.seat_settings`; its times say how long to wait.
        next_id: Gives the observation its id.
        pings: Of the session, one after the other; it ends with the first unanswered one.
        limit: Seconds for the connection.
    """
    began, loop = time.time(), asyncio.get_running_loop()
    start = loop.time()
    dialled = await connect(target, limit)
    if dialled.sock is None:
        return HandshakeProbed(
            id=next_id(),
            time=began,
            target=str(target),
            device_id=settings.device_id,
            stage=_STAGES.get(dialled.outcome, Stage.TCP_SYN),
            ended_by=_ENDINGS[dialled.outcome],
            seconds=loop.time() - start,
            failure=dialled.failure,
        )
    with dialled.sock as sock:
        seat = Seat(sock, settings)
        if await seat.sit_down():
            for _ in range(pings):
                if not await seat.ping():
                    break
        seconds = loop.time() - start
        await seat.stand_up()
    return seat.told(next_id(), began, str(target), seconds)
