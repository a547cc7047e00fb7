"""Live capture beside dumpcap: a virtual cable, background traffic, and what each of them lost.

Both listen at the same end at the same time, with the same filter. Needs root and dumpcap.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from scripts.bench.measure import PROGRAM

from handshake_probe.capture.inputs import open_capture
from handshake_probe.capture.live import live_filter
from handshake_probe.lab import network
from handshake_probe.lab.network import End, Network

RATE = int(os.environ.get("BENCH_LIVE_RATE", 50_000))  # frames per second
SECONDS = int(os.environ.get("BENCH_LIVE_SECONDS", 8))
_SHARES = {"1 % on port 5683": 100, "all on port 5683": 1}  # one in so many is the cloud's
_KINDS = 1000  # different frames, sent over and over
_BURST = 50  # frames between two looks at the clock
_STARTING = 20.0
_HEAD = [
    "| traffic | sent per second | who | kept of those on 5683 | lost by kernel | CPU seconds |",
    "|---|---|---|---|---|---|",
]


class _Kept(NamedTuple):
    frames: int
    lost: int
    cpu: float


def table() -> list[str]:
    """Return the Markdown table, or a sentence that says why there is none."""
    lack = network.missing()
    if lack is None and shutil.which("dumpcap") is None:
        lack = "dumpcap is not installed"
    if lack is not None:
        return [f"Not measured: {lack}."]
    rows = list(_HEAD)
    for what, share in _SHARES.items():
        sent, seconds, kept = _measure(share)
        wanted = sum(number % share == 0 for number in range(sent))
        for who, result in kept.items():
            share_kept = 100 * result.frames / wanted
            rows.append(
                f"| {what} | {sent / seconds:,.0f} | {who} | {result.frames:,} of {wanted:,}"
                f" ({share_kept:.2f} %) | {result.lost:,} | {result.cpu:.1f} |"
            )
    return rows


def _measure(share: int) -> tuple[int, float, dict[str, _Kept]]:
    with Network() as built, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)  # dumpcap writes as somebody else
        for host in ("sender", "receiver"):
            built.add_host(host)
        built.join(End("sender", "wire", []), End("receiver", "wire", []))
        watch = _start(
            built.command("receiver", *PROGRAM, "watch", "-i", "wire", "--format", "json"),
            folder / "watch",
            b"watching",
        )
        options = ("-q", "-i", "wire", "-B", "32", "-w", str(folder / "kept.pcapng"))
        what = live_filter(frozenset({5683}))
        peer = _start(
            built.command("receiver", "dumpcap", *options, "-f", what),
            folder / "dumpcap",
            b"File:",
        )
        send = (sys.executable, "-m", "scripts.bench.live", str(share))
        told = subprocess.run(
            built.command("sender", *send), check=True, capture_output=True, text=True
        )
        time.sleep(1.0)
        used = _end(watch), _end(peer)
        document = json.loads((folder / "watch.out").read_text().splitlines()[-1])
        with open_capture(folder / "kept.pcapng") as capture:
            frames = sum(1 for _ in capture)
            drops = sum(item.drops or 0 for item in capture.interfaces)
    sent, seconds = told.stdout.split()
    seen = next(o for o in document["observations"] if o["kind"] == "capture")
    kept = {
        "**handshake-probe watch**": _Kept(seen["frames"], seen.get("drops", 0), used[0]),
        "dumpcap": _Kept(frames, drops, used[1]),
    }
    return int(sent), float(seconds), kept


def _start(command: Sequence[str], name: Path, ready: bytes) -> subprocess.Popen[bytes]:
    out, err = name.with_suffix(".out"), name.with_suffix(".err")
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr)
    end = time.monotonic() + _STARTING
    while ready not in err.read_bytes():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            raise RuntimeError(err.read_text())
        time.sleep(0.05)
    return process


def _end(process: subprocess.Popen[bytes]) -> float:
    """Let it end as after Ctrl-C; return the seconds of processor time it took."""
    process.send_signal(signal.SIGINT)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _frames(port: int) -> list[bytes]:
    """TCP segments with 200 bytes between many hosts, on one side's port."""
    generator = random.Random(port)
    return [_frame(generator, port) for _ in range(_KINDS)]


def _frame(generator: random.Random, port: int) -> bytes:
    number, source = generator.randrange(1 << 16), generator.randrange(1024, 1 << 16)
    tcp = source.to_bytes(2) + port.to_bytes(2) + generator.randbytes(8) + b"\x50\x18\x10\0\0\0\0\0"
    address = bytes((10, 20)) + number.to_bytes(2)
    ip = b"\x45\0\0\xf0\0\1\0\0\x40\x06\0\0" + address + bytes((10, 30, 0, 1))
    return b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\0" + ip + tcp + bytes(200)


def send(share: int) -> tuple[int, float]:
    """Send background frames, one in `share` of them the cloud's; return frames and seconds."""
    clouds, others = _frames(5683), _frames(443)
    total = RATE * SECONDS
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind(("wire", 0))
        begun = time.monotonic()
        for number in range(total):
            kinds = clouds if number % share == 0 else others
            wire.send(kinds[number // share % _KINDS])
            if number % _BURST == 0:
                time.sleep(max(0.0, begun + number / RATE - time.monotonic()))
        return total, time.monotonic() - begun


if __name__ == "__main__":
    print(*send(int(sys.argv[1])))
