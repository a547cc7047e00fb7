"""One connection of a capture: judged, and said again segment by segment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from handshake_probe.capture.inputs import STANDARD_INPUT, CaptureInput
from handshake_probe.errors import UnreadableInput
from handshake_probe.keys.keyring import Keyring
from handshake_probe.model.measurement import ConnectionReport, DeviceReport, Measurement
from handshake_probe.model.observations import CaptureSeen
from handshake_probe.model.vocabulary import Stage
from handshake_probe.packets.decode import Decoder
from handshake_probe.packets.flows import FlowPiece, FlowTable
from handshake_probe.packets.recorded_talk import RecordedTalk, recorded_talk
from handshake_probe.packets.units import Direction, Segment, StreamData, StreamGap, StreamPiece
from handshake_probe.pipeline.analysis import CLOUD_PORT, analyze
from handshake_probe.pipeline.reading import wanted
from handshake_probe.protocol.events import Event
from handshake_probe.protocol.transcript import Transcript
from handshake_probe.report.device import most_telling

_MOST_PIECES = 20_000  # of one connection


class Recorded(NamedTuple):
    """A connection of a capture."""

    measurement: Measurement  # of the whole capture
    device: DeviceReport
    connection: ConnectionReport
    pieces: tuple[tuple[Direction, StreamPiece], ...]
    talk: RecordedTalk
    first_ns: int  # of the connection's first frame
    midstream: bool  # its beginning was not captured


def recorded(
    path: str,
    *,
    keyring: Keyring,
    stream: int | None = None,
    ports: frozenset[int] = frozenset(),
) -> Recorded:
    """Read one connection of a capture.

    Args:
        path: A capture file; it is read twice, so not standard input.
        keyring: Keys to judge it with.
        stream: The number of the connection; None: of those on which the device spoke, the one
            that shows best what the verdict says.
        ports: Cloud ports besides 5683.

    Raises:
        UnreadableInput: no such file, not a capture, or no such connection in it.
    """
    if path == STANDARD_INPUT:
        raise UnreadableInput("a replay reads its capture twice: name a file")
    measurement = analyze(path, keyring=keyring, ports=ports)
    device, connection = _chosen(measurement, path, stream)
    known = _ports(measurement) | ports | {CLOUD_PORT}
    pieces, first_ns, midstream = _pieces(path, connection.stream, known)
    talk = recorded_talk(first_ns, pieces)
    return Recorded(measurement, device, connection, tuple(pieces), talk, first_ns, midstream)


def transcribed(
    found: Recorded, keyring: Keyring
) -> tuple[Sequence[Event], dict[Direction, bytes], int]:
    """Return a connection's events, what each side sent up to its first gap, and when it began.

    Of a connection whose beginning was not captured no bytes are given: nobody knows their place.
    """
    transcript = Transcript(keyring, midstream=found.midstream)
    streams = {direction: bytearray() for direction in Direction}
    whole = dict.fromkeys(Direction, not found.midstream)
    last_ns, last_frame = found.first_ns, 0
    for direction, piece in found.pieces:
        transcript.feed(direction, piece)
        last_ns, last_frame = piece.time_ns, piece.frame
        if isinstance(piece, StreamData) and whole[direction]:
            streams[direction] += piece.data
        elif isinstance(piece, StreamGap):
            whole[direction] = False
    transcript.finish(last_ns, last_frame)
    return transcript.events, {d: bytes(data) for d, data in streams.items()}, found.first_ns


def _chosen(
    measurement: Measurement, path: str, stream: int | None
) -> tuple[DeviceReport, ConnectionReport]:
    devices = measurement.devices
    if stream is not None:
        for device in devices:
            for connection in device.connections:
                if connection.stream == stream:
                    return device, connection
        numbers = sorted(c.stream for device in devices for c in device.connections)
        told = ", ".join(map(str, numbers[:10])) or "none"
        raise UnreadableInput(f"{path}: has no connection {stream} with a cloud; there is: {told}")
    gravest_first = sorted(devices, key=lambda d: d.verdict.cause is not measurement.verdict.cause)
    for spoken in (True, False):
        for device in gravest_first:
            connections = [
                connection
                for connection in device.connections
                if connection.stage.reached(Stage.IDENTITY_SENT) or not spoken
            ]
            telling = most_telling(connections, device.verdict.cause)
            if telling is not None:
                return device, telling
    raise UnreadableInput(f"{path}: holds no connection of a device with its cloud")


def _ports(measurement: Measurement) -> frozenset[int]:
    seen = (o for o in measurement.observations if isinstance(o, CaptureSeen))
    return frozenset(port for capture in seen for port in capture.handshake_ports)


def _pieces(
    path: str, number: int, ports: frozenset[int]
) -> tuple[list[tuple[Direction, StreamPiece]], int, bool]:
    """What passed on one connection; the time of its first frame; whether its beginning lacks."""
    given = CaptureInput(path)
    flows = FlowTable(ports.__contains__)
    decoder = Decoder()
    found: list[tuple[Direction, StreamPiece]] = []
    first_ns, midstream = 0, False

    def take(pieces: list[FlowPiece]) -> None:
        nonlocal first_ns, midstream
        for connection, direction, piece in pieces:
            if connection.facts.number == number and len(found) < _MOST_PIECES:
                first_ns, midstream = connection.facts.first_ns, connection.facts.midstream
                found.append((direction, piece))

    with given, given.open(wanted(given, ports)) as capture:
        for frame in capture:
            packet = decoder.decode(frame)
            if isinstance(packet, Segment) and (
                packet.source.port in ports or packet.destination.port in ports
            ):
                take(flows.feed(packet))
                flows.take_ended()
    take(flows.finish())
    return found, first_ns, midstream
