"""DNS questions and answers, paired."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from handshake_probe.keys.particle import is_particle_name
from handshake_probe.model.observations import DnsSeen
from handshake_probe.packets.addresses import address_text
from handshake_probe.packets.dns import DnsMessage, read_dns, read_dns_stream
from handshake_probe.packets.units import Datagram, Endpoint, Segment

DNS = 53
TABLE_LIMIT = 20_000  # (asker, server, name, type): a hostile capture must not fill the memory
QUESTIONS_KEPT = 100  # per entry
QUESTION_WINDOW_NS = 10 * 10**9  # a repeated question within this time is the same one


@dataclass(slots=True)
class _Question:
    frame: int
    time_ns: int
    transport: str
    last_ns: int
    attempts: int = 1
    answer: DnsMessage | None = None
    answer_frame: int | None = None
    answer_ns: int | None = None
    different: bool = False


@dataclass(frozen=True, slots=True)
class _Key:
    host: bytes
    server: Endpoint
    name: str
    type: str


class NameObserver:
    """Collects look-ups; `feed` takes every UDP datagram and TCP segment once."""

    def __init__(self) -> None:
        self._asked: dict[_Key, list[_Question]] = {}
        self.capped = False

    def feed(self, packet: Datagram | Segment) -> None:
        """Take one packet; anything but DNS is passed over."""
        if DNS not in (packet.source.port, packet.destination.port):
            return
        if isinstance(packet, Segment):
            messages = read_dns_stream(packet.payload)
        else:
            message = read_dns(packet.payload)
            messages = [message] if message is not None else []
        for message in messages:
            self._message(packet, message)

    def _message(self, packet: Datagram | Segment, message: DnsMessage) -> None:
        client, server = packet.source, packet.destination
        if message.is_response:
            client, server = server, client
        for name, kind in message.questions[:4]:
            key = _Key(client.address, server, name, kind)
            if message.is_response:
                self._answered(key, message, packet)
            else:
                self._question(key, packet)

    def _question(self, key: _Key, packet: Datagram | Segment) -> None:
        asked = self._asked.get(key)
        if asked is None:
            if len(self._asked) >= TABLE_LIMIT:
                self.capped = True
                return
            asked = self._asked[key] = []
        last = asked[-1] if asked else None
        if (
            last is not None
            and last.answer is None
            and packet.time_ns - last.last_ns < QUESTION_WINDOW_NS
        ):
            last.attempts += 1
            last.last_ns = packet.time_ns
        elif len(asked) < QUESTIONS_KEPT:
            transport = "tcp" if isinstance(packet, Segment) else "udp"
            asked.append(_Question(packet.frame, packet.time_ns, transport, packet.time_ns))
        else:
            self.capped = True

    def _answered(self, key: _Key, message: DnsMessage, packet: Datagram | Segment) -> None:
        asked = self._asked.get(key)
        if not asked:
            return
        question = asked[-1]
        if question.answer is None:
            question.answer = message
            question.answer_frame, question.answer_ns = packet.frame, packet.time_ns
        elif set(question.answer.addresses) != set(message.addresses):
            question.different = True

    def observations(
        self, devices: set[str], clouds: set[str], next_id: Callable[[], str]
    ) -> Iterator[DnsSeen]:
        """Look-ups of a cloud's name, and all of a device's own; each with a fresh id."""
        for key, questions in self._asked.items():
            host = address_text(key.host)
            for question in questions:
                addresses = list(question.answer.addresses) if question.answer else []
                if not (is_particle_name(key.name) or clouds & set(addresses) or host in devices):
                    continue
                yield DnsSeen(
                    id=next_id(),
                    frame=question.frame,
                    time=question.time_ns / 1e9,
                    host=host,
                    server=address_text(key.server.address),
                    name=key.name,
                    type=key.type,
                    transport=question.transport,
                    attempts=question.attempts,
                    last_attempt=question.last_ns / 1e9,
                    answer_frame=question.answer_frame,
                    answer_time=question.answer_ns / 1e9 if question.answer_ns else None,
                    rcode=question.answer.rcode if question.answer else None,
                    addresses=addresses,
                    aliases=[alias.target for alias in question.answer.aliases]
                    if question.answer
                    else [],
                    different_answers=question.different,
                )
