"""What both played sides have in common: blocks in the table's order, records, ids, deadlines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TypedDict

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from handshake_probe.errors import LocalProtocolError
from handshake_probe.packets.units import Direction
from handshake_probe.protocol.coap import CoapMessage, Malformed, encode, parse
from handshake_probe.protocol.device_errors import DeviceError
from handshake_probe.protocol.events import Ended, Event, Message, RecordBad, SessionKeys
from handshake_probe.protocol.layouts import BLOCK_SIZE, LENGTH_SIZE, Session, split_session
from handshake_probe.protocol.messages import Conversation, Meaning
from handshake_probe.protocol.played_events import (
    Closed,
    CloseReason,
    PeerViolation,
    TimedOut,
    Timer,
)
from handshake_probe.protocol.seal import Entropy, Seal, encrypt_record, frame_record
from handshake_probe.protocol.state import TABLE, Phase, Role
from handshake_probe.protocol.stream import Mark
from handshake_probe.protocol.timers import Timers

_IDS = 1 << 16
_LONGEST = 0xFFFF - BLOCK_SIZE  # what a record's length can say
_TOKENS = 1 << 8
_LIVE = (Phase.HANDSHAKE, Phase.HELLO, Phase.SESSION)


class When(TypedDict):
    """Where an event of a played side comes from: no frame, and the caller's time."""

    frame: int
    time_ns: int


def when(now: float) -> When:
    """Return the common fields of an event; `now` in seconds."""
    return {"frame": 0, "time_ns": round(now * 1_000_000_000)}


def mark(now: float) -> Mark:
    """Return the same as the value that key trials take."""
    return Mark(0, round(now * 1_000_000_000))


@dataclass(slots=True)
class Lane:
    """One direction of the record layer: where its chain of IVs is, and how many records came."""

    iv: bytes  # 16 bytes, of the next record
    count: int = 0


class PlayedSide(ABC):
    """One side. Public methods queue bytes and events; `Connection` takes both from here."""

    plaintext_max = _LONGEST

    def __init__(self, role: Role, entropy: Entropy, seal: Seal) -> None:
        self.role = role
        self.phase = Phase.IDLE
        self.step = next(iter(TABLE))
        self.ends_output = False  # half-close the transport once everything is sent
        self.timers = Timers()
        self.events: list[Event] = []
        self.output = bytearray()
        self._entropy = entropy
        self._seal = seal
        self._peer = role.sends.other
        self._input = bytearray()
        self._conversation = Conversation()
        self._session: Session | None = None
        self._sending = self._receiving = Lane(b"")
        self._message_id = 0
        self._token = 0

    @abstractmethod
    def start(self, now: float) -> None:
        """Begin: the transport is connected."""

    @abstractmethod
    def _take_block(self, block: bytes, now: float) -> None:
        """Read the peer's block that `step` waits for, and go on to what follows it."""

    @abstractmethod
    def _waits_for_record(self, length: int | None, now: float) -> bool:
        """Judge a record that is not whole by its length, None while that is not known.

        Return False when it is not worth waiting for; the side has then said so.
        """

    @abstractmethod
    def _open(self, ciphertext: bytes, now: float) -> bytes | None:
        """Decrypt a record as this side does; None when nothing is left to read."""

    @abstractmethod
    def _take_message(self, message: CoapMessage | None, meaning: Meaning, now: float) -> None:
        """Act on a message; None when it is none."""

    @abstractmethod
    def _say_short(self, now: float) -> DeviceError | None:
        """Say what stayed short when no more bytes come; return what a device calls it."""

    @abstractmethod
    def _timed_out(self, timer: Timer, now: float) -> None:
        """React to a deadline that has passed."""

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes of the peer; those that come after the end are dropped."""
        if self.phase in _LIVE:
            self._input += data
            while self.phase in _LIVE and self._take(now):
                pass

    def receive_eof(self, now: float, kind: str) -> None:
        """Take the end of the peer's bytes."""
        if self.phase is Phase.CLOSED:
            return
        error, reason = None, CloseReason.GOODBYE
        if self.phase in _LIVE:
            error, reason = self._say_short(now), CloseReason.PEER_ENDED
        self.events.append(Ended(**when(now), direction=self._peer, kind=kind))
        self.close(now, reason, error)

    def handle_timer(self, now: float) -> None:
        """Let every deadline that is over have its effect, the earliest first."""
        while (first := self.timers.first()) is not None and first[1] <= now:
            self.timers.cancel(first[0])
            self._timed_out(first[0], now)

    def say(
        self, now: float, message: CoapMessage, *, answer: bool = False, trailer: bytes = b""
    ) -> None:
        """Number and send a message; an `answer` keeps the id of what it answers.

        `trailer` is written behind it. Raises LocalProtocolError, and changes nothing, when it
        cannot be written.
        """
        number = message.message_id if answer else (self._message_id + 1) % _IDS
        plaintext = self._encoded(message._replace(message_id=number)) + trailer
        self.send_plaintext(now, plaintext)
        if not answer:
            self._message_id = number

    def next_token(self) -> bytes:
        """Return the token of the next request: one byte, one more than the last."""
        return bytes(((self._token + 1) % _TOKENS,))

    def ask(self, now: float, message: CoapMessage) -> None:
        """Send a request made with `next_token`, which is then used up."""
        self.say(now, message)
        self._token = (self._token + 1) % _TOKENS

    def send_plaintext(self, now: float, plaintext: bytes) -> None:
        """Seal bytes as a record, whatever they are."""
        session = self._known_session()
        ciphertext = encrypt_record(session.key, self._sending.iv, plaintext)
        self.output += frame_record(ciphertext)
        self._sending.iv = self._seal.next_iv(session.iv, ciphertext)
        index, self._sending.count = self._sending.count, self._sending.count + 1
        self._tell(now, self.role.sends, index, plaintext)

    def close(self, now: float, reason: CloseReason, error: DeviceError | None = None) -> None:
        """End it: nothing more is read or sent."""
        self.phase = Phase.CLOSED
        self.ends_output = True
        self.timers.clear()
        self._input.clear()
        self.events.append(Closed(**when(now), reason=reason, error=error))

    def _begin_session(self, session: bytes, key: str, now: float) -> None:
        """Derive everything from the 40 session bytes; both directions start with the same IV."""
        self._session = split_session(session)
        self._sending, self._receiving = Lane(self._session.iv), Lane(self._session.iv)
        self.phase = Phase.HELLO
        self.events.append(SessionKeys(**when(now), key=key, proven=True, session=session))

    def _known_session(self) -> Session:
        if self._session is None:
            raise LocalProtocolError("there is no session to send in")
        return self._session

    def _advance(self) -> None:
        self.step = TABLE[self.step].following

    def _take(self, now: float) -> bool:
        """Take the next block or record if it is whole; tell whether it was."""
        row = TABLE[self.step]
        if row.size is None:
            return self._take_record(now)
        if row.sender is not self._peer or len(self._input) < row.size:
            return False
        self._take_block(self._cut(row.size), now)
        return True

    def _take_record(self, now: float) -> bool:
        if not self._input:
            return False
        length = None
        if len(self._input) >= LENGTH_SIZE:
            length = int.from_bytes(self._input[:LENGTH_SIZE], "big")
        if not self._waits_for_record(length, now):
            return False
        if length is None or len(self._input) < LENGTH_SIZE + length:
            return False
        self.timers.cancel(Timer.RECORD_BODY)
        plaintext = self._open(self._cut(LENGTH_SIZE + length)[LENGTH_SIZE:], now)
        index, self._receiving.count = self._receiving.count, self._receiving.count + 1
        if plaintext:
            message = parse(plaintext)
            meaning = self._tell(now, self._peer, index, plaintext)
            self._take_message(None if isinstance(message, Malformed) else message, meaning, now)
        return True

    def _decrypt(self, ciphertext: bytes) -> bytes:
        """Return a record's bytes with their padding; `ciphertext` is one block or more."""
        session = self._known_session()
        decryptor = Cipher(algorithms.AES(session.key), modes.CBC(self._receiving.iv)).decryptor()
        self._receiving.iv = ciphertext[:BLOCK_SIZE]
        return decryptor.update(ciphertext) + decryptor.finalize()

    def _tell(self, now: float, direction: Direction, index: int, plaintext: bytes) -> Meaning:
        """Tell a message, sent or received, and return what it means."""
        meaning = self._conversation.read(direction, plaintext)
        self.events.append(
            Message(
                **when(now),
                direction=direction,
                index=index,
                plaintext=plaintext,
                truncated_head=False,
                kind=meaning.kind,
                summary=meaning.summary,
                details=dict(meaning.details),
            )
        )
        return meaning

    def _bad_record(self, problem: str, now: float) -> None:
        self.events.append(
            RecordBad(
                **when(now), direction=self._peer, index=self._receiving.count, problem=problem
            )
        )

    def _violation(
        self, now: float, expected: str, seen: str, error: DeviceError | None = None
    ) -> None:
        """Say what the peer did wrong at the current step."""
        self.events.append(
            PeerViolation(**when(now), step=self.step, expected=expected, seen=seen, error=error)
        )

    def _give_up(self, timer: Timer, now: float, error: DeviceError | None) -> None:
        """Say that a deadline passed, and end it."""
        self.events.append(TimedOut(**when(now), step=self.step, timer=timer, error=error))
        self.close(now, CloseReason.TIMED_OUT, error)

    def _cut(self, size: int) -> bytes:
        cut = bytes(self._input[:size])
        del self._input[:size]
        return cut

    def _encoded(self, message: CoapMessage) -> bytes:
        try:
            plaintext = encode(message)
        except ValueError as error:
            raise LocalProtocolError(f"the message cannot be written: {error}") from None
        if len(plaintext) > self.plaintext_max:
            raise LocalProtocolError(
                f"a message of {len(plaintext)} bytes is longer than {self.plaintext_max}"
            )
        return plaintext

    def _hello(self, now: float, message: CoapMessage) -> bool:
        """Number and send our Hello as the seal has it; tell whether one was sent."""
        self._message_id = (self._message_id + 1) % _IDS
        hello = self._seal.hello(message._replace(message_id=self._message_id))
        if hello is not None:
            self.say(now, hello, answer=True)
        return hello is not None
