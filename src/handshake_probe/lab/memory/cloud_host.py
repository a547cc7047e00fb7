"""A cloud's host on the in-memory path: it listens, refuses, and plays a cloud per connection."""

from __future__ import annotations

from handshake_probe.lab.entropy import EntropySource
from handshake_probe.lab.memory.scene import Scene
from handshake_probe.lab.memory.seat import Seat
from handshake_probe.lab.memory.story import TO_DEVICE, CloudRole
from handshake_probe.lab.memory.tcp import ACK, RST, SYN, TcpEnd
from handshake_probe.lab.memory.wire import Packet, Tcp
from handshake_probe.lab.play import Part
from handshake_probe.packets.units import Endpoint
from handshake_probe.protocol.connection import Connection
from handshake_probe.protocol.state import Role


class CloudHost:
    """A cloud's host, one role after the other, or a box that takes its connections."""

    def __init__(self, scene: Scene, roles: list[CloudRole], salt: str, place: int | None) -> None:
        self._scene = scene
        self._roles = [(role, role.seal()) for role in roles]
        self._entropy = EntropySource(scene.story.seed, salt)
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
        scene = self._scene
        role, seal = next(p for p in self._roles if scene.schedule.now < p[0].until)
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
            scene.schedule,
            own,
            Endpoint(packet.source, content.source_port),
            lambda segment: self._send(packet, segment, role.ttl),
            int.from_bytes(entropy(3), "big"),
            mss=role.mss,
            timestamps=role.timestamps,
        )
        part = Part(role.script, acts=role.acts, reactions=role.reactions)
        connection = Connection(Role.CLOUD, role.settings, entropy=entropy, seal=seal)
        Seat(scene.schedule, end, connection, part, _nothing)
        if role.until != float("inf"):  # its process ends
            scene.schedule.after(role.until - scene.schedule.now, end.close)
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
        self._scene.path.send(
            Packet(to.destination, to.source, segment, ttl), TO_DEVICE, self._place
        )


def _nothing() -> None:
    pass
