"""Whether a machine stands in the path of others: a router, a mirror port, and just a neighbour."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from frames import ethernet, inet, inet6, ipv4, ipv6, l2, tcp
from handshake_probe.capture import live_interfaces
from handshake_probe.capture.live_path import between_others
from handshake_probe.lab import network
from handshake_probe.lab.network import End, Network
from handshake_probe.packets.decode import Decoder
from handshake_probe.packets.units import Frame

LACK = network.missing()
needs_network = pytest.mark.skipif(LACK is not None, reason=f"not run: {LACK}")

HERE = ipv4(src="192.168.1.9", dst="192.168.1.7")
OWN = frozenset({bytes((192, 168, 1, 9)), bytes.fromhex("fd000000000000000000000000000009")})
OTHERS = {
    "TCP": ethernet() / ipv4(src="192.168.1.7", dst="10.77.0.2") / tcp(),
    "TCP with a tag": ethernet() / l2.Dot1Q(vlan=7) / ipv4(src="192.168.1.7") / tcp(dport=443),
    "UDP": ethernet() / ipv4(src="192.168.1.7", dst="8.8.8.8") / inet.UDP(dport=443) / b"q",
    "IPv6": ethernet() / ipv6(src="fd00::7", dst="fd00::2") / tcp(),
}
NOT_OTHERS = {
    "from here": ethernet() / HERE / tcp(),
    "to here": ethernet() / ipv4(src="192.168.1.7", dst="192.168.1.9") / tcp(),
    "to here, IPv6": ethernet() / ipv6(src="fd00::7", dst="fd00::9") / tcp(),
    "to all": ethernet() / ipv4(src="192.168.1.7", dst="255.255.255.255") / inet.UDP(dport=68),
    "to all of a net": ethernet() / ipv4(src="192.168.1.7", dst="192.168.1.255") / inet.UDP(),
    "to a group": ethernet() / ipv4(src="192.168.1.7", dst="224.0.1.187") / inet.UDP(dport=5683),
    "to a group, IPv6": ethernet() / ipv6(src="fe80::7", dst="ff02::fb") / inet.UDP(dport=5353),
    "neighbours": ethernet() / ipv6(src="fe80::7", dst="fe80::9") / inet6.ICMPv6ND_NS(),
    "ARP": ethernet() / l2.ARP(),
}


@pytest.mark.parametrize(
    ("packet", "expected"),
    [(one, True) for one in OTHERS.values()] + [(one, False) for one in NOT_OTHERS.values()],
    ids=[*OTHERS, *NOT_OTHERS],
)
def test_what_is_between_others(packet: Any, expected: bool) -> None:
    data = bytes(packet)
    assert between_others(Decoder().decode(Frame(1, 0, 1, 0, data, len(data))), OWN) is expected


def test_own_addresses_are_known_without_libpcap(monkeypatch: pytest.MonkeyPatch) -> None:
    with_libpcap = live_interfaces.own_addresses()
    assert bytes((127, 0, 0, 1)) in with_libpcap
    monkeypatch.setitem(sys.modules, "cypcap", None)
    assert live_interfaces.own_addresses() == with_libpcap


@contextmanager
def sending(built: Network, host: str, packets: list[Any]) -> Iterator[None]:
    """A host sends the same packets ten times a second."""
    stop = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
            sender.bind(("eth0", 0))
            while not stop.wait(0.1):
                for packet in packets:
                    sender.send(bytes(packet))

    thread = threading.Thread(target=lambda: built.within(host, send))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def on(built: Network, host: str, *arguments: str, patch: str = "") -> tuple[str, str]:
    """Run the program on a host, patched; what it says on stdout and stderr."""
    code = f"import sys\n{patch}\nfrom handshake_probe.cli import main\nmain({list(arguments)})"
    done = subprocess.run(
        built.command(host, sys.executable, "-c", code), capture_output=True, text=True, timeout=60
    )
    return done.stdout, done.stderr


def path_of(built: Network, host: str, interface: str) -> dict[str, Any]:
    patch = "from handshake_probe.cli import doctor\ndoctor._LISTENING = 1.5"
    out, _ = on(built, host, "doctor", "-i", interface, "--format", "json", patch=patch)
    items = {item["name"]: item for item in json.loads(out)["items"]}
    found: dict[str, Any] = items["in the path"]
    return found


@contextmanager
def cable() -> Iterator[Network]:
    """A machine at the end of a cable, and what comes out of the other."""
    with Network() as built:
        built.add_host("here", ipv6=True)
        built.add_host("there", ipv6=True)
        near = End("here", "eth0", ["192.168.1.9/24", "fd00::9/64"])
        built.join(near, End("there", "eth0", ["192.168.1.7/24", "fd00::7/64"]))
        yield built


@needs_network
def test_a_mirror_port() -> None:
    """Unicast that is meant for neither this machine nor all."""
    with cable() as built, sending(built, "there", [*OTHERS.values()]):
        item = path_of(built, "here", "eth0")
    assert item["works"] is True
    assert "of 2 senders to others" in item["detail"]


@needs_network
def test_just_a_neighbour() -> None:
    with cable() as built, sending(built, "there", [*NOT_OTHERS.values()]):
        item = path_of(built, "here", "eth0")
        assert "there is no such interface" in path_of(built, "here", "wlan7")["detail"]
    assert item["works"] is False
    assert item["detail"] == "eth0: only own packets and broadcasts in 2 s"


@needs_network
def test_a_hotspot() -> None:
    """What is forwarded is addressed to this machine's hardware, and yet another's."""
    with Network() as built:
        for host in ("device", "laptop", "cloud"):
            built.add_host(host)
        built.join(
            End("device", "eth0", ["10.42.0.7/24"]), End("laptop", "wlan0", ["10.42.0.1/24"])
        )
        built.join(
            End("laptop", "uplink", ["192.168.1.9/24"]), End("cloud", "eth0", ["192.168.1.1/24"])
        )
        built.configure("device", "route add default via 10.42.0.1")
        built.set("laptop", {"ipv4/ip_forward": "1"})

        def call() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                while not stop.wait(0.1):
                    sender.sendto(b"x", ("192.168.1.1", 9))

        stop = threading.Event()
        thread = threading.Thread(target=lambda: built.within("device", call))
        thread.start()
        try:
            item = path_of(built, "laptop", "wlan0")
        finally:
            stop.set()
            thread.join()
    assert item["works"] is True
    assert "of 1 sender to others" in item["detail"]


@needs_network
@pytest.mark.parametrize("in_the_path", [True, False])
def test_a_watch_says_when_it_seems_to_stand_beside(in_the_path: bool) -> None:
    packets = [*NOT_OTHERS.values(), *(OTHERS.values() if in_the_path else ())]
    patch = "from handshake_probe.cli import watch_loop\nwatch_loop._ALONE = 1.5"
    with cable() as built, sending(built, "there", packets):
        _, said = on(built, "here", "watch", "-i", "eth0", "--duration", "3", patch=patch)
    hinted = "only own packets and broadcasts so far: try 'handshake-probe doctor -i eth0'" in said
    assert hinted is not in_the_path
