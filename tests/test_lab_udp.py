"""What the lab says over UDP, read by others."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from scapy.all import IP, UDP, wrpcap

from handshake_probe.lab import udp
from handshake_probe.lab.stand_ins import serve_datagrams

FIELDS = (
    "dtls.handshake.type",
    "dtls.handshake.cookie_length",
    "dtls.handshake.ciphersuite",
    "dtls.handshake.extension.type",
    "_ws.malformed",
)
OFFERED = "0xc0ae,0x00ff"
EXTENSIONS = "13,10,11,19,20"


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark not installed")
def test_a_dissector_reads_hellos_and_cookie(tmp_path: Path) -> None:
    first = udp.client_hello(bytes(32), b"", 0)
    [answer] = udp.verify(first)
    second = udp.client_hello(bytes(32), bytes(range(32)), 1)
    capture = tmp_path / "dtls.pcap"
    ports = ((41000, 5684), (5684, 41000), (41000, 5684))
    wrpcap(
        str(capture),
        [
            IP() / UDP(sport=source, dport=target) / data
            for (source, target), data in zip(ports, (first, answer, second), strict=True)
        ],
    )
    fields = [part for field in FIELDS for part in ("-e", field)]
    command = ["tshark", "-n", "-r", str(capture), "-d", "udp.port==5684,dtls", "-T", "fields"]
    told = subprocess.run([*command, *fields], capture_output=True, text=True, check=True).stdout
    assert [line.split("\t") for line in told.splitlines()] == [
        ["1", "0", OFFERED, EXTENSIONS, ""],
        ["3", "32", "", "", ""],
        ["1", "32", OFFERED, EXTENSIONS, ""],
    ]


def test_what_is_no_hello_gets_no_cookie() -> None:
    assert udp.verify(udp.client_hello(bytes(32), bytes(32), 1)) == []
    assert udp.verify(b"\x40\x00ab") == []
    assert udp.verify(b"") == []


def test_a_coap_ping_is_answered() -> None:
    assert udp.pong(b"\x40\x00ab") == [b"\x70\x00ab"]
    assert udp.pong(b"\x50\x02ab") == []


def test_a_cookie_is_used() -> None:
    heard: list[bytes] = []

    def answer(request: bytes) -> list[bytes]:
        heard.append(request)
        return udp.verify(request)

    async def meet() -> None:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        server.bind(("127.0.0.1", udp.DTLS_PORT))
        transport = await serve_datagrams(server, answer)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as client:
            connecting = asyncio.create_task(udp.connect(client, "127.0.0.1"))
            async with asyncio.timeout(5):
                while len(heard) < 2:
                    await asyncio.sleep(0.01)
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
        transport.close()

    asyncio.run(meet())
    [cookie] = [reply[-32:] for reply in udp.verify(heard[0])]
    assert udp.verify(heard[1]) == []
    assert cookie in heard[1]
