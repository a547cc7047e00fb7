"""A session whose key is known: what its records say."""

from __future__ import annotations

from collections.abc import Sequence

from handshake_probe.packets.units import Direction
from handshake_probe.protocol.cipher import Opened, SessionCipher
from handshake_probe.protocol.events import Message, RecordBad
from handshake_probe.protocol.kinds import Kind
from handshake_probe.protocol.layouts import split_session
from handshake_probe.protocol.messages import Conversation, Meaning
from handshake_probe.protocol.records import Record


class OpenSession:
    """Reads the records of both directions.

    Args:
        session: The 40 bytes of the credentials.
    """

    def __init__(self, session: bytes) -> None:
        self._session = split_session(session)
        self._cipher = SessionCipher(self._session)
        self._conversation = Conversation()

    def read(self, direction: Direction, record: Record) -> Message | RecordBad | None:
        """Return what a record says; None when nothing of it can be known."""
        if record.problem is not None:
            return bad_record(direction, record, record.problem)
        return self._say(direction, record, self._cipher.open(record))

    def read_all(self, run: Sequence[tuple[Direction, Record]]) -> list[Message | RecordBad | None]:
        """Return what each record of a run says; all are whole and of legal lengths. See `read`."""
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
        plaintext, truncated_head, problem = opened
        if plaintext is None:
            return bad_record(direction, record, problem or "padding")
        if truncated_head:
            kind, summary, details = _headless(plaintext)
        else:
            kind, summary, details = self._conversation.read(direction, plaintext)
        if record.first and kind is Kind.HELLO and direction is Direction.DEVICE_TO_CLOUD:
            details["seed"] = self._seed(details["message_id"])
        frame, time_ns = record.mark
        return Message(
            frame=frame,
            time_ns=time_ns,
            direction=direction,
            index=record.number,
            plaintext=plaintext,
            truncated_head=truncated_head,
            kind=kind,
            summary=summary,
            details=details,
        )

    def _seed(self, message_id: str | int | bool | None) -> str:
        """Tell how the firmware read the message-id seed in the salt: its class shows.

        "BE" classic, "LE" LightSSL, "either" when both bytes are equal, "none" when neither fits.
        """
        if not isinstance(message_id, int):
            return "none"
        seed = (message_id - 1) & 0xFFFF
        big, little = seed == self._session.seed_be, seed == self._session.seed_le
        if big and little:
            return "either"
        return "BE" if big else "LE" if little else "none"


def bad_record(direction: Direction, record: Record, problem: str) -> RecordBad:
    """Make the event of a record that is no message."""
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
