"""What a capture sees of a story, and how it writes that down: frames with link-layer headers."""

from __future__ import annotations

from handshake_probe.lab.memory.path import packed
from handshake_probe.lab.memory.schedule import EPOCH
from handshake_probe.lab.memory.story import TO_CLOUD, Story
from handshake_probe.lab.memory.wire import Packet, arp, cooked, ethernet
from handshake_probe.packets.units import Direction, Frame

ROUTER_MAC = bytes.fromhex("02000000fe01")
_ETHERNET, _WIFI, _COOKED = 1, 105, 113  # LINKTYPE_*
_PROTECTED_DATA = bytes.fromhex("08420000")  # 802.11 data frame from the access point, encrypted
_ASKS = 5.0  # seconds between signs of life on the link, which show that a capture goes on
_CCMP = 16  # bytes of header and check that hide 802.11 content


class Tape:
    """Collects the frames of one story."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._view = story.view
        self._seen: list[tuple[float, bytes]] = list(story.beside)
        self._macs = {
            packed(d.address): bytes.fromhex(d.mac.replace(":", "")) for d in story.devices
        }
        self._idents: dict[bytes, int] = {}
        points = {"lan": 0, "wan": 1, "cloud": story.routers}
        self._link = points[self._view.point]
        if story.arp and self._link == 0 and story.routers:
            self._introduce()

    def see(self, now: float, link: int, way: Direction, packet: Packet) -> None:
        """Take a packet that crosses a link."""
        view = self._view
        if link != self._link or (
            view.sides != "both" and (view.sides == "device") != (way is TO_CLOUD)
        ):
            return
        ident = self._idents[packet.source] = self._idents.get(packet.source, 0) + 1
        packet = packet._replace(
            ident=ident, extensions=view.extensions if packet.version == 6 else ()
        )
        for piece in packet.fragments(view.fragment):
            self._seen.append((now, self._framed(packet, piece, way)))

    def frames(self) -> list[Frame]:
        """Return the frames in order of time, as far as the capture holds them."""
        view, story = self._view, self._story
        end = story.seconds if view.end is None else view.end
        kind = _COOKED if view.cooked else _WIFI if view.encrypted else _ETHERNET
        kept: list[Frame] = []
        taken = [item for item in sorted(self._seen, key=_time) if view.start <= item[0] <= end]
        for number, (at, data) in enumerate(taken, start=1):
            if number not in view.loses:
                time_ns = EPOCH * 10**9 + round(at * 10**6) * 1000
                cut = data if view.snap is None else data[: view.snap]
                kept.append(Frame(len(kept) + 1, time_ns, kind, 0, cut, len(data)))
        return kept

    def _framed(self, packet: Packet, data: bytes, way: Direction) -> bytes:
        near = self._near(packet, way)
        far = (
            ROUTER_MAC
            if self._story.routers
            else _mac_of(packet.destination if way is TO_CLOUD else packet.source)
        )
        source, destination = (near, far) if way is TO_CLOUD else (far, near)
        view = self._view
        if view.cooked:
            return cooked(source, data, outgoing=way is not TO_CLOUD)
        if view.encrypted:
            hidden = bytes(byte ^ 0x5A for byte in data)
            return (
                _PROTECTED_DATA + destination + source + source + bytes(2) + bytes(_CCMP) + hidden
            )
        return ethernet(source, destination, data, view.vlan)

    def _near(self, packet: Packet, way: Direction) -> bytes:
        address = packet.source if way is TO_CLOUD else packet.destination
        return self._macs.get(address, ROUTER_MAC[:-1] + b"\x02")

    def _introduce(self) -> None:
        """ARP, as each device asks for its router when it joins."""
        router = packed(self._story.gateway)
        if len(router) != 4 or self._view.encrypted or self._view.cooked:
            return
        self._seen += [(at, _anybody(router)) for at in self._life()]
        for address, mac in self._macs.items():
            if len(address) == 4:
                first = min(d.start for d in self._story.devices) / 2
                self._seen.append((first, arp(mac, address, ROUTER_MAC, router, reply=False)))
                reply = arp(ROUTER_MAC, router, mac, address, reply=True)
                self._seen.append((first + 0.0004, reply))

    def _life(self) -> list[float]:
        """When the router asks for some other host: every few seconds, and at the very end."""
        end = self._story.seconds if self._view.end is None else self._view.end
        return [*(n * _ASKS for n in range(1, 1 + int(end / _ASKS)) if n * _ASKS < end), end]


def _anybody(router: bytes) -> bytes:
    """A router's ARP request for a host that has nothing to do with a story."""
    return arp(ROUTER_MAC, router, bytes(6), router[:3] + b"\x63", reply=False)


def _time(item: tuple[float, bytes]) -> float:
    return item[0]


def _mac_of(address: bytes) -> bytes:
    """Return the made-up MAC of a host on the device's own link."""
    return b"\x02\x00" + address[-4:]
