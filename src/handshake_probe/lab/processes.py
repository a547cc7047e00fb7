"""The programs that run on the hosts of a network, and what they said."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from handshake_probe.errors import HandshakeProbeError
from handshake_probe.lab.network import Network

_STARTING = 20.0  # seconds a process may take until it is ready
_ENDING = 5.0  # seconds a process may take to end when it is told to
# As patient as firmware, which asks three times; no search list.
_RESOLVER = "nameserver {}\nsearch .\noptions timeout:1 attempts:3\n"
# `ip netns exec` gives a command its own mounts: nobody else sees this one.
_WITH_RESOLVER = ("sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"')


class StagingFailed(HandshakeProbeError):
    """A process of a scenario did not start; the message is what it said."""


class Processes:
    """Starts programs on hosts; they are ended with `ends`.

    Args:
        network: Where the hosts are.
        folder: Where `NAME.stdout`, `NAME.stderr` and resolver files go.
        ends: Ends what still runs.
    """

    def __init__(self, network: Network, folder: Path, ends: AsyncExitStack) -> None:
        self._network, self._folder, self._ends = network, folder, ends

    async def start(
        self, host: str, command: Sequence[str], name: str, *, attached: bool = False
    ) -> asyncio.subprocess.Process:
        """Start a program; attached, it keeps this process's input and output."""
        whole = self._network.command(host, *command)
        if attached:
            process = await asyncio.create_subprocess_exec(*whole)
        else:
            with (
                (self._folder / f"{name}.stdout").open("ab") as out,
                (self._folder / f"{name}.stderr").open("ab") as err,
            ):
                process = await asyncio.create_subprocess_exec(
                    *whole, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=err
                )
        self._ends.push_async_callback(_end, process)
        return process

    def asking(self, name_server: str, command: Sequence[str]) -> tuple[str, ...]:
        """Return the command, for which this name server is the system's."""
        resolver = self._folder / f"resolv-{name_server}.conf"
        resolver.write_text(_RESOLVER.format(name_server))
        resolver.chmod(0o644)
        return (*_WITH_RESOLVER, str(resolver), *command)

    def said(self, name: str) -> str:
        """Return what a program wrote to its standard error."""
        return (self._folder / f"{name}.stderr").read_text()

    async def until(self, true: Callable[[], bool], name: str) -> None:
        """Wait until a program is ready; raises StagingFailed with what it said."""
        try:
            async with asyncio.timeout(_STARTING):
                while not true():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise StagingFailed(f"{name} did not start: {self.said(name).strip()}") from None


async def interrupt(process: asyncio.subprocess.Process) -> None:
    """Let a program end as after Ctrl-C."""
    process.send_signal(signal.SIGINT)
    await asyncio.wait_for(process.wait(), _ENDING)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _ENDING)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):  # it ended in the meantime
            process.kill()
        await process.wait()
