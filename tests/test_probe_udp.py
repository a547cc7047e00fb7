"""CoAP ping, DTLS ClientHello and time over UDP, against real peers and through real filters."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import aiocoap
import aiocoap.resource
import pytest

from handshake_probe.lab import network
from handshake_probe.lab.network import Network
from handshake_probe.lab.stand_ins import tell_time
from handshake_probe.model.observation import Observation
from handshake_probe.model.probed import Connect, DnsProbed, IcmpAnswer, TcpProbed, UdpProbed
from handshake_probe.probe import internet_test
from handshake_probe.probe.coap_ping import ping
from handshake_probe.probe.dtls_hello import client_hello, greet, name_answer
from handshake_probe.probe.endpoint import Endpoint
from handshake_probe.probe.internet_test import ask_time
from udp_room import (
    HERE,
    LAPTOP,
    OUTSIDE,
    ROUTER,
    both_sockets,
    forwarding,
    home,
    ids,
    serving,
    within_time,
)

QUICK = (0.2, 0.2, 0.2)  # for silence; where something must be heard, the machine may be busy
PATIENT = (3.0, 3.0, 3.0)
RANDOM = bytes(range(32))

LACK = network.missing()
needs_network = pytest.mark.skipif(LACK is not None, reason=f"no network: {LACK}")
needs_queue = pytest.mark.skipif(sys.platform != "linux", reason="error queues are Linux's")

Probe = Callable[..., Awaitable[UdpProbed]]
ALL = pytest.mark.parametrize("probe", [ping, greet, ask_time])


def asked(
    probe: Probe,
    replies: Callable[[bytes], Sequence[bytes]],
    address: str = HERE,
    waits: tuple[float, ...] = PATIENT,
) -> UdpProbed:
    async def run() -> UdpProbed:
        async with serving(replies, address=address) as target:
            return await probe(target, ids(), waits=waits)

    return within_time(run())


@ALL
def test_silence(probe: Probe) -> None:
    heard: list[bytes] = []

    def listen(data: bytes) -> list[bytes]:
        heard.append(data)
        return []

    row = asked(probe, listen, waits=QUICK)
    assert (row.outcome, row.attempts, row.answer, row.icmp) == ("silent", 3, None, None)
    assert 0.6 <= row.seconds < 2
    assert len(heard) == 3


@ALL
def test_any_answer_is_an_answer(probe: Probe) -> None:
    row = asked(probe, lambda data: [b"\0" * 60])
    assert (row.outcome, row.attempts, row.answer) == ("answered", 1, "other")


@ALL
@needs_queue
def test_a_closed_port(probe: Probe) -> None:
    async def run() -> UdpProbed:
        async with serving() as target:
            return await probe(target, ids(), waits=PATIENT)

    row = within_time(run())
    assert (row.outcome, row.attempts) == ("rejected", 1)
    assert row.icmp == IcmpAnswer(source=HERE, version=4, type=3, code=3)
    assert row.seconds < PATIENT[0]


@needs_queue
def test_a_closed_port_over_ipv6() -> None:
    async def run() -> UdpProbed:
        async with serving(address="::1") as target:
            return await ping(target, ids(), waits=PATIENT)

    row = within_time(run())
    assert row.icmp == IcmpAnswer(source="::1", version=6, type=1, code=4)
    assert row.target.startswith("[::1]:")


@pytest.mark.parametrize("address", ["255.255.255.255", "0.0.0.0", "::"])
def test_no_way_to_send(address: str) -> None:
    """Broadcast needs an option; to the addresses of a sinkhole this machine would ask itself."""
    row = within_time(ping(Endpoint(address, 5683), ids(), waits=QUICK))
    assert (row.outcome, row.attempts) == ("not_sent", 0)


def test_ping_is_answered_by_a_coap_server() -> None:
    async def run() -> UdpProbed:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind((HERE, 0))
            target = Endpoint(HERE, free.getsockname()[1])
        server = await aiocoap.Context.create_server_context(
            aiocoap.resource.Site(), bind=tuple(target), transports=["simplesocketserver"]
        )
        try:
            return await ping(target, ids(), waits=PATIENT)
        finally:
            await server.shutdown()

    row = within_time(run())
    assert (row.test, row.outcome, row.answer) == ("coap_ping", "answered", "reset")


def test_a_reset_of_another_message_is_no_answer_to_ours() -> None:
    row = asked(ping, lambda data: [b"\x70\0" + bytes((data[2] ^ 1, data[3]))])
    assert row.answer == "other"


def test_the_time() -> None:
    row = asked(ask_time, tell_time)
    assert (row.test, row.outcome, row.answer) == ("ntp", "answered", "time")
    row = asked(ask_time, lambda data: [data])  # an echo is no server
    assert row.answer == "other"


def record(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + b"\xfe\xfd" + bytes(8) + len(body).to_bytes(2, "big") + body


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (record(22, b"\x03" + bytes(20)), "hello_verify_request"),
        (record(22, b"\x02" + bytes(20)), "server_hello"),
        (record(22, b"\x0b" + bytes(20)), "other"),
        (record(21, b"\x02\x28"), "alert"),
        (record(23, bytes(20)), "other"),
        (record(22, b""), "other"),
        (b"\x16\x03\x03" + bytes(20), "other"),  # TLS
        (b"HTTP/1.1 400 Bad Request", "other"),
        (b"", "other"),
    ],
)
def test_what_a_dtls_server_may_answer(data: bytes, name: str) -> None:
    assert name_answer(data) == name


def test_a_retransmission_differs_in_its_sequence_number_only() -> None:
    heard: list[bytes] = []

    def listen(data: bytes) -> list[bytes]:
        heard.append(data)
        return []

    asked(greet, listen, waits=QUICK)
    assert [data[3:11] for data in heard] == [number.to_bytes(8, "big") for number in range(3)]
    assert len({data[:3] + data[11:] for data in heard}) == 1


@pytest.fixture
def ec_certificate(tmp_path: Path) -> Path:
    pem, certificate = tmp_path / "ec.pem", tmp_path / "ec.crt"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=test"
    subprocess.run(
        [*make.split(), "-keyout", str(pem), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    pem.write_bytes(pem.read_bytes() + certificate.read_bytes())
    return pem


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("options", [[], ["-listen"]])
def test_openssl_understands_the_client_hello(ec_certificate: Path, options: list[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((HERE, 0))
        target = Endpoint(HERE, free.getsockname()[1])
    serve = "openssl s_server -dtls1_2 -cipher ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0"
    server = subprocess.Popen(
        [*serve.split(), "-accept", str(target), "-cert", str(ec_certificate), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert server.stdout is not None
    try:
        while server.stdout.readline() not in (b"ACCEPT\n", b""):
            pass
        row = within_time(greet(target, ids(), waits=(2.0,)))
    finally:
        server.kill()
        server.communicate()
    assert (row.test, row.outcome) == ("dtls_client_hello", "answered")
    assert row.answer == "hello_verify_request"


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_reads_the_client_hello(tmp_path: Path) -> None:
    """As DTLS 1.2 with what Particle's devices offer, and nothing malformed."""
    hello = client_hello(RANDOM, 1)
    udp = struct.pack(">4H", 40000, 5684, 8 + len(hello), 0) + hello
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), bytes(4))
    capture = tmp_path / "hello.pcap"
    capture.write_bytes(
        struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)  # raw IP
        + struct.pack("<4I", 0, 0, len(ip + udp), len(ip + udp))
        + ip
        + udp
    )
    fields = [
        "dtls.record.version",
        "dtls.record.sequence_number",
        "dtls.handshake.type",
        "dtls.handshake.version",
        "dtls.handshake.ciphersuite",
        "dtls.handshake.random",
        "dtls.handshake.extension.type",
        "dtls.handshake.cert_type.type",
        "_ws.malformed",
    ]
    told = subprocess.run(
        ["tshark", "-n", "-r", str(capture), "-T", "fields", "-d", "udp.port==5684,dtls"]
        + [part for field in fields for part in ("-e", field)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(tmp_path)},  # tshark fails where it may not look for files
    ).stdout.rstrip("\n")
    read = dict(zip(fields, told.split("\t"), strict=False))
    assert read["dtls.record.version"] == "0xfeff"
    assert read["dtls.record.sequence_number"] == "1"
    assert read["dtls.handshake.type"] == "1"
    assert read["dtls.handshake.version"] == "0xfefd"
    assert read["dtls.handshake.ciphersuite"] == "0xc0ae,0x00ff"
    assert read["dtls.handshake.random"] == RANDOM.hex()
    assert read["dtls.handshake.extension.type"] == "13,10,11,19,20,54"
    assert read["dtls.handshake.cert_type.type"] == "0x02,0x02"
    assert not read.get("_ws.malformed")


def through(
    rules: str, probe: Probe = greet, *, host: str = "router", waits: tuple[float, ...] = PATIENT
) -> UdpProbed:
    """Ask a UDP echo outside, with these rules of a host on the way."""

    async def run(sockets: tuple[socket.socket, socket.socket]) -> UdpProbed:
        async with serving(lambda data: [data], sockets=sockets) as target:
            return await probe(target, ids(), waits=waits)

    with home() as net:
        net.filter(host, rules)
        sockets = net.within("outside", partial(both_sockets, OUTSIDE, 5684))
        return net.within("laptop", lambda: within_time(run(sockets)))


@needs_network
@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("admin-prohibited", 13),
        ("host-unreachable", 1),
        ("port-unreachable", 3),
        ("net-prohibited", 9),
    ],
)
def test_a_router_that_rejects_names_itself(kind: str, code: int) -> None:
    row = through(forwarding(f"udp dport 5684 reject with icmp {kind}"))
    assert (row.outcome, row.attempts) == ("rejected", 1)
    assert row.icmp == IcmpAnswer(source=ROUTER, version=4, type=3, code=code)


@needs_network
def test_a_router_that_drops() -> None:
    row = through(forwarding("udp dport 5684 drop"), waits=QUICK)
    assert (row.outcome, row.icmp, row.attempts) == ("silent", None, 3)


@needs_network
def test_a_path_that_carries_it() -> None:
    assert through("").outcome == "answered"


@needs_network
def test_a_filter_on_this_machine_is_no_answer_of_the_network() -> None:
    output = "table inet t { chain c { type filter hook output priority 0; udp dport 5684 %s; }; }"
    dropped = through(output % "drop", host="laptop")
    assert (dropped.outcome, dropped.attempts) == ("not_sent", 0)
    rejected = through(output % "reject with icmp admin-prohibited", host="laptop")
    assert rejected.outcome == "not_sent"


@needs_network
def test_nobody_at_an_address_of_the_own_network() -> None:
    """The kernel itself reports what ARP did not find: no router said so."""
    with home() as net:
        net.set("laptop", {"ipv4/neigh/eth0/retrans_time_ms": "50"})
        target = Endpoint("10.66.0.99", 5684)
        row = net.within("laptop", lambda: within_time(greet(target, ids(), waits=(2.0,))))
    assert row.outcome == "not_sent"
    assert row.icmp == IcmpAnswer(source=LAPTOP, version=4, type=3, code=1)


@needs_network
def test_the_internet_test_without_an_internet() -> None:
    with Network() as net:
        net.add_host("laptop")
        tested = net.within(
            "laptop",
            lambda: within_time(
                internet_test.measure(Endpoint(OUTSIDE, 53), "name.invalid", ids(), waits=QUICK)
            ),
        )
    connected, looked_up, asked = tested
    assert isinstance(connected, TcpProbed)
    assert (connected.purpose, connected.outcome) == ("internet_test", Connect.NOT_SENT)
    assert isinstance(looked_up, DnsProbed)
    assert looked_up.addresses == []
    assert isinstance(asked, UdpProbed)
    assert (asked.target, asked.outcome) == ("name.invalid:123", "not_sent")


def test_the_internet_test_with_stand_ins() -> None:
    async def run() -> list[Observation]:
        async with serving(tell_time, lambda query: b"") as target:
            return await internet_test.measure(
                target, "localhost", ids(), time_port=target.port, waits=PATIENT
            )

    connected, looked_up, asked = within_time(run())
    assert isinstance(connected, TcpProbed)
    assert (connected.purpose, connected.outcome) == ("internet_test", Connect.CONNECTED)
    assert isinstance(looked_up, DnsProbed)
    assert (looked_up.purpose, looked_up.role) == ("internet_test", "system")
    assert isinstance(asked, UdpProbed)
    assert (asked.outcome, asked.answer) == ("answered", "time")
