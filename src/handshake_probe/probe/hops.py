"""Where the way ends: SYNs with few hops to the cloud's port and to another one, side by side.

Router n answers a SYN of n hops with "time exceeded", unless something before it stopped the SYN.
Both ports are asked at the same address, from the same port of ours, with the same number of hops:
up to the box that treats them differently the same routers answer. Routers that share load by
ports may still lead the two along different ways, so the walk is done twice, from two ports.

Needs no privilege, but a system whose error queue says who sent an ICMP error. What a difference
means is judged elsewhere.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from handshake_probe.model.probed import Connect, HopProbed
from handshake_probe.probe import error_queue
from handshake_probe.probe.endpoint import Endpoint
from handshake_probe.probe.line import connect

CLOUD, CONTROL = "cloud", "other_port"  # words of `HopProbed.purpose`

_BEYOND = 2  # hops in a row at which a port stays silent while the other is answered, or was
_QUIET = 8  # hops in a row at which nothing answers: nothing will come any more
_RESERVE = 4  # the last quarter of the SYNs is for the first walk

_Ask = Callable[[str, int], Awaitable[HopProbed | None]]


async def walk(
    cloud: Endpoint,
    control: Endpoint,
    *,
    next_id: Callable[[], str],
    tell: Callable[[HopProbed], None],
    syns: int = 64,
    longest: int = 30,
    rounds: int = 2,
    wait: float = 0.9,
) -> None:
    """Ask hop by hop until the cloud's port stays silent, both ports answer, or nothing does.

    Args:
        cloud: The port in question.
        control: Another port of the same address; best one that answers in some way.
        next_id: Gives each observation its id.
        tell: Takes each observation as it comes; what was told survives a cancelled walk.
        syns: At most so many are sent.
        longest: The last hop.
        rounds: Walks side by side, each from a port of its own.
        wait: Seconds for an answer; below one, when the kernel would send the SYN again.
    """
    if not error_queue.supported():
        return
    left = syns

    def asker(number: int) -> _Ask:
        port, reserved = _free_port(cloud), syns // _RESERVE if number else 0

        async def ask(purpose: str, hops: int) -> HopProbed | None:
            nonlocal left
            if left <= reserved:
                return None
            left -= 1
            target, began = cloud if purpose == CLOUD else control, time.time()
            dialled = await connect(target, wait, hops=hops, port=port)
            if dialled.sock is not None:
                dialled.sock.close()
            seen = HopProbed(
                id=next_id(),
                time=began,
                target=str(target),
                purpose=purpose,
                ttl=hops,
                local_port=port,
                outcome=dialled.outcome,
                seconds=dialled.seconds,
                icmp=dialled.icmp,
            )
            tell(seen)
            return seen

        return ask

    async with asyncio.TaskGroup() as group:
        for number in range(rounds):
            group.create_task(_walk(asker(number), longest))


@dataclass
class _Port:
    """How far one port's walk is."""

    over: bool = False  # it was reached, or refused: more hops change nothing
    silent: int = 0  # hops in a row without an answer
    alone: int = 0  # of these, hops at which the other port was answered, or had been reached

    def take(self, cell: HopProbed, *, other_answers: bool) -> None:
        if cell.outcome is Connect.TIMEOUT:
            self.silent += 1
            self.alone += other_answers
        else:
            self.silent = self.alone = 0
            self.over = cell.expired_at is None


async def _walk(ask: _Ask, longest: int) -> None:
    cloud, control = _Port(), _Port()
    ports = {CLOUD: cloud, CONTROL: control}
    for hops in range(1, longest + 1):
        asked = [purpose for purpose, port in ports.items() if not port.over]
        answers = await asyncio.gather(*(ask(purpose, hops) for purpose in asked))
        cells = {}
        for purpose, cell in zip(asked, answers, strict=True):
            if cell is None or cell.outcome is Connect.NOT_SENT:
                return
            cells[purpose] = cell
        silent = [purpose for purpose, cell in cells.items() if cell.outcome is Connect.TIMEOUT]
        if len(silent) == 1 and (len(asked) == 2 or silent == [CLOUD]):  # was it chance?
            again = await ask(silent[0], hops)
            if again is None or again.outcome is Connect.NOT_SENT:
                return
            cells[silent[0]] = again
        for purpose, cell in cells.items():
            ports[purpose].take(cell, other_answers=len(silent) == 1)
        if cloud.alone >= _BEYOND or all(
            port.over or port.silent >= _QUIET for port in ports.values()
        ):
            return


def _free_port(target: Endpoint) -> int:
    """Return a port of ours that nobody uses now."""
    with socket.socket(target.family, socket.SOCK_STREAM) as sock:
        sock.bind(("0.0.0.0" if target.version == 4 else "::", 0))
        port: int = sock.getsockname()[1]
    return port
