"""Two sides of a connection watched: pieces of both streams in, events out.

Bytes are read when they can be understood, not when they come: an identity waits for the nonce,
credentials for the identity, the device's records for the credentials, the cloud's for the device
to speak first. So a gap that shows late, and bytes sent too early, are read right. Nothing a peer
did raises.
"""

from __future__ import annotations

from collections.abc import Iterable

from handshake_probe.keys.keyring import Keyring
from handshake_probe.packets.units import Direction, StreamData, StreamEnd, StreamPiece
from handshake_probe.protocol import layouts
from handshake_probe.protocol.decryptor import Decryptor
from handshake_probe.protocol.device_trials import try_credentials
from handshake_probe.protocol.events import (
    BlockState,
    CredentialsOddSize,
    CredentialsReceived,
    CredentialsShort,
    Ended,
    Event,
    FramingFound,
    FramingLost,
    IdentitySent,
    IdentityShort,
    NonceReceived,
    NonceShort,
    RecordSeen,
    SurplusAfterNonce,
)
from handshake_probe.protocol.log import EventLog
from handshake_probe.protocol.nonce import inspect_nonce
from handshake_probe.protocol.pieces import CLOUD, DEVICE, Pieces, Run
from handshake_probe.protocol.records import (
    Found,
    Lost,
    Record,
    is_chain,
    is_record,
)
from handshake_probe.protocol.shape import Opening
from handshake_probe.protocol.side import EXCERPT, HELD, Side
from handshake_probe.protocol.state import Step
from handshake_probe.protocol.stream import Mark
from handshake_probe.protocol.trials import try_identity, try_signature

_CLOUD, _DEVICE = Direction.CLOUD_TO_DEVICE, Direction.DEVICE_TO_CLOUD
_LOST_EXCERPT = 40
_ID_KNOWN = (BlockState.OPENED, BlockState.UNPROVEN)


class Transcript:
    """Reads one connection.

    Args:
        keyring: Keys to try; an empty one still gives steps, nonce flaws and record framing.
        midstream: The connection's beginning was not captured. Records are looked for, unless the
            sizes of the first bytes show that the handshake was captured all the same.
    """

    def __init__(self, keyring: Keyring, *, midstream: bool = False) -> None:
        self._keyring = keyring
        self._opening = Opening() if midstream else None
        self._begin(midstream=midstream)

    def _begin(self, *, midstream: bool) -> None:
        self._cloud = Side(_CLOUD, midstream=midstream)
        self._device = Side(_DEVICE, midstream=midstream)
        self._decryptor = Decryptor()
        self._log = EventLog()
        self._told: list[Event] = []  # by the call that runs
        self._flowing = False  # nothing but records is awaited from either side
        self._fed = False
        self._final = False
        self._nonce: NonceReceived | None = None
        self._nonce_settled = midstream  # received, or known to stay short
        self._surplus = 0  # bytes the cloud sent after the nonce before the device spoke
        self._identity_passed = False
        self._credentials_passed = False
        self._credentials_settled = midstream
        self._sent_keys: tuple[bytes, ...] = ()

    @property
    def events(self) -> tuple[Event, ...]:
        """The events so far, in the order they could be told.

        Of a very long conversation the middle is left out; see `log.EventLog`.
        """
        return self._log.events

    def feed(self, direction: Direction, piece: StreamPiece) -> list[Event]:
        """Take the next piece of one direction, in capture order; return the new events."""
        told: list[Event] = []
        self._told = told
        if self._flowing and self._follow(direction, piece):
            return told
        if self._opening is None:
            self._read(direction, piece)
        else:
            handshake = self._opening.add(direction, piece)
            if handshake is not None:
                self._begin(midstream=not handshake)
                self._told = told
                self._read_held(self._opening)
        return told

    def feed_all(self, pieces: Pieces) -> None:
        """Take pieces of both directions in capture order: the same as to `feed` each.

        Most of a finished connection are pieces that are one record each. Those are taken many at
        a time, for a part of what a call for each costs; everything else goes to `feed`.
        """
        at = 0
        while at < len(pieces):
            direction, piece = pieces[at]
            run = pieces.run(at) if self._may_run(direction) else None
            if run is not None and run.senders:
                self._take_run(run)
                at += len(run.senders)
            else:
                self.feed(direction, piece)
                at += 1

    def _may_run(self, first: Direction) -> bool:
        """Tell whether pieces that are records, the first of this direction, can be read at once.

        Nothing may wait that one of them could make readable.
        """
        return (
            self._cloud.follows
            and self._device.follows
            and self._may_read_records(self._device)
            and (first is _DEVICE or self._may_read_records(self._cloud))
            and not self._decryptor.waits
        )

    def _take_run(self, run: Run) -> None:
        """Take pieces that are exactly one record each."""
        cloud, device = self._cloud.reader, self._device.reader
        count = len(run.senders)
        self._flowing = True
        if self._decryptor.session is None:
            self._log.add_unread(run, (device.count, cloud.count))
            for sender, reader in ((DEVICE, device), (CLOUD, cloud)):
                places = run.ends(sender, 0, count)
                if places is not None:
                    (_, first), (_, last) = map(run.piece, places)
                    reader.pass_by(run.senders.count(sender), first, last)
            return
        records = [
            (direction, (cloud if direction is _CLOUD else device).follow(piece))
            for direction, piece in map(run.piece, range(count))
        ]
        said = self._decryptor.session.read_all(records)
        talk: list[Event] = []
        for (direction, record), event in zip(records, said, strict=True):
            talk.append(_seen(direction, record))
            if event is not None:
                talk.append(event)
        self._log.add_talk(talk)

    def _follow(self, direction: Direction, piece: StreamPiece) -> bool:
        """Take the piece if it is the common case in a session: exactly one record."""
        side = self._cloud if direction is _CLOUD else self._device
        if not (isinstance(piece, StreamData) and side.follows and is_record(piece.data)):
            return False
        self._say_record(direction, side.reader.follow(piece))
        return True

    def _tell(self, event: Event) -> None:
        self._told.append(event)
        self._log.add(event)

    def _tell_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self._tell(event)

    def _read_held(self, opening: Opening) -> None:
        self._opening = None
        for direction, piece in opening.held:
            self._read(direction, piece)

    def _read(self, direction: Direction, piece: StreamPiece) -> None:
        self._fed = True
        side = self._cloud if direction is _CLOUD else self._device
        if isinstance(piece, StreamEnd):
            mark = Mark(piece.frame, piece.time_ns)
            self._say_short(side, mark)
            self._advance()
            frame, time_ns = mark
            self._tell(Ended(frame=frame, time_ns=time_ns, direction=direction, kind=piece.kind))
        else:
            first = side is self._device and side.position == 0
            side.append(piece)
            if first and isinstance(piece, StreamData):
                self._say_surplus(Mark(piece.frame, piece.time_ns))
            self._advance()

    def finish(self, time_ns: int, frame: int) -> list[Event]:
        """Say that no more pieces come; return the events that had waited for more."""
        told: list[Event] = []
        self._told = told
        if self._opening is not None:
            self._read_held(self._opening)
        if self._fed and not self._final:
            mark = Mark(frame, time_ns)
            self._say_short(self._cloud, mark)
            self._advance()
            self._say_short(self._device, mark)
            self._say_short(self._cloud, mark)
            if not self._device.position:
                self._say_surplus(mark)
            self._say_odd_size(mark)
            self._final = True
            self._advance()
        return told

    def _advance(self) -> None:
        """Read all that can be understood by now."""
        device, cloud = self._device, self._cloud
        if not (device.waits or cloud.waits):
            return
        while (device.awaits_step or cloud.awaits_step) and self._take_step():
            pass
        for side in (device, cloud):
            reads = side.step is Step.RECORDS and side.waits
            if reads and (self._final or self._may_read_records(side)):
                for item in side.reader.drain(final=self._final):
                    self._say_record(side.direction, item)
        self._flowing = (
            device.step is cloud.step is Step.RECORDS
            and self._may_read_records(device)
            and self._may_read_records(cloud)
        )

    def _may_read_records(self, side: Side) -> bool:
        if side.overflows:
            return True
        if side is self._device:
            return self._credentials_settled
        return not self._credentials_passed or self._device.position > layouts.IDENTITY_SIZE

    def _take_step(self) -> bool:
        """Take one step of the handshake if its bytes are whole and its turn has come."""
        cloud, device = self._cloud, self._device
        if not self._nonce_settled and cloud.has(Step.NONCE, borne_out=device.received > 0):
            self._take_nonce()
        elif self._nonce_settled and device.has(
            Step.IDENTITY, borne_out=cloud.position > layouts.NONCE_SIZE
        ):
            self._take_identity()
        elif (
            self._identity_passed
            and cloud.has(Step.CREDENTIALS, borne_out=device.position > layouts.IDENTITY_SIZE)
            and not self._is_foreign()
        ):
            self._take_credentials()
        elif device.step is not Step.RECORDS and device.overflows:
            self._give_up(device)
        elif cloud.step is not Step.RECORDS and cloud.overflows:
            self._give_up(cloud)
        else:
            return False
        return True

    def _is_foreign(self) -> bool:
        """Tell whether what follows the nonce is the rest of some other protocol's greeting.

        Credentials answer an identity: what came before it, or goes on with a text, is none.
        """
        flawed = self._nonce is not None and bool(self._nonce.flaws)
        return self._surplus >= (1 if flawed else layouts.CREDENTIALS_SIZE)

    def _take_nonce(self) -> None:
        beginning, waiting = self._cloud.beginning, self._cloud.buffer.captured
        taken = self._cloud.buffer.take(layouts.NONCE_SIZE)
        flaws, looks_like = inspect_nonce(beginning)
        self._nonce = NonceReceived(
            frame=taken.mark.frame,
            time_ns=taken.mark.time_ns,
            nonce=taken.data,
            flaws=flaws,
            looks_like=looks_like,
            excerpt=beginning if flaws else b"",
            surplus=0 if self._device.position else waiting - len(taken.data or taken.head),
        )
        self._tell(self._nonce)
        self._cloud.advance()
        self._nonce_settled = True

    def _take_identity(self) -> None:
        taken = self._device.buffer.take(layouts.IDENTITY_SIZE)
        nonce = self._nonce
        early = nonce is None or (nonce.nonce is not None and taken.mark.frame < nonce.frame)
        self._tell(
            IdentitySent(
                frame=taken.mark.frame,
                time_ns=taken.mark.time_ns,
                blob=taken.data,
                pieces=taken.pieces,
                before_nonce=early,
            )
        )
        self._device.advance()
        self._identity_passed = True
        if taken.data is not None:
            tests = list(
                try_identity(self._keyring, taken.data, nonce.nonce if nonce else None, taken.mark)
            )
            self._tell_all(tests)
            self._sent_keys = tuple(
                test.device_key for test in tests if test.device_key and test.state in _ID_KNOWN
            )

    def _take_credentials(self) -> None:
        ciphertext = self._cloud.buffer.take(layouts.CIPHERTEXT_SIZE)
        signature = self._cloud.buffer.take(layouts.SIGNATURE_SIZE)
        mark = signature.mark
        self._tell(
            CredentialsReceived(
                frame=mark.frame,
                time_ns=mark.time_ns,
                ciphertext=ciphertext.data,
                signature=signature.data,
            )
        )
        self._cloud.advance()
        self._credentials_passed = self._credentials_settled = True
        mac = None
        if signature.data is not None:
            signed = try_signature(self._keyring, signature.data, mark)
            self._tell_all(signed.events)
            mac = signed.mac
        if ciphertext.data is not None:
            opened = try_credentials(self._keyring, ciphertext.data, mac, self._sent_keys, mark)
            self._tell_all(opened.events)
            self._tell_all(self._decryptor.learn(opened.candidates, mark))

    def _give_up(self, side: Side) -> None:
        """Take a side that sends far more than a handshake holds for some other protocol."""
        first = side.buffer.first_mark()
        self._tell(
            FramingLost(
                frame=first.frame,
                time_ns=first.time_ns,
                direction=side.direction,
                offset=side.buffer.offset,
                problem="bad_length",
                excerpt=side.buffer.peek(_LOST_EXCERPT),
            )
        )
        side.give_up()
        if side is self._cloud:
            self._nonce_settled = self._credentials_settled = True

    def _say_short(self, side: Side, mark: Mark) -> None:
        """Say, once, that a side's step stayed short now that no more bytes come."""
        if side.short or side.step is Step.RECORDS:
            return
        received, frame, time_ns = side.buffer.captured, mark.frame, mark.time_ns
        if side.step is Step.NONCE and not self._nonce_settled:
            start = side.beginning
            looks_like = inspect_nonce(start).looks_like
            self._tell(
                NonceShort(
                    frame=frame,
                    time_ns=time_ns,
                    received=received,
                    looks_like=looks_like,
                    excerpt=start,
                )
            )
            self._nonce_settled = self._credentials_settled = side.short = True
        elif side.step is Step.IDENTITY and 0 < len(side.buffer) < layouts.IDENTITY_SIZE:
            self._tell(IdentityShort(frame=frame, time_ns=time_ns, received=received))
            side.short = True
        elif side.step is Step.CREDENTIALS and self._identity_passed:
            answered = received - self._surplus
            if answered and not self._is_foreign():
                excerpt = side.buffer.peek(self._surplus + EXCERPT)[self._surplus :]
                self._tell(
                    CredentialsShort(
                        frame=frame, time_ns=time_ns, received=answered, excerpt=excerpt
                    )
                )
            self._credentials_settled = side.short = True

    def _say_surplus(self, mark: Mark) -> None:
        """Say how much came after the nonce before the device spoke, unless it is known."""
        nonce = self._nonce
        if nonce is None or nonce.nonce is None or self._cloud.step is not Step.CREDENTIALS:
            return
        self._surplus = self._cloud.buffer.captured
        if self._surplus > nonce.surplus:
            excerpt = self._cloud.beginning if nonce.flaws else b""
            self._tell(
                SurplusAfterNonce(
                    frame=mark.frame, time_ns=mark.time_ns, received=self._surplus, excerpt=excerpt
                )
            )

    def _say_odd_size(self, mark: Mark) -> None:
        """Say that more than the credentials came although the device never spoke again."""
        cloud = self._cloud
        if not self._credentials_passed or self._may_read_records(cloud):
            return
        waiting = cloud.buffer.peek(HELD)
        if waiting and not is_chain(waiting):
            received = layouts.CREDENTIALS_SIZE + cloud.buffer.captured
            self._tell(
                CredentialsOddSize(frame=mark.frame, time_ns=mark.time_ns, received=received)
            )
            cloud.buffer.take(len(cloud.buffer))

    def _say_record(self, direction: Direction, item: Record | Lost | Found) -> None:
        if isinstance(item, Record):
            self._tell(_seen(direction, item))
            self._tell_all(self._decryptor.read(direction, item))
            return
        frame, time_ns = item.mark
        if isinstance(item, Lost):
            self._tell(
                FramingLost(
                    frame=frame,
                    time_ns=time_ns,
                    direction=direction,
                    offset=item.offset,
                    problem=item.problem,
                    excerpt=item.excerpt,
                )
            )
        else:
            self._tell(
                FramingFound(frame=frame, time_ns=time_ns, direction=direction, offset=item.offset)
            )


def _seen(direction: Direction, record: Record) -> RecordSeen:
    return RecordSeen(
        frame=record.mark.frame,
        time_ns=record.mark.time_ns,
        direction=direction,
        index=record.number,
        length=record.length,
        whole=record.ciphertext is not None,
    )
