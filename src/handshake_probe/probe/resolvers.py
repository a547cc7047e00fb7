"""The DNS matrix: names × resolvers × (UDP, TCP), and the system's own look-up beside it.

dnspython writes the questions and reads this machine's configuration. The sockets are our own:
only so an ICMP error and a second answer to the same question show.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import dns.exception
import dns.message
import dns.resolver

from handshake_probe.errors import UnreadableInput
from handshake_probe.model.probed import DnsProbed, IcmpAnswer, Lookup, UdpProbed
from handshake_probe.packets.dns import DnsMessage, read_dns, read_dns_stream
from handshake_probe.probe import datagrams
from handshake_probe.probe.endpoint import Endpoint

NAT64_NAME = "ipv4only.arpa"  # RFC 7050: has IPv6 addresses only where a NAT64 made them

_STUB = "127.0.0.53"  # systemd-resolved
_RESOLV_CONF = Path("/etc/resolv.conf")
_BEHIND_STUB = Path("/run/systemd/resolve/resolv.conf")
_RANDOM_LABEL = 8  # bytes
_VERSIONS = {"A": 4, "AAAA": 6}
_FAMILIES = {"A": socket.AF_INET, "AAAA": socket.AF_INET6}
_RCODES = {"NXDOMAIN": Lookup.NXDOMAIN, "NOERROR": Lookup.EMPTY}

# getaddrinfo's errors that say more than "failed". EAI_AGAIN stands for silence and for an error
# of the resolver alike; its name is kept in `rcode`.
_SYSTEM_ERRORS = {
    "EAI_NONAME": Lookup.NXDOMAIN,
    "EAI_NODATA": Lookup.EMPTY,
    "EAI_ADDRFAMILY": Lookup.EMPTY,
    "EAI_AGAIN": Lookup.TIMEOUT,
}


class SystemResolvers(NamedTuple):
    """The resolvers this machine is configured with."""

    addresses: tuple[str, ...]
    stub: str | None  # the forwarder of this machine that stands before them


class Resolver(NamedTuple):
    """Whom to ask."""

    address: str
    role: str  # "configured", "public"
    port: int = 53


class Question(NamedTuple):
    """What to ask, and what for."""

    name: str
    purpose: str  # see DnsProbed
    type: str = "A"


class Patience(NamedTuple):
    """How often and how long, in seconds."""

    tries: int = 3
    seconds: float = 2.0  # for each
    second_answer: float = 0.5  # how long after a UDP answer another one is waited for
    at_once: int = 16  # questions at one resolver; a silent one then costs tries × seconds


def system_resolvers(
    resolv_conf: Path = _RESOLV_CONF, behind_stub: Path = _BEHIND_STUB
) -> SystemResolvers:
    """Read the configuration; without one there are no addresses.

    Where systemd-resolved's stub is configured, the resolvers behind it are given, if it tells.
    """
    addresses = _configured(resolv_conf)
    if addresses != (_STUB,):
        return SystemResolvers(addresses, None)
    return SystemResolvers(_configured(behind_stub) or addresses, _STUB)


def _configured(path: Path) -> tuple[str, ...]:
    try:
        found = dns.resolver.Resolver(str(path)).nameservers
    except (dns.exception.DNSException, OSError, ValueError):  # the last: no address
        return ()
    return tuple(str(address) for address in found)


def random_name(below: str) -> str:
    """A name below another one that nobody has registered."""
    return f"{secrets.token_hex(_RANDOM_LABEL)}.{below}"


def questions(
    cloud: Sequence[str], control: str, random: str, *, nat64: bool = False
) -> list[Question]:
    """What one resolver is asked.

    Args:
        cloud: Names of the cloud.
        control: A name that exists and that nobody blocks.
        random: A name that does not exist, not below the cloud's: a block may cover those as well.
        nat64: Whether to ask for a NAT64 as well (for a machine without an IPv4 route).
    """
    asked = [Question(name, "cloud", kind) for name in cloud for kind in _VERSIONS]
    asked += [Question(control, "control"), Question(random, "random")]
    return [*asked, Question(NAT64_NAME, "nat64", "AAAA")] if nat64 else asked


async def ask_resolvers(
    resolvers: Sequence[Resolver],
    questions: Sequence[Question],
    next_id: Callable[[], str],
    *,
    patience: Patience = Patience(),  # noqa: B008 - immutable
) -> list[DnsProbed]:
    """Ask every resolver every question by UDP and by TCP, side by side.

    Raises:
        UnreadableInput: A name cannot be written into a question.
    """

    async def ask(resolver: Resolver) -> list[tuple[Question, _Row]]:
        room = asyncio.Semaphore(patience.at_once)
        asked = _Asked(Endpoint(resolver.address, resolver.port), patience)

        async def alone(
            how: Callable[[Question], Awaitable[_Row]], question: Question
        ) -> tuple[Question, _Row]:
            async with room:
                began = time.time()
                row = await how(question)
                row.time = began
                return question, row

        return await asyncio.gather(
            *(alone(how, question) for question in questions for how in (asked.udp, asked.tcp))
        )

    rows = await asyncio.gather(*(ask(resolver) for resolver in resolvers))
    return [
        row.observation(next_id, resolver, question)
        for resolver, theirs in zip(resolvers, rows, strict=True)
        for question, row in theirs
    ]


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


@dataclass(slots=True)
class _Row:
    """What became of one question."""

    transport: str
    outcome: Lookup
    seconds: float
    time: float = 0.0
    rcode: str | None = None
    addresses: Sequence[str] = ()
    aliases: Sequence[str] = ()
    attempts: int = 1
    truncated: bool = False
    second_answer: list[str] | None = None
    icmp: IcmpAnswer | None = None

    def observation(
        self, next_id: Callable[[], str], resolver: Resolver | None, question: Question
    ) -> DnsProbed:
        return DnsProbed(
            id=next_id(),
            time=self.time,
            resolver=resolver.address if resolver else None,
            role=resolver.role if resolver else "system",
            transport=self.transport,
            name=question.name,
            purpose=question.purpose,
            type=question.type,
            outcome=self.outcome,
            seconds=round(self.seconds, 6),
            rcode=self.rcode,
            addresses=list(self.addresses),
            aliases=list(self.aliases),
            attempts=self.attempts,
            truncated=self.truncated,
            second_answer=self.second_answer,
            icmp=self.icmp,
        )


class _Asked:
    """One resolver."""

    def __init__(self, target: Endpoint, patience: Patience) -> None:
        self._target = target
        self._patience = patience

    async def udp(self, question: Question) -> _Row:
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
            return _Row("udp", outcome, done.seconds, attempts=done.attempts, icmp=done.icmp)
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

    async def tcp(self, question: Question) -> _Row:
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
            return _Row("tcp", outcome, seconds)
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


async def ask_system(
    questions: Sequence[Question], next_id: Callable[[], str], *, seconds: float = 10.0
) -> list[DnsProbed]:
    """Ask as any program of this machine would: hosts file, caches and all.

    Args:
        questions: What to look up.
        next_id: Gives the ids of the observations.
        seconds: The time limit for each.

    Raises:
        UnreadableInput: A name is none.
    """
    rows = await asyncio.gather(*(_system_row(question, seconds) for question in questions))
    return [
        row.observation(next_id, None, question)
        for question, row in zip(questions, rows, strict=True)
    ]


async def _system_row(question: Question, seconds: float) -> _Row:
    began, start = time.time(), time.monotonic()
    outcome, rcode = Lookup.TIMEOUT, None
    addresses: tuple[str, ...] = ()
    try:
        async with asyncio.timeout(seconds):
            addresses = await _look_up(question)
            outcome = Lookup.ANSWERED
    except TimeoutError:
        pass
    except socket.gaierror as error:
        rcode = _error_name(error)
        outcome = _SYSTEM_ERRORS.get(rcode, Lookup.REFUSED)
    taken = time.monotonic() - start
    return _Row("system", outcome, taken, began, rcode=rcode, addresses=addresses)


async def _look_up(question: Question) -> tuple[str, ...]:
    """`getaddrinfo` in a thread that nobody waits for: the event loop's own would be joined."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[str, ...]] = loop.create_future()

    def tell(addresses: tuple[str, ...], error: Exception | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(addresses)
        else:
            answer.set_exception(error)

    def work() -> None:
        addresses: tuple[str, ...] = ()
        failure: Exception | None = None
        try:
            found = socket.getaddrinfo(
                question.name, None, _FAMILIES[question.type], socket.SOCK_STREAM
            )
            addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
        except OSError as error:
            failure = error
        except UnicodeError as error:
            failure = UnreadableInput(f"{question.name}: no host name: {error}")
        with suppress(RuntimeError):  # the loop is closed: too late
            loop.call_soon_threadsafe(tell, addresses, failure)

    threading.Thread(target=work, daemon=True).start()
    return await answer


def _error_name(error: socket.gaierror) -> str:
    names = (name for name in dir(socket) if name.startswith("EAI_"))
    return next((name for name in names if getattr(socket, name) == error.errno), "EAI_FAIL")


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


def _answered(transport: str, message: DnsMessage, question: Question, seconds: float) -> _Row:
    addresses = _addresses(message, question)
    outcome = _RCODES.get(message.rcode, Lookup.REFUSED)
    if addresses and outcome is Lookup.EMPTY:
        outcome = Lookup.ANSWERED
    return _Row(
        transport,
        outcome,
        seconds,
        rcode=message.rcode,
        addresses=addresses,
        aliases=[alias.target for alias in message.aliases],
    )


def _addresses(message: DnsMessage, question: Question) -> list[str]:
    """Those of the type that was asked for."""
    version = _VERSIONS[question.type]
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
