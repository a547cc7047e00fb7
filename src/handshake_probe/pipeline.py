"""The public Python API: from a capture and keys to a measurement. Joins rooms, decides nothing."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from handshake_probe import __version__
from handshake_probe.capture.files import CaptureFile, open_capture
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
from handshake_probe.packets.decode import decode
from handshake_probe.packets.flows import FlowPiece, FlowTable
from handshake_probe.packets.units import (
    Datagram,
    Icmp,
    Segment,
    Skipped,
)
from handshake_probe.protocol.events import NonceReceived, RecordSeen
from handshake_probe.protocol.transcript import Transcript

CLOUD_PORT = 5683
KEY_FILE_LIMIT = 64 * 1024  # bytes; the largest key file is a few kB

Progress = Callable[[int, int | None], None]


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

    connections: list[Connection] = field(default_factory=list)
    transcripts: dict[int, Transcript] = field(default_factory=dict)
    hosts: HostObserver = field(default_factory=HostObserver)
    names: NameObserver = field(default_factory=NameObserver)
    shapes: ShapeScan = field(default_factory=ShapeScan)
    skipped: Counter[str] = field(default_factory=Counter)
    first_ns: int | None = None
    last_ns: int = 0
    evicted: int = 0


def analyze(
    path: str,
    *,
    keyring: Keyring,
    ports: frozenset[int] = frozenset(),
    progress: Progress | None = None,
) -> Measurement:
    """Judge every device in a capture.

    Args:
        path: A capture file.
        keyring: The keys to try, from `load_keys`.
        ports: Cloud ports besides 5683.
        progress: Called now and then with frames read and, when known, frames in all.

    Raises:
        UnreadableInput: no such file, or not a capture.
    """
    known = frozenset({CLOUD_PORT}) | ports
    tried = keyring
    if not keyring.cloud:
        tried = replace(keyring, cloud=(PARTICLE_CLOUD,))
    with open_capture(path) as capture:
        reading = _read(capture, tried, known, progress)
        source = _source(path, capture, reading)
        facts = _capture_seen(capture, reading, known)
    other_port = None
    if not _found_handshake(reading) and reading.shapes.ports:
        other_port = reading.shapes.ports.most_common(1)[0][0]
        known |= frozenset(reading.shapes.ports)
        with open_capture(path) as capture:
            reading = _read(capture, tried, known, progress)
            facts = _capture_seen(capture, reading, known, other_port)
    observations = _observe(reading, facts)
    used = _keys_used(keyring)
    if tried is not keyring:
        observations, applies = settle_particle_key(observations)
        used += _keys_used(Keyring(cloud=tried.cloud)) if applies else []
    return build_measurement(
        kind="capture",
        source=source,
        software=Software(name="handshake-probe", version=__version__),
        keys=used,
        observations=observations,
        events={number: t.events for number, t in reading.transcripts.items()},
    )


def _read(
    capture: CaptureFile, keyring: Keyring, ports: frozenset[int], progress: Progress | None
) -> _Reading:
    reading = _Reading()
    flows = FlowTable(ports.__contains__)

    def watch(pieces: Iterable[FlowPiece]) -> None:
        for connection, direction, piece in pieces:
            number = connection.facts.number
            transcript = reading.transcripts.get(number)
            if transcript is None:
                transcript = Transcript(keyring, midstream=connection.facts.midstream)
                reading.transcripts[number] = transcript
            transcript.feed(direction, piece)

    for frame in capture:
        if progress is not None and frame.number % 10_000 == 0:
            progress(frame.number, None)
        if reading.first_ns is None:
            reading.first_ns = frame.time_ns
        reading.last_ns = max(reading.last_ns, frame.time_ns)
        packet = decode(frame)
        if isinstance(packet, Skipped):
            reading.skipped[packet.reason] += 1
        elif isinstance(packet, Segment):
            if packet.source.port in ports or packet.destination.port in ports:
                watch(flows.feed(packet))
            else:
                reading.shapes.feed(packet)
                reading.hosts.feed(packet)
                reading.names.feed(packet)
        else:
            if isinstance(packet, Icmp) and packet.quote is not None:
                flows.feed_icmp(packet)
            if isinstance(packet, Datagram):
                reading.names.feed(packet)
            reading.hosts.feed(packet)
    watch(flows.finish())
    reading.connections = flows.connections
    reading.evicted = flows.evicted
    for connection in reading.connections:
        facts = connection.facts
        transcript = reading.transcripts.get(facts.number)
        if transcript is not None:
            transcript.finish(facts.last_ns, facts.last_frame)
    return reading


def _source(path: str, capture: CaptureFile, reading: _Reading) -> Source:
    return Source(
        # Any bytes are a file name; the document is UTF-8.
        path=os.fsencode(path).decode("utf-8", "replace"),
        sha256=capture.sha256,
        frames=capture.frames,
        truncated=capture.truncated or capture.damage is not None,
        format=capture.format,
        first=rfc3339(reading.first_ns / 1e9) if reading.first_ns is not None else None,
        last=rfc3339(reading.last_ns / 1e9) if reading.first_ns is not None else None,
    )


def _capture_seen(
    capture: CaptureFile,
    reading: _Reading,
    ports: frozenset[int],
    other_port: int | None = None,
) -> CaptureSeen:
    drops = [item.drops for item in capture.interfaces if item.drops is not None]
    return CaptureSeen(
        id="o1",
        frames=capture.frames,
        first=reading.first_ns / 1e9 if reading.first_ns is not None else None,
        last=reading.last_ns / 1e9 if reading.first_ns is not None else None,
        truncated=capture.truncated,
        damage=capture.damage,
        snap_length=capture.snap_length or 0,
        drops=sum(drops) if drops else None,
        skipped=dict(reading.skipped),
        other_port=other_port,
        handshake_ports=sorted(ports),
        capped=reading.evicted > 0 or reading.hosts.capped or reading.names.capped,
    )


def _found_handshake(reading: _Reading) -> bool:
    """Whether any connection on the known ports carried a nonce or records."""
    return any(
        isinstance(event, (NonceReceived, RecordSeen))
        for transcript in reading.transcripts.values()
        for event in transcript.events
    )


def _observe(reading: _Reading, capture: CaptureSeen) -> list[AnyObservation]:
    numbers = count(2)

    def next_id() -> str:
        return f"o{next(numbers)}"

    observations: list[AnyObservation] = [capture]
    devices: set[str] = set()
    clouds: set[str] = set()
    for connection in reading.connections:
        facts = connection.facts
        if facts.same_as is not None:
            continue  # the same connection seen behind NAT: the view nearer to the device counts
        transcript = reading.transcripts.get(facts.number)
        events = transcript.events if transcript is not None else ()
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
