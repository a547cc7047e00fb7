"""The interface "handshake-probe" in Wireshark's list: live frames and their decrypted messages.

Wireshark calls an extcap program to ask what it offers (sentences on stdout), then to capture: it
writes pcapng into a FIFO until it is told to stop with SIGTERM or the FIFO's other end closes.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from handshake_probe import __version__, pipeline
from handshake_probe.errors import UnreadableInput
from handshake_probe.packets.path import PathFacts
from handshake_probe.protocol import events as ev
from handshake_probe.report.safe import visible
from handshake_probe.wireshark.exported_pdu import LINK_TYPE
from handshake_probe.wireshark.following import Follower, Told
from handshake_probe.wireshark.live import live_frames
from handshake_probe.wireshark.plugins import NAME
from handshake_probe.wireshark.writing import Writer

DEFAULT_SOURCE = "any"
_REMEMBERED = 100_000  # frames

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


def default_filter(port: int) -> str:
    """What a verdict rests on."""
    return f"tcp port {port} or icmp or icmp6 or port 53 or arp"


def capture(
    fifo: str, *, source: str, keys: Sequence[str], port: int, capture_filter: str | None
) -> None:
    """Capture until Wireshark has had enough.

    The FIFO is opened first: Wireshark waits for that, whatever goes wrong then.

    Raises:
        NoLiveCapture, UnreadableInput: see `live_frames`; or FIFO or keys cannot be opened.
    """
    _stop_when_told()
    try:
        with Path(fifo).open("wb", buffering=0) as stream:
            keyring, _ = pipeline.load_keys(keys, [])
            follower = Follower(keyring, frozenset({port}))
            _run(stream, source, follower, capture_filter or default_filter(port))
    except (BrokenPipeError, KeyboardInterrupt):
        return  # the usual end: nobody listens any more
    except OSError as error:
        raise UnreadableInput(f"{fifo}: {error.strerror}") from error


def _run(stream: BinaryIO, source: str, follower: Follower, capture_filter: str) -> None:
    writer = Writer()
    stream.write(writer.start([]))
    written = 0  # packets so far; Wireshark counts them so
    numbers: dict[int, int] = {}  # of frames that a message may still name
    with live_frames(source, capture_filter) as (facts, frames):
        for frame in frames:
            told = list(follower.feed(frame))
            blocks = [*writer.original(frame, facts.interfaces[0], _comments(told))]
            written += 1
            numbers[frame.number] = written
            while len(numbers) > _REMEMBERED:
                del numbers[next(iter(numbers))]
            for connection, message in _messages(told):
                blocks.append(writer.decrypted(connection, message, numbers.get(message.frame, 0)))
                written += 1
            stream.write(b"".join(blocks))
    for connection, message in _messages(follower.finish()):
        stream.write(writer.decrypted(connection, message, numbers.get(message.frame, 0)))


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
