"""`analyze`: from a capture and keys to a measurement."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

from handshake_probe import __version__
from handshake_probe.capture.files import CaptureFile
from handshake_probe.capture.inputs import CaptureInput, Engine
from handshake_probe.diagnose.builtin_key import settle_particle_key
from handshake_probe.diagnose.devices import is_cloud_name
from handshake_probe.diagnose.document import build_measurement, rfc3339
from handshake_probe.diagnose.entries import Told, tell
from handshake_probe.diagnose.heard import Heard
from handshake_probe.diagnose.observe_connection import observe_connection
from handshake_probe.keys.keyring import Keyring
from handshake_probe.keys.particle import PARTICLE_CLOUD
from handshake_probe.model.measurement import Measurement, Software, Source
from handshake_probe.model.observations import AnyObservation, CaptureSeen, DnsSeen
from handshake_probe.packets.addresses import address_text
from handshake_probe.pipeline.keyfiles import keys_used
from handshake_probe.pipeline.reading import (
    Reading,
    found_handshake,
    hosts_again,
    read_capture,
    scan_shapes,
    wanted,
)

CLOUD_PORT = 5683
_NAMES_KEPT = 64  # of interfaces

Progress = Callable[[int, int | None], None]


class Interrupted(Exception):
    """Ctrl-C while reading; `measurement` judges what was read until then."""

    def __init__(self, measurement: Measurement) -> None:
        super().__init__("interrupted")
        self.measurement = measurement


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
        progress: Called now and then with bytes read so far and, when known, of the file.
        engine: Who reads the frames.

    Raises:
        UnreadableInput: no such file, or not a capture.
        Interrupted: Ctrl-C; it holds the measurement of what was read.
    """
    size = CaptureInput(path).size

    furthest = 0  # a second pass begins at the start again

    def tick(position: int) -> None:
        nonlocal furthest
        furthest = max(furthest, position)
        if progress is not None:
            progress(furthest, size)

    with CaptureInput(path, engine, tick) as given, _uncollected():
        measurement, interrupted = _analyze(given, keyring, ports)
    if interrupted:
        raise Interrupted(measurement)
    return measurement


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep Python from looking for reference cycles: an analysis makes many objects, and none.

    It would look through every connection kept so far, again and again.
    """
    usual = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if usual:
            gc.enable()


def _analyze(
    given: CaptureInput, keyring: Keyring, ports: frozenset[int]
) -> tuple[Measurement, bool]:
    known = frozenset({CLOUD_PORT}) | ports
    tried = keys_to_try(keyring)
    with given.open(wanted(given, known)) as capture:
        reading = read_capture(given, capture, tried, known)
        source = _source(str(given.path), capture, reading)
        facts = _capture_seen(capture, reading, known)
    other_port = None
    if not reading.interrupted and not found_handshake(reading):
        shapes = scan_shapes(given, known) if given.sieved else reading.shapes
        if shapes.ports:
            other_port = shapes.ports.most_common(1)[0][0]
            known |= frozenset(shapes.ports)
            with given.open(wanted(given, known)) as capture:
                reading = read_capture(given, capture, tried, known)
                facts = _capture_seen(capture, reading, known, other_port)
    if given.sieved and not reading.interrupted:
        reading.hosts = hosts_again(given, reading, known)
    return judged(reading, facts, source, keyring), reading.interrupted


def keys_to_try(keyring: Keyring) -> Keyring:
    """The user's keys; Particle's public key where they name no cloud's."""
    return keyring if keyring.cloud else replace(keyring, cloud=(PARTICLE_CLOUD,))


def judged(reading: Reading, seen: CaptureSeen, source: Source, keyring: Keyring) -> Measurement:
    """Judge what was read with `keys_to_try(keyring)`."""
    observations, told = _observe(reading, seen)
    used = keys_used(keyring)
    if not keyring.cloud:
        observations, applies = settle_particle_key(observations)
        used += keys_used(keys_to_try(Keyring())) if applies else []
    return build_measurement(
        kind="capture",
        source=source,
        software=Software(name="handshake-probe", version=__version__),
        keys=used,
        observations=observations,
        told=told,
    )


def _source(path: str, capture: CaptureFile, reading: Reading) -> Source:
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
    reading: Reading,
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


def _observe(
    reading: Reading, capture: CaptureSeen
) -> tuple[list[AnyObservation], dict[int, Told]]:
    """Condense what was read; connections leave `reading` one by one, which spares memory."""
    numbers = count(2)

    def next_id() -> str:
        return f"o{next(numbers)}"

    observations: list[AnyObservation] = [capture]
    devices: set[str] = set()
    clouds: set[str] = set()
    told: dict[int, Told] = {}
    reading.paths.reverse()
    while reading.paths:
        facts = reading.paths.pop()
        heard = Heard.of(reading.events.pop(facts.number, ()))
        if facts.same_as is not None:
            continue  # the same connection seen behind NAT: the view nearer to the device counts
        connection = observe_connection(next_id(), facts, heard, reading.last_ns)
        told[facts.number] = tell(connection, heard)
        observations.append(connection)
        devices.add(address_text(facts.device.address))
        clouds.add(address_text(facts.cloud.address))
    observations += reading.names.observations(devices, clouds, next_id)
    devices |= {o.host for o in observations if isinstance(o, DnsSeen) and is_cloud_name(o.name)}
    observations += reading.hosts.observations(devices, clouds, next_id)
    return observations, told
