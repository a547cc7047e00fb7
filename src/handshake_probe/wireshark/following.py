"""Frames in, events out, one frame at a time: the same machines as for a whole capture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from handshake_probe.keys.keyring import Keyring
from handshake_probe.packets.decode import Decoder
from handshake_probe.packets.flows import FlowPiece, FlowTable
from handshake_probe.packets.path import PathFacts
from handshake_probe.packets.units import Frame, Icmp, Segment
from handshake_probe.protocol.events import Event
from handshake_probe.protocol.transcript import Transcript


class Told(NamedTuple):
    """An event and the connection it belongs to."""

    facts: PathFacts
    event: Event


class Follower:
    """Follows the connections on some ports.

    A connection seen twice, before and behind address translation, is told once: as the view
    nearer to the device shows it.
    """

    def __init__(self, keyring: Keyring, ports: frozenset[int]) -> None:
        self._keyring = keyring
        self._ports = ports
        self._decoder = Decoder()
        self._flows = FlowTable(ports.__contains__)
        self._transcripts: dict[int, Transcript] = {}

    def feed(self, frame: Frame) -> Iterator[Told]:
        """Take the next frame; yield what became known by it."""
        packet = self._decoder.decode(frame)
        if isinstance(packet, Segment):
            if packet.source.port in self._ports or packet.destination.port in self._ports:
                yield from self._watch(self._flows.feed(packet))
                for connection in self._flows.take_ended():
                    yield from self._end(connection.facts)
        elif isinstance(packet, Icmp) and packet.quote is not None:
            self._flows.feed_icmp(packet)

    def finish(self) -> Iterator[Told]:
        """No frame follows: yield what had waited for more."""
        yield from self._watch(self._flows.finish())
        for connection in self._flows.connections:
            yield from self._end(connection.facts)

    def _watch(self, pieces: Iterable[FlowPiece]) -> Iterator[Told]:
        for connection, direction, piece in pieces:
            facts = connection.facts
            transcript = self._transcripts.get(facts.number)
            if transcript is None:
                transcript = Transcript(self._keyring, midstream=facts.midstream)
                self._transcripts[facts.number] = transcript
            events = transcript.feed(direction, piece)
            if facts.same_as is None:
                yield from (Told(facts, event) for event in events)

    def _end(self, facts: PathFacts) -> Iterator[Told]:
        transcript = self._transcripts.pop(facts.number, None)
        if transcript is not None:
            events = transcript.finish(facts.last_ns, facts.last_frame)
            if facts.same_as is None:
                yield from (Told(facts, event) for event in events)
