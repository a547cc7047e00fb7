"""The DNS matrix: names × resolvers × (UDP, TCP).

dnspython writes the questions. The sockets are our own: only so an ICMP error and a second answer
to the same question show.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

import dns.exception
import dns.message

from handshake_probe.errors import UnreadableInput
from handshake_probe.model.probed import DnsProbed, Lookup, UdpProbed
from handshake_probe.packets.dns import DnsMessage, read_dns, read_dns_stream
from handshake_probe.probe import datagrams
from handshake_probe.probe.endpoint import Endpoint
from handshake_probe.probe.lookups import VERSIONS, Question, Resolver, Row

_RCODES = {"NXDOMAIN": Lookup.NXDOMAIN, "NOERROR": Lookup.EMPTY}


class Patience(NamedTuple):
    """How often and how long, in seconds."""

    tries: int = 3
    seconds: float = 2.0  # for each
    second_answer: float = 0.5  # how long after a UDP answer another one is waited for
    at_once: int = 16  # questions at one resolver; a silent one then costs tries × seconds


async def ask_resolvers(
    resolvers: Sequence[Resolver],
    questions: Sequence[Question],
    next_id: Callable[[], str],
    *,
    tell: Callable[[DnsProbed], None] = lambda answer: None,
    patience: Patience = Patience(),  # noqa: B008 - immutable
) -> list[DnsProbed]:
    """Ask every resolver every question by UDP and by TCP, side by side.

    Args:
        resolvers: Whom to ask.
        questions: What to ask each of them.
        next_id: Gives the ids of the observations, as these come.
        tell: Gets each observation as it comes: what was heard survives a cancel.
        patience: How often and how long.

    Returns:
        All observations: by resolver, then by question, UDP before TCP.

    Raises:
        UnreadableInput: A name cannot be written into a question.
    """

    async def ask(
        how: Callable[[Question], Awaitable[Row]],
        resolver: Resolver,
        question: Question,
        room: asyncio.Semaphore,
    ) -> DnsProbed:
        async with room:
            began = time.time()
            row = await how(question)
            row.time = began
        observation = row.observation(next_id, resolver, question)
        tell(observation)
        return observation

    asking = []
    for resolver in resolvers:
        room = asyncio.Semaphore(patience.at_once)
        asked = _Asked(Endpoint(resolver.address, resolver.port), patience)
        asking += [
            ask(how, resolver, question, room)
            for question in questions
            for how in (asked.udp, asked.tcp)
        ]
    return await asyncio.gather(*asking)


async def ask_dns(
    target: Endpoint,
    name: str,
    next_id: Callable[[], str],
    *,
    waits: Sequence[float] = datagrams.WAITS,
) -> UdpProbed:
    """Ask a resolver by UDP: the control of other UDP tests. The answer is a rcode or "other"."""
    question = Question(name, "control")
    asked = [_query(question) for _ in waits]

    def name_answer(data: bytes) -> str:
        message = _answer(data, question, {_id(query) for query in asked})
        return message.rcode if message is not None else "other"

    return await datagrams.probe("dns", target, asked, name_answer, next_id, waits)


class _Asked:
    """One resolver."""

    def __init__(self, target: Endpoint, patience: Patience) -> None:
        self._target = target
        self._patience = patience

    async def udp(self, question: Question) -> Row:
        """Ask by UDP, each time with another id; a truncated answer is asked for by TCP."""
        queries = [_query(question) for _ in range(self._patience.tries)]
        ids = {_id(query) for query in queries}
        done = await datagrams.exchange(
            self._target,
            queries,
            waits=[self._patience.seconds] * len(queries),
            wanted=lambda data: _answer(data, question, ids) is not None,
            linger=self._patience.second_answer,
        )
        message = _answer(done.answer, question, ids)
        if message is None:
            outcome = _UNANSWERED[done.outcome]
            if outcome is Lookup.TIMEOUT and done.strays:
                outcome = Lookup.MALFORMED
            return Row("udp", outcome, done.seconds, attempts=done.attempts, icmp=done.icmp)
        if message.truncated:
            row = await self.tcp(question)
            row.transport, row.truncated = "udp", True
            row.seconds += done.seconds
            row.attempts += done.attempts
            return row
        row = _answered("udp", message, question, done.seconds)
        row.attempts = done.attempts
        row.second_answer = _other_answer(message, done.later, question)
        return row

    async def tcp(self, question: Question) -> Row:
        """Ask once by TCP, which repeats by itself."""
        query = _query(question)
        began = time.monotonic()
        outcome, message = Lookup.MALFORMED, None
        try:
            async with asyncio.timeout(self._patience.seconds * self._patience.tries):
                stream = await self._over_tcp(query)
        except TimeoutError:
            outcome = Lookup.TIMEOUT
        except OSError:
            outcome = Lookup.UNREACHABLE
        else:
            answers = (_right(read, question, {_id(query)}) for read in read_dns_stream(stream))
            message = next((answer for answer in answers if answer is not None), None)
        seconds = time.monotonic() - began
        if message is None:
            return Row("tcp", outcome, seconds)
        return _answered("tcp", message, question, seconds)

    async def _over_tcp(self, query: bytes) -> bytes:
        """The first message that comes back, with its length before it, or what there is of it."""
        reader, writer = await asyncio.open_connection(self._target.address, self._target.port)
        try:
            writer.write(len(query).to_bytes(2, "big") + query)
            length = await reader.readexactly(2)
            return length + await reader.readexactly(int.from_bytes(length, "big"))
        except asyncio.IncompleteReadError as cut_off:
            return cut_off.partial
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


_UNANSWERED = {
    "answered": Lookup.MALFORMED,
    "rejected": Lookup.UNREACHABLE,
    "not_sent": Lookup.UNREACHABLE,
    "silent": Lookup.TIMEOUT,
}


def _query(question: Question) -> bytes:
    """A question as a device asks it: recursion desired, no EDNS."""
    try:
        query = dns.message.make_query(question.name, question.type, id=secrets.randbits(16))
    except dns.exception.DNSException as error:
        raise UnreadableInput(f"{question.name}: no host name: {error}") from None
    wire: bytes = query.to_wire()
    return wire


def _id(query: bytes) -> int:
    return int.from_bytes(query[:2], "big")


def _answer(data: bytes, question: Question, ids: set[int]) -> DnsMessage | None:
    """The DNS message in a datagram, if it answers the question."""
    message = read_dns(data)
    return _right(message, question, ids) if message is not None else None


def _right(message: DnsMessage, question: Question, ids: set[int]) -> DnsMessage | None:
    """The message itself, if it answers the question; some error answers repeat no question."""
    repeated = [(item.name, item.type) for item in message.questions]
    if not message.is_response or message.id not in ids:
        return None
    if message.damaged and not message.truncated:
        return None
    if repeated == [(question.name.lower(), question.type)]:
        return message
    return message if not repeated and message.rcode != "NOERROR" else None


def _answered(transport: str, message: DnsMessage, question: Question, seconds: float) -> Row:
    addresses = _addresses(message, question)
    outcome = _RCODES.get(message.rcode, Lookup.REFUSED)
    if addresses and outcome is Lookup.EMPTY:
        outcome = Lookup.ANSWERED
    return Row(
        transport,
        outcome,
        seconds,
        rcode=message.rcode,
        addresses=addresses,
        aliases=[alias.target for alias in message.aliases],
    )


def _addresses(message: DnsMessage, question: Question) -> list[str]:
    """Those of the type that was asked for."""
    version = VERSIONS[question.type]
    return [text for text in message.addresses if ipaddress.ip_address(text).version == version]


def _other_answer(
    first: DnsMessage, later: Sequence[bytes], question: Question
) -> list[str] | None:
    """The addresses of the first later answer to the very same query that says something else.

    The order of addresses may change on the way from a cache; their set may not.
    """
    told = (first.rcode, set(_addresses(first, question)))
    for data in later:
        message = _answer(data, question, {first.id})
        if message is not None:
            addresses = _addresses(message, question)
            if (message.rcode, set(addresses)) != told:
                return addresses
    return None
