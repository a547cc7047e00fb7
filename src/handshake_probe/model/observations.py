"""Observations: facts measured or seen, with time and place, that rules judge now or later.

Each kind is a msgspec Struct; the field `kind` tells them apart in JSON. Times are seconds since
the Unix epoch (UTC). Offsets into a TCP stream are relative sequence numbers: 1 is the first byte.
No private or session key and no plaintext of an identity is ever an observation.
"""

from __future__ import annotations

import msgspec

from handshake_probe.model.observation import Observation
from handshake_probe.model.probed import (
    DnsProbed,
    HandshakeProbed,
    HopProbed,
    IdleProbed,
    PacketsRecorded,
    ReplayProbed,
    TcpProbed,
    UdpProbed,
    VantageSeen,
)
from handshake_probe.model.symptoms import DeviceLogSeen, LedSeen
from handshake_probe.model.vocabulary import EndedBy, Stage


class ControlSeen(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A SYN, SYN/ACK, FIN or RST."""

    frame: int
    time: float
    sender: str  # "device" or "cloud": whose address it carries
    flags: str  # "SYN", "SYN-ACK", "FIN", "RST"
    sequence: int
    acknowledgment: int | None
    ttl: int
    ip_id: int | None = None
    window: int = 0
    timestamps: bool = False  # carries the TCP timestamps option


class IcmpSeen(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An ICMP error that quotes a packet of the connection."""

    frame: int
    time: float
    source: str
    version: int
    type: int
    code: int
    ttl: int


class DirectionSeen(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What one side sent, as the path shows it."""

    packets: int = 0
    sent_up_to: int = 0  # one past the highest byte captured (or known to be cut by snap length)
    claimed_up_to: int = 0  # one past the highest byte this side's sequence numbers claim
    acknowledged_up_to: int = 0  # one past the highest byte the peer acknowledged
    missing_bytes: int = 0
    snapped_bytes: int = 0
    late_bytes: int = 0  # of the missing ones, captured too long after they were acknowledged
    retransmissions: int = 0
    unacknowledged_retransmissions: int = 0  # sent again while the peer had not acknowledged
    first_retransmission: float | None = None
    last_retransmission: float | None = None
    keepalives: int = 0
    conflicting_bytes: int = 0
    duplicate_frames: int = 0
    ttls: list[int] = []  # of packets that are no resets, most frequent first
    timestamps: bool = False
    last_data: float | None = None
    last_data_frame: int | None = None
    last_packet: float | None = None
    last_packet_frame: int | None = None
    data_after_reset: int = 0
    link_source: str | None = None


class NonceSeen(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The bytes the cloud sent first."""

    frame: int
    time: float
    received: int  # bytes before the device spoke or the stream ended; 40 is right
    whole: bool
    flaws: list[str] = []
    looks_like: str | None = None
    excerpt: str | None = None  # text of a flawed nonce, escaped
    digest: str | None = None  # first 16 hex digits of SHA-256: equal nonces show

    def with_surplus(self, surplus: int, excerpt: str | None) -> NonceSeen:
        """The same nonce, after more bytes came before the device spoke."""
        return msgspec.structs.replace(self, received=40 + surplus, excerpt=excerpt or self.excerpt)


class IdentitySeen(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The device's 256 bytes."""

    frame: int
    time: float
    received: int
    captured: bool  # every byte is in the capture
    pieces: int = 1
    digest: str | None = None
    share: float | None = None  # as a number, in units of 2^2048: below n/2^2048 of its key


class CredentialsSeen(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The cloud's 384 bytes."""

    frame: int
    time: float
    received: int
    whole: bool  # 384 bytes passed (captured or cut by the snap length)
    captured: bool
    looks_like: str | None = None  # another protocol in place of the credentials
    excerpt: str | None = None
    share: float | None = None  # the ciphertext as a number, in units of 2^1024


class KeyTest(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One key tried on one block."""

    frame: int
    block: str  # "identity", "signature", "credentials"
    key: str  # fingerprint
    role: str  # "cloud", "device", "sent"
    private: bool
    state: str  # protocol.events.BlockState
    length: int | None = None  # plaintext or body length when opened
    device_id: str | None = None  # from an opened identity
    sent_key: str | None = None  # fingerprint of the device key inside an opened identity
    sent_key_flaw: str | None = (
        None  # "erased", "zeroed", "pkcs8", "ec_key", "shifted", "not_a_modulus"
    )
    firmware_opens: bool | None = None  # the firmware's own reading of the key opens it too


class RecordsSeen(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Length-prefixed records of one direction."""

    count: int = 0
    first_frame: int | None = None
    first_time: float | None = None
    first_length: int | None = None
    last_time: float | None = None
    last_frame: int | None = None
    bad: int = 0  # records that decrypted to no message
    framing_lost: bool = False


class SessionSeen(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What the decrypted conversation said (absent when nothing could be decrypted)."""

    proven: bool  # the HMAC matched
    messages: int = 0
    device_hello: int | None = None  # frame
    server_hello: int | None = None  # frame
    device_os: str | None = None
    platform_id: int | None = None
    product_id: int | None = None
    hello_seed: str | None = None
    claim_code: list[int] = []  # frames of claim events that carry a real code
    claim_confirmed: int | None = None
    safe_mode: int | None = None
    key_error: int | None = None
    goodbye: int | None = None
    describe_requested: list[int] = []
    describe_refused: int | None = None
    describe_answered: int | None = None
    describe_acknowledged: int | None = None  # empty ACK, the answer itself still to come
    pings_unanswered: int = 0
    requests_unanswered: int = 0  # time requests and subscriptions
    last_exchange: float | None = None
    cloud_chain_broken: int = 0  # records after a longer one, if just these are garbage


class ConnectionSeen(Observation, frozen=True, kw_only=True, gc=False, tag="tcp_connection"):
    """One TCP connection between a device and a cloud: everything rules need to judge it."""

    stream: int
    device: str
    cloud: str
    first_frame: int
    last_frame: int
    started: float
    ended: float  # last packet
    capture_end: float  # time of the last frame of the capture
    stage: Stage
    ended_by: EndedBy
    ended_frame: int | None = None
    ended_time: float | None = None
    midstream: bool = False
    orientation_known: bool = True
    established: float | None = None
    min_rtt: float | None = None
    from_device: DirectionSeen
    from_cloud: DirectionSeen
    controls: list[ControlSeen] = []
    icmp: list[IcmpSeen] = []
    nonce: NonceSeen | None = None
    identity: IdentitySeen | None = None
    credentials: CredentialsSeen | None = None
    key_tests: list[KeyTest] = []
    device_records: RecordsSeen
    cloud_records: RecordsSeen
    session: SessionSeen | None = None
    capped: bool = False

    def without_cloud_tests(self) -> ConnectionSeen:
        """The connection without what cloud keys showed: they turned out not to apply to it."""
        kept = [test for test in self.key_tests if test.role != "cloud"]
        return msgspec.structs.replace(self, key_tests=kept)

    @property
    def one_sided(self) -> bool:
        """Only one side's packets were captured, though the other side's were acknowledged."""
        device, cloud = self.from_device, self.from_cloud
        return (not cloud.packets and cloud.acknowledged_up_to > 0) or not device.packets


class DnsSeen(Observation, frozen=True, kw_only=True, gc=False, tag="dns"):
    """One question for a cloud name and what came back."""

    frame: int
    time: float
    host: str  # who asked
    server: str
    name: str
    type: str  # "A", "AAAA"
    transport: str = "udp"
    attempts: int = 1
    last_attempt: float | None = None
    answer_frame: int | None = None
    answer_time: float | None = None
    rcode: str | None = None  # None: no answer in the capture
    addresses: list[str] = []
    aliases: list[str] = []
    different_answers: bool = False  # two answers to one question that differ


class InternetTestSeen(Observation, frozen=True, kw_only=True, gc=False, tag="internet_test"):
    """The firmware's own internet test after a failure."""

    frame: int
    time: float
    host: str
    test: str  # "ntp" (Device OS 2.0 and later) or "tcp_8.8.8.8_53" (up to 1.5)
    answered: bool


class PresenceSeen(Observation, frozen=True, kw_only=True, gc=False, tag="presence"):
    """The multicast datagram a device sends after a successful Hello: its id in clear."""

    frame: int
    time: float
    host: str
    device_id: str


class HostSeen(Observation, frozen=True, kw_only=True, gc=False, tag="host"):
    """A host on the captured link, from ARP, DHCP or its packets."""

    frame: int
    time: float
    address: str | None
    mac: str | None
    name: str | None = None  # DHCP host name
    sources: list[str] = []  # "arp", "dhcp"


class PathTtlSeen(Observation, frozen=True, kw_only=True, gc=False, tag="path_ttl"):
    """TTLs of packets other than the handshake's that carry an address we judge (NTP, DNS…)."""

    frame: int
    address: str
    protocol: str
    ttls: list[int]


class UdpCloudSeen(Observation, frozen=True, kw_only=True, gc=False, tag="udp_cloud"):
    """Datagrams to or from UDP 5684, the DTLS transport of newer devices."""

    frame: int
    time: float
    device: str
    cloud: str
    from_device: int
    from_cloud: int


class CaptureSeen(Observation, frozen=True, kw_only=True, gc=False, tag="capture"):
    """What the capture itself is worth as evidence."""

    frames: int
    first: float | None = None
    last: float | None = None
    truncated: bool = False
    damage: str | None = None
    snap_length: int = 0
    drops: int | None = None
    skipped: dict[str, int] = {}  # frames not read, by reason
    other_port: int | None = None  # the handshake was found by shape on this port
    handshake_ports: list[int] = []
    capped: bool = False  # a table of connections, hosts, names or fragments was full
    interfaces: list[str] = []  # names, of pcapng files that give them
    sections: int = 1
    comments: int = 0  # on the sections, interfaces and packets
    compression: str | None = None  # "gzip", "zstd" …
    lost_fragments: int = 0  # fragmented packets that were never whole
    interrupted: bool = False  # the reading was stopped before the end


AnyObservation = (
    ConnectionSeen
    | DnsSeen
    | InternetTestSeen
    | PresenceSeen
    | HostSeen
    | PathTtlSeen
    | UdpCloudSeen
    | CaptureSeen
    | VantageSeen
    | DnsProbed
    | TcpProbed
    | HopProbed
    | UdpProbed
    | IdleProbed
    | HandshakeProbed
    | PacketsRecorded
    | ReplayProbed
    | LedSeen
    | DeviceLogSeen
)
