"""The scenarios of the laboratory, run in network namespaces and judged from their captures."""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dns import message as dns_message
from dns import rcode
from scapy.all import IP, IPv6

from agreement import assert_agrees, device_at, judged
from handshake_probe.lab import network, scenario_files
from handshake_probe.lab.beside import TIME_REQUEST
from handshake_probe.lab.injector import forged_reset
from handshake_probe.lab.network import Network, NetworkFailed
from handshake_probe.lab.scenario import Scenario, ScenarioError, Truth
from handshake_probe.lab.scenario_files import read_scenario
from handshake_probe.lab.staging import Recording
from handshake_probe.lab.stand_ins import Names, tell_time
from handshake_probe.model.measurement import ConnectionReport
from handshake_probe.packets.ntp import ntp_role
from handshake_probe.packets.units import Direction, Endpoint
from report_shelf import shelve
from scenario_runs import Runs, running
from watch_room import assert_says_what_analyze_says, watched, watching_beside

FILES = scenario_files.all_scenarios()
LACK = network.missing()
AT_A_TIME = 6  # they mostly wait

needs_network = pytest.mark.skipif(LACK is not None, reason=f"scenarios not run: {LACK}")
NEED_RUNS = ("test_verdict_agrees", "test_watch_says_what_analyze_says")
TRUTH = '\n[truth]\ncause = "healthy"\nstage = "session"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenarios")


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, folder: Path) -> Iterator[Runs]:
    """All scenarios that were asked for, each with a watch beside it."""
    asked = {
        item.callspec.params["path"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname in NEED_RUNS
    }
    scenarios = [read_scenario(path) for path in FILES if path in asked]
    with watching_beside(), running(scenarios, folder, AT_A_TIME) as begun:
        yield begun


@needs_network
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_verdict_agrees(path: Path, runs: Runs, tmp_path: Path, shelf: Path) -> None:
    recording = runs.recording(path.stem)
    done = recording.scenario
    assert recording.dropped == 0
    for depth, measurement in judged(recording.capture, recording.keys, tmp_path):
        if depth == "full":
            shelve(shelf, f"scenario-{path.stem}", measurement)
        assert len(measurement.devices) == sum(device.seen for device in done.devices)
        if not measurement.devices:
            dtls = ["HP607"] if any(device.dtls for device in done.devices) else []
            assert measurement.verdict.findings == [*dtls, "HP606"]
            assert_agrees(measurement, done.truth, depth)
        for index, address in enumerate(recording.addresses):
            if not done.devices[index].seen:
                continue
            report = device_at(measurement, address)
            truth = done.truth_of(done.devices[index])
            assert_agrees(report, truth, depth)
            if depth == "full":
                assert_messages_agree(report.connections, recording, index)
                if truth.stage == "session":
                    assert report.device_id == done.device_id(index)


@needs_network
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_watch_says_what_analyze_says(path: Path, runs: Runs, folder: Path) -> None:
    """Of its own recording, and within two seconds of what decides it."""
    recording = runs.recording(path.stem)
    seen = watched(folder / path.stem)
    assert_says_what_analyze_says(seen, recording.keys)
    assert len(seen.document.devices) == sum(device.seen for device in recording.scenario.devices)


def assert_messages_agree(
    connections: list[ConnectionReport], recording: Recording, index: int
) -> None:
    """Every message that both ends told of was read from the capture, byte for byte."""
    own = lines(recording.device_logs[index])
    identities = [line for line in own if line["event"] == "identity"]
    device_id = recording.scenario.device_id(index)
    assert {line["device_id"] for line in identities} <= {device_id}
    for direction in Direction:
        read = [
            message.hex
            for connection in connections
            for message in connection.messages
            if message.direction == direction
        ]
        said = messages(own, direction)
        # A device that vanishes tells nothing of what still comes for it.
        told = len(said) if direction is Direction.CLOUD_TO_DEVICE else len(read)
        assert read[:told] == said[: len(read)]
        # A device that had to be stopped says goodbye, after the capture.
        assert len(said) - len(read) <= 1
        heard = messages(lines(recording.cloud_log), direction)
        if len(recording.scenario.devices) == 1 and recording.scenario.truth.cause == "healthy":
            assert heard == said
            assert said


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def messages(log: list[dict[str, Any]], direction: Direction) -> list[str]:
    return [
        line["hex"] for line in log if line["event"] == "message" and line["direction"] == direction
    ]


@needs_network
def test_a_failing_network_is_removed() -> None:
    def fail() -> None:
        with built:
            built.add_host("one")
            assert built.namespace("one") in namespaces()
            built.filter("one", "nonsense")

    built = Network()
    with pytest.raises(NetworkFailed, match="nonsense"):
        fail()
    assert built.namespace("one") not in namespaces()


@needs_network
def test_a_setting_that_does_not_exist() -> None:
    with Network() as built:
        built.add_host("one")
        with pytest.raises(NetworkFailed, match="one: ipv4/nonsense"):
            built.set("one", {"ipv4/nonsense": "1"})


@needs_network
def test_an_interrupt_removes_all(tmp_path: Path) -> None:
    code = (
        "import asyncio, pathlib, sys\n"
        "from handshake_probe.lab import scenario_files, staging\n"
        "files, folder = map(pathlib.Path, sys.argv[1:])\n"
        "asyncio.run(staging.run(scenario_files.read_scenario(files), folder))\n"
    )
    one = scenario_files.FOLDER / "syn-dropped.toml"
    command = (sys.executable, "-c", code, str(one), str(tmp_path))
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        own = f"probe-{process.pid}-"
        until(lambda: (tmp_path / "device.stderr").exists())
        assert any(name.startswith(own) for name in namespaces())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert not any(name.startswith(own) for name in namespaces())
    assert processes_about(tmp_path) == []


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def namespaces() -> list[str]:
    listed = subprocess.run(("ip", "netns", "list"), capture_output=True, text=True, check=True)
    return [line.split()[0] for line in listed.stdout.splitlines()]


def processes_about(folder: Path) -> list[int]:
    """The processes whose command line names a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(folder) in command:
                found.append(int(entry.name))
    return found


def written(folder: Path, text: str) -> Path:
    path = folder / "some.toml"
    path.write_text(text)
    return path


def test_every_file_is_a_scenario() -> None:
    read = [read_scenario(path) for path in FILES]
    assert len(read) >= 20
    assert {one.truth.cause for one in read} >= {"healthy", "network_blocked", "server_fault"}
    assert all(one.what.endswith(".") for one in read)


def test_what_is_not_said_is_usual(tmp_path: Path) -> None:
    one = read_scenario(written(tmp_path, f'what = "Nothing."\n{TRUTH}'))
    truth = Truth(cause="healthy", stage="session")
    assert one == Scenario(name="some", what="Nothing.", truth=truth)
    assert one.hosts == ("device", "router1", "router2", "cloud", "internet")
    assert one.device_id(0) != one.device_id(1)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("what =", "some.toml: Invalid"),
        (f'what = "x"\nwhen = 1\n{TRUTH}', "scenario has no when"),
        ('what = "x"', "scenario lacks truth"),
        ('what = "x"\n[truth]\ncause = "healthy"', "truth lacks stage"),
        ('what = "x"\n[truth]\ncause = "magic"\nstage = "session"', "'magic' is none of healthy"),
        ('what = "x"\n[truth]\ncause = "healthy"\nstage = "late"', "'late' is none of none"),
        (f'what = "x"\n{TRUTH}settles_at = "dawn"', "'dawn' is none of none"),
        (f'what = "x"\n{TRUTH}[device]\nstart = 1.0', r"written \[\[kind\]\]"),
        (f'what = "x"\ncloud = 1\n{TRUTH}', "cloud is no table"),
        (f'what = "x"\n{TRUTH}[[rule]]\non = "router3"\nrule = "drop"', "no host 'router3'"),
        (f'what = "x"\n{TRUTH}[settings.moon]\na = "1"', "no host 'moon'"),
        (f'what = "x"\nrouters = 0\n{TRUTH}', "needs a router"),
        (f'what = "x"\nrouters = 0\ncapture = "cloud"\n{TRUTH}[shaper]', "needs a router"),
        (f'what = "x"\nrouters = 0\ncapture = "cloud"\n{TRUTH}[laptop]\nway = "vpn"', "a router"),
        (f'what = "x"\n{TRUTH}[laptop]\nway = "sea"', "'sea' is none of lan"),
        (f'what = "x"\n{TRUTH}[shaper]\nspeed = 1', "shaper has no speed"),
        (f'what = "x"\nrouters = 3\n{TRUTH}', "3 is none of 0, 1, 2"),
        (f'what = "x"\ncapture = "moon"\n{TRUTH}', "'moon' is none of device"),
        (f'what = "x"\n{TRUTH}[[box]]\non = "router1"\ndoes = "sing"', "'sing' is none of"),
    ],
)
def test_what_is_no_scenario(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ScenarioError, match=complaint):
        read_scenario(written(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="No such file"):
        read_scenario(tmp_path / "none.toml")


def ask(names: Names, name: str, kind: str = "A") -> list[dns_message.Message]:
    query = dns_message.make_query(name, kind)
    replies = [dns_message.from_wire(reply) for reply in names(query.to_wire())]
    assert all(query.is_response(reply) for reply in replies)
    return replies


def test_names_are_answered_as_told() -> None:
    names = Names({"a.example": ("servfail", "", "10.0.0.1"), "b.example": ("0.0.0.0 10.0.0.1",)})
    assert [reply.rcode() for reply in ask(names, "a.example")] == [rcode.SERVFAIL]
    assert ask(names, "a.example", "AAAA")[0].answer == []
    assert ask(names, "a.example") == []
    for _ in range(2):  # the last one stays
        [reply] = ask(names, "a.example")
        assert [str(record) for record in reply.answer[0]] == ["10.0.0.1"]
    first, second = ask(names, "b.example")
    assert str(first.answer[0][0]) == "0.0.0.0"
    assert str(second.answer[0][0]) == "10.0.0.1"
    assert ask(names, "c.example")[0].rcode() == rcode.NXDOMAIN


def test_the_time_is_told() -> None:
    [reply] = tell_time(TIME_REQUEST)
    assert (ntp_role(TIME_REQUEST), ntp_role(reply)) == ("request", "reply")
    assert abs(int.from_bytes(reply[40:44], "big") - 2208988800 - time.time()) < 2


@pytest.mark.parametrize("other", ["10.0.0.1", "2001:db8::1"])
def test_a_forged_reset_has_a_right_checksum(other: str) -> None:
    address = ipaddress.ip_address(other)
    one, two = Endpoint(address.packed, 5683), Endpoint((address + 1).packed, 41000)
    kind, hops = (IP, "ttl") if address.version == 4 else (IPv6, "hlim")
    packet = kind(forged_reset(one, two, 0xFFFFFFF0, 57))
    ends = (str(address), str(address + 1), 57)
    assert (packet.src, packet.dst, getattr(packet, hops)) == ends
    assert (packet["TCP"].seq, str(packet["TCP"].flags)) == (0xFFFFFFF0, "R")
    told = packet["TCP"].chksum
    del packet["TCP"].chksum
    assert kind(bytes(packet))["TCP"].chksum == told
