"""Runs a scenario: builds its network, starts its ends, records, and clears everything away."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

from handshake_probe.errors import HandshakeProbeError
from handshake_probe.lab import damage, keystore, stand_ins, topology
from handshake_probe.lab.injector import Injector, forging_socket, sniffing_socket
from handshake_probe.lab.network import Network
from handshake_probe.lab.scenario import CLOUD, ROUTERS, SHAPER, Box, Device, Rule, Scenario
from handshake_probe.lab.shaper import Bridge, bridging_socket
from handshake_probe.lab.topology import PORT

CLOUD_NAME = "device.spark.io"

_PROGRAM = (sys.executable, "-m", "handshake_probe", "lab")
_SNAP_LENGTH = "4000"
_STARTING = 20.0  # seconds a process may take until it listens
_ENDING = 5.0  # seconds a process may take to end when it is told to
_TAIL = 0.7  # seconds to listen on after the last device
_PAUSE = 1.0  # seconds between two runs of a device
_DROPPED = re.compile(r"(\d+) packets? dropped by kernel")
_LISTENING = "0A"  # a state in /proc/net/tcp
# As patient as firmware, which asks three times; no search list.
_RESOLVER = "nameserver {}\nsearch .\noptions timeout:1 attempts:3\n"
# `ip netns exec` gives a command its own mounts: nobody else sees this one.
_WITH_RESOLVER = ("sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"')


class StagingFailed(HandshakeProbeError):
    """A process of a scenario did not start; the message is what it said."""


class Recording(NamedTuple):
    """What a scenario left behind."""

    scenario: Scenario
    capture: Path
    dropped: int  # frames that tcpdump lost
    keys: Path  # of the cloud, the devices and the register, as `analyze --keys` takes them
    addresses: tuple[str, ...]  # of the devices, in their order, as the capture shows them
    device_logs: tuple[Path, ...]
    cloud_log: Path


async def run(scenario: Scenario, folder: Path, cloud: Sequence[str] = ()) -> Recording:
    """Run a scenario and keep what it yields in an empty folder.

    Args:
        scenario: What to do.
        folder: Where the capture, the logs, the keys and the truth go.
        cloud: A command to run in place of `lab cloud`. It listens on port 5683 of all addresses;
            its key and its register are in `folder/keys`.

    Raises:
        NetworkFailed: the network cannot be built here.
        StagingFailed: a process did not start.
    """
    with Network() as network:
        async with AsyncExitStack() as ends:
            return await _Stage(scenario, folder, network, ends).play(cloud)


class _Stage:
    def __init__(
        self, scenario: Scenario, folder: Path, network: Network, ends: AsyncExitStack
    ) -> None:
        self.scenario, self.folder, self.network, self.ends = scenario, folder, network, ends
        self.keys, self.other_keys = folder / "keys", folder / "other-keys"
        self.recording = Recording(
            scenario=scenario,
            capture=folder / "capture.pcap",
            dropped=0,
            keys=self.keys,
            addresses=tuple(
                topology.seen_address(scenario, index) for index in range(len(scenario.devices))
            ),
            device_logs=tuple(
                folder / f"{scenario.device_host(index)}.jsonl"
                for index in range(len(scenario.devices))
            ),
            cloud_log=folder / "cloud.jsonl",
        )

    async def play(self, cloud: Sequence[str]) -> Recording:
        self._make_keys()
        self._write_truth()
        topology.build(self.network, self.scenario)
        await self._serve()
        if self.scenario.cloud.listens:
            await self._start(CLOUD, cloud or self._cloud_command(), CLOUD)
            await self._until(self._cloud_listens, CLOUD)
        tcpdump = await self._record()
        await self._timeline()
        await asyncio.sleep(_TAIL)
        tcpdump.send_signal(signal.SIGINT)  # before the ends: their being stopped is no evidence
        await asyncio.wait_for(tcpdump.wait(), _ENDING)
        dropped = _DROPPED.search(self._said("tcpdump"))
        return self.recording._replace(dropped=int(dropped[1]) if dropped else 0)

    def _make_keys(self) -> None:
        """Make the keys that device and cloud hold, and nothing that they do not."""
        scenario = self.scenario
        keystore.cloud_key(self.keys)
        keystore.cloud_key(self.other_keys)
        # One more device is always registered: an id that is missing then means something.
        for index in range(-1, len(scenario.devices)):
            device_id = scenario.device_id(index)
            for folder in (self.keys, self.other_keys):
                keystore.device_slot(folder / f"{device_id}.der", damage.sound_slot)
        (self.keys / f"{scenario.device_id(-1)}.der").unlink()
        for index, device in enumerate(scenario.devices):
            registered = f"{scenario.device_id(index)}.pub.pem"
            if not device.registered:
                (self.keys / registered).unlink()
            elif device.key == "other":
                shutil.copy(self.other_keys / registered, self.keys / registered)

    def _write_truth(self) -> None:
        scenario = self.scenario
        devices = [
            {"device_id": scenario.device_id(index), "ip": address, "seen": device.seen}
            | asdict(scenario.truth_of(device))
            for index, (device, address) in enumerate(
                zip(scenario.devices, self.recording.addresses, strict=True)
            )
        ]
        truth = {"file": self.recording.capture.name, "what": scenario.what, "devices": devices}
        (self.folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")

    async def _serve(self) -> None:
        """Start everything that answers beside the cloud."""
        scenario, within = self.scenario, self.network.within
        names = stand_ins.Names({CLOUD_NAME: (topology.cloud_address(scenario),), **scenario.names})
        router = ROUTERS[0] if scenario.routers else CLOUD
        services: list[tuple[str, str, int, stand_ins.Replies]] = [
            (router, topology.gateway_address(index), 53, names)
            for index in range(len(scenario.devices))
        ]
        services.append((CLOUD, topology.cloud_address(scenario), 123, stand_ins.tell_time))
        for host, address, port, replies in services:
            bound = within(host, partial(stand_ins.datagram_socket, address, port))
            transport = await stand_ins.serve_datagrams(bound, replies)
            self.ends.callback(transport.close)
        for box in scenario.boxes:
            listening = within(box.on, partial(stand_ins.stream_socket, topology.BOX_PORT))
            server = await stand_ins.serve_stream(listening, self._service(box))
            self.ends.callback(server.close)
        for injection in scenario.injections:
            sniffer = within(injection.on, partial(sniffing_socket, injection.interface))
            forger = within(injection.on, forging_socket)
            injector = Injector(sniffer, forger, injection.length, injection.ttl)
            self.ends.callback(injector.close)
        if scenario.shaper:
            one, other = (
                within(SHAPER, partial(bridging_socket, interface))
                for interface in topology.SHAPER_ENDS
            )
            self.ends.callback(Bridge(one, other, scenario.shaper, scenario.name).close)

    def _service(self, box: Box) -> stand_ins.Serve:
        text = box.text.encode()
        if box.does != "relays_nonce":
            return stand_ins.service(box.does, text)

        async def connect() -> socket.socket:
            upstream = self.network.within(box.on, partial(socket.socket, socket.AF_INET))
            upstream.setblocking(False)
            cloud = (topology.cloud_address(self.scenario), PORT)
            await asyncio.get_running_loop().sock_connect(upstream, cloud)
            return upstream

        return stand_ins.relays_nonce(connect, text)

    async def _record(self) -> asyncio.subprocess.Process:
        host, interface = topology.captured_on(self.scenario)
        options = ("-U", "--immediate-mode", "-Z", "root", "-B", "8192", "-s", _SNAP_LENGTH)
        command = ("tcpdump", "-i", interface, "-w", str(self.recording.capture), *options)
        process = await self._start(host, command, "tcpdump")
        await self._until(lambda: "listening on" in self._said("tcpdump"), "tcpdump")
        return process

    async def _timeline(self) -> None:
        """Run the devices and change the rules in time; return when all devices ended."""
        scenario = self.scenario
        try:
            async with asyncio.TaskGroup() as group:
                changes = [
                    group.create_task(self._add_rule(rule)) for rule in scenario.rules if rule.at
                ]
                devices = [
                    group.create_task(self._run_device(index, device))
                    for index, device in enumerate(scenario.devices)
                ]
                await asyncio.wait(devices, timeout=scenario.seconds)
                for task in (*changes, *devices):
                    task.cancel()
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _add_rule(self, rule: Rule) -> None:
        await asyncio.sleep(rule.at)
        topology.add_rule(self.network, rule)

    async def _run_device(self, index: int, device: Device) -> None:
        await asyncio.sleep(device.start)
        host = self.scenario.device_host(index)
        if self.scenario.internet_test:
            own = topology.device_address(index)
            client = self.network.within(host, partial(stand_ins.datagram_socket, own, 0))
            client.sendto(stand_ins.TIME_REQUEST, (topology.cloud_address(self.scenario), 123))
            self.ends.callback(client.close)
        for _ in range(device.runs):
            process = await self._start(host, self._device_command(index, device), host)
            await process.wait()
            await asyncio.sleep(_PAUSE if device.runs > 1 else 0)

    def _cloud_command(self) -> tuple[str, ...]:
        return (
            *(*_PROGRAM, "cloud", "--host", topology.cloud_address(self.scenario)),
            *("--keys", str(self.keys), "--write", str(self.recording.cloud_log)),
            *self.scenario.cloud.arguments,
        )

    def _device_command(self, index: int, device: Device) -> tuple[str, ...]:
        resolver = self.folder / f"resolv{index}.conf"
        resolver.write_text(_RESOLVER.format(topology.gateway_address(index)))
        cloud = CLOUD_NAME if device.resolves else topology.cloud_address(self.scenario)
        server_keys = self.keys if device.server_key == "right" else self.other_keys
        return (
            *(*_WITH_RESOLVER, str(resolver), *_PROGRAM, "device", "--to", cloud),
            *("--keys", str(self.keys), "--id", self.scenario.device_id(index)),
            *("--server-key", str(server_keys / keystore.CLOUD_PUBLIC)),
            *("--write", str(self.recording.device_logs[index]), *device.arguments),
        )

    async def _start(
        self, host: str, command: Sequence[str], name: str
    ) -> asyncio.subprocess.Process:
        with (
            (self.folder / f"{name}.stdout").open("ab") as out,
            (self.folder / f"{name}.stderr").open("ab") as err,
        ):
            process = await asyncio.create_subprocess_exec(
                *self.network.command(host, *command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        self.ends.push_async_callback(_end, process)
        return process

    def _said(self, name: str) -> str:
        return (self.folder / f"{name}.stderr").read_text()

    def _cloud_listens(self) -> bool:
        """Look into the kernel's table: to connect would be a connection of its own."""

        def tables() -> list[str]:
            return [path.read_text() for path in Path("/proc/thread-self/net").glob("tcp*")]

        texts = self.network.within(CLOUD, tables)
        rows = [line.split() for text in texts for line in text.splitlines()[1:]]
        return any(row[1].endswith(f":{PORT:04X}") and row[3] == _LISTENING for row in rows)

    async def _until(self, true: Callable[[], bool], name: str) -> None:
        try:
            async with asyncio.timeout(_STARTING):
                while not true():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise StagingFailed(f"{name} did not start: {self._said(name).strip()}") from None


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _ENDING)
    except TimeoutError:
        process.kill()
        await process.wait()
