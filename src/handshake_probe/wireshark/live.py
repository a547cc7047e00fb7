"""Frames as they come: from an interface, through dumpcap or tcpdump, or from a FIFO.

The seam to a live source of our own: whatever yields `Frame` can take its place.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from handshake_probe.capture.facts import CaptureFacts
from handshake_probe.capture.pcap import HEADER_LENGTH, MAGICS, read_pcap
from handshake_probe.capture.source import ByteSource
from handshake_probe.errors import HandshakeProbeError, UnreadableInput
from handshake_probe.packets.units import Frame

_CHUNK = 65_536
_PATIENCE = 3  # seconds for a recorder to end


class NoLiveCapture(HandshakeProbeError):
    """Nothing here can capture, or it was not allowed to; the message is one line."""


@contextmanager
def live_frames(source: str, capture_filter: str) -> Iterator[tuple[CaptureFacts, Iterator[Frame]]]:
    """The frames of an interface, or of a FIFO into which somebody writes a pcap stream.

    Args:
        source: An interface's name, or the path of a FIFO.
        capture_filter: In libpcap's language, for interfaces.

    Raises:
        NoLiveCapture: (when entered) see there.
        UnreadableInput: what comes out of the FIFO is no pcap stream.
    """
    if "/" in source:
        with _fifo(source) as stream:
            yield _reading(stream, source)
        return
    with _recorder(source, capture_filter) as process:
        if process.stdout is None or process.stderr is None:
            raise NoLiveCapture("no pipe to the recorder")
        try:
            reading = _reading(process.stdout.fileno(), source)
        except UnreadableInput:
            process.wait(_PATIENCE)
            said = process.stderr.read().decode("utf-8", "replace").strip().splitlines()
            raise NoLiveCapture(f"{source}: {said[-1] if said else 'no capture'}") from None
        yield reading


@contextmanager
def _fifo(path: str) -> Iterator[int]:
    try:
        if not stat.S_ISFIFO(Path(path).stat().st_mode):
            raise UnreadableInput(f"{path}: is no FIFO; files are for 'wireshark export'")
        stream = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise UnreadableInput(f"{path}: {error.strerror}") from error
    try:
        yield stream
    finally:
        os.close(stream)


@contextmanager
def _recorder(interface: str, capture_filter: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        _command(interface, capture_filter),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us: the recorder ends when we say so
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _command(interface: str, capture_filter: str) -> list[str]:
    """By preference dumpcap: it is often allowed for a group of users, tcpdump for root alone."""
    dumpcap, tcpdump = shutil.which("dumpcap"), shutil.which("tcpdump")
    if dumpcap is not None:
        return [dumpcap, "-q", "-P", "-i", interface, "-f", capture_filter, "-w", "-"]
    if tcpdump is not None:
        return [tcpdump, "-U", "-s", "0", "-i", interface, "-w", "-", capture_filter]
    raise NoLiveCapture("neither dumpcap nor tcpdump is installed")


def _reading(stream: int, name: str) -> tuple[CaptureFacts, Iterator[Frame]]:
    source = ByteSource(iter(lambda: os.read(stream, _CHUNK), b""))
    head = source.first(HEADER_LENGTH)
    if len(head) < HEADER_LENGTH or head[:4] not in MAGICS:
        raise UnreadableInput(f"{name}: no pcap stream")
    facts = CaptureFacts("pcap")
    return facts, read_pcap(source, head, facts)
