"""How this machine itself gets at names: its configured resolvers, and its own look-up."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import dns.exception
import dns.resolver

from handshake_probe.errors import UnreadableInput
from handshake_probe.model.probed import DnsProbed, Lookup
from handshake_probe.probe.lookups import Question, Row

_STUB = "127.0.0.53"  # systemd-resolved
_RESOLV_CONF = Path("/etc/resolv.conf")
_BEHIND_STUB = Path("/run/systemd/resolve/resolv.conf")
_FAMILIES = {"A": socket.AF_INET, "AAAA": socket.AF_INET6}

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


async def _system_row(question: Question, seconds: float) -> Row:
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
    return Row("system", outcome, taken, began, rcode=rcode, addresses=addresses)


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
