"""Runs a scenario: builds its network, starts its ends, records, and clears everything away."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from handshake_probe.lab import keystore, plan, props, topology
from handshake_probe.lab.backdrop import Backdrop
from handshake_probe.lab.network import Network
from handshake_probe.lab.processes import Processes, interrupt
from handshake_probe.lab.scenario import CLOUD, LAPTOP, Device, Laptop, Rule, Scenario

UNPRIVILEGED = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
"""To be put before a command of the laptop that shall not be root's."""

_PROGRAM = (sys.executable, "-m", "handshake_probe", "lab")
_SNAP_LENGTH = "4000"
_TAIL = 0.7  # seconds to listen on after the last device
_PAUSE = 1.0  # seconds between two runs of a device
_DROPPED = re.compile(r"(\d+) packets? dropped by kernel")
_LISTENING = "0A"  # a state in /proc/net/tcp


class Recording(NamedTuple):
    """What a scenario left behind."""

    scenario: Scenario
    capture: Path
    dropped: int  # frames that tcpdump lost
    keys: Path  # of the cloud, the devices and the register, as `analyze --keys` takes them
    addresses: tuple[str, ...]  # of the devices, in their order, as the capture shows them
    device_logs: tuple[Path, ...]
    cloud_log: Path
    laptop_status: int | None  # how the laptop's command ended; None: there was none


async def run(
    scenario: Scenario,
    folder: Path,
    *,
    cloud: Sequence[str] = (),
    laptop: Sequence[str] = (),
    attached: bool = False,
) -> Recording:
    """Run a scenario and keep what it yields in an empty folder.

    Args:
        scenario: What to do.
        folder: Where the capture, the logs, the keys and the truth go.
        cloud: A command to run in place of `lab cloud`. It listens on port 5683 of all addresses;
            its key and its register are in `folder/keys`.
        laptop: A command for the laptop, which is added where the scenario has none. It starts
            with the devices, may outlive them, and leaves `laptop.stdout` and `laptop.stderr`.
        attached: The laptop's command has this process's input and output instead.

    Raises:
        NetworkFailed: the network cannot be built here.
        StagingFailed: a process did not start.
    """
    if laptop and scenario.laptop is None:
        scenario = replace(scenario, laptop=Laptop())
    with Network() as network:
        async with AsyncExitStack() as ends:
            stage = _Stage(scenario, folder, network, ends)
            return await stage.play(cloud, laptop, attached=attached)


class _Stage:
    def __init__(
        self, scenario: Scenario, folder: Path, network: Network, ends: AsyncExitStack
    ) -> None:
        self.scenario, self.folder, self.network = scenario, folder, network
        self.processes = Processes(network, folder, ends)
        self.backdrop = Backdrop(scenario, network, ends)
        self.keys, self.other_keys = folder / "keys", folder / "other-keys"
        devices = range(len(scenario.devices))
        self.recording = Recording(
            scenario=scenario,
            capture=folder / "capture.pcap",
            dropped=0,
            keys=self.keys,
            addresses=tuple(plan.seen_device(scenario, index) for index in devices),
            device_logs=tuple(folder / f"{scenario.device_host(index)}.jsonl" for index in devices),
            cloud_log=folder / "cloud.jsonl",
            laptop_status=None,
        )

    async def play(
        self, cloud: Sequence[str], laptop: Sequence[str], *, attached: bool
    ) -> Recording:
        scenario, recording, processes = self.scenario, self.recording, self.processes
        props.make_keys(scenario, self.keys, self.other_keys)
        truth = self.folder / "truth.json"
        props.write_truth(scenario, recording.addresses, recording.capture.name, truth)
        topology.build(self.network, scenario)
        await self.backdrop.set_up()
        if scenario.cloud.listens:
            await processes.start(CLOUD, cloud or self._cloud_command(), CLOUD)
            await processes.until(self._cloud_listens, CLOUD)
        tcpdump = await self._record()
        status = await self._timeline(laptop, attached=attached)
        await asyncio.sleep(_TAIL)
        await interrupt(tcpdump)  # before the ends: their being stopped is no evidence
        dropped = _DROPPED.search(processes.said("tcpdump"))
        lost = int(dropped[1]) if dropped else 0
        return recording._replace(dropped=lost, laptop_status=status)

    async def _record(self) -> asyncio.subprocess.Process:
        host, interface = topology.captured_on(self.scenario)
        options = ("-U", "--immediate-mode", "-Z", "root", "-B", "8192", "-s", _SNAP_LENGTH)
        command = ("tcpdump", "-i", interface, "-w", str(self.recording.capture), *options)
        process = await self.processes.start(host, command, "tcpdump")
        said = self.processes.said
        await self.processes.until(lambda: "listening on" in said("tcpdump"), "tcpdump")
        return process

    async def _timeline(self, laptop: Sequence[str], *, attached: bool) -> int | None:
        """Run the ends and change the rules in time; return how the laptop's command ended."""
        try:
            async with asyncio.TaskGroup() as group:
                changes = [
                    group.create_task(self._add_rule(rule))
                    for rule in self.scenario.rules
                    if rule.at
                ]
                errand = group.create_task(self._run_laptop(laptop, attached=attached))
                devices = [
                    group.create_task(self._run_device(index, device))
                    for index, device in enumerate(self.scenario.devices)
                ]
                await asyncio.wait(devices, timeout=self.scenario.seconds)
                status = await errand
                for task in (*changes, *devices):
                    task.cancel()
                return status
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _add_rule(self, rule: Rule) -> None:
        await asyncio.sleep(rule.at)
        topology.add_rule(self.network, rule)

    async def _run_laptop(self, command: Sequence[str], *, attached: bool) -> int | None:
        if not command:
            return None
        whole = self.processes.asking(plan.laptop_gateway(self.scenario), command)
        process = await self.processes.start(LAPTOP, whole, LAPTOP, attached=attached)
        return await process.wait()

    async def _run_device(self, index: int, device: Device) -> None:
        await asyncio.sleep(device.start)
        host = self.scenario.device_host(index)
        command = self._device_command(index, device)
        if device.asks_time:
            self.backdrop.ask_for_time(host)
        if device.dtls:
            await self.backdrop.connect_by_dtls(host)
        for _ in range(device.runs):
            process = await self.processes.start(host, command, host)
            await process.wait()
            await asyncio.sleep(_PAUSE if device.runs > 1 else 0)

    def _cloud_command(self) -> tuple[str, ...]:
        return (
            *(*_PROGRAM, "cloud", "--host", plan.cloud(self.scenario)),
            *("--keys", str(self.keys), "--write", str(self.recording.cloud_log)),
            *self.scenario.cloud.arguments,
        )

    def _device_command(self, index: int, device: Device) -> tuple[str, ...]:
        server_keys = self.keys if device.server_key == "right" else self.other_keys
        command = (
            *(*_PROGRAM, "device", "--to", device.told),
            *("--keys", str(self.keys), "--id", self.scenario.device_id(index)),
            *("--server-key", str(server_keys / keystore.CLOUD_PUBLIC)),
            *("--write", str(self.recording.device_logs[index]), "--other-traffic"),
            *device.arguments,
        )
        return self.processes.asking(plan.gateway(self.scenario, index), command)

    def _cloud_listens(self) -> bool:
        """Look into the kernel's table: to connect would be a connection of its own."""

        def tables() -> list[str]:
            return [path.read_text() for path in Path("/proc/thread-self/net").glob("tcp*")]

        texts = self.network.within(CLOUD, tables)
        rows = [line.split() for text in texts for line in text.splitlines()[1:]]
        return any(row[1].endswith(f":{plan.PORT:04X}") and row[3] == _LISTENING for row in rows)
