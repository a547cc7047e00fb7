"""Signs of life beside the handshake: ARP, DHCP, the internet test, presence, UDP 5684, TTLs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from handshake_probe.model.observations import (
    AnyObservation,
    HostSeen,
    InternetTestSeen,
    PathTtlSeen,
    PresenceSeen,
    UdpCloudSeen,
)
from handshake_probe.packets.addresses import address_text, mac_text
from handshake_probe.packets.dhcp import read_dhcp
from handshake_probe.packets.ntp import ntp_role
from handshake_probe.packets.units import Arp, Datagram, Endpoint, Icmp, Packet, Segment, TcpFlags
from handshake_probe.protocol.layouts import DEVICE_ID_SIZE, PRESENCE_HEAD

DNS, DHCP_SERVER, DHCP_CLIENT, NTP, PRESENCE, DTLS = 53, 67, 68, 123, 5683, 5684
PRESENCE_GROUP = bytes((224, 0, 1, 187))
TESTED_RESOLVER = Endpoint(bytes((8, 8, 8, 8)), DNS)  # internet test of Device OS up to 1.5
TABLE_LIMIT = 20_000  # entries per table: a hostile capture must not fill the memory
TESTS_KEPT = 4_000


@dataclass(slots=True)
class _Host:
    frame: int
    time_ns: int
    address: str | None = None
    name: str | None = None
    sources: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Test:
    frame: int
    time_ns: int
    client: Endpoint
    test: str
    answered: bool = False


@dataclass(slots=True)
class _Ttls:
    frame: int
    protocol: str
    values: set[int]


@dataclass(slots=True)
class _Exchange:
    frame: int
    time_ns: int
    from_device: int = 0
    from_cloud: int = 0


class HostObserver:
    """Collects signs of life; `feed` takes every packet that is not the handshake's own."""

    def __init__(self) -> None:
        self._hosts: dict[bytes, _Host] = {}
        self._tests: list[_Test] = []
        self._presence: dict[tuple[bytes, bytes], tuple[int, int]] = {}
        self._ttls: dict[bytes, _Ttls] = {}
        self._dtls: dict[tuple[bytes, Endpoint], _Exchange] = {}
        self.capped = False

    def feed(self, packet: Packet) -> None:
        """Take one packet."""
        if isinstance(packet, Datagram):
            self._datagram(packet)
        elif isinstance(packet, Segment):
            self._segment(packet)
        elif isinstance(packet, Arp):
            if any(packet.sender_address):  # an address probe (RFC 5227) claims nothing yet
                host = self._host(packet.sender_mac, packet.frame, packet.time_ns, "arp")
                if host is not None:
                    host.address = address_text(packet.sender_address)
        elif isinstance(packet, Icmp) and packet.quote is None:
            self._ttl(packet.source, packet.ttl, packet.frame, "icmp")

    def _host(self, mac: bytes, frame: int, time_ns: int, source: str) -> _Host | None:
        host = self._hosts.get(mac)
        if host is None:
            if len(self._hosts) >= TABLE_LIMIT:
                self.capped = True
                return None
            host = self._hosts[mac] = _Host(frame, time_ns)
        host.sources.add(source)
        return host

    def _ttl(self, address: bytes, ttl: int, frame: int, protocol: str) -> None:
        known = self._ttls.get(address)
        if known is not None:
            known.values.add(ttl)
            if protocol == "dns":
                known.protocol = protocol
        elif len(self._ttls) < TABLE_LIMIT:
            self._ttls[address] = _Ttls(frame, protocol, {ttl})
        else:
            self.capped = True

    def _segment(self, packet: Segment) -> None:
        if not packet.flags & TcpFlags.RST:
            self._ttl(packet.source.address, packet.ttl, packet.frame, "tcp")
        if packet.flags & TcpFlags.SYN:
            if packet.destination == TESTED_RESOLVER:
                self._tested(packet, "tcp_8.8.8.8_53")
            elif packet.source == TESTED_RESOLVER:
                self._answered(packet.destination, "tcp_8.8.8.8_53")

    def _datagram(self, packet: Datagram) -> None:
        source, destination = packet.source, packet.destination
        protocol = "dns" if source.port == DNS else "udp"
        self._ttl(source.address, packet.ttl, packet.frame, protocol)
        ports = (source.port, destination.port)
        if ports == (DHCP_CLIENT, DHCP_SERVER):
            message = read_dhcp(packet.payload)
            if message is not None:
                host = self._host(message.client_mac, packet.frame, packet.time_ns, "dhcp")
                if host is not None:
                    host.name = message.host_name or host.name
                    if host.address is None and message.requested_address:
                        host.address = address_text(message.requested_address)
        elif NTP in ports:
            role = ntp_role(packet.payload)
            if role == "request" and destination.port == NTP:
                self._tested(packet, "ntp")
            elif role == "reply" and source.port == NTP:
                self._answered(destination, "ntp")
        elif destination == Endpoint(PRESENCE_GROUP, PRESENCE):
            self._announced(packet)
        elif DTLS in ports:
            self._exchanged(packet)

    def _tested(self, packet: Datagram | Segment, test: str) -> None:
        if len(self._tests) >= TESTS_KEPT:
            self.capped = True
            return
        self._tests.append(_Test(packet.frame, packet.time_ns, packet.source, test))

    def _answered(self, client: Endpoint, test: str) -> None:
        for made in reversed(self._tests[-200:]):
            if made.client == client and made.test == test:
                made.answered = True
                return

    def _announced(self, packet: Datagram) -> None:
        payload = packet.payload
        if len(payload) != len(PRESENCE_HEAD) + DEVICE_ID_SIZE or not payload.startswith(
            PRESENCE_HEAD
        ):
            return
        key = (packet.source.address, payload[len(PRESENCE_HEAD) :])
        if len(self._presence) < TABLE_LIMIT:
            self._presence.setdefault(key, (packet.frame, packet.time_ns))
        else:
            self.capped = True

    def _exchanged(self, packet: Datagram) -> None:
        outbound = packet.destination.port == DTLS
        device, cloud = packet.source, packet.destination
        if not outbound:
            device, cloud = cloud, device
        key = (device.address, cloud)
        if key not in self._dtls and len(self._dtls) >= TABLE_LIMIT:
            self.capped = True
            return
        exchange = self._dtls.setdefault(key, _Exchange(packet.frame, packet.time_ns))
        if outbound:
            exchange.from_device += 1
        else:
            exchange.from_cloud += 1

    def observations(
        self, devices: set[str], clouds: set[str], next_id: Callable[[], str]
    ) -> Iterator[AnyObservation]:
        """What matters for these device and cloud addresses, each with a fresh id."""
        for made in self._tests:
            host = address_text(made.client.address)
            if host in devices:
                yield InternetTestSeen(
                    id=next_id(),
                    frame=made.frame,
                    time=made.time_ns / 1e9,
                    host=host,
                    test=made.test,
                    answered=made.answered,
                )
        for (address, device_id), (frame, time_ns) in self._presence.items():
            yield PresenceSeen(
                id=next_id(),
                frame=frame,
                time=time_ns / 1e9,
                host=address_text(address),
                device_id=device_id.hex(),
            )
        for mac, seen in self._hosts.items():
            yield HostSeen(
                id=next_id(),
                frame=seen.frame,
                time=seen.time_ns / 1e9,
                address=seen.address,
                mac=mac_text(mac),
                name=seen.name,
                sources=sorted(seen.sources),
            )
        for address, ttls in self._ttls.items():
            text = address_text(address)
            if text in clouds:
                yield PathTtlSeen(
                    id=next_id(),
                    frame=ttls.frame,
                    address=text,
                    protocol=ttls.protocol,
                    ttls=sorted(ttls.values),
                )
        for (address, cloud), exchange in self._dtls.items():
            yield UdpCloudSeen(
                id=next_id(),
                frame=exchange.frame,
                time=exchange.time_ns / 1e9,
                device=address_text(address),
                cloud=address_text(cloud.address),
                from_device=exchange.from_device,
                from_cloud=exchange.from_cloud,
            )
