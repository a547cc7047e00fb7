"""Connections as `fast_path.c` writes them."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NamedTuple

from handshake_probe.capture.fast_path_pieces import DIRECTIONS, PIECE, WrittenPieces
from handshake_probe.packets.path import ControlPacket, DirectionFacts, PathFacts
from handshake_probe.packets.plain import PlainConnection, PlainSide
from handshake_probe.packets.tcp_options import TcpOptions, read_options
from handshake_probe.packets.units import Endpoint, Segment, TcpFlags

# A connection as `write_connection` of fast_path.c has it: its numbers; ends (12) and MACs of
# device's and cloud's packets (12, 12); of both sides controls; pieces, what kinds they are; of
# both sides the data; unless nothing follows, answers awaited and of both sides recent packets.
_HEAD: Final = struct.Struct("=56q12s12s12s")
_NUMBERS: Final = 56
_SIDE_AT: Final = (12, 34)
_TIMED: Final = struct.Struct("=I4xq")
_CONTROL: Final = struct.Struct("=QqIIHHBBB40sx")
_RECENT: Final = struct.Struct("=QqIIIIHHBB12s6x")
_CONTROLS_SIZE: Final = 2 * _CONTROL.size  # of one side
_CONTROLS_AT: Final = _HEAD.size
_PIECES_AT: Final = _CONTROLS_AT + 2 * _CONTROLS_SIZE
_ACK: Final = int(TcpFlags.ACK)


class PlainStory(NamedTuple):
    """All there is to say of a connection in which nothing odd happened."""

    facts: PathFacts
    pieces: WrittenPieces


class _Side(NamedTuple):
    """The numbers of one side, as `write_side` has them."""

    base: int
    begun: int
    next: int
    acked: int
    finished: int
    stamped: int
    ttl: int
    packets: int
    segments: int
    last_frame: int
    last_ns: int
    first_data_frame: int
    first_data_ns: int
    last_data_frame: int
    last_data_ns: int
    claim_frame: int
    claim_ns: int
    acked_frame: int
    acked_ns: int
    controls: int
    recents: int
    length: int


class Written:
    """One connection as it was written."""

    def __init__(self, written: bytes, at: int) -> None:
        self.written, self.at = written, at
        self.head = head = _HEAD.unpack_from(written, at)
        self.size: int = head[0]
        self.number: int = head[1]
        self.rank: int = head[2]
        self.sides = tuple(_Side._make(head[at : at + 22]) for at in _SIDE_AT)
        ends, *self.macs = head[_NUMBERS:]
        self.ends = (
            Endpoint(ends[0:4], ends[8] << 8 | ends[9]),
            Endpoint(ends[4:8], ends[10] << 8 | ends[11]),
        )

    def story(self) -> PlainStory:
        """Read facts and pieces."""
        first_frame, first_ns, last_frame, last_ns, established, trip, _, count = self.head[4:12]
        facts = PathFacts(
            self.number,
            *self.ends,
            first_frame,
            first_ns,
            last_frame,
            last_ns,
            midstream=False,
            orientation_known=True,
            established_ns=_known(established),
            min_rtt_ns=_known(trip),
            directions={DIRECTIONS[0]: self._facts(0), DIRECTIONS[1]: self._facts(1)},
        )
        return PlainStory(facts, self._pieces(count))

    def _facts(self, index: int) -> DirectionFacts:
        side = self.sides[index]
        if not side.begun:
            return DirectionFacts()
        source = self.macs[index][6:]
        with_data = side.segments > 0
        return DirectionFacts(
            packets=side.packets,
            captured_bytes=side.length,
            sent_up_to=side.next if with_data else 0,
            claimed_up_to=side.next,
            acknowledged_up_to=side.acked,
            data_segments=side.segments,
            first_data_ns=side.first_data_ns if with_data else None,
            first_data_frame=side.first_data_frame if with_data else None,
            last_data_ns=side.last_data_ns if with_data else None,
            last_data_frame=side.last_data_frame if with_data else None,
            last_packet_ns=side.last_ns,
            last_packet_frame=side.last_frame,
            controls=[
                ControlPacket(
                    frame,
                    time_ns,
                    flags,
                    sequence,
                    acknowledgment if flags & _ACK else None,
                    0,
                    ttl,
                    ip_id,
                    window,
                    *_options(options[:length]),
                    source,
                )
                for (
                    frame,
                    time_ns,
                    sequence,
                    acknowledgment,
                    window,
                    ip_id,
                    flags,
                    ttl,
                    length,
                    options,
                ) in self._controls(index)
            ],
            ttls=Counter({side.ttl: side.packets}),
            link_sources=Counter({source: side.packets}),
            uses_timestamps=bool(side.stamped),
        )

    def _controls(self, index: int) -> Iterator[tuple[Any, ...]]:
        start = self.at + _CONTROLS_AT + index * _CONTROLS_SIZE
        end = start + self.sides[index].controls * _CONTROL.size
        return _CONTROL.iter_unpack(self.written[start:end])

    def _pieces(self, count: int) -> WrittenPieces:
        start = self.at + _PIECES_AT
        kinds = start + count * PIECE.size
        data = kinds + count
        begins = data, data + self.sides[0].length
        return WrittenPieces(self.written, start, self.written[kinds:data], begins)

    def connection(self) -> PlainConnection:
        """Read everything that following segments may need."""
        waiting, count = self.head[10:12]
        at = self.at + _PIECES_AT + count * (PIECE.size + 1)
        datas = []
        for side in self.sides:
            datas.append(self.written[at : at + side.length])
            at += side.length
        end = at + waiting * _TIMED.size
        unanswered = list(_TIMED.iter_unpack(self.written[at:end]))
        story = self.story()
        ends = end, end + self.sides[0].recents * _RECENT.size
        device, cloud = (self._side(index, datas[index], ends[index]) for index in (0, 1))
        return PlainConnection(
            story.facts,
            [story.pieces[at] for at in range(len(story.pieces))],
            self.rank,
            unanswered,
            device,
            cloud,
        )

    def _side(self, index: int, data: bytes, recent_at: int) -> PlainSide:
        side = self.sides[index]
        if not side.begun:
            return PlainSide(None, None, False, [], b"", (0, 0), (0, 0), None)
        controls = list(self._controls(index))
        fin = controls[1] if side.finished else None
        recent = self.written[recent_at : recent_at + side.recents * _RECENT.size]
        return PlainSide(
            base=side.base,
            syn=self._syn(index, controls[0]),
            finished=bool(side.finished),
            recent=[
                self._recent(index, values, data, controls)
                for values in _RECENT.iter_unpack(recent)
            ],
            data=data,
            claimed=(side.claim_frame, side.claim_ns),
            acknowledged=(side.acked_frame, side.acked_ns),
            fin=fin[:2] if fin else None,
        )

    def _syn(self, index: int, control: tuple[Any, ...]) -> Segment:
        frame, time_ns, _, _, window, ip_id, flags, ttl, length, options = control
        acknowledgment = self.sides[0].base + 1 & 0xFFFF_FFFF if flags & _ACK else 0
        return self._segment(
            index,
            (frame, time_ns, self.sides[index].base, acknowledgment, flags, window, ttl, ip_id),
            options[:length],
            b"",
        )

    def _recent(
        self, index: int, values: tuple[Any, ...], data: bytes, controls: list[tuple[Any, ...]]
    ) -> Segment:
        (
            frame,
            time_ns,
            sequence,
            acknowledgment,
            at,
            length,
            window,
            ip_id,
            flags,
            used,
            options,
        ) = values
        if used > len(options):  # only a SYN has so many
            options = controls[0][-1]
        return self._segment(
            index,
            (
                frame,
                time_ns,
                sequence,
                acknowledgment,
                flags,
                window,
                self.sides[index].ttl,
                ip_id,
            ),
            options[:used],
            data[at : at + length],
        )

    def _segment(
        self, index: int, numbers: tuple[int, ...], options: bytes, payload: bytes
    ) -> Segment:
        frame, time_ns, sequence, acknowledgment, flags, window, ttl, ip_id = numbers
        macs = self.macs[index]
        return Segment(
            frame,
            time_ns,
            self.head[3],
            self.ends[index],
            self.ends[1 - index],
            sequence,
            acknowledgment,
            flags,
            window,
            options,
            payload,
            len(payload),
            ttl,
            ip_id,
            macs[6:],
            macs[:6],
        )


def _known(value: int) -> int | None:
    return value if value >= 0 else None


@cache
def _options(options: bytes) -> TcpOptions:
    return read_options(options)
