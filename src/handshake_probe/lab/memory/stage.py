"""Runs a story: hosts at the ends of the path, and what a capture writes down of it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from handshake_probe.lab.device import CONNECT_TIMEOUT, LED_TIME, back_off
from handshake_probe.lab.entropy import EntropySource
from handshake_probe.lab.memory.path import DNS, NTP, Path, packed
from handshake_probe.lab.memory.schedule import Schedule
from handshake_probe.lab.memory.seat import Seat
from handshake_probe.lab.memory.story import (
    TO_CLOUD,
    TO_DEVICE,
    CloudRole,
    DeviceRole,
    Does,
    Story,
)
from handshake_probe.lab.memory.tap import Tape
from handshake_probe.lab.memory.tcp import ACK, RST, SYN, TcpEnd
from handshake_probe.lab.memory.wire import Packet, Tcp, Udp
from handshake_probe.lab.play import Part
from handshake_probe.lab.stand_ins import TIME_REQUEST, Names
from handshake_probe.packets.units import Endpoint, Frame
from handshake_probe.protocol.connection import Connection
from handshake_probe.protocol.events import Event
from handshake_probe.protocol.state import Role

_RECONNECT = 0.01  # seconds until a lost session is begun anew
_PATIENCE = 3.0  # seconds for the answer to a question for a name; three questions
_TESTS = 10.0  # seconds for the answer of the internet test
_TIME_NAME, _TIME_SERVER = "pool.ntp.org", "162.159.200.1"
_OPEN_RESOLVER = "8.8.8.8"
_NTP_EPOCH = 2208988800
_PRESENCE_GROUP, _PRESENCE_PORT = "224.0.1.187", 5683
_PRESENCE = bytes.fromhex("50020000b168ff")

Answer = Callable[[bytes | None], None]


@dataclass
class Played:
    """One connection as the device's side saw it."""

    device: int
    port: int
    events: list[Event]


@dataclass
class Recording:
    """What a story left behind."""

    frames: list[Frame]
    played: list[Played] = field(default_factory=list)


def record(story: Story) -> Recording:
    """Run a story from beginning to end."""
    return _Stage(story).run()


class _Stage:
    def __init__(self, story: Story) -> None:
        self.story = story
        self.schedule = Schedule()
        self.tape = Tape(story)
        self.path = Path(
            self.schedule, story, lambda *seen: self.tape.see(self.schedule.now, *seen)
        )
        self.played: list[Played] = []

    def run(self) -> Recording:
        story, path = self.story, self.path
        for number, role in enumerate(story.clouds):
            if role.exists and packed(role.address) not in path.far:
                same = [c for c in story.clouds if c.address == role.address]
                path.far[packed(role.address)] = _CloudHost(self, same, f"cloud{number}", None)
        for number, role in enumerate(story.boxes):
            place = next(r.place for r in story.rules if r.does is Does.ANSWER and r.box == number)
            path.boxes.append(_CloudHost(self, [role], f"box{number}", place))
        self._serve_names()
        path.far[packed(_TIME_SERVER)] = self._tell_time
        path.far[packed(_OPEN_RESOLVER)] = self._accept_test
        for number, device in enumerate(story.devices):
            host = _DeviceHost(self, number, device)
            path.near[packed(device.address)] = host
            self.schedule.after(device.start, host.attempt)
        self.schedule.run(story.seconds)
        return Recording(self.tape.frames(), self.played)

    def _serve_names(self) -> None:
        story = self.story
        names = story.names
        if names is None:
            names = {d.calls: (story.clouds[0].address,) for d in story.devices}
        replies = Names({_TIME_NAME: (_TIME_SERVER,), **names})
        address = packed(story.resolver)
        place = 1 if story.routers and address == self.path.router(1) else None
        cloud = self.path.far.get(address)  # which may run on the same host

        def answer(packet: Packet) -> None:
            if isinstance(packet.content, Udp) and packet.content.destination_port == DNS:
                for reply in replies(packet.content.payload):
                    udp = Udp(DNS, packet.content.source_port, reply)
                    self.path.send(Packet(address, packet.source, udp), TO_DEVICE, place)
            elif cloud is not None:
                cloud(packet)

        self.path.far[address] = answer

    def _tell_time(self, packet: Packet) -> None:
        if isinstance(packet.content, Udp) and packet.content.destination_port == NTP:
            seconds = int(self.schedule.unix) + _NTP_EPOCH
            now = struct.pack(">II", seconds, 0)
            head = struct.pack(">BBbb", 0x24, 2, 6, -23) + bytes(8) + b"LOCL"
            reply = head + now + packet.content.payload[40:48] + now + now
            udp = Udp(NTP, packet.content.source_port, reply)
            self.path.send(Packet(packet.destination, packet.source, udp), TO_DEVICE)

    def _accept_test(self, packet: Packet) -> None:
        content = packet.content
        if isinstance(content, Tcp) and content.flags & SYN:
            ports = (content.destination_port, content.source_port)
            accept = Tcp(*ports, 1, content.sequence + 1, SYN | ACK)
            self.path.send(Packet(packet.destination, packet.source, accept), TO_DEVICE)


class _CloudHost:
    """A cloud's host, one role after the other, or a box that takes its connections."""

    def __init__(self, stage: _Stage, roles: list[CloudRole], salt: str, place: int | None) -> None:
        self._stage = stage
        self._roles = [(role, role.seal()) for role in roles]
        self._entropy = EntropySource(stage.story.seed, salt)
        self._place = place
        self._ends: dict[tuple[bytes, int], TcpEnd] = {}
        self._count = 0

    def __call__(self, packet: Packet) -> None:
        """Take a packet."""
        content = packet.content
        if not isinstance(content, Tcp):
            return
        key = (packet.source, content.source_port)
        end = self._ends.get(key)
        if end is None or (end.over and content.flags & SYN):
            end = self._listen(packet, content)
            if end is None:
                return
            self._ends[key] = end
        if end.over and not content.flags & RST:
            self._refuse(packet, content)
        else:
            end.receive(content)

    def _listen(self, packet: Packet, content: Tcp) -> TcpEnd | None:
        stage = self._stage
        role, seal = next(p for p in self._roles if stage.schedule.now < p[0].until)
        if role.settings is None or role.port != content.destination_port:
            self._refuse(packet, content)
            return None
        if not content.flags & SYN or content.flags & ACK:
            self._refuse(packet, content)
            return None
        self._count += 1
        entropy = self._entropy.of(self._count)
        own = Endpoint(packet.destination, content.destination_port)
        end = TcpEnd(
            stage.schedule,
            own,
            Endpoint(packet.source, content.source_port),
            lambda segment: self._send(packet, segment, role.ttl),
            int.from_bytes(entropy(3), "big"),
            mss=role.mss,
            timestamps=role.timestamps,
        )
        part = Part(role.script, acts=role.acts, reactions=role.reactions)
        connection = Connection(Role.CLOUD, role.settings, entropy=entropy, seal=seal)
        Seat(stage.schedule, end, connection, part, _nothing)
        if role.until != float("inf"):  # its process ends
            stage.schedule.after(role.until - stage.schedule.now, end.close)
        return end

    def _refuse(self, packet: Packet, content: Tcp) -> None:
        if content.flags & RST:
            return
        ports = (content.destination_port, content.source_port)
        if content.flags & ACK:
            reset = Tcp(*ports, content.acknowledgment, 0, RST, window=0)
        else:
            reset = Tcp(*ports, 0, content.sequence + 1, RST | ACK, window=0)
        self._send(packet, reset, self._roles[0][0].ttl)

    def _send(self, to: Packet, segment: Tcp, ttl: int) -> None:
        self._stage.path.send(
            Packet(to.destination, to.source, segment, ttl), TO_DEVICE, self._place
        )


class _DeviceHost:
    """A device: names, attempts, back-off, internet test."""

    def __init__(self, stage: _Stage, number: int, role: DeviceRole) -> None:
        self._stage = stage
        self._number = number
        self._role = role
        self._settings = role.settings
        self._seal = role.seal()
        self._entropy = EntropySource(stage.story.seed, f"device{number}")
        self._address = packed(role.address)
        self._tries = self._failures = 0
        self._ident = 0
        self._ends: dict[int, TcpEnd] = {}  # by port
        self._awaits: dict[int, Answer] = {}  # answers by the port they come to
        self._port = 40000

    def __call__(self, packet: Packet) -> None:
        """Take a packet."""
        content = packet.content
        if isinstance(content, Udp):
            answer = self._awaits.pop(content.destination_port, None)
            if answer is not None:
                answer(content.payload)
        elif isinstance(content, Tcp):
            end = self._ends.get(content.destination_port)
            answer = self._awaits.pop(content.destination_port, None)
            if answer is not None:
                answer(b"")
            elif end is not None and not end.over:
                end.receive(content)
            elif not content.flags & RST and content.source_port != DNS:
                ports = (content.destination_port, content.source_port)
                reset = Tcp(*ports, content.acknowledgment, 0, RST, window=0)
                self._send(packet.source, reset)

    def attempt(self) -> None:
        """Look the cloud up and connect to it."""
        name = self._role.calls
        if name.replace(".", "").isdigit() or ":" in name:
            self._connect(packed(name))
        else:
            self._look_up(name, self._looked_up, 3)

    def _looked_up(self, address: bytes | None) -> None:
        if address is None or not any(address):
            self._failed()
        else:
            self._connect(address)

    def _look_up(self, name: str, then: Answer, tries: int) -> None:
        """Ask for a name; `then` gets the address, or None."""
        self._ident += 1
        labels = b"".join(bytes((len(part),)) + part.encode() for part in name.split("."))
        query = struct.pack(">HHHHHH", self._ident, 0x0100, 1, 0, 0, 0) + labels
        query += b"\0" + struct.pack(">HH", 1, 1)

        def answered(reply: bytes | None) -> None:
            if reply is not None:
                then(reply[-4:] if reply[7] else None)
            elif tries > 1:
                self._look_up(name, then, tries - 1)
            else:
                then(None)

        self._ask(self._stage.story.resolver, DNS, query, answered, _PATIENCE)

    def _ask(self, address: str, port: int, question: bytes, then: Answer, patience: float) -> None:
        """Send a datagram; `then` gets the answer, or None when none came in time."""
        self._port += 1
        own = self._port
        self._awaits[own] = then
        self._send(packed(address), Udp(own, port, question))
        self._give_up_after(patience, own)

    def _give_up_after(self, patience: float, own: int) -> None:
        def over() -> None:
            waiting = self._awaits.pop(own, None)
            if waiting is not None:
                waiting(None)

        self._stage.schedule.after(patience, over)

    def _connect(self, address: bytes) -> None:
        stage, role = self._stage, self._role
        port = role.port + self._tries
        self._tries += 1
        entropy = self._entropy.of(self._tries)
        end = self._ends[port] = TcpEnd(
            stage.schedule,
            Endpoint(self._address, port),
            Endpoint(address, stage.story.clouds[0].port),
            lambda segment: self._send(address, segment),
            int.from_bytes(entropy(3), "big"),
            mss=role.mss,
            timestamps=role.timestamps,
        )
        part = Part(
            role.script,
            acts=(self._announce, *role.acts),
            session=role.stays,
            parting=role.parting or self._part,
        )
        connection = Connection(Role.DEVICE, self._settings, entropy=entropy, seal=self._seal)
        seat = Seat(stage.schedule, end, connection, part, lambda: self._ended(seat))
        seat.before_closing = self._test_internet
        stage.played.append(Played(self._number, port, seat.events))
        end.connect()
        stage.schedule.after(CONNECT_TIMEOUT, lambda: self._connect_timeout(end, seat))

    def _connect_timeout(self, end: TcpEnd, seat: Seat) -> None:
        if not seat.begun and not seat.over:
            seat.over = True
            end.vanish()
            self._test_internet(self._failed)

    def _ended(self, seat: Seat) -> None:
        part = seat.part
        self._settings = replace(self._settings, claim_code=seat.connection.claim_code)
        if part.kept:
            if self._role.returns is not None:
                self._stage.schedule.after(self._role.returns, self.attempt)
        elif part.reached:
            self._failures = 0
            if self._tries < self._role.attempts:
                self._stage.schedule.after(_RECONNECT, self.attempt)
        elif seat.begun:
            self._failed()
        else:  # refused
            self._test_internet(self._failed)

    def _failed(self) -> None:
        self._failures += 1
        if max(self._tries, self._failures) < self._role.attempts:
            self._stage.schedule.after(back_off(self._failures), self.attempt)

    def _test_internet(self, then: Callable[[], None]) -> None:
        """Test it as the firmware does, show the LED's colour, and go on."""

        def tested(_reply: bytes | None) -> None:
            self._stage.schedule.after(LED_TIME, then)

        def ask_time(address: bytes | None) -> None:
            if address is None:
                tested(None)
            else:
                self._ask(_TIME_SERVER, NTP, TIME_REQUEST, tested, _TESTS)

        match self._role.tests_internet:
            case "ntp":
                self._look_up(_TIME_NAME, ask_time, 1)
            case "tcp":
                self._port += 1
                self._awaits[self._port] = tested
                syn = Tcp(self._port, DNS, 1000, 0, SYN)
                self._send(packed(_OPEN_RESOLVER), syn)
                self._give_up_after(CONNECT_TIMEOUT, self._port)
            case _:
                tested(None)

    def _announce(self, _connection: Connection, _now: float) -> list[Event]:
        if self._role.announces:
            said = _PRESENCE + bytes.fromhex(self._settings.device_id)
            self._send(packed(_PRESENCE_GROUP), Udp(_PRESENCE_PORT, _PRESENCE_PORT, said))
        return []

    def _part(self, connection: Connection, now: float) -> list[Event]:
        if self._settings.traits.describes_itself:
            return connection.goodbye(now)
        return connection.close(now)

    def _send(self, to: bytes, content: Tcp | Udp) -> None:
        self._stage.path.send(Packet(self._address, to, content, self._role.ttl), TO_CLOUD)


def _nothing() -> None:
    pass
