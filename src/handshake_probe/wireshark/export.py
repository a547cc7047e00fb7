"""`wireshark export`: a capture and its decrypted session in one new file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from handshake_probe import pipeline
from handshake_probe.capture.inputs import STANDARD_INPUT, open_capture
from handshake_probe.errors import UnreadableInput
from handshake_probe.keys.keyring import Keyring
from handshake_probe.model.measurement import ConnectionReport, Measurement
from handshake_probe.packets.units import Direction, Endpoint
from handshake_probe.wireshark.decrypted import Decrypted
from handshake_probe.wireshark.remarks import remarks_on, verdicts_of
from handshake_probe.wireshark.writing import Writer

_MODE = 0o600  # what was encrypted is for its owner


class Exported(NamedTuple):
    """What was written."""

    frames: int
    messages: int
    connections: int  # that messages came from


def export(
    path: str,
    output: str,
    *,
    keyring: Keyring,
    ports: frozenset[int] = frozenset(),
    progress: pipeline.Progress | None = None,
) -> Exported:
    """Write a new pcapng file: the frames of a capture, then its decrypted messages.

    The frames keep their numbers and get comments; the messages follow them, so that every frame
    number in a text of ours is the one Wireshark shows. Times are those of the original frames.

    Raises:
        UnreadableInput: the capture cannot be read, or the new file cannot be made or exists.
        pipeline.Interrupted: Ctrl-C; nothing was written.
    """
    if path == STANDARD_INPUT:
        raise UnreadableInput("the capture is read twice: give a file, not standard input")
    if os.path.lexists(output):
        raise UnreadableInput(f"{output}: exists already, and no file is overwritten")
    measurement = pipeline.analyze(path, keyring=keyring, ports=ports, progress=progress)
    connections = [c for d in measurement.devices for c in d.connections if c.messages]
    messages = [message for c in connections for message in _messages(c)]
    messages.sort(key=lambda message: message.frame)
    try:
        frames = _write(path, Path(output), measurement, messages)
    except OSError as error:
        raise UnreadableInput(f"{output}: {error.strerror or error}") from error
    return Exported(frames, len(messages), len(connections))


def _messages(connection: ConnectionReport) -> Iterator[Decrypted]:
    device, cloud = _endpoint(connection.device), _endpoint(connection.cloud)
    for entry in connection.messages:
        from_device = entry.direction == Direction.DEVICE_TO_CLOUD
        source, destination = (device, cloud) if from_device else (cloud, device)
        plaintext = bytes.fromhex(entry.hex)
        yield Decrypted(entry.frame, source, destination, plaintext, entry.summary, entry.partial)


def _endpoint(text: str) -> Endpoint:
    host, _, port = text.rpartition(":")
    return Endpoint(ip_address(host.strip("[]")).packed, int(port))


def _write(path: str, target: Path, measurement: Measurement, messages: list[Decrypted]) -> int:
    """Write the file; what was begun and not finished is removed."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            writer = Writer()
            stream.write(writer.start(verdicts_of(measurement)))
            remarks = remarks_on(measurement)
            wanted = {message.frame for message in messages}
            times: dict[int, int] = {}
            with open_capture(path) as capture:
                for frame in capture:
                    interface = capture.interfaces[frame.interface]
                    comments = remarks.get(frame.number, ())
                    stream.writelines(writer.original(frame, interface, comments))
                    if frame.number in wanted:
                        times[frame.number] = frame.time_ns
                frames = capture.frames
            for message in messages:
                stream.writelines(writer.decrypted(message, times[message.frame]))
    except BaseException:
        with contextlib.suppress(OSError):
            target.unlink()
        raise
    return frames
