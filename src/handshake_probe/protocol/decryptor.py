"""Whether the session of a connection is known: proven by the handshake, or by its records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from handshake_probe.packets.units import Direction
from handshake_probe.protocol.cipher import open_record
from handshake_probe.protocol.coap import Malformed, parse
from handshake_probe.protocol.device_trials import Candidate
from handshake_probe.protocol.events import Event, SessionKeys
from handshake_probe.protocol.layouts import split_session
from handshake_probe.protocol.records import Record
from handshake_probe.protocol.session import OpenSession, bad_record
from handshake_probe.protocol.stream import Mark

_CODE_CLASSES = (0, 2, 4, 5)  # requests and answers; RFC 7252 reserves the others


class Decryptor:
    """Opens records of both directions once session material is believed."""

    def __init__(self) -> None:
        self.session: OpenSession | None = None
        self._candidates: list[Candidate] = []

    @property
    def waits(self) -> bool:
        """A record may yet prove a session."""
        return self.session is None and bool(self._candidates)

    def learn(self, candidates: Sequence[Candidate], mark: Mark) -> Iterator[Event]:
        """Take what device keys brought to light, proven first; unproven ones wait for records."""
        if candidates and candidates[0].proven:
            yield self._believe(candidates[0], mark)
        else:
            self._candidates = list(candidates)

    def read(self, direction: Direction, record: Record) -> Iterator[Event]:
        """Yield what a record says, after `SessionKeys` if it is the one that proves a session."""
        if self.waits and record.problem is None:
            yield from self._try_candidates(record)
        if self.session is not None:
            said = self.session.read(direction, record)
            if said is not None:
                yield said
        elif record.problem is not None:
            yield bad_record(direction, record, record.problem)

    def _believe(self, candidate: Candidate, mark: Mark) -> SessionKeys:
        self.session = OpenSession(candidate.session)
        return SessionKeys(
            frame=mark.frame,
            time_ns=mark.time_ns,
            key=candidate.key,
            proven=candidate.proven,
            session=candidate.session,
        )

    def _try_candidates(self, record: Record) -> Iterator[Event]:
        """Believe the first candidate under which a record is a message; drop those it refutes."""
        for candidate in tuple(self._candidates):
            opened = open_record(split_session(candidate.session), record)
            if opened is None or opened.truncated_head:
                return
            message = parse(opened.plaintext or b"")
            if not isinstance(message, Malformed) and message.code >> 5 in _CODE_CLASSES:
                yield self._believe(candidate, record.mark)
                return
            self._candidates.remove(candidate)
