"""`watch`: a measurement of what was seen so far, at any time.

Frames go through the decoder, the flow table and the transcripts that `analyze` uses. A verdict in
between needs what only the end of a capture tells (what is still open stays open), so it is taken
from copies of the connections that changed, brought to their end; the originals go on.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import NamedTuple

from handshake_probe.capture.facts import CaptureFacts
from handshake_probe.capture.live_path import between_others
from handshake_probe.diagnose.document import rfc3339
from handshake_probe.keys.keyring import Keyring
from handshake_probe.model.measurement import Measurement, Source
from handshake_probe.model.observations import CaptureSeen
from handshake_probe.packets.connection import Connection
from handshake_probe.packets.decode import Decoder
from handshake_probe.packets.flows import FlowPiece, FlowTable
from handshake_probe.packets.path import PathFacts
from handshake_probe.packets.units import (
    Datagram,
    Frame,
    Icmp,
    Packet,
    Segment,
    Skipped,
)
from handshake_probe.packets.views import pair_unanswered
from handshake_probe.pipeline.analysis import CLOUD_PORT, judged, keys_to_try
from handshake_probe.pipeline.reading import CONNECTIONS_KEPT, Reading
from handshake_probe.protocol.events import Event
from handshake_probe.protocol.transcript import Transcript

_ASKED = frozenset({53, 123, 5684})  # what a probe asks besides the cloud's ports


class _Ended(NamedTuple):
    """A copy of a connection, as if the capture had ended."""

    state: tuple[int, int]  # of the original: last frame, ICMP errors
    connection: Connection
    events: tuple[Event, ...]


class Watcher:
    """Frames in, at any time a measurement out.

    Args:
        name: Of the interface or the stream.
        keyring: The keys to try, from `load_keys`.
        ports: Cloud ports besides 5683.
        began_ns: When it began, nanoseconds since the epoch.
        own: The addresses of this machine.
        probes: This machine probes: its own calls and questions are passed over.
    """

    def __init__(
        self,
        name: str,
        keyring: Keyring,
        ports: frozenset[int] = frozenset(),
        began_ns: int = 0,
        own: frozenset[bytes] = frozenset(),
        *,
        probes: bool = False,
    ) -> None:
        self.ports = frozenset({CLOUD_PORT}) | ports
        self.facts = CaptureFacts("live")
        self._name, self._keyring, self._began_ns = name, keyring, began_ns
        self._own, self._served = own, self.ports | _ASKED
        self._probes = probes
        self.others = False
        """Whether a packet between two other machines was seen."""
        self._tried = keys_to_try(keyring)
        self._reading = Reading()
        self._flows = FlowTable(self.ports.__contains__)
        self._decoder = Decoder()
        self._transcripts: dict[int, Transcript] = {}
        self._ended: dict[int, _Ended] = {}
        self.changes = 0
        """Grows with every packet of a handshake, a look-up, or a sign of life."""

    def feed(self, frames: Iterable[Frame]) -> None:
        """Take the next frames."""
        for frame in frames:
            self.facts.frames += 1
            self.facts.note_time(frame.time_ns)
            self._take(self._decoder.decode(frame))

    def _take(self, packet: Packet) -> None:
        reading = self._reading
        if isinstance(packet, Skipped):
            reading.skipped[packet.reason] += 1
            return
        self.others = self.others or between_others(packet, self._own)
        if isinstance(packet, Segment | Datagram) and self._probes and self._is_own(packet):
            return
        self.changes += 1
        if isinstance(packet, Segment):
            if packet.source.port in self.ports or packet.destination.port in self.ports:
                self._read(self._flows.feed(packet))
                for connection in self._flows.take_ended():
                    self._part(connection)
                return
            reading.shapes.feed(packet)
            reading.names.feed(packet)
        elif isinstance(packet, Icmp) and packet.quote is not None:
            self._flows.feed_icmp(packet)
        elif isinstance(packet, Datagram):
            reading.names.feed(packet)
        reading.hosts.feed(packet)

    def _is_own(self, packet: Segment | Datagram) -> bool:
        """Whether this machine asks, or is answered."""
        here, there = packet.source, packet.destination
        return (here.address in self._own and there.port in self._served) or (
            there.address in self._own and here.port in self._served
        )

    def _read(self, pieces: Iterable[FlowPiece]) -> None:
        for connection, direction, piece in pieces:
            number = connection.facts.number
            transcript = self._transcripts.get(number)
            if transcript is None:
                transcript = Transcript(self._tried, midstream=connection.facts.midstream)
                self._transcripts[number] = transcript
            transcript.feed(direction, piece)

    def _part(self, connection: Connection) -> None:
        """The flow table has no room for it any more: what is known of it is final."""
        facts = connection.facts
        transcript = self._transcripts.pop(facts.number, None)
        self._ended.pop(facts.number, None)
        if connection.bare or len(self._reading.paths) >= CONNECTIONS_KEPT:
            self._reading.forgotten = True
            return
        self._reading.paths.append(facts)
        if transcript is not None:
            transcript.finish(facts.last_ns, facts.last_frame)
            self._reading.events[facts.number] = transcript.events

    def _copies(self) -> list[_Ended]:
        """Every connection that is followed, as if the capture ended now."""
        kept = self._flows.connections
        copies = []
        for connection in kept:
            facts = connection.facts
            state = facts.last_frame, len(facts.icmp_errors)
            known = self._ended.get(facts.number)
            if known is None or known.state != state:
                known = _Ended(state, *self._as_if_ended(connection))
                self._ended[facts.number] = known
            known.connection.facts.same_as = facts.same_as
            copies.append(known)
        pair_unanswered(item.connection for item in copies)
        return copies

    def _as_if_ended(self, connection: Connection) -> tuple[Connection, tuple[Event, ...]]:
        facts = connection.facts
        shared = {id(self._tried): self._tried}  # keys are read only, and large
        ended, transcript = copy.deepcopy((connection, self._transcripts.get(facts.number)), shared)
        pieces = ended.finish()
        if transcript is None:
            if not pieces:
                return ended, ()
            transcript = Transcript(self._tried, midstream=facts.midstream)
        for direction, piece in pieces:
            transcript.feed(direction, piece)
        transcript.finish(facts.last_ns, facts.last_frame)
        return ended, transcript.events

    def measurement(self, now_ns: int, dropped: int | None = None) -> Measurement:
        """Judge what was seen until `now_ns` (nanoseconds since the epoch, the frames' clock).

        `dropped`: frames that the kernel lost.
        """
        last_ns = max(now_ns, self.facts.last_ns)
        copies = self._copies()
        paths: list[PathFacts] = [*self._reading.paths, *(c.connection.facts for c in copies)]
        paths.sort(key=lambda facts: facts.number)
        events = {c.connection.facts.number: c.events for c in copies if c.events}
        reading = Reading(
            paths=paths,
            events=self._reading.events | events,
            hosts=self._reading.hosts,
            names=self._reading.names,
            shapes=self._reading.shapes,
            skipped=self._reading.skipped,
            last_ns=last_ns,
            forgotten=self._reading.forgotten or self._flows.evicted > 0,
            fragments_capped=self._decoder.capped,
            lost_fragments=self._decoder.abandoned,
        )
        first_ns = self.facts.first_ns if self.facts.first_ns is not None else self._began_ns
        source = Source(
            path=self._name,
            sha256="",
            frames=self.facts.frames,
            truncated=False,
            format="live",
            first=rfc3339(first_ns / 1e9),
            last=rfc3339(last_ns / 1e9),
        )
        return judged(reading, self._seen(reading, first_ns, dropped), source, self._keyring)

    def _seen(self, reading: Reading, first_ns: int, dropped: int | None) -> CaptureSeen:
        return CaptureSeen(
            id="o1",
            frames=self.facts.frames,
            first=first_ns / 1e9,
            last=reading.last_ns / 1e9,
            drops=dropped,
            skipped=dict(reading.skipped),
            handshake_ports=sorted(self.ports),
            capped=reading.forgotten
            or reading.hosts.capped
            or reading.names.capped
            or reading.fragments_capped,
            interfaces=[self._name],
            lost_fragments=reading.lost_fragments,
        )
