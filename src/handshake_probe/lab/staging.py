"""Runs a scenario: builds its network, starts its ends, records, and clears everything away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

from handshake_probe.errors import HandshakeProbeError
from handshake_probe.lab import stand_ins
from handshake_probe.lab.injector import Injector, forging_socket, sniffing_socket
from handshake_probe.lab.keyset import KeyFiles, write_keys
from handshake_probe.lab.network import End, Network
from handshake_probe.lab.scenario import CLOUD, DEVICE, ROUTERS, Box, Device, Rule, Scenario

PORT = 5683
CLOUD_NAME = "device.spark.io"
TIME_NAME = "pool.ntp.org"
PROGRAM = (sys.executable, "-m", "handshake_probe", "lab")

GATEWAY = "192.168.1.1"
CLOUD_ADDRESS = "10.77.0.2"
LOCAL_CLOUD_ADDRESS = "192.168.1.10"  # without a router

_BOX_PORT = 8080  # where boxes listen on their routers
_CLOUD_LINK, _MIDDLE_LINK = "10.77.0", "10.66.0"
_CAPTURED_ON = {"lan": (ROUTERS[0], "lan"), "wan": (ROUTERS[0], "wan")}
_SNAP_LENGTH = "4000"
_STARTING = 10.0  # seconds a process may take until it listens
_ENDING = 5.0  # seconds a process may take to end when it is told to
_TAIL = 0.7  # seconds to listen on after the last device
_DROPPED = re.compile(r"(\d+) packets? dropped by kernel")
_LISTENING = "0A"  # a state in /proc/net/tcp
_CHAINS = """\
table inet lab {
 chain forward { type filter hook forward priority 0; }
 chain input { type filter hook input priority 0; }
 chain output { type filter hook output priority 0; }
}
"""
_MASQUERADE = """\
table ip translation {
 chain out { type nat hook postrouting priority 100; oifname wan masquerade; }
}
"""
_REDIRECT = f"""\
table ip diversion {{
 chain in {{ type nat hook prerouting priority -100; tcp dport {PORT} redirect to :{_BOX_PORT}; }}
}}
"""


class StagingFailed(HandshakeProbeError):
    """A process of a scenario did not start; the message is what it said."""


class Recording(NamedTuple):
    """What a scenario left behind."""

    scenario: Scenario
    capture: Path
    dropped: int  # frames that tcpdump lost
    keys: KeyFiles
    addresses: tuple[str, ...]  # of the devices, in their order, as the capture shows them
    device_logs: tuple[Path, ...]
    cloud_log: Path


async def run(scenario: Scenario, folder: Path, program: Sequence[str] = PROGRAM) -> Recording:
    """Run a scenario and keep what it yields in an empty folder.

    Raises:
        NetworkFailed: the network cannot be built here.
        StagingFailed: a process did not start.
    """
    stage = _Stage(scenario, folder, program)
    with Network() as network:
        async with AsyncExitStack() as ends:
            return await stage.play(network, ends)


def device_address(index: int) -> str:
    """Return a device's address."""
    return f"192.168.1.{2 + index}"


class _Stage:
    def __init__(self, scenario: Scenario, folder: Path, program: Sequence[str]) -> None:
        self.scenario, self.folder, self.program = scenario, folder, program
        self.keys = write_keys(scenario, folder)
        self.cloud = CLOUD_ADDRESS if scenario.routers else LOCAL_CLOUD_ADDRESS
        self.capture = folder / "capture.pcap"
        self.cloud_log = folder / "cloud.log"
        self.device_logs = tuple(
            folder / f"device{index}.log" for index in range(len(scenario.devices))
        )

    async def play(self, network: Network, ends: AsyncExitStack) -> Recording:
        scenario = self.scenario
        _build(network, scenario)
        for host in scenario.hosts:
            network.filter(host, _CHAINS + "".join(_rules(scenario.rules, host)))
        for host, settings in scenario.settings.items():  # after the rules: they load conntrack
            network.set(host, settings)
        for host, lines in scenario.commands.items():
            network.configure(host, *lines)
        await self._serve(network, ends)
        if scenario.cloud.listens:
            await self._start(network, ends, CLOUD, self._cloud_command(), "cloud")
            await _listening(network, self.folder / "cloud.stderr")
        tcpdump = await self._record(network, ends)
        await self._timeline(network, ends)
        await asyncio.sleep(_TAIL)
        tcpdump.send_signal(signal.SIGINT)  # before the ends: their being stopped is no evidence
        await asyncio.wait_for(tcpdump.wait(), _ENDING)
        said = (self.folder / "tcpdump.stderr").read_text()
        self._write_truth()
        dropped = _DROPPED.search(said)
        return Recording(
            scenario=scenario,
            capture=self.capture,
            dropped=int(dropped[1]) if dropped else 0,
            keys=self.keys,
            addresses=self._addresses(),
            device_logs=self.device_logs,
            cloud_log=self.cloud_log,
        )

    def _addresses(self) -> tuple[str, ...]:
        hidden = self.scenario.nat and self.scenario.capture in ("wan", "cloud")
        behind = f"{_MIDDLE_LINK if self.scenario.routers > 1 else _CLOUD_LINK}.1"
        return tuple(
            behind if hidden else device_address(index)
            for index in range(len(self.scenario.devices))
        )

    async def _serve(self, network: Network, ends: AsyncExitStack) -> None:
        """Start everything that answers beside the cloud."""
        scenario = self.scenario
        first = scenario.hosts[1]  # next to the devices
        names = {CLOUD_NAME: (self.cloud,), TIME_NAME: (self.cloud,), **scenario.names}
        services: list[tuple[str, str, int, stand_ins.Replies]] = [
            (first, GATEWAY, 53, stand_ins.Names(names))]
        if scenario.time:
            services.append((CLOUD, self.cloud, 123, stand_ins.tell_time))
        for host, address, port, replies in services:
            bound = network.within(host, partial(stand_ins.datagram_socket, address, port))
            transport = await stand_ins.serve_datagrams(bound, replies)
            ends.callback(transport.close)
        for box in scenario.boxes:
            if box.on in ROUTERS:
                network.filter(box.on, _REDIRECT)
            port = _BOX_PORT if box.on in ROUTERS else PORT
            listening = network.within(box.on, partial(stand_ins.stream_socket, "0.0.0.0", port))
            server = await stand_ins.serve_stream(listening, self._service(network, box))
            ends.callback(server.close)
        for injection in scenario.injections:
            injector = Injector(
                network.within(injection.on, partial(sniffing_socket, injection.interface)),
                network.within(injection.on, forging_socket),
                injection.length,
                injection.ttl,
            )
            ends.callback(injector.close)

    def _service(self, network: Network, box: Box) -> stand_ins.Serve:
        text = box.text.encode()
        if box.does != "relays_nonce":
            return stand_ins.service(box.does, text)

        async def connect() -> socket.socket:
            upstream = network.within(box.on, partial(socket.socket, socket.AF_INET))
            upstream.setblocking(False)
            await asyncio.get_running_loop().sock_connect(upstream, (self.cloud, PORT))
            return upstream

        return stand_ins.relays_nonce(connect, text)

    async def _record(self, network: Network, ends: AsyncExitStack) -> asyncio.subprocess.Process:
        capture = self.scenario.capture
        host, interface = _CAPTURED_ON.get(capture, (capture, "eth0"))
        options = ("-U", "--immediate-mode", "-Z", "root", "-B", "8192", "-s", _SNAP_LENGTH)
        command = ("tcpdump", "-i", interface, "-w", str(self.capture), *options)
        process = await self._start(network, ends, host, command, "tcpdump")
        said = self.folder / "tcpdump.stderr"
        await _until(lambda: "listening on" in said.read_text(), "tcpdump", said)
        return process

    async def _timeline(self, network: Network, ends: AsyncExitStack) -> None:
        """Start the devices and change the rules in time; return when all devices ended."""
        scenario = self.scenario
        running: list[asyncio.subprocess.Process] = []

        async def start(index: int, device: Device) -> None:
            command = self._device_command(index, device)
            running.append(await self._start(network, ends, DEVICE, command, f"device{index}"))

        async def change(rule: Rule) -> None:
            network.filter(rule.on, "".join(_rules((rule,), rule.on, later=True)))

        steps: list[tuple[float, Callable[[], Awaitable[None]]]] = [
            *((d.start, partial(start, i, d)) for i, d in enumerate(scenario.devices)),
            *((rule.at, partial(change, rule)) for rule in scenario.rules if rule.at > 0),
        ]
        clock = asyncio.get_running_loop().time
        began = clock()
        for moment, step in sorted(steps, key=lambda step: step[0]):
            await asyncio.sleep(began + moment - clock())
            await step()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(began + scenario.seconds):
                for process in running:
                    await process.wait()

    async def _start(
        self, network: Network, ends: AsyncExitStack, host: str, command: Sequence[str], name: str
    ) -> asyncio.subprocess.Process:
        with (
            (self.folder / f"{name}.stdout").open("wb") as out,
            (self.folder / f"{name}.stderr").open("wb") as err,
        ):
            process = await asyncio.create_subprocess_exec(
                *network.command(host, *command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        ends.push_async_callback(_end, process)
        return process

    def _cloud_command(self) -> tuple[str, ...]:
        return (
            *(*self.program, "cloud", "--listen", f"{self.cloud}:{PORT}"),
            *("--key", str(self.keys.cloud), "--register", str(self.keys.register)),
            *("--log", str(self.cloud_log), *self.scenario.cloud.arguments),
        )

    def _device_command(self, index: int, device: Device) -> tuple[str, ...]:
        device_id = self.scenario.device_id(index)
        right = device.server_key == "right"
        server_key = self.keys.cloud_public if right else self.keys.other_cloud_public
        return (
            *(*self.program, "device", CLOUD_NAME if device.resolves else self.cloud),
            *("--id", device_id, "--key", str(self.keys.folder / f"{device_id}.der")),
            *("--server-key", str(server_key), "--dns", GATEWAY),
            *("--bind", device_address(index), "--log", str(self.device_logs[index])),
            *device.arguments,
        )

    def _write_truth(self) -> None:
        scenario = self.scenario
        devices = [
            {
                "device_id": scenario.device_id(index),
                "ip": address,
                **asdict(scenario.truth_of(scenario.devices[index])),
            }
            for index, address in enumerate(self._addresses())
        ]
        truth = {"file": self.capture.name, "what": scenario.what, "devices": devices}
        (self.folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


def _build(network: Network, scenario: Scenario) -> None:
    """Build device – routers – cloud; every second address of a link is on the cloud's side."""
    for host in scenario.hosts:
        network.add_host(host)
        if host in ROUTERS:
            network.set(host, {"ipv4/ip_forward": "1"})
    own = [f"{device_address(index)}/24" for index in range(len(scenario.devices))]
    near = End(DEVICE, "eth0", own)
    if not scenario.routers:
        network.join(near, End(CLOUD, "eth0", [f"{LOCAL_CLOUD_ADDRESS}/24", f"{GATEWAY}/24"]))
    else:
        first = ROUTERS[0]
        network.join(near, End(first, "lan", [f"{GATEWAY}/24"]))
        last, out = first, "wan"
        if scenario.routers > 1:
            last = ROUTERS[1]
            network.join(
                End(first, "wan", [f"{_MIDDLE_LINK}.1/24"]),
                End(last, "lan", [f"{_MIDDLE_LINK}.2/24"]),
            )
            network.configure(first, f"route add default via {_MIDDLE_LINK}.2")
            network.configure(last, f"route add 192.168.1.0/24 via {_MIDDLE_LINK}.1")
        network.join(
            End(last, out, [f"{_CLOUD_LINK}.1/24"]), End(CLOUD, "eth0", [f"{CLOUD_ADDRESS}/24"])
        )
        network.configure(CLOUD, f"route add default via {_CLOUD_LINK}.1")
    network.configure(DEVICE, f"route add default via {GATEWAY}")
    if scenario.nat:
        network.filter(ROUTERS[0], _MASQUERADE)


def _rules(rules: Sequence[Rule], host: str, *, later: bool = False) -> Iterator[str]:
    for rule in rules:
        if rule.on == host and (rule.at > 0) is later:
            yield f"add rule inet lab {rule.chain} {rule.rule}\n"


async def _listening(network: Network, said: Path) -> None:
    port = f":{PORT:04X}"

    def listens() -> bool:
        lines = network.within(CLOUD, Path("/proc/thread-self/net/tcp").read_text).splitlines()
        fields = [line.split() for line in lines[1:]]
        return any(row[1].endswith(port) and row[3] == _LISTENING for row in fields)

    await _until(listens, "lab cloud", said)


async def _until(true: Callable[[], bool], what: str, said: Path) -> None:
    try:
        async with asyncio.timeout(_STARTING):
            while not true():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise StagingFailed(f"{what} did not start: {said.read_text().strip()}") from None


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _ENDING)
    except TimeoutError:
        process.kill()
        await process.wait()
