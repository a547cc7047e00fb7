"""The laptop of a scenario: where it is, what it reaches, and that its command may be anybody's."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from handshake_probe.lab import network, staging
from handshake_probe.lab.scenario import Device, Laptop, Rule, Scenario, Truth
from handshake_probe.lab.staging import UNPRIVILEGED, Recording

LACK = network.missing()
pytestmark = pytest.mark.skipif(LACK is not None, reason=f"laptop not run: {LACK}")

BASE = Scenario(
    name="laptop",
    what="A laptop beside a device that stays silent.",
    truth=Truth(cause="healthy", stage="session"),
    devices=(Device(runs=0, seen=False),),
)
DEVICE = ("192.168.1.2", 5683)
CLOUD, CLOUD_WEB = ("device.spark.io", 5683), ("device.spark.io", 443)
INTERNET_WEB, PUBLIC_NAMES = ("10.78.0.2", 80), ("8.8.8.8", 53)

# Prints, for each HOST PORT of its arguments, what a connection brings.
REACH = """
import os, socket, sys
print(os.geteuid())
for host, port in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        with socket.create_connection((host, int(port)), timeout=1.5) as sock:
            sock.sendall(b"?") if port == "80" else None
            sock.settimeout(0.5)
            try:
                print(host, port, len(sock.recv(4096)))
            except TimeoutError:
                print(host, port, "silent")
    except OSError as error:
        print(host, port, type(error).__name__)
"""


def reach(folder: Path, scenario: Scenario, *targets: tuple[str, int]) -> dict[str, str]:
    """What the laptop gets from each target, as nobody."""
    arguments = [str(part) for target in targets for part in target]
    command = (*UNPRIVILEGED, sys.executable, "-c", textwrap.dedent(REACH), *arguments)
    lines = said(asyncio.run(staging.run(scenario, folder, laptop=command)), folder)
    assert lines[0] == "65534"
    return {f"{host}:{port}": got for host, port, got in (line.split() for line in lines[1:])}


def said(recording: Recording, folder: Path) -> list[str]:
    assert recording.laptop_status == 0, (folder / "laptop.stderr").read_text()
    return (folder / "laptop.stdout").read_text().splitlines()


def test_it_reaches_the_cloud_and_its_controls(tmp_path: Path) -> None:
    got = reach(tmp_path, BASE, CLOUD, CLOUD_WEB, INTERNET_WEB, PUBLIC_NAMES, DEVICE)
    assert got == {
        "device.spark.io:5683": "40",
        "device.spark.io:443": "silent",
        "10.78.0.2:80": "46",
        "8.8.8.8:53": "silent",
        "192.168.1.2:5683": "ConnectionRefusedError",
    }


def test_a_rule_for_one_device_spares_it(tmp_path: Path) -> None:
    rule = Rule(on="router1", rule="ip saddr 192.168.1.2 tcp dport 5683 drop")
    assert reach(tmp_path, replace(BASE, rules=(rule,)), CLOUD) == {"device.spark.io:5683": "40"}


@pytest.mark.parametrize(
    ("way", "got"), [("lan", "TimeoutError"), ("vpn", "40"), ("guest", "TimeoutError")]
)
def test_its_way_decides_whose_rules_it_meets(tmp_path: Path, way: Any, got: str) -> None:
    rule = Rule(on="router1", rule="tcp dport 5683 drop")
    scenario = replace(BASE, rules=(rule,), laptop=Laptop(way=way))
    assert reach(tmp_path, scenario, CLOUD) == {"device.spark.io:5683": got}


def test_isolated_it_does_not_see_the_device(tmp_path: Path) -> None:
    got = reach(tmp_path, replace(BASE, laptop=Laptop(isolated=True)), CLOUD, DEVICE)
    assert got["device.spark.io:5683"] == "40"
    assert got["192.168.1.2:5683"] in ("OSError", "TimeoutError")  # no ARP reply


@pytest.mark.parametrize("routers", [0, 1])
def test_it_fits_every_network(tmp_path: Path, routers: Any) -> None:
    scenario = replace(BASE, routers=routers, capture="device")
    assert reach(tmp_path, scenario, CLOUD) == {"device.spark.io:5683": "40"}


NAMES = """
import sys
from dns import message, query
for server, ask in (("192.168.1.1", query.udp), ("192.168.1.1", query.tcp), ("8.8.8.8", query.udp)):
    reply = ask(message.make_query("device.spark.io", "A"), server, timeout=2)
    print(reply.answer[0][0])
"""


def test_its_name_servers_may_disagree(tmp_path: Path) -> None:
    scenario = replace(BASE, names={"device.spark.io": ("0.0.0.0",)})
    command = (sys.executable, "-c", textwrap.dedent(NAMES))
    recording = asyncio.run(staging.run(scenario, tmp_path, laptop=command))
    assert said(recording, tmp_path) == ["0.0.0.0", "0.0.0.0", "10.77.0.2"]


def test_a_command_that_fails_says_how(tmp_path: Path) -> None:
    recording = asyncio.run(staging.run(BASE, tmp_path, laptop=("sh", "-c", "exit 7")))
    assert recording.laptop_status == 7
