"""`wireshark export`: a capture and its decrypted session in one new file."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, BinaryIO, NamedTuple

from handshake_probe import pipeline
from handshake_probe.capture.inputs import STANDARD_INPUT, open_capture
from handshake_probe.errors import UnreadableInput
from handshake_probe.keys.keyring import Keyring
from handshake_probe.model.measurement import Measurement
from handshake_probe.model.observations import CaptureSeen
from handshake_probe.protocol.events import Message
from handshake_probe.wireshark.following import Follower, Told
from handshake_probe.wireshark.remarks import remarks_on, verdicts_of
from handshake_probe.wireshark.writing import Writer

_MODE = 0o600  # what was encrypted is for its owner


class Exported(NamedTuple):
    """What was written."""

    frames: int
    messages: int


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
    try:
        return _write(path, Path(output), measurement, keyring)
    except OSError as error:
        raise UnreadableInput(f"{output}: {error.strerror or error}") from error


def _write(path: str, target: Path, measurement: Measurement, keyring: Keyring) -> Exported:
    """Write the file; what was begun and not finished is removed."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    try:
        with os.fdopen(descriptor, "wb") as stream, TemporaryFile() as copies:
            done = _write_frames(path, measurement, keyring, stream, copies)
            copies.seek(0)
            shutil.copyfileobj(copies, stream)
    except BaseException:
        with contextlib.suppress(OSError):
            target.unlink()
        raise
    return done


def _write_frames(
    path: str, measurement: Measurement, keyring: Keyring, stream: BinaryIO, copies: IO[bytes]
) -> Exported:
    """Write the frames into `stream`, and into `copies` what is to follow them."""
    seen = next(o for o in measurement.observations if isinstance(o, CaptureSeen))
    follower = Follower(keyring, frozenset(seen.handshake_ports))
    writer = Writer()
    remarks = remarks_on(measurement)
    messages = 0

    def keep(told: Iterable[Told]) -> None:
        nonlocal messages
        for facts, event in told:
            if isinstance(event, Message):
                copies.write(writer.decrypted(facts, event, event.frame))
                messages += 1

    stream.write(writer.start(verdicts_of(measurement)))
    with open_capture(path) as capture:
        for frame in capture:
            interface = capture.interfaces[frame.interface]
            comments = remarks.get(frame.number, ())
            stream.writelines(writer.original(frame, interface, comments))
            keep(follower.feed(frame))
        keep(follower.finish())
        return Exported(capture.frames, messages)
