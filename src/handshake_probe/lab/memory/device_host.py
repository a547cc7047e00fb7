"""A device's host on the in-memory path: names, attempts, back-off, the internet test."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace

from handshake_probe.lab.beside import TIME_REQUEST
from handshake_probe.lab.device import CONNECT_TIMEOUT, LED_TIME, back_off
from handshake_probe.lab.entropy import EntropySource
from handshake_probe.lab.memory.path import DNS, NTP, packed
from handshake_probe.lab.memory.scene import OPEN_RESOLVER, TIME_NAME, TIME_SERVER, Played, Scene
from handshake_probe.lab.memory.seat import Seat
from handshake_probe.lab.memory.story import TO_CLOUD, DeviceRole
from handshake_probe.lab.memory.tcp import RST, SYN, TcpEnd
from handshake_probe.lab.memory.wire import Packet, Tcp, Udp
from handshake_probe.lab.play import Part
from handshake_probe.packets.units import Endpoint
from handshake_probe.protocol.connection import Connection
from handshake_probe.protocol.events import Event
from handshake_probe.protocol.state import Role

_RECONNECT = 0.01  # seconds until a lost session is begun anew
_PATIENCE = 3.0  # seconds for the answer to a question for a name; three questions
_TESTS = 10.0  # seconds for the answer of the internet test
_PRESENCE_GROUP, _PRESENCE_PORT = "224.0.1.187", 5683
_PRESENCE = bytes.fromhex("50020000b168ff")

Answer = Callable[[bytes | None], None]


class DeviceHost:
    """A device: names, attempts, back-off, internet test."""

    def __init__(self, scene: Scene, number: int, role: DeviceRole) -> None:
        self._scene = scene
        self._number = number
        self._role = role
        self._settings = role.settings
        self._seal = role.seal()
        self._entropy = EntropySource(scene.story.seed, f"device{number}")
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

        self._ask(self._scene.story.resolver, DNS, query, answered, _PATIENCE)

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

        self._scene.schedule.after(patience, over)

    def _connect(self, address: bytes) -> None:
        scene, role = self._scene, self._role
        port = role.port + self._tries
        self._tries += 1
        entropy = self._entropy.of(self._tries)
        end = self._ends[port] = TcpEnd(
            scene.schedule,
            Endpoint(self._address, port),
            Endpoint(address, scene.story.clouds[0].port),
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
        seat = Seat(scene.schedule, end, connection, part, lambda: self._ended(seat))
        seat.before_closing = self._test_internet
        scene.played.append(Played(self._number, port, seat.events))
        end.connect()
        scene.schedule.after(CONNECT_TIMEOUT, lambda: self._connect_timeout(end, seat))

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
                self._scene.schedule.after(self._role.returns, self.attempt)
        elif part.reached:
            self._failures = 0
            if self._tries < self._role.attempts:
                self._scene.schedule.after(_RECONNECT, self.attempt)
        elif seat.begun:
            self._failed()
        else:  # refused
            self._test_internet(self._failed)

    def _failed(self) -> None:
        self._failures += 1
        if max(self._tries, self._failures) < self._role.attempts:
            self._scene.schedule.after(back_off(self._failures), self.attempt)

    def _test_internet(self, then: Callable[[], None]) -> None:
        """Test it as the firmware does, show the LED's colour, and go on."""

        def tested(_reply: bytes | None) -> None:
            self._scene.schedule.after(LED_TIME, then)

        def ask_time(address: bytes | None) -> None:
            if address is None:
                tested(None)
            else:
                self._ask(TIME_SERVER, NTP, TIME_REQUEST, tested, _TESTS)

        match self._role.tests_internet:
            case "ntp":
                self._look_up(TIME_NAME, ask_time, 1)
            case "tcp":
                self._port += 1
                self._awaits[self._port] = tested
                syn = Tcp(self._port, DNS, 1000, 0, SYN)
                self._send(packed(OPEN_RESOLVER), syn)
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
        self._scene.path.send(Packet(self._address, to, content, self._role.ttl), TO_CLOUD)
