"""Passes over a capture: frames to connections, transcripts and what else was seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from handshake_probe.capture.files import CaptureFile
from handshake_probe.capture.inputs import CaptureInput, Engine
from handshake_probe.capture.sieve import Selection
from handshake_probe.diagnose.observe_hosts import HostObserver
from handshake_probe.diagnose.observe_names import NameObserver
from handshake_probe.diagnose.shapes import ShapeScan
from handshake_probe.errors import UnreadableInput
from handshake_probe.keys.keyring import Keyring
from handshake_probe.packets.decode import Decoder
from handshake_probe.packets.flows import FlowPiece
from handshake_probe.packets.path import PathFacts
from handshake_probe.packets.units import Datagram, Icmp, Packet, Segment, Skipped
from handshake_probe.pipeline.following import Ended, Following
from handshake_probe.protocol.events import Event, NonceReceived, RecordSeen
from handshake_probe.protocol.transcript import Transcript

CONNECTIONS_KEPT = 50_000  # in one document; some 10 kB each
# What the observers of names and hosts read: DNS, DHCP, NTP, presence, DTLS.
_TCP_PORTS = frozenset({53})
_UDP_PORTS = frozenset({53, 67, 68, 123, 5683, 5684})


@dataclass
class Reading:
    """One pass over a capture."""

    paths: list[PathFacts] = field(default_factory=list)  # of every connection, in order
    events: dict[int, tuple[Event, ...]] = field(default_factory=dict)  # by connection number
    hosts: HostObserver = field(default_factory=HostObserver)
    names: NameObserver = field(default_factory=NameObserver)
    shapes: ShapeScan = field(default_factory=ShapeScan)
    skipped: Counter[str] = field(default_factory=Counter)
    last_ns: int = 0  # of any frame
    forgotten: bool = False  # there were too many connections to keep them all
    fragments_capped: bool = False
    lost_fragments: int = 0
    interrupted: bool = False


def wanted(given: CaptureInput, ports: frozenset[int]) -> Selection | None:
    """What a prefilter must let pass for handshakes on these ports; None without a prefilter."""
    return Selection(_TCP_PORTS | ports, _UDP_PORTS, followed=ports) if given.sieved else None


def scan_shapes(given: CaptureInput, ports: frozenset[int]) -> ShapeScan:
    """Look for handshakes on all other ports, after a pass that left those out."""
    shapes = ShapeScan()
    decoder = Decoder()
    with given.open(Selection(frozenset(), frozenset(), all_tcp=True)) as capture:
        for frame in capture:
            packet = decoder.decode(frame)
            if (
                isinstance(packet, Segment)
                and packet.source.port not in ports
                and packet.destination.port not in ports
            ):
                shapes.feed(packet)
    return shapes


def hosts_again(given: CaptureInput, reading: Reading, ports: frozenset[int]) -> HostObserver:
    """Observe the hosts once more, with all that came from a cloud's address on other ports."""
    clouds = frozenset(facts.cloud.address for facts in reading.paths)
    if not given.passed_over(clouds):
        return reading.hosts
    selection = Selection(_TCP_PORTS - ports, _UDP_PORTS, sources=clouds, passed_over=ports)
    hosts = HostObserver()
    decoder = Decoder()
    with given.open(selection) as capture:
        for frame in capture:
            packet = decoder.decode(frame)
            if not isinstance(packet, Segment) or (
                packet.source.port not in ports and packet.destination.port not in ports
            ):
                hosts.feed(packet)
    return hosts


def _packets(
    given: CaptureInput, capture: CaptureFile, decoder: Decoder, ports: frozenset[int]
) -> Iterator[Packet]:
    packets = map(decoder.decode, capture)
    if given.engine is not Engine.TSHARK:
        yield from packets
        return
    from handshake_probe.capture.tshark import TsharkFailed, second_opinion, tshark_segments

    if given.size is None:
        raise UnreadableInput("--engine tshark reads files, not standard input")
    try:
        yield from second_opinion(packets, tshark_segments(given.path, ports))
    except TsharkFailed:
        for _ in packets:
            pass  # is the file damaged? Then it ends there for tshark as well
        if capture.damage is None:
            raise


def read_capture(
    given: CaptureInput, capture: CaptureFile, keyring: Keyring, ports: frozenset[int]
) -> Reading:
    """Read a capture once, following the connections on these ports."""
    reading = Reading()
    flows = Following(ports, given.fast_path)
    transcripts: dict[int, Transcript] = {}
    decoder = Decoder()

    def watch(pieces: Iterable[FlowPiece]) -> None:
        for connection, direction, piece in pieces:
            number = connection.facts.number
            transcript = transcripts.get(number)
            if transcript is None:
                transcript = Transcript(keyring, midstream=connection.facts.midstream)
                transcripts[number] = transcript
            transcript.feed(direction, piece)

    def keep(ended: Ended) -> None:
        facts = ended.facts
        transcript = transcripts.pop(facts.number, None)
        if not ended.counted:
            return
        if len(reading.paths) >= CONNECTIONS_KEPT:
            reading.forgotten = True
            return
        reading.paths.append(facts)
        if ended.pieces is not None and len(ended.pieces):
            transcript = Transcript(keyring)
            transcript.feed_all(ended.pieces)
        if transcript is not None:
            transcript.finish(facts.last_ns, facts.last_frame)
            reading.events[facts.number] = transcript.events

    def part() -> None:
        pieces, parted = flows.take_ended()
        watch(pieces)
        for ended in parted:
            keep(ended)

    flows.when_full(part)
    try:
        for packet in _packets(given, capture, decoder, ports):
            if isinstance(packet, Segment):
                if packet.source.port in ports or packet.destination.port in ports:
                    pieces = flows.feed(packet)
                    if pieces:
                        watch(pieces)
                    if flows.many_ended:
                        part()
                else:
                    reading.shapes.feed(packet)
                    reading.hosts.feed(packet)
                    reading.names.feed(packet)
            elif isinstance(packet, Skipped):
                reading.skipped[packet.reason] += 1
            else:
                if isinstance(packet, Icmp) and packet.quote is not None:
                    watch(flows.feed_icmp(packet))
                if isinstance(packet, Datagram):
                    reading.names.feed(packet)
                reading.hosts.feed(packet)
    except KeyboardInterrupt:
        reading.interrupted = True
    part()
    watch(flows.finish())
    for ended in flows.rest():
        keep(ended)
    reading.paths.sort(key=lambda facts: facts.number)
    reading.forgotten = reading.forgotten or flows.evicted > 0
    reading.last_ns = capture.facts.last_ns
    reading.lost_fragments = decoder.abandoned
    reading.fragments_capped = decoder.capped
    return reading


def found_handshake(reading: Reading) -> bool:
    """Whether any connection on the known ports carried a nonce or records."""
    return any(
        isinstance(event, (NonceReceived, RecordSeen))
        for events in reading.events.values()
        for event in events
    )
