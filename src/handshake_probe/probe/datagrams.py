"""One question by UDP: sent a few times, until an answer or an ICMP error comes."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from handshake_probe.model.probed import IcmpAnswer, UdpProbed
from handshake_probe.probe import error_queue
from handshake_probe.probe.endpoint import Endpoint, endpoint_of

WAITS = (1.0, 2.0, 3.0)  # seconds after each sending

_LARGEST = 65535
# By (version, type): the packet was not delivered. What says "too big" (4/3/4, 6/2) is no refusal.
_UNDELIVERED = {(4, 3), (4, 11), (4, 12), (6, 1), (6, 3), (6, 4)}
_TOO_BIG = (4, 3, 4)


class Exchange(NamedTuple):
    """What came of it."""

    outcome: str  # "answered", "rejected", "silent", "not_sent"
    attempts: int  # sendings
    seconds: float  # from the first sending to the outcome
    answer: bytes = b""
    icmp: IcmpAnswer | None = None
    later: tuple[bytes, ...] = ()  # what the other side sent within `linger` of the answer
    strays: int = 0  # datagrams from there that `wanted` would not have


async def exchange(
    target: Endpoint,
    questions: Sequence[bytes],
    *,
    waits: Sequence[float] = WAITS,
    wanted: Callable[[bytes], bool] = lambda data: True,
    linger: float = 0.0,
) -> Exchange:
    """Send the questions one after the other, each after its predecessor's wait was in vain.

    Args:
        target: Only what comes from there is heard.
        questions: As many as there are waits.
        waits: Seconds of patience after each.
        wanted: Whether a datagram is an answer.
        linger: Seconds to go on listening after the answer.
    """
    if ipaddress.ip_address(target.address).is_unspecified:
        return Exchange("not_sent", 0, 0.0)  # a sinkhole's address; the kernel would ask itself
    with socket.socket(target.family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        try:
            sock.connect(tuple(target))
        except OSError:
            return Exchange("not_sent", 0, 0.0)
        error_queue.enable(sock)
        return await _Asked(sock, wanted).ask(questions, waits, linger)


async def probe(
    test: str,
    target: Endpoint,
    questions: Sequence[bytes],
    name_answer: Callable[[bytes], str],
    next_id: Callable[[], str],
    waits: Sequence[float],
) -> UdpProbed:
    """Exchange, and write it down; `name_answer` says what the answer is."""
    began = time.time()
    done = await exchange(target, questions, waits=waits)
    return UdpProbed(
        id=next_id(),
        time=began,
        target=str(target),
        test=test,
        outcome=done.outcome,
        attempts=done.attempts,
        seconds=done.seconds,
        answer=name_answer(done.answer) if done.outcome == "answered" else None,
        icmp=done.icmp,
    )


class _Rejected(Exception):
    """An ICMP error, or the errno that stands for one."""

    def __init__(self, icmp: IcmpAnswer | None) -> None:
        self.icmp = icmp


class _Asked:
    """A connected socket and what was heard on it."""

    def __init__(self, sock: socket.socket, wanted: Callable[[bytes], bool]) -> None:
        self._sock = sock
        self._wanted = wanted
        self._strays = 0
        self._began = time.monotonic()

    async def ask(
        self, questions: Sequence[bytes], waits: Sequence[float], linger: float
    ) -> Exchange:
        for attempt, (question, wait) in enumerate(zip(questions, waits, strict=True), 1):
            try:
                self._send(question)
                answer = await self._hear(wait)
            except _Rejected as rejection:
                return self._refused(attempt, rejection.icmp)
            except OSError:
                return self._done("not_sent", attempt - 1)
            if answer is not None:
                done = self._done("answered", attempt, answer=answer)
                return done._replace(later=await self._linger(linger))
        return self._done("silent", len(questions))

    def _done(
        self,
        outcome: str,
        attempts: int,
        *,
        answer: bytes = b"",
        icmp: IcmpAnswer | None = None,
    ) -> Exchange:
        seconds = time.monotonic() - self._began
        return Exchange(outcome, attempts, seconds, answer, icmp, strays=self._strays)

    def _refused(self, attempts: int, icmp: IcmpAnswer | None) -> Exchange:
        """An error from our own address: no such neighbour, or a filter on this machine."""
        target, own = (
            endpoint_of(name()) for name in (self._sock.getpeername, self._sock.getsockname)
        )
        ours = icmp is not None and icmp.source == own.address != target.address
        return self._done("not_sent" if ours else "rejected", attempts, icmp=icmp)

    def _send(self, question: bytes) -> None:
        """Send; an ICMP error about an earlier sending shows here as well, and then once more."""
        try:
            self._sock.send(question)
        except OSError:
            self._raise_rejection(None)
            self._sock.send(question)

    async def _hear(self, seconds: float) -> bytes | None:
        """The next answer; None: none in time."""
        loop = asyncio.get_running_loop()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        data = await loop.sock_recv(self._sock, _LARGEST)
                    except OSError as error:
                        self._raise_rejection(error)
                        continue
                    if self._wanted(data):
                        return data
                    self._strays += 1
        return None

    async def _linger(self, seconds: float) -> tuple[bytes, ...]:
        heard: list[bytes] = []
        end = time.monotonic() + seconds
        with suppress(_Rejected):
            while (left := end - time.monotonic()) > 0:
                data = await self._hear(left)
                if data is not None:
                    heard.append(data)
        return tuple(heard)

    def _raise_rejection(self, error: OSError | None) -> None:
        """Raise for an ICMP error that says "not delivered"; others are forgotten.

        A system without an error queue tells only `error`.
        """
        came = error_queue.read(self._sock)
        for icmp in came:
            told = (icmp.version, icmp.type, icmp.code)
            if told[:2] in _UNDELIVERED and told != _TOO_BIG:
                raise _Rejected(icmp)
        if error is not None and not came:
            raise _Rejected(None)
