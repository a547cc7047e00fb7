"""Frames while they happen: from an interface, or from a capture that is still being written.

`open_live` tries libpcap first, then dumpcap, a process of its own. Where neither is installed, it
tries scapy, which who wants it installs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, Protocol

from handshake_probe.errors import HandshakeProbeError
from handshake_probe.packets.units import Frame

_PLAIN = (
    # Later fragments of TCP name no ports; 44 is the fragment header of IPv6.
    "{handshake} or (ip proto 6 and ip[6:2] & 0x1fff != 0)"
    " or (ip6 and not ip6 proto 6 and not ip6 proto 17 and not ip6 proto 58) or ip6[6] = 44"
    " or port 53 or arp or icmp or icmp6"
    " or udp port 67 or udp port 68 or udp port 123 or udp port 5683 or udp port 5684"
)


class CannotCapture(HandshakeProbeError):
    """No frames can be taken here; the message says why and what helps."""


class NoDoor(Exception):
    """This way of capturing is not installed; another may be."""


class LiveSource(Protocol):
    """Where frames come from. `fileno` is readable when `take` may have some."""

    name: str  # of the interface, or what the stream is called
    how: str  # "libpcap", "dumpcap", "scapy", "stream"
    damage: str | None  # what ended it before its time

    @property
    def ended(self) -> bool:
        """No more frames will come."""

    @property
    def dropped(self) -> int | None:
        """Frames that kernel and interface lost so far; None: it is not told."""

    def fileno(self) -> int:
        """Return a descriptor to wait for."""

    def take(self) -> list[Frame]:
        """Return what is there, without waiting; numbers count from 1."""

    def finish(self) -> list[Frame]:
        """Stop, and return what was still on its way."""


def live_filter(ports: frozenset[int], *, tags: bool = True) -> str:
    """The filter of a live capture, in libpcap's language.

    Everything the observers read, and nothing else: the handshake, DNS, DHCP, ARP, ICMP, NTP,
    presence, DTLS. `tags`: the same behind a VLAN tag, which not every link type can say.
    """
    handshake = " or ".join(f"tcp port {port}" for port in sorted(ports))
    plain = _PLAIN.format(handshake=handshake)
    return f"{plain} or (vlan and ({plain}))" if tags else plain


def live_filters(ports: frozenset[int]) -> tuple[str, ...]:
    """The filters to try in turn: not every link type knows VLAN tags."""
    return live_filter(ports), live_filter(ports, tags=False)


def open_live(interface: str, filters: Sequence[str]) -> LiveSource:
    """Begin to capture on an interface.

    Args:
        interface: Its name.
        filters: In libpcap's language; the first that the interface's link type can say counts.

    Raises:
        UnreadableInput: there is no such interface.
        CannotCapture: no privilege, nothing here can capture, or no filter that can be said.
    """
    from handshake_probe.capture.live_dumpcap import DumpcapLive
    from handshake_probe.capture.live_libpcap import LibpcapLive

    refused: CannotCapture | None = None
    for way in (LibpcapLive, DumpcapLive):
        try:
            return way(interface, filters)
        except NoDoor:
            continue
        except CannotCapture as error:  # dumpcap may have rights that this process lacks
            refused = refused or error
    if refused is not None:
        raise refused
    from handshake_probe.capture.live_scapy import ScapyLive

    try:
        return ScapyLive(interface, filters)
    except NoDoor:
        raise CannotCapture("neither libpcap (cypcap), dumpcap nor scapy is installed") from None


def open_live_stream(name: str, stream: BinaryIO) -> LiveSource:
    """Read a capture that is still being written, as from another machine's tcpdump."""
    from handshake_probe.capture.live_stream import StreamLive

    return StreamLive(name, stream)
