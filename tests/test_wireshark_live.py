"""The live interface on a real one: tshark captures what passes a virtual cable, decrypted."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import pytest

from handshake_probe.capture.inputs import open_capture
from handshake_probe.lab import network
from handshake_probe.lab.network import End, Network
from test_wireshark_plugins import HEALTHY, SAID, home, installed, needs_a_user
from wireshark_parts import CAPTURES, environment, needs_tshark

__all__ = ["home", "installed"]  # fixtures
LACK = network.missing()


@needs_tshark
@needs_a_user
@pytest.mark.skipif(LACK is not None, reason=f"not run: {LACK}")
def test_an_interface_through_tshark(installed: Path) -> None:
    """A recorded session sent again over a cable, tags before its second half."""
    with open_capture(CAPTURES / f"{HEALTHY}.pcap") as capture:
        sent = [frame.data for frame in capture]
    half = len(sent) // 2
    sent[half:] = [data[:12] + b"\x81\x00\x00\x07" + data[12:] for data in sent[half:]]
    columns = ("exported_pdu.exported_pdu", "frame.interface_name")
    with Network() as built:
        built.add_host("near")
        built.add_host("far")
        built.join(End("near", "eth0", ()), End("far", "eth0", ()))
        command = built.command(
            "near",
            *("tshark", "-n", "-l", "-i", "handshake-probe", "-c", str(len(sent) + len(SAID))),
            *("-o", "extcap.handshake_probe.source:eth0"),
            *("-o", f"extcap.handshake_probe.keys:{CAPTURES / (HEALTHY + '.keys')}"),
            *("-T", "fields", *(option for name in columns for option in ("-e", name))),
        )
        process = subprocess.Popen(
            command,
            env=environment(installed),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until_captured(built)
        built.within("far", lambda: send(sent))
        told, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    rows = [line.split("\t") for line in told.splitlines()]
    assert sorted(row[0] for row in rows if row[0]) == sorted(hexed for _, hexed in SAID)
    assert {row[1] for row in rows} == {"eth0", "decrypted by handshake-probe"}


def wait_until_captured(built: Network) -> None:
    """Until a socket takes raw packets there: the kernel lists them."""

    def listeners() -> list[str]:
        return Path("/proc/thread-self/net/packet").read_text().splitlines()[1:]

    deadline = time.monotonic() + 60
    while not built.within("near", listeners):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(0.5)  # the filter comes after the socket


def send(frames: list[bytes]) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind(("eth0", 0))
        for data in frames:
            sender.send(data)
