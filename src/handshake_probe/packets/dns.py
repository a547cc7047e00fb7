"""DNS messages (RFC 1035), read through dnspython, which is imported only here, when first used.

Names come from the wire: lower case, without trailing dot, bytes outside printable ASCII escaped
by a backslash and three decimal digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import dns.name

_HEADER = 12


class DnsQuestion(NamedTuple):
    """One question."""

    name: str
    type: str  # "A", "AAAA", …


class DnsAlias(NamedTuple):
    """One CNAME record of an answer."""

    name: str
    target: str


class DnsMessage(NamedTuple):
    """What a DNS query or response says, as far as it could be read."""

    id: int
    is_response: bool
    questions: tuple[DnsQuestion, ...]
    rcode: str  # "NOERROR", "NXDOMAIN", …
    addresses: tuple[str, ...]  # A and AAAA records of the answer section, as text
    aliases: tuple[DnsAlias, ...]  # CNAME records of the answer section, in order
    truncated: bool  # TC flag: the whole answer needs TCP
    damaged: bool = False  # some of it could not be read and is left out


def read_dns(payload: bytes) -> DnsMessage | None:
    """Read a DNS query or response from a UDP payload; None for anything else. Never raises."""
    # Four bits of the third byte are the operation; 0 is a query.
    if len(payload) < _HEADER or payload[2] & 0x78:
        return None
    import dns.flags
    import dns.message
    import dns.rcode
    import dns.rdatatype

    try:
        message = dns.message.from_wire(
            payload, continue_on_error=True, ignore_trailing=True, raise_on_truncation=False
        )
        addresses: list[str] = []
        aliases: list[DnsAlias] = []
        for records in message.answer:
            if records.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
                addresses.extend(record.to_text() for record in records)
            elif records.rdtype == dns.rdatatype.CNAME:
                name = _name(records.name)
                aliases.extend(DnsAlias(name, _name(record.target)) for record in records)
        return DnsMessage(
            message.id,
            bool(message.flags & dns.flags.QR),
            tuple(
                DnsQuestion(_name(item.name), dns.rdatatype.to_text(item.rdtype))
                for item in message.question
            ),
            dns.rcode.to_text(message.rcode()),
            tuple(addresses),
            tuple(aliases),
            bool(message.flags & dns.flags.TC),
            bool(message.errors),
        )
    except Exception:
        # Hostile bytes make a general-purpose parser fail in ways its documentation does not list.
        return None


def read_dns_stream(stream: bytes) -> list[DnsMessage]:
    """Read the messages of one direction of DNS over TCP: length (2) and message, repeated.

    What is incomplete or no DNS is left out. Never raises.
    """
    messages: list[DnsMessage] = []
    at = 0
    while at + 2 <= len(stream):
        end = at + 2 + int.from_bytes(stream[at : at + 2], "big")
        if end > len(stream):
            break
        message = read_dns(stream[at + 2 : end])
        if message is not None:
            messages.append(message)
        at = end
    return messages


def _name(name: dns.name.Name) -> str:
    text: str = name.to_text(omit_final_dot=True)
    return text.lower()
