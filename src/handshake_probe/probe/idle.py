"""How long the path keeps a connection that says nothing.

Each step is a connection of its own, left silent once and then used once: a box that has forgotten
it drops what comes then, or answers with a reset. Only that one use is judged; where the other
side ends the connection before, nothing is known about the path.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Sequence

from handshake_probe.model.probed import Ending, IdleProbed
from handshake_probe.model.vocabulary import Stage
from handshake_probe.probe.endpoint import Endpoint
from handshake_probe.probe.line import connect, hear, leave
from handshake_probe.probe.patience import PATIENCE
from handshake_probe.probe.seat import Seat
from handshake_probe.probe.tcp_info import tcp_info
from handshake_probe.protocol.settings import DeviceSettings

Step = Callable[[float], Awaitable[IdleProbed]]  # takes the silence in seconds

_NEAR = 1.15  # the shortest silence that was too long, by the longest that was not: near enough
_MOST = 16  # connections of a search
_POLITE = 3  # of them at a time
_WAIT = 10.0  # seconds for an answer to the use; a device waits as long for a ping's
_SETTLED = 1.0  # seconds without a byte, after a handshake: what comes by itself has come
_BROKEN = 3  # a silence that the other side breaks so often is none
_POLL = 0.1  # seconds between looks at the kernel's numbers
_FORGOTTEN = (Ending.SILENCE, Ending.RESET, Ending.ICMP)
# <linux/tcp.h>: seconds until the first probe, seconds between them, how many. The first is set
# last: a connection that has been silent for longer is then probed at once.
_KEEPALIVE = ((5, 2), (6, 10), (4, 1))


async def search(
    step: Step,
    *,
    tell: Callable[[IdleProbed], None],
    shortest: float = 10.0,
    longest: float = 960.0,
    side_by_side: int = 3,
) -> None:
    """Narrow down the longest silence that the path keeps.

    Args:
        step: Tries one silence; `bare_step` or `session_step`, with what they need beside it.
        tell: Takes each observation as it comes; what was told survives a cancelled search.
        shortest: Seconds.
        longest: Seconds; a search takes about three times as long.
        side_by_side: Connections at a time; a device has one session: 1 for those.
    """
    seen: list[IdleProbed] = []
    side_by_side = min(side_by_side, _POLITE)

    async def try_one(silence: float) -> None:
        one = await step(silence)
        seen.append(one)
        tell(one)

    while len(seen) < _MOST:
        silences = next_silences(seen, shortest, longest, side_by_side)
        if not silences:
            return
        async with asyncio.TaskGroup() as group:
            for silence in silences:
                group.create_task(try_one(silence))


def next_silences(
    seen: Sequence[IdleProbed], shortest: float, longest: float, count: int
) -> list[float]:
    """Choose at most `count` silences to try next; none when there is nothing left to learn."""
    if not seen:
        return [shortest] if count == 1 else _between(shortest, longest, count - 2, ends=True)
    bound = min((one.silence for one in seen if not one.kept), default=None)
    kept = max(
        (one.silence for one in seen if one.kept and (bound is None or one.silence < bound)),
        default=None,
    )
    if bound is None:
        return [longest] if kept is None or kept < longest else []
    if kept is None or bound <= kept * _NEAR:
        return []
    return _between(kept, bound, count, ends=False)


def _between(low: float, high: float, count: int, *, ends: bool) -> list[float]:
    """Return `count` points between two, each as many times the one before."""
    ratio = (high / low) ** (1 / (count + 1))
    points = [low * ratio**number for number in range(1, count + 1)]
    return [low, *points, high] if ends else points


async def bare_step(
    target: Endpoint,
    silence: float,
    *,
    next_id: Callable[[], str],
    wait: float = _WAIT,
    limit: float = PATIENCE.connect,
) -> IdleProbed:
    """Leave a plain connection silent, then probe it as TCP's keep-alive does: without data.

    Needs a peer that tolerates silence; a cloud does not, it waits for an identity. The answer is
    read from the kernel's numbers: where it tells none, nothing is learnt.
    """
    began, loop = time.time(), asyncio.get_running_loop()
    dialled = await connect(target, limit)
    kept: bool | None = None
    ending: Ending | None = None
    lasted = 0.0
    if dialled.sock is not None:
        with dialled.sock as sock:
            ending, since = await _stay_silent(sock, silence)
            lasted = loop.time() - since
            if ending is None:
                kept, ending = await _use(sock, wait)
            await leave(sock, PATIENCE.goodbye)
    return IdleProbed(
        id=next_id(),
        time=began,
        target=str(target),
        silence=lasted,
        kept=kept,
        ended_by=ending,
    )


async def _stay_silent(sock: socket.socket, silence: float) -> tuple[Ending | None, float]:
    """Wait for a silence; return what ended it early, and since when there was silence."""
    loop = asyncio.get_running_loop()
    since = loop.time()
    for _ in range(_BROKEN):
        heard = await hear(sock, since + silence)
        if not heard.data:
            return heard.ending, since
        since = loop.time()
    return Ending.OURSELVES, since


async def _use(sock: socket.socket, wait: float) -> tuple[bool | None, Ending]:
    """Probe once or more; tell whether anything came back, and how it ended."""
    loop = asyncio.get_running_loop()
    until = loop.time() + wait
    before = tcp_info(sock)
    if before is None or before.segments_in is None:
        return None, Ending.OURSELVES
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
    while loop.time() < until:
        heard = await hear(sock, min(until, loop.time() + _POLL))
        if heard.ending is not None:
            return (False if heard.ending in _FORGOTTEN else None), heard.ending
        now = tcp_info(sock)
        if now and now.segments_in is not None and now.segments_in > before.segments_in:
            return True, Ending.OURSELVES
    return False, Ending.SILENCE


async def session_step(
    target: Endpoint,
    settings: DeviceSettings,
    silence: float,
    *,
    next_id: Callable[[], str],
    limit: float = PATIENCE.connect,
) -> IdleProbed:
    """Leave a session silent, in a device's place, then ping; see `stand_in`.

    A cloud that wants a sign of life more often closes the session: then nothing is learnt.
    """
    began, loop = time.time(), asyncio.get_running_loop()
    dialled = await connect(target, limit)
    kept: bool | None = None
    ending: Ending | None = None
    lasted = 0.0
    if dialled.sock is not None:
        with dialled.sock as sock:
            seat = Seat(sock, settings)
            if await seat.sit_down() and await _settle(seat, silence):
                lasted = loop.time() - seat.last_heard
                kept = await seat.ping() or (False if seat.ending in _FORGOTTEN else None)
            elif seat.stage is Stage.SESSION:
                lasted = loop.time() - seat.last_heard
            await seat.stand_up()
            ending = seat.ending
    return IdleProbed(
        id=next_id(),
        time=began,
        target=str(target),
        silence=lasted,
        kept=kept,
        ended_by=ending,
        session=True,
    )


async def _settle(seat: Seat, silence: float) -> bool:
    """Wait for a silence; False when the session ended, or when it was broken again and again."""
    await seat.stay(asyncio.get_running_loop().time() + _SETTLED)
    for _ in range(_BROKEN):
        if await seat.hears_nothing(silence):
            return True
    return False
