"""Observations of the active probe: what this machine asked, and what came back.

Times are seconds since the Unix epoch (UTC), durations seconds. An endpoint is `192.0.2.1:5683`
or `[2001:db8::1]:5683`. "Could not ask" is an outcome of its own, never an answer.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from handshake_probe.model.observation import Observation
from handshake_probe.model.vocabulary import Stage


class VantageSeen(Observation, frozen=True, kw_only=True, tag="vantage"):
    """Where this machine stands; None is "could not be read here"."""

    time: float
    system: str  # "Linux", "Darwin", "Windows"
    interface: str | None = None  # by which packets to the cloud leave
    address: str | None = None  # this machine's, on that way
    network: str | None = None  # the subnet of that interface, "192.168.1.0/24"
    gateway: str | None = None
    default_routes: list[str] = []  # interfaces, the preferred one first
    ip_versions: list[int] | None = None  # 4 and 6, where there is a default route
    tunnels: list[str] = []  # interfaces that are up and lead elsewhere (VPN)
    through_tunnel: bool = False  # packets to the cloud leave by one of them
    resolvers: list[str] = []  # addresses, as this machine is configured
    resolver_stub: str | None = None  # a forwarder on this machine that stands before them
    wifi: str | None = None  # name of the wireless network
    device: str | None = None  # the device's address, as the user gave it
    device_network: bool | None = None  # whether that address is in `network`
    error_queue: bool = False  # this system says who sent an ICMP error, without privilege


class IcmpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An ICMP error from the socket's error queue."""

    source: str
    version: int  # 4 or 6
    type: int
    code: int


class Lookup(StrEnum):
    """What became of a DNS question."""

    ANSWERED = "answered"  # with addresses
    EMPTY = "empty"  # NOERROR without an address of the type asked for
    NXDOMAIN = "nxdomain"
    REFUSED = "refused"  # any other error code
    MALFORMED = "malformed"  # what came answers no such question
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"  # ICMP, TCP reset, no route


class DnsProbed(Observation, frozen=True, kw_only=True, tag="dns_probe"):
    """One name asked of one resolver."""

    time: float
    resolver: str | None  # address; None: the system's own look-up
    role: str  # "configured", "public", "system"
    transport: str  # "udp", "tcp", "system"
    name: str
    # "cloud", "control" (a name that exists), "random" (one that cannot), "nat64" (ipv4only.arpa),
    # "internet_test" (the time server)
    purpose: str
    type: str  # "A", "AAAA"
    outcome: Lookup
    seconds: float
    rcode: str | None = None  # the resolver's, or the name of getaddrinfo's error
    addresses: list[str] = []
    aliases: list[str] = []
    attempts: int = 1
    truncated: bool = False  # by UDP; what is told then came by TCP
    second_answer: list[str] | None = None  # addresses of a later, different answer
    icmp: IcmpAnswer | None = None  # what made it unreachable


class Connect(StrEnum):
    """What became of a connection attempt."""

    CONNECTED = "connected"
    REFUSED = "refused"  # a TCP reset: a TCP stack said no, whoever's it is
    REJECTED = "rejected"  # an ICMP error
    TIMEOUT = "timeout"
    NOT_SENT = "not_sent"  # this machine has no route or may not: nothing left it


class Delivery(StrEnum):
    """What became of bytes we sent, from the kernel's TCP_INFO."""

    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"  # sent again and again
    UNKNOWN = "unknown"  # this system does not tell, or too little time passed


class Ending(StrEnum):
    """What ended a connection that was up."""

    CLOSED = "closed"  # FIN by the other side
    RESET = "reset"
    ICMP = "icmp"
    SILENCE = "silence"  # nothing more within our patience
    OURSELVES = "ourselves"  # all was seen that was to be seen


class FirstBytes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the other side sent first."""

    seconds: float  # since the connection was up
    received: int  # bytes until we spoke, or the end; 40 is right
    flaws: list[str] = []  # protocol.events.NonceFlaw
    looks_like: str | None = None  # "http", "tls", "ssh" …
    excerpt: str | None = None  # of flawed bytes, escaped
    digest: str | None = None  # first 16 hex digits of SHA-256 over 40 bytes: equal nonces show

    @property
    def is_nonce(self) -> bool:
        """Exactly 40 bytes that pass every test."""
        return self.received == 40 and not self.flaws and self.looks_like is None


class TcpProbed(Observation, frozen=True, kw_only=True, tag="tcp_probe"):
    """One TCP connection attempt and, where it came up, what passed over it."""

    time: float
    target: str
    purpose: str  # "cloud", "other_port", "other_host", "unused_address", "internet_test"
    outcome: Connect
    seconds: float  # until the outcome
    failure: str | None = None  # OONI's word: "connection_refused", "generic_timeout_error" …
    local: str | None = None  # our endpoint
    icmp: IcmpAnswer | None = None  # in answer to a SYN; to data, the kernel tells no sender
    rtt: float | None = None  # the kernel's smallest round-trip time
    syn_retransmissions: int = 0  # SYNs sent again until the outcome
    first: FirstBytes | None = None  # None: nothing came
    waited: float = 0.0  # for first bytes
    sent: str | None = None  # "block" (256 bytes after silence), "identity" (of a made-up device)
    delivery: Delivery | None = None  # of what we sent
    retransmissions: int = 0
    reply: int = 0  # bytes that came after we had spoken
    reply_looks_like: str | None = None
    ended_by: Ending | None = None  # None: it never came up
    ended_after: float | None = None  # seconds since we sent; since the connection was up, if not


class HopProbed(Observation, frozen=True, kw_only=True, tag="hop_probe"):
    """One packet with a limited number of hops: a SYN, or an identity."""

    time: float
    target: str
    purpose: str  # "cloud" or "other_port"; "identity": its 256 bytes on one connection
    ttl: int
    local_port: int | None = None  # the same in one walk from hop to hop
    outcome: Connect  # REJECTED with ICMP time exceeded is the usual answer of a hop
    seconds: float
    icmp: IcmpAnswer | None = None

    @property
    def expired_at(self) -> str | None:
        """The router where the hops were used up."""
        message = self.icmp
        if message is None or (message.version, message.type) not in ((4, 11), (6, 3)):
            return None
        return message.source


class UdpProbed(Observation, frozen=True, kw_only=True, tag="udp_probe"):
    """One UDP exchange."""

    time: float
    target: str
    test: str  # "coap_ping", "dtls_client_hello", "dns", "ntp"
    outcome: str  # "answered", "rejected", "silent", "not_sent"
    attempts: int = 1
    seconds: float = 0.0
    answer: str | None = None  # "reset", "hello_verify_request", "alert" …
    icmp: IcmpAnswer | None = None


class IdleProbed(Observation, frozen=True, kw_only=True, tag="idle_probe"):
    """One connection left silent, then used again."""

    time: float
    target: str
    silence: float
    kept: bool | None  # None: could not be told
    ended_by: Ending | None = None
    session: bool = False  # within a stand-in session, not a bare connection


class HandshakeProbed(Observation, frozen=True, kw_only=True, tag="handshake_probe"):
    """The handshake done in a device's place, with its own key."""

    time: float
    target: str
    device_id: str
    stage: Stage  # the furthest reached
    ended_by: Ending
    seconds: float
    failure: str | None = None  # protocol.device_errors word of what our side could not accept
    credentials_open: bool | None = None  # with the device's key
    signature_opens: bool | None = None  # with the cloud's key, if one is known
    server_hello: bool = False
    pings_answered: int = 0
    product_id: int | None = None


class ReplayProbed(Observation, frozen=True, kw_only=True, tag="replay_probe"):
    """A recorded connection's device side said again on one connection, or what is held beside it.

    What counts is what became of the bytes: a cloud is right to refuse those that are not fresh.
    """

    time: float
    target: str
    purpose: str  # "replay"; controls: "random" (another content), "other_port"
    content: str  # "fresh" (a new handshake), "verbatim" (as recorded), "random"
    outcome: Connect
    seconds: float  # until the outcome
    failure: str | None = None  # OONI's word
    icmp: IcmpAnswer | None = None  # in answer to a SYN
    rtt: float | None = None
    syn_retransmissions: int = 0
    first: FirstBytes | None = None  # what the other side said before we did
    planned: int = 0  # bytes that were to be sent; of a fresh handshake unknown, 0
    sent: int = 0
    segments: int = 0
    acknowledged: int | None = None  # bytes; None: this system does not tell
    delivery: Delivery | None = None  # of what was sent last
    retransmissions: int = 0
    reply: int = 0  # bytes that came after we had spoken
    ended_by: Ending | None = None  # None: it never came up
    ended_after: float | None = None  # seconds since the connection was up


class PacketsRecorded(Observation, frozen=True, kw_only=True, tag="packets_recorded"):
    """Whether the probe's own packets were captured beside it."""

    file: str | None = None
    frames: int = 0
    refused: str | None = None  # why there is none
