"""The public Python API: from a capture and keys to a measurement. Joins rooms, decides nothing."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from handshake_probe import __version__
from handshake_probe.capture.files import CaptureFile
from handshake_probe.capture.inputs import CaptureInput, Engine
from handshake_probe.capture.libpcap import Refused
from handshake_probe.capture.sieve import Selection
from handshake_probe.diagnose.builtin_key import settle_particle_key
from handshake_probe.diagnose.devices import is_cloud_name
from handshake_probe.diagnose.document import build_measurement, rfc3339
from handshake_probe.diagnose.observe_connection import observe_connection
from handshake_probe.diagnose.observe_hosts import HostObserver
from handshake_probe.diagnose.observe_names import NameObserver
from handshake_probe.diagnose.shapes import ShapeScan
from handshake_probe.errors import KeyFileError, UnreadableInput
from handshake_probe.keys.files import KeyFile, read_key
from handshake_probe.keys.keyring import Keyring, build_keyring
from handshake_probe.keys.particle import PARTICLE_CLOUD
from handshake_probe.model.measurement import KeyUsed, Measurement, Software, Source
from handshake_probe.model.observations import AnyObservation, CaptureSeen, DnsSeen
from handshake_probe.packets.addresses import address_text
from handshake_probe.packets.connection import Connection
from handshake_probe.packets.decode import Decoder
from handshake_probe.packets.flows import FlowPiece, FlowTable
from handshake_probe.packets.path import PathFacts
from handshake_probe.packets.units import (
    Datagram,
    Icmp,
    Packet,
    Segment,
    Skipped,
)
from handshake_probe.protocol.events import Event, NonceReceived, RecordSeen
from handshake_probe.protocol.transcript import Transcript

CLOUD_PORT = 5683
CONNECTIONS_KEPT = 50_000  # in one document; some 10 kB each
KEY_FILE_LIMIT = 64 * 1024  # bytes; the largest key file is a few kB

Progress = Callable[[int, int | None], None]
# What the observers of names and hosts read: DNS, DHCP, NTP, presence, DTLS.
_TCP_PORTS = frozenset({53})
_UDP_PORTS = frozenset({53, 67, 68, 123, 5683, 5684})
_NAMES_KEPT = 64  # of interfaces


class Interrupted(Exception):
    """Ctrl-C while reading; `measurement` judges what was read until then."""

    def __init__(self, measurement: Measurement) -> None:
        super().__init__("interrupted")
        self.measurement = measurement


def load_keys(paths: Sequence[str], cloud_keys: Sequence[str]) -> tuple[Keyring, list[str]]:
    """Read key files and folders of them.

    Args:
        paths: Files or folders (`--keys`). In a folder, what is no key is noted and passed over.
        cloud_keys: Files that are named as the cloud's key (`--cloud-key`).

    Returns:
        The keyring, and one line for the user about each file that could not be used.

    Raises:
        UnreadableInput: a path does not exist, or a named file is no key.
    """
    notes: list[str] = []
    files = [key for path in paths for key in _keys_at(Path(path), notes)]
    named = [_read_key_file(Path(path)) for path in cloud_keys]
    for key in files:
        if key.role.startswith("ec_"):
            notes.append(f"{key.name}: an elliptic-curve key, used on UDP 5684 only: passed over")
    return build_keyring((key for key in files if not key.role.startswith("ec_")), named), notes


def _keys_at(path: Path, notes: list[str]) -> Iterable[KeyFile]:
    if not path.is_dir():
        yield _read_key_file(path)
        return
    for entry in sorted(path.iterdir()):
        if not entry.is_file() or entry.name.startswith("."):
            continue
        try:
            yield _read_key_file(entry)
        except KeyFileError as error:
            notes.append(str(error))


def _read_key_file(path: Path) -> KeyFile:
    try:
        with path.open("rb") as stream:
            data = stream.read(KEY_FILE_LIMIT + 1)
    except OSError as error:
        raise UnreadableInput(f"{path}: {error.strerror or error}") from error
    if len(data) > KEY_FILE_LIMIT:
        raise KeyFileError(f"{path.name}: too large for a key file ({KEY_FILE_LIMIT} bytes)")
    return read_key(path.name, data)


@dataclass
class _Reading:
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


def analyze(
    path: str,
    *,
    keyring: Keyring,
    ports: frozenset[int] = frozenset(),
    progress: Progress | None = None,
    engine: Engine = Engine.AUTO,
) -> Measurement:
    """Judge every device in a capture.

    Args:
        path: A capture file, `-` for standard input.
        keyring: The keys to try, from `load_keys`.
        ports: Cloud ports besides 5683.
        progress: Called now and then with bytes read and, when known, bytes of the file.
        engine: Who reads the frames.

    Raises:
        UnreadableInput: no such file, or not a capture.
        Interrupted: Ctrl-C; it holds the measurement of what was read.
    """
    size = CaptureInput(path).size

    def tick(position: int) -> None:
        if progress is not None:
            progress(position, size)

    with CaptureInput(path, engine, tick) as given, _seldom_collecting():
        try:
            measurement, interrupted = _analyze(given, keyring, ports)
        except Refused:  # frames were read otherwise than ours would be: nothing of it counts
            given.read_again()
            measurement, interrupted = _analyze(given, keyring, ports)
    if interrupted:
        raise Interrupted(measurement)
    return measurement


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Let Python look for reference cycles less often: reading makes many objects, and none."""
    usual = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _analyze(
    given: CaptureInput, keyring: Keyring, ports: frozenset[int]
) -> tuple[Measurement, bool]:
    known = frozenset({CLOUD_PORT}) | ports
    tried = keyring
    if not keyring.cloud:
        tried = replace(keyring, cloud=(PARTICLE_CLOUD,))
    with given.open(_wanted(given, known)) as capture:
        reading = _read(given, capture, tried, known)
        source = _source(str(given.path), capture, reading)
        facts = _capture_seen(capture, reading, known)
    other_port = None
    if not reading.interrupted and not _found_handshake(reading):
        shapes = _scan_shapes(given, known) if given.sieved else reading.shapes
        if shapes.ports:
            other_port = shapes.ports.most_common(1)[0][0]
            known |= frozenset(shapes.ports)
            with given.open(_wanted(given, known)) as capture:
                reading = _read(given, capture, tried, known)
                facts = _capture_seen(capture, reading, known, other_port)
    if given.sieved and not reading.interrupted:
        reading.hosts = _hosts_again(given, reading, known)
    observations = _observe(reading, facts)
    used = _keys_used(keyring)
    if tried is not keyring:
        observations, applies = settle_particle_key(observations)
        used += _keys_used(Keyring(cloud=tried.cloud)) if applies else []
    measurement = build_measurement(
        kind="capture",
        source=source,
        software=Software(name="handshake-probe", version=__version__),
        keys=used,
        observations=observations,
        events=reading.events,
    )
    return measurement, reading.interrupted


def _wanted(given: CaptureInput, ports: frozenset[int]) -> Selection | None:
    return Selection(_TCP_PORTS | ports, _UDP_PORTS) if given.sieved else None


def _scan_shapes(given: CaptureInput, ports: frozenset[int]) -> ShapeScan:
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


def _hosts_again(given: CaptureInput, reading: _Reading, ports: frozenset[int]) -> HostObserver:
    """Observe the hosts once more, with all that came from a cloud's address on other ports."""
    clouds = frozenset(facts.cloud.address for facts in reading.paths)
    wanted = Selection(_TCP_PORTS - ports, _UDP_PORTS, sources=clouds, passed_over=ports)
    seen = Selection(_TCP_PORTS | ports, _UDP_PORTS)
    if not clouds or not given.selects_more(seen, wanted):
        return reading.hosts
    hosts = HostObserver()
    decoder = Decoder()
    with given.open(wanted) as capture:
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


def _read(
    given: CaptureInput, capture: CaptureFile, keyring: Keyring, ports: frozenset[int]
) -> _Reading:
    reading = _Reading()
    flows = FlowTable(ports.__contains__)
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

    def keep(connection: Connection) -> None:
        facts = connection.facts
        transcript = transcripts.pop(facts.number, None)
        if len(reading.paths) >= CONNECTIONS_KEPT:
            reading.forgotten = True
            return
        reading.paths.append(facts)
        if transcript is not None:
            transcript.finish(facts.last_ns, facts.last_frame)
            reading.events[facts.number] = transcript.events

    try:
        for packet in _packets(given, capture, decoder, ports):
            if isinstance(packet, Segment):
                if packet.source.port in ports or packet.destination.port in ports:
                    watch(flows.feed(packet))
                    for connection in flows.take_ended():
                        if connection.bare:  # one of a flood: the table counted it
                            transcripts.pop(connection.facts.number, None)
                        else:
                            keep(connection)
                else:
                    reading.shapes.feed(packet)
                    reading.hosts.feed(packet)
                    reading.names.feed(packet)
            elif isinstance(packet, Skipped):
                reading.skipped[packet.reason] += 1
            else:
                if isinstance(packet, Icmp) and packet.quote is not None:
                    flows.feed_icmp(packet)
                if isinstance(packet, Datagram):
                    reading.names.feed(packet)
                reading.hosts.feed(packet)
    except KeyboardInterrupt:
        reading.interrupted = True
    watch(flows.finish())
    for connection in flows.connections:
        keep(connection)
    reading.paths.sort(key=lambda facts: facts.number)
    reading.forgotten = reading.forgotten or flows.evicted > 0
    reading.last_ns = capture.facts.last_ns
    reading.lost_fragments = decoder.abandoned
    reading.fragments_capped = decoder.capped
    return reading


def _source(path: str, capture: CaptureFile, reading: _Reading) -> Source:
    first_ns, last_ns = capture.facts.first_ns, capture.facts.last_ns
    return Source(
        # Any bytes are a file name; the document is UTF-8.
        path=os.fsencode(path).decode("utf-8", "replace"),
        sha256="" if reading.interrupted else capture.sha256,  # a pipe may never end
        frames=capture.frames,
        truncated=capture.truncated or capture.damage is not None or reading.interrupted,
        format=capture.format,
        first=rfc3339(first_ns / 1e9) if first_ns is not None else None,
        last=rfc3339(last_ns / 1e9) if first_ns is not None else None,
    )


def _capture_seen(
    capture: CaptureFile,
    reading: _Reading,
    ports: frozenset[int],
    other_port: int | None = None,
) -> CaptureSeen:
    facts = capture.facts
    drops = [item.drops for item in capture.interfaces if item.drops is not None]
    return CaptureSeen(
        id="o1",
        frames=capture.frames,
        first=facts.first_ns / 1e9 if facts.first_ns is not None else None,
        last=facts.last_ns / 1e9 if facts.first_ns is not None else None,
        truncated=capture.truncated,
        damage="the reading was interrupted" if reading.interrupted else capture.damage,
        snap_length=capture.snap_length or 0,
        drops=sum(drops) if drops else None,
        skipped=dict(reading.skipped),
        other_port=other_port,
        handshake_ports=sorted(ports),
        capped=reading.forgotten
        or reading.hosts.capped
        or reading.names.capped
        or reading.fragments_capped,
        interfaces=[item.name for item in capture.interfaces[:_NAMES_KEPT] if item.name],
        sections=facts.sections,
        comments=facts.comments,
        compression=capture.compression,
        lost_fragments=reading.lost_fragments,
        interrupted=reading.interrupted,
    )


def _found_handshake(reading: _Reading) -> bool:
    """Whether any connection on the known ports carried a nonce or records."""
    return any(
        isinstance(event, (NonceReceived, RecordSeen))
        for events in reading.events.values()
        for event in events
    )


def _observe(reading: _Reading, capture: CaptureSeen) -> list[AnyObservation]:
    numbers = count(2)

    def next_id() -> str:
        return f"o{next(numbers)}"

    observations: list[AnyObservation] = [capture]
    devices: set[str] = set()
    clouds: set[str] = set()
    for facts in reading.paths:
        if facts.same_as is not None:
            continue  # the same connection seen behind NAT: the view nearer to the device counts
        events = reading.events.get(facts.number, ())
        observations.append(observe_connection(next_id(), facts, events, reading.last_ns))
        devices.add(address_text(facts.device.address))
        clouds.add(address_text(facts.cloud.address))
    observations += reading.names.observations(devices, clouds, next_id)
    devices |= {o.host for o in observations if isinstance(o, DnsSeen) and is_cloud_name(o.name)}
    observations += reading.hosts.observations(devices, clouds, next_id)
    return observations


def _keys_used(keyring: Keyring) -> list[KeyUsed]:
    used = [
        KeyUsed(
            fingerprint=key.fingerprint,
            role="cloud_private" if key.private else "cloud_public",
            source=key.source,
            named=key.named,
        )
        for key in keyring.cloud
    ]
    used += [
        KeyUsed(
            fingerprint=key.fingerprint,
            role="device_private",
            source=key.source,
            device_id=key.device_id,
        )
        for key in keyring.devices
    ]
    used += [
        KeyUsed(
            fingerprint=key.fingerprint,
            role="registered",
            source=key.source,
            device_id=key.device_id,
        )
        for key in keyring.registered
    ]
    return used
