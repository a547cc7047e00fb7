"""The path between devices and clouds: routers that count down the TTL, rules, taps."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator

from handshake_probe.lab.memory.schedule import Schedule
from handshake_probe.lab.memory.story import CLOUD_PORT, TO_CLOUD, TO_DEVICE, Does, Rule, Story
from handshake_probe.lab.memory.tcp import ACK, FIN, RST, SYN
from handshake_probe.lab.memory.wire import Packet, Tcp, Udp, tcp_options
from handshake_probe.packets.units import Direction

DNS, NTP = 53, 123
OUTER = bytes((100, 64, 0, 9))  # of a router that translates addresses
_LINK = 0.0003  # seconds between two neighbours; the last link has the story's delay
_UNREACHABLE = {4: 3, 6: 1}  # the ICMP type

Host = Callable[[Packet], None]
Tap = Callable[[int, Direction, Packet], None]  # link, counted from the device's; way; packet


def packed(address: str) -> bytes:
    """Return an address as 4 or 16 bytes."""
    return ipaddress.ip_address(address).packed


class Path:
    """Carries packets. Hosts are the devices, at place 0, and the clouds behind the last router.

    Args:
        schedule: The time.
        story: How many routers there are, their rules, and how long the last link takes.
        tap: Is shown every packet on every link.
    """

    def __init__(self, schedule: Schedule, story: Story, tap: Tap) -> None:
        self.near: dict[bytes, Host] = {}
        self.far: dict[bytes, Host] = {}
        self.boxes: list[Host] = []
        self._schedule = schedule
        self._story = story
        self._tap = tap
        self._seen: dict[int, int] = {}  # packets that fitted a rule
        self._inside: dict[int, bytes] = {}  # port to device, where the first router translates
        self._devices = [packed(role.address) for role in story.devices]
        self._clouds = [packed(role.address) for role in story.clouds]
        self._last = story.routers + 1

    def router(self, place: int, version: int = 4) -> bytes:
        """Return the address of a router's side towards the devices."""
        if version == 6:
            return packed(f"fd00:7::{place}")
        return packed(self._story.gateway if place == 1 else f"10.64.{place}.1")

    def send(self, packet: Packet, way: Direction, place: int | None = None) -> None:
        """Send a packet from a place; None: from the host at this way's beginning."""
        if place is None:
            place = 0 if way is TO_CLOUD else self._last
            if place == 0 and not self._spared(packet, 0, way):
                return
        self._cross(packet, place, way)

    def _cross(self, packet: Packet, place: int, way: Direction) -> None:
        """Take the link that leads on from a place, or the air from the access point."""
        if place == 0 and way is TO_DEVICE:
            host = self.near.get(packet.destination)
            if host is not None:
                host(packet)
            return
        step = 1 if way is TO_CLOUD else -1
        number = min(place, place + step)
        takes = self._story.delay if number == self._last - 1 else _LINK
        # A capture sits at the end of the link that is nearer to the device.
        seen = 0.0 if way is TO_CLOUD else takes
        self._schedule.after(seen, lambda: self._tap(number, way, packet))
        self._schedule.after(takes, lambda: self._arrive(packet, place + step, way))

    def _arrive(self, packet: Packet, place: int, way: Direction) -> None:
        if place == 0:
            if self._spared(packet, 0, way):
                self._cross(packet, 0, way)
        elif place == self._last or packet.destination == self.router(place, packet.version):
            host = self.far.get(packet.destination)
            if host is not None and (place == self._last or self._spared(packet, place, way)):
                host(packet)
        else:
            packet = packet._replace(ttl=packet.ttl - 1)
            if self._story.nat and place == 1:
                packet = self._translated(packet, way)
            if self._spared(packet, place, way):
                self._cross(packet, place, way)

    def _translated(self, packet: Packet, way: Direction) -> Packet:
        """Put the router's outer address in the place of a device's; ports stay as they are."""
        content = packet.content
        if not isinstance(content, (Tcp, Udp)):
            return packet
        if way is TO_CLOUD:
            self._inside[content.source_port] = packet.source
            return packet._replace(source=OUTER)
        return packet._replace(destination=self._inside.get(content.destination_port, OUTER))

    def _spared(self, packet: Packet, place: int, way: Direction) -> bool:
        """Let the place do what its rules say; tell whether the packet goes on."""
        for number, rule in enumerate(self._story.rules):
            if rule.place != place or not self._fits(rule, packet, way):
                continue
            count = self._seen[number] = self._seen.get(number, 0) + 1
            if rule.spares < count <= rule.spares + rule.times:
                return self._treat(rule, packet, place, way)
        return True

    def _fits(self, rule: Rule, packet: Packet, way: Direction) -> bool:
        ends = (packet.source, packet.destination)
        content = packet.content
        return (
            rule.way in (None, way)
            and rule.since <= self._schedule.now < rule.until
            and (rule.device is None or self._devices[rule.device] in ends)
            and (rule.cloud is None or self._clouds[rule.cloud] in ends)
            and (rule.what == "any" or rule.what in _words(packet))
            and (
                rule.size is None
                or (isinstance(content, Tcp) and len(content.payload) == rule.size)
            )
        )

    def _treat(self, rule: Rule, packet: Packet, place: int, way: Direction) -> bool:
        back = TO_DEVICE if way is TO_CLOUD else TO_CLOUD
        match rule.does:
            case Does.DELAY:
                self._schedule.after(rule.seconds, lambda: self._cross(packet, place, way))
            case Does.RESET if isinstance(packet.content, Tcp):
                self._later(rule, forged(packet, rule, self._schedule.now), back)
                if rule.both:
                    self._later(rule, _forged_onwards(packet, rule), way)
                return rule.passes
            case Does.REFUSE:
                source = self.router(place, packet.version)
                kind = _UNREACHABLE[packet.version]
                self.send(packet.refusal(source, kind, rule.code, rule.ttl), back, place)
            case Does.ANSWER:
                self.boxes[rule.box](packet)
        return False

    def _later(self, rule: Rule, packet: Packet, way: Direction) -> None:
        self._schedule.after(rule.seconds, lambda: self.send(packet, way, rule.place))


def _words(packet: Packet) -> Iterator[str]:
    content = packet.content
    if isinstance(content, Udp):
        ports = (content.source_port, content.destination_port)
        yield from ("dns",) if DNS in ports else ("ntp",) if NTP in ports else ()
    elif isinstance(content, Tcp):
        flags = content.flags
        yield "tcp"
        if CLOUD_PORT in (content.source_port, content.destination_port):
            yield "cloud"
        if flags & SYN:
            yield "syn_ack" if flags & ACK else "syn"
        for word, true in (("data", content.payload), ("fin", flags & FIN), ("rst", flags & RST)):
            if true:
                yield word


def forged(packet: Packet, rule: Rule, now: float) -> Packet:
    """Return the reset that answers a packet in its destination's name."""
    content = packet.content
    assert isinstance(content, Tcp)
    after = content.sequence + len(content.payload) + bool(content.flags & (SYN | FIN))
    acknowledges = bool(content.flags & SYN)
    options = tcp_options(None, round(now * 1000)) if rule.timestamps else b""
    reset = Tcp(
        content.destination_port,
        content.source_port,
        0 if acknowledges else content.acknowledgment,
        after if acknowledges else 0,
        RST | ACK if acknowledges else RST,
        options=options,
        window=0,
    )
    return Packet(packet.destination, packet.source, reset, rule.ttl)


def _forged_onwards(packet: Packet, rule: Rule) -> Packet:
    content = packet.content
    assert isinstance(content, Tcp)
    reset = Tcp(content.source_port, content.destination_port, content.sequence, 0, RST, window=0)
    return Packet(packet.source, packet.destination, reset, rule.ttl)
