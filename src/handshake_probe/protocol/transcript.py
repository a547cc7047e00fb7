"""Two sides of a connection watched: pieces of both streams in, events out.

Bytes are read when they can be understood, not when they come: an identity waits for the nonce,
credentials for the identity, the device's records for the credentials, the cloud's for the device
to speak first. So a gap that shows late, and bytes sent too early, are read right. Nothing a peer
did raises.
"""

from __future__ import annotations

from handshake_probe.keys.keyring import Keyring
from handshake_probe.packets.units import Direction, StreamData, StreamEnd, StreamPiece
from handshake_probe.protocol import layouts
from handshake_probe.protocol.decryptor import Decryptor
from handshake_probe.protocol.events import (
    Ended,
    Event,
    FramingFound,
    FramingLost,
    RecordSeen,
)
from handshake_probe.protocol.log import EventLog
from handshake_probe.protocol.pieces import CLOUD, DEVICE, Pieces, Run
from handshake_probe.protocol.records import (
    Found,
    Lost,
    Record,
    is_record,
)
from handshake_probe.protocol.shape import Opening
from handshake_probe.protocol.side import Side
from handshake_probe.protocol.state import Step
from handshake_probe.protocol.stream import Mark
from handshake_probe.protocol.watched_handshake import WatchedHandshake

_CLOUD, _DEVICE = Direction.CLOUD_TO_DEVICE, Direction.DEVICE_TO_CLOUD
# A handshake in three pieces, one for each step: who sends it, how many bytes.
_PLAIN = (
    (_CLOUD, layouts.NONCE_SIZE),
    (_DEVICE, layouts.IDENTITY_SIZE),
    (_CLOUD, layouts.CREDENTIALS_SIZE),
)


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
        self._handshake = WatchedHandshake(
            self._keyring,
            self._cloud,
            self._device,
            self._decryptor,
            self._log,
            midstream=midstream,
        )
        self._flowing = False  # nothing but records is awaited from either side
        self._fed = False
        self._final = False

    @property
    def events(self) -> tuple[Event, ...]:
        """The events so far, in the order they could be told.

        Of a very long conversation the middle is left out; see `log.EventLog`.
        """
        return self._log.events

    def feed(self, direction: Direction, piece: StreamPiece) -> list[Event]:
        """Take the next piece of one direction, in capture order; return the new events."""
        told: list[Event] = []
        self._log.told = told
        if self._flowing and self._follow(direction, piece):
            return told
        if self._opening is None:
            self._read(direction, piece)
        else:
            handshake = self._opening.add(direction, piece)
            if handshake is not None:
                self._begin(midstream=not handshake)
                self._log.told = told
                self._read_held(self._opening)
        return told

    def feed_all(self, pieces: Pieces) -> None:
        """Take pieces of both directions in capture order: the same as to `feed` each.

        Most of a finished connection are pieces that are one record each. Those are taken many at
        a time, for a part of what a call for each costs; everything else goes to `feed`.
        """
        at = self._take_plain(pieces)
        while at < len(pieces):
            direction, piece = pieces[at]
            run = pieces.run(at) if self._may_run(direction) else None
            if run is not None and run.senders:
                self._take_run(run)
                at += len(run.senders)
            else:
                self.feed(direction, piece)
                at += 1

    def _take_plain(self, pieces: Pieces) -> int:
        """Take the handshake at once if it came in three pieces; return how many were taken."""
        if self._fed or self._opening is not None or len(pieces) < len(_PLAIN):
            return 0
        steps = []
        for at, (sender, size) in enumerate(_PLAIN):
            direction, piece = pieces[at]
            if direction is not sender or type(piece) is not StreamData or len(piece.data) != size:
                return 0
            steps.append(piece)
        self._fed = True
        self._handshake.take_plain(*steps)
        return len(_PLAIN)

    def _may_run(self, first: Direction) -> bool:
        """Tell whether pieces that are records, the first of this direction, can be read at once.

        Nothing may wait that one of them could make readable.
        """
        return (
            self._cloud.follows
            and self._device.follows
            and self._handshake.may_read_records(self._device)
            and (first is _DEVICE or self._handshake.may_read_records(self._cloud))
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
            for direction, piece in run.all()
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

    def _read_held(self, opening: Opening) -> None:
        self._opening = None
        for direction, piece in opening.held:
            self._read(direction, piece)

    def _read(self, direction: Direction, piece: StreamPiece) -> None:
        self._fed = True
        side = self._cloud if direction is _CLOUD else self._device
        if isinstance(piece, StreamEnd):
            mark = Mark(piece.frame, piece.time_ns)
            self._handshake.end(side, mark)
            self._advance()
            frame, time_ns = mark
            self._log.add(Ended(frame=frame, time_ns=time_ns, direction=direction, kind=piece.kind))
        else:
            first = side is self._device and side.position == 0
            side.append(piece)
            if first and isinstance(piece, StreamData):
                self._handshake.hear_device(Mark(piece.frame, piece.time_ns))
            self._advance()

    def finish(self, time_ns: int, frame: int) -> list[Event]:
        """Say that no more pieces come; return the events that had waited for more."""
        told: list[Event] = []
        self._log.told = told
        if self._opening is not None:
            self._read_held(self._opening)
        if self._fed and not self._final:
            mark = Mark(frame, time_ns)
            self._handshake.end(self._cloud, mark)
            self._advance()
            self._handshake.finish(mark)
            self._final = True
            self._advance()
        return told

    def _advance(self) -> None:
        """Read all that can be understood by now."""
        device, cloud = self._device, self._cloud
        if not (device.waits or cloud.waits):
            return
        self._handshake.take_steps()
        for side in (device, cloud):
            reads = side.step is Step.RECORDS and side.waits
            if reads and (self._final or self._handshake.may_read_records(side)):
                for item in side.reader.drain(final=self._final):
                    self._say_record(side.direction, item)
        self._flowing = (
            device.step is cloud.step is Step.RECORDS
            and self._handshake.may_read_records(device)
            and self._handshake.may_read_records(cloud)
        )

    def _say_record(self, direction: Direction, item: Record | Lost | Found) -> None:
        if isinstance(item, Record):
            self._log.add(_seen(direction, item))
            self._log.add_all(self._decryptor.read(direction, item))
            return
        frame, time_ns = item.mark
        if isinstance(item, Lost):
            self._log.add(
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
            self._log.add(
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
