"""Records the packets of this machine while something else runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

_STARTING = 3.0  # seconds for a recorder to be ready
_SETTLING = 0.5  # seconds for the last packets to be written
# By preference: dumpcap is often allowed for a group of users, tcpdump for root alone.
_TOOLS = ("dumpcap", "tcpdump")


@dataclass
class Recording:
    """What is recorded, and why it is not."""

    file: Path
    refused: str | None = None


@asynccontextmanager
async def record(file: Path, interface: str | None, ports: list[int]) -> AsyncIterator[Recording]:
    """Record TCP of these ports, ICMP, DNS and ARP on an interface into `file` (pcap).

    Never raises for a missing tool or privilege: the recording then says why it is none.
    """
    recording = Recording(file)
    process = None
    if interface is None:
        recording.refused = "no interface leads to the cloud"
    else:
        process = await _start(recording, interface, ports)
    try:
        yield recording
    finally:
        if process is not None:
            await asyncio.sleep(_SETTLING)
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            await process.communicate()


async def _start(
    recording: Recording, interface: str, ports: list[int]
) -> asyncio.subprocess.Process | None:
    what = " or ".join(f"tcp port {port}" for port in ports)
    what += " or icmp or icmp6 or port 53 or arp"
    complaint = f"neither {' nor '.join(_TOOLS)} is installed"
    for tool in _TOOLS:
        path = shutil.which(tool)
        if path is None:
            continue
        command = (
            (path, "-q", "-P", "-i", interface, "-f", what, "-w", str(recording.file))
            if tool == "dumpcap"
            else (path, "-U", "-s", "0", "-i", interface, "-w", str(recording.file), what)
        )
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us: the recorder ends when we say so
        )
        if await _ready(process, recording.file):
            return process
        _, said = await process.communicate()
        complaint = f"{tool}: {_last_line(said) or 'did not start'}"
    recording.refused = complaint
    return None


async def _ready(process: asyncio.subprocess.Process, file: Path) -> bool:
    """Whether it runs and has written its file's head."""
    for _ in range(int(_STARTING / 0.05)):
        await asyncio.sleep(0.05)
        if process.returncode is not None:
            return False
        with contextlib.suppress(OSError):
            if os.path.getsize(file):
                return True
    process.kill()
    return False


def _last_line(said: bytes) -> str:
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")[:200]
