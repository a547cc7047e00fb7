"""Runs a story: hosts at the ends of the path, and what a capture writes down of it."""

from __future__ import annotations

import struct
from typing import NamedTuple

from handshake_probe.lab.memory.cloud_host import CloudHost
from handshake_probe.lab.memory.device_host import DeviceHost
from handshake_probe.lab.memory.path import DNS, NTP, Path, packed
from handshake_probe.lab.memory.scene import (
    OPEN_RESOLVER,
    TIME_NAME,
    TIME_SERVER,
    Played,
    Scene,
)
from handshake_probe.lab.memory.schedule import Schedule
from handshake_probe.lab.memory.story import TO_DEVICE, Does, Story
from handshake_probe.lab.memory.tap import Tape
from handshake_probe.lab.memory.tcp import ACK, SYN
from handshake_probe.lab.memory.wire import Packet, Tcp, Udp
from handshake_probe.lab.stand_ins import Names
from handshake_probe.packets.units import Frame

_NTP_EPOCH = 2208988800  # seconds from 1900 to 1970


class Recording(NamedTuple):
    """What a story left behind."""

    frames: list[Frame]
    played: list[Played]  # the connections as the devices saw them


def record(story: Story) -> Recording:
    """Run a story from beginning to end."""
    schedule, tape = Schedule(), Tape(story)
    path = Path(schedule, story, lambda *seen: tape.see(schedule.now, *seen))
    scene = Scene(story, schedule, path)
    for number, role in enumerate(story.clouds):
        if role.exists and packed(role.address) not in path.far:
            same = [c for c in story.clouds if c.address == role.address]
            path.far[packed(role.address)] = CloudHost(scene, same, f"cloud{number}", None)
    for number, role in enumerate(story.boxes):
        place = next(r.place for r in story.rules if r.does is Does.ANSWER and r.box == number)
        path.boxes.append(CloudHost(scene, [role], f"box{number}", place))
    _serve_names(scene)
    path.far[packed(TIME_SERVER)] = lambda packet: _tell_time(scene, packet)
    path.far[packed(OPEN_RESOLVER)] = lambda packet: _accept_test(scene, packet)
    for number, device in enumerate(story.devices):
        host = DeviceHost(scene, number, device)
        path.near[packed(device.address)] = host
        schedule.after(device.start, host.attempt)
    schedule.run(story.seconds)
    return Recording(tape.frames(), scene.played)


def _serve_names(scene: Scene) -> None:
    """Let the resolver answer as the story says."""
    story, path = scene.story, scene.path
    names = story.names
    if names is None:
        names = {d.calls: (story.clouds[0].address,) for d in story.devices}
    replies = Names({TIME_NAME: (TIME_SERVER,), **names})
    address = packed(story.resolver)
    place = 1 if story.routers and address == path.router(1) else None
    cloud = path.far.get(address)  # which may run on the same host

    def answer(packet: Packet) -> None:
        if isinstance(packet.content, Udp) and packet.content.destination_port == DNS:
            for reply in replies(packet.content.payload):
                udp = Udp(DNS, packet.content.source_port, reply)
                path.send(Packet(address, packet.source, udp), TO_DEVICE, place)
        elif cloud is not None:
            cloud(packet)

    path.far[address] = answer


def _tell_time(scene: Scene, packet: Packet) -> None:
    if isinstance(packet.content, Udp) and packet.content.destination_port == NTP:
        now = struct.pack(">II", int(scene.schedule.unix) + _NTP_EPOCH, 0)
        head = struct.pack(">BBbb", 0x24, 2, 6, -23) + bytes(8) + b"LOCL"
        reply = head + now + packet.content.payload[40:48] + now + now
        udp = Udp(NTP, packet.content.source_port, reply)
        scene.path.send(Packet(packet.destination, packet.source, udp), TO_DEVICE)


def _accept_test(scene: Scene, packet: Packet) -> None:
    """Accept the connection with which firmware up to 1.5 tests the internet."""
    content = packet.content
    if isinstance(content, Tcp) and content.flags & SYN:
        ports = (content.destination_port, content.source_port)
        accept = Tcp(*ports, 1, content.sequence + 1, SYN | ACK)
        scene.path.send(Packet(packet.destination, packet.source, accept), TO_DEVICE)
