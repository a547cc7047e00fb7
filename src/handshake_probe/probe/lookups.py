"""DNS questions, whom they are put to, and what becomes of one."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from handshake_probe.model.probed import DnsProbed, IcmpAnswer, Lookup

NAT64_NAME = "ipv4only.arpa"  # RFC 7050: has IPv6 addresses only where a NAT64 made them
VERSIONS = {"A": 4, "AAAA": 6}  # of IP, by type of question

_RANDOM_LABEL = 8  # bytes


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
    asked = [Question(name, "cloud", kind) for name in cloud for kind in VERSIONS]
    asked += [Question(control, "control"), Question(random, "random")]
    return [*asked, Question(NAT64_NAME, "nat64", "AAAA")] if nat64 else asked


@dataclass(slots=True)
class Row:
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
        """Write it down; no resolver is the system's own look-up."""
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
