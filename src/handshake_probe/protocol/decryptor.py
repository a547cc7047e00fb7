"""The session of a connection: whether it is known, and what its records say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from handshake_probe.packets.units import Direction
from handshake_probe.protocol.cipher import Opened, SessionCipher, open_record
from handshake_probe.protocol.coap import Malformed, parse
from handshake_probe.protocol.device_trials import Candidate
from handshake_probe.protocol.events import Event, Message, RecordBad, SessionKeys
from handshake_probe.protocol.kinds import Kind
from handshake_probe.protocol.layouts import Session, split_session
from handshake_probe.protocol.messages import Conversation, Meaning
from handshake_probe.protocol.records import Record
from handshake_probe.protocol.stream import Mark

_CODE_CLASSES = (0, 2, 4, 5)  # requests and answers; RFC 7252 reserves the others


class Decryptor:
    """Opens records of both directions once session material is believed."""

    def __init__(self) -> None:
        self._session: Session | None = None
        self._cipher: SessionCipher | None = None
        self._candidates: list[Candidate] = []
        self._conversation = Conversation()

    def learn(self, candidates: Sequence[Candidate], mark: Mark) -> Iterator[Event]:
        """Take what device keys brought to light, proven first; unproven ones wait for records."""
        if candidates and candidates[0].proven:
            yield self._believe(candidates[0], mark)
        else:
            self._candidates = list(candidates)

    @property
    def reads(self) -> bool:
        """The session is known."""
        return self._cipher is not None

    @property
    def waits(self) -> bool:
        """A record may yet prove a session."""
        return self._cipher is None and bool(self._candidates)

    def read(self, direction: Direction, record: Record) -> Iterator[Event]:
        """Yield what a record says, after `SessionKeys` if it is the one that proves a session."""
        if record.problem is not None:
            yield self._bad(direction, record, record.problem)
            return
        if self.waits:
            yield from self._try_candidates(record)
        if self._cipher is not None:
            event = self._say(direction, record, self._cipher.open(record))
            if event is not None:
                yield event

    def read_all(self, run: Sequence[tuple[Direction, Record]]) -> list[Event | None]:
        """Return what each record of a run says; all are whole, and the session is known."""
        if self._cipher is None:
            return [None] * len(run)
        opened = self._cipher.open_all([record for _, record in run])
        return [
            self._say(direction, record, one)
            for (direction, record), one in zip(run, opened, strict=True)
        ]

    def _say(
        self, direction: Direction, record: Record, opened: Opened | None
    ) -> Message | RecordBad | None:
        if opened is None:
            return None
        if opened.plaintext is None:
            return self._bad(direction, record, opened.problem or "padding")
        if opened.truncated_head:
            kind, summary, details = _headless(opened.plaintext)
        else:
            kind, summary, details = self._conversation.read(direction, opened.plaintext)
        if record.first and kind is Kind.HELLO and direction is Direction.DEVICE_TO_CLOUD:
            details["seed"] = self._seed(details["message_id"])
        return Message(
            frame=record.mark.frame,
            time_ns=record.mark.time_ns,
            direction=direction,
            index=record.number,
            plaintext=opened.plaintext,
            truncated_head=opened.truncated_head,
            kind=kind,
            summary=summary,
            details=details,
        )

    def _believe(self, candidate: Candidate, mark: Mark) -> SessionKeys:
        self._session = split_session(candidate.session)
        self._cipher = SessionCipher(self._session)
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

    def _seed(self, message_id: str | int | bool | None) -> str:
        """Tell how the firmware read the message-id seed in the salt: its class shows.

        "BE" classic, "LE" LightSSL, "either" when both bytes are equal, "none" when neither fits.
        """
        if self._session is None or not isinstance(message_id, int):
            return "none"
        seed = (message_id - 1) & 0xFFFF
        big, little = seed == self._session.seed_be, seed == self._session.seed_le
        if big and little:
            return "either"
        return "BE" if big else "LE" if little else "none"

    @staticmethod
    def _bad(direction: Direction, record: Record, problem: str) -> RecordBad:
        return RecordBad(
            frame=record.mark.frame,
            time_ns=record.mark.time_ns,
            direction=direction,
            index=record.number,
            problem=problem,
        )


def _headless(plaintext: bytes) -> Meaning:
    summary = f"message after a gap: its first 16 bytes are lost, {len(plaintext)} are left"
    return Meaning(Kind.UNKNOWN, summary, {"data_length": len(plaintext)})
