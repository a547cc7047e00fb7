"""The interface "handshake-probe" in Wireshark's list: live frames and their decrypted messages.

Wireshark calls an extcap program to ask what it offers (sentences on stdout), then to capture: it
writes pcapng into a FIFO until it is told to stop with SIGTERM or the FIFO's other end closes.
"""

from __future__ import annotations

import select
import signal
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from handshake_probe import __version__, pipeline
from handshake_probe.capture.facts import CaptureInterface
from handshake_probe.capture.live import LiveSource, live_filters, open_live, open_live_stream
from handshake_probe.capture.live_privilege import step_down, user_to_become
from handshake_probe.errors import UnreadableInput
from handshake_probe.packets.path import PathFacts
from handshake_probe.packets.units import Frame
from handshake_probe.protocol import events as ev
from handshake_probe.report.safe import visible
from handshake_probe.wireshark.exported_pdu import LINK_TYPE
from handshake_probe.wireshark.following import Follower, Told
from handshake_probe.wireshark.plugins import NAME
from handshake_probe.wireshark.writing import Writer

DEFAULT_SOURCE = "any"
_REMEMBERED = 100_000  # frames
_SNAP_LENGTH = 262_144
_TICK = 0.5  # seconds after which it looks whether the source has ended

INTERFACES = (
    f"extcap {{version={__version__}}}{{display=handshake-probe}}\n"
    f"interface {{value={NAME}}}{{display=Particle handshake, decrypted}}\n"
)
DLTS = f"dlt {{number={LINK_TYPE}}}{{name=WIRESHARK_UPPER_PDU}}{{display=Frames and messages}}\n"
CONFIG = (
    "arg {number=0}{call=--source}{display=Capture from}{type=string}"
    f"{{default={DEFAULT_SOURCE}}}"
    "{tooltip=An interface, or the path of a FIFO that carries a pcap stream}\n"
    "arg {number=1}{call=--keys}{display=Keys}{type=string}"
    "{tooltip=A key file or a folder of them; messages need the device's private key}\n"
    "arg {number=2}{call=--port}{display=Port of the cloud}{type=unsigned}{range=1,65535}"
    "{default=5683}{tooltip=TCP port where the cloud listens}\n"
)


def capture(
    fifo: str, *, source: str, keys: Sequence[str], port: int, capture_filter: str | None
) -> None:
    """Capture until Wireshark has had enough, in the ways of `watch`.

    The FIFO is opened first: Wireshark waits for that, whatever goes wrong then. Root is given up
    once the capture is open.

    Raises:
        CannotCapture, UnreadableInput: see `open_live`; or FIFO, keys or stream cannot be read.
    """
    _stop_when_told()
    try:
        with Path(fifo).open("wb", buffering=0) as stream:
            keyring, _ = pipeline.load_keys(keys, [])
            ports = frozenset({port})
            copying = _Copying(stream, source, Follower(keyring, ports))
            live = _open(source, (capture_filter,) if capture_filter else live_filters(ports))
            user = user_to_become()
            if user is not None:
                step_down(user)
            _run(live, copying)
    except (BrokenPipeError, KeyboardInterrupt):
        return  # the usual end: nobody listens any more
    except OSError as error:
        raise UnreadableInput(f"{fifo}: {error.strerror}") from error


def _open(source: str, filters: Sequence[str]) -> LiveSource:
    """An interface, or a FIFO into which somebody writes a capture; its path has a slash."""
    if "/" not in source:
        return open_live(source, filters)
    try:
        if not stat.S_ISFIFO(Path(source).stat().st_mode):
            raise UnreadableInput(f"{source}: is no FIFO; files are for 'wireshark export'")
        return open_live_stream(source, Path(source).open("rb", buffering=0))
    except OSError as error:
        raise UnreadableInput(f"{source}: {error.strerror}") from error


def _run(source: LiveSource, copying: _Copying) -> None:
    try:
        while not source.ended:
            select.select([source], [], [], _TICK)
            copying.feed(source.take())
    finally:
        rest = source.finish()
    copying.feed(rest)
    copying.finish()
    if source.damage is not None:
        raise UnreadableInput(source.damage)


class _Copying:
    """Writes frames, each with what it completed behind it."""

    def __init__(self, stream: BinaryIO, name: str, follower: Follower) -> None:
        self._stream, self._name, self._follower = stream, name, follower
        self._writer = Writer()
        self._written = 0  # packets so far; Wireshark counts them so
        self._numbers: dict[int, int] = {}  # of frames that a message may still name
        stream.write(self._writer.start([]))

    def feed(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            told = list(self._follower.feed(frame))
            on = CaptureInterface(
                frame.interface, self._name, frame.link_type, _SNAP_LENGTH, drops=None
            )
            blocks = [*self._writer.original(frame, on, _comments(told))]
            self._written += 1
            self._numbers[frame.number] = self._written
            while len(self._numbers) > _REMEMBERED:
                del self._numbers[next(iter(self._numbers))]
            self._stream.write(b"".join([*blocks, *self._decrypted(told)]))

    def finish(self) -> None:
        """No frame follows."""
        self._stream.write(b"".join(self._decrypted(self._follower.finish())))

    def _decrypted(self, told: Iterable[Told]) -> list[bytes]:
        blocks = [
            self._writer.decrypted(connection, message, self._numbers.get(message.frame, 0))
            for connection, message in _messages(told)
        ]
        self._written += len(blocks)
        return blocks


def _messages(told: Iterable[Told]) -> list[tuple[PathFacts, ev.Message]]:
    return [(facts, event) for facts, event in told if isinstance(event, ev.Message)]


def _comments(told: Sequence[Told]) -> list[str]:
    return [words for _, event in told if (words := _words(event))]


def _words(event: ev.Event) -> str | None:
    """A step as a comment; records and trials of keys are none."""
    match event:
        case ev.NonceReceived(flaws=flaws, looks_like=looks_like) if flaws:
            return visible(f"no nonce: {looks_like or 'not random'}")
        case ev.NonceReceived():
            return "nonce received, 40 bytes"
        case ev.IdentitySent():
            return "identity sent, 256 bytes"
        case ev.CredentialsReceived():
            return "credentials received, 384 bytes"
        case ev.SessionKeys(proven=proven):
            return "session keys, decrypted" if proven else "session keys, decrypted, unproven"
        case ev.NonceShort() | ev.IdentityShort() | ev.CredentialsShort():
            return f"{event.name.replace('_', ' ')}, {event.received} bytes"
        case ev.RecordBad(problem=problem):
            return f"record bad: {problem}"
        case _:
            return None


def _stop_when_told() -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
