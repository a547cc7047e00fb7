"""One harness per parser: bytes in, and nothing may come out but events, refusals or silence.

A harness raises only when the program breaks that rule. It needs no fuzzer: whatever one finds
can be fed to it by a plain test.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from fuzz.grammar import pieces, segments

from handshake_probe import pipeline
from handshake_probe.capture.sieve import PythonSieve, Selection
from handshake_probe.capture.sift import CompiledSieve, load
from handshake_probe.errors import KeyFileError, UnreadableInput
from handshake_probe.keys.check import check_key
from handshake_probe.keys.files import read_key
from handshake_probe.keys.keyring import Keyring
from handshake_probe.packets.decode import Decoder
from handshake_probe.packets.dhcp import read_dhcp
from handshake_probe.packets.dns import read_dns, read_dns_stream
from handshake_probe.packets.flows import FlowPiece, FlowTable, Limits
from handshake_probe.packets.ntp import ntp_role
from handshake_probe.packets.units import (
    Direction,
    Frame,
    Icmp,
    StreamData,
    StreamEnd,
)
from handshake_probe.protocol.coap import parse
from handshake_probe.protocol.events import LeftOut
from handshake_probe.protocol.messages import Conversation
from handshake_probe.protocol.nonce import inspect_nonce
from handshake_probe.protocol.pkcs1 import open_block, read_digest_info
from handshake_probe.protocol.records import Lost, RecordReader
from handshake_probe.protocol.stream import StreamBuffer
from handshake_probe.protocol.transcript import Transcript

PORT = 5683
_LINK_TYPES = (1, 0, 12, 101, 108, 113, 228, 229, 276, 105, 999)
_SELECTIONS = (
    Selection(frozenset({53, PORT}), frozenset({53})),
    Selection(frozenset(), frozenset(), all_tcp=True),
    Selection(frozenset({53}), frozenset(), sources=frozenset({b"\xcb\0q\t"})),
)
_FAST = Path("/dev/shm")  # memory, where the system has it
_CAPTURE_TIME = 1_700_000_000_000_000_000


class BrokenInvariantError(Exception):
    """The program did not raise, but what it returned cannot be."""


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise BrokenInvariantError(rule)


def capture(data: bytes) -> None:
    """A whole capture file: a measurement, or one line that says why not."""
    with tempfile.NamedTemporaryFile(dir=_FAST if _FAST.is_dir() else None) as file:
        file.write(data)
        file.flush()
        try:
            pipeline.analyze(file.name, keyring=Keyring())
        except UnreadableInput:
            return


def sieves(data: bytes) -> None:
    """Records in a buffer: the compiled sieve walks exactly as far as the one in Python."""
    library = load()
    if library is None or len(data) < 3:
        return
    selection = _SELECTIONS[data[0] % len(_SELECTIONS)]
    link_type = _LINK_TYPES[data[1] % len(_LINK_TYPES)]
    one, other = PythonSieve(selection), CompiledSieve(selection, library)
    for sieve in (one, other):
        sieve.begin("<>"[data[2] % 2])
        sieve.add_interface(link_type, 1000)
        sieve.add_interface(1, 1)
    buffer = data[3:]
    for mine, theirs in (
        (one.walk_pcap, other.walk_pcap),
        (one.walk_pcapng, other.walk_pcapng),
    ):
        at = 0
        while at <= len(buffer):
            end = mine(buffer, at, 0)
            _require(end == theirs(buffer, at, 0), "both walk as far")
            _require(one.passed == other.passed, "both count alike")
            times = (one.time_ns, one.latest_ns), (other.time_ns, other.latest_ns)
            _require(not one.passed or times[0] == times[1], "both tell the same times")
            at = end + 1


def decode(data: bytes) -> None:
    """Frames of any link type; two bytes choose the type and how much the snap length cut."""
    if len(data) < 2:
        return
    decoder, frame = Decoder(), data[2:]
    link_type = _LINK_TYPES[data[0] % len(_LINK_TYPES)]
    for number in (1, 2):
        length = len(frame) + data[1] % 64
        decoder.decode(Frame(number, _CAPTURE_TIME, link_type, 0, frame, length))


def names(data: bytes) -> None:
    """DNS, DHCP and NTP payloads."""
    read_dns(data)
    read_dns_stream(data)
    read_dhcp(data)
    ntp_role(data)


def flows(data: bytes) -> None:
    """Segments in any order: each stream comes out once, in order, without a hole unsaid."""
    table = FlowTable(PORT.__eq__, Limits(connections=6, closed=2, bare=3))
    handed: list[FlowPiece] = []
    for item in segments(data):
        if isinstance(item, Icmp):
            table.feed_icmp(item)
        else:
            handed += table.feed(item)
            _require(len(table.connections) <= 6, "no more connections than the limit")
        table.take_ended()
    handed += table.finish()
    _require_order(handed)


def _require_order(handed: list[FlowPiece]) -> None:
    positions: dict[tuple[int, Direction], int] = {}
    ended: set[tuple[int, Direction]] = set()
    for connection, direction, piece in handed:
        stream = connection.facts.number, direction
        position = positions.get(stream, 0)
        if isinstance(piece, StreamEnd):
            _require(stream not in ended, "a stream ends once")
            ended.add(stream)
            continue
        _require(piece.offset == position, "pieces follow each other")
        size = len(piece.data) if isinstance(piece, StreamData) else piece.length
        _require(size > 0, "no piece is empty")
        positions[stream] = position + size


def keys(data: bytes) -> None:
    """Key files, PEM or DER or read from flash: a key, or a refusal; a check takes both."""
    check_key("fuzz.der", data)
    try:
        read_key("fuzz.der", data)
    except KeyFileError:
        return


def messages(data: bytes) -> None:
    """Plaintexts of records, both ways; two length bytes before each."""
    conversation = Conversation()
    for index, plaintext in enumerate(_split(data)):
        parse(plaintext)
        if plaintext:
            conversation.read(list(Direction)[index % 2], plaintext)


def _split(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = data[at]
        yield data[at + 1 : at + 1 + size]
        at += 1 + size


def blocks(data: bytes) -> None:
    """First bytes of a stream, and what a raw RSA operation may leave."""
    inspect_nonce(data)
    for kind in (1, 2):
        open_block(data, kind)
    read_digest_info(data)


def records(data: bytes) -> None:
    """One direction's bytes and gaps: records account for every byte that is not lost."""
    for searching in (False, True):
        buffer = StreamBuffer()
        reader = RecordReader(buffer, searching=searching)
        taken = lost = 0
        for _, piece in pieces(data):
            if isinstance(piece, StreamEnd):
                continue
            buffer.append(piece)
            for item in reader.drain():
                lost += isinstance(item, Lost)
                taken = buffer.offset
        list(reader.drain(final=True))
        _require(taken <= buffer.offset, "nothing is taken twice")
        _require(len(buffer) >= 0, "no more is taken than came")


def transcript(data: bytes) -> None:
    """Both streams of a connection, from its start and picked up in the middle."""
    for midstream in (False, True):
        watched = Transcript(Keyring(), midstream=midstream)
        last = 0
        told = 0
        for direction, piece in pieces(data):
            told += len(watched.feed(direction, piece))
            last = piece.frame
        told += len(watched.finish(last, last))
        if not any(isinstance(event, LeftOut) for event in watched.events):
            _require(told == len(watched.events), "every event is told once")
        _require(not watched.finish(last, last), "a second finish has nothing to say")


Harness = Callable[[bytes], None]
HARNESSES: dict[str, Harness] = {
    harness.__name__: harness
    for harness in (
        capture,
        sieves,
        decode,
        names,
        flows,
        keys,
        messages,
        blocks,
        records,
        transcript,
    )
}
