"""Benchmarks: makes its captures, runs us and our peers on them, writes docs/benchmarks.md.

Sizes come from the environment: BENCH_LAN_FRAMES, BENCH_DENSE_SESSIONS, BENCH_CRYPTO_SESSIONS,
BENCH_FLOOD_SYNS, BENCH_KEYS, BENCH_RUNS; BENCH_FULL=1 means a gigabyte of LAN, 50,000 sessions and
20,000 keys. Captures are kept in `.bench/` and used again. The document is written by full runs, or
to BENCH_OUT.
"""

from __future__ import annotations

import os
import platform
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from scripts.bench import captures, live, startup
from scripts.bench import keys as key_files
from scripts.bench.conversation import Fleet
from scripts.bench.measure import PROGRAM, Cost, side_by_side

from handshake_probe.capture.sift import load

FULL = os.environ.get("BENCH_FULL") == "1"
FOLDER = startup.ROOT / ".bench"
FILTER = "tcp port 5683"
SLICE = 20_000  # frames for those who would need minutes
VERDICTS = (0, 1, 3)  # exit codes
_US = "**handshake-probe analyze**"


def _size(name: str, small: int, full: int) -> int:
    return int(os.environ.get(f"BENCH_{name}", full if FULL else small))


RUNS = _size("RUNS", 3, 3)


class Capture(NamedTuple):
    """A generated capture."""

    path: Path
    frames: int

    @property
    def title(self) -> str:
        """Name, size and frames in words."""
        size = self.path.stat().st_size / 1e6
        return f"`{self.path.stem}`: {size:,.0f} MB, {self.frames:,} frames"


def main() -> None:
    """Measure everything and write the document."""
    FOLDER.mkdir(exist_ok=True)
    lan_frames = _size("LAN_FRAMES", 200_000, 2_700_000)
    sessions = _size("DENSE_SESSIONS", 1_000, 50_000)
    syns = _size("FLOOD_SYNS", 100_000, 1_000_000)
    parts = [_head()]
    lan = _make(f"lan-{lan_frames}", captures.lan(lan_frames))
    parts += ["## A gateway's traffic, 0.05 % of it on port 5683", *_peers(lan)]
    dense = _make(f"dense-{sessions}", captures.dense(sessions))
    parts += ["## Every frame on port 5683", *_peers(dense)]
    fewer = _make(f"dense-{sessions // 5}", captures.dense(sessions // 5))
    parts += ["## Two captures at once", *_jobs(fewer)]
    flood = _make(f"flood-{syns}", captures.flood(syns))
    parts += ["## A flood of SYNs around one real session", *_alone(flood)]
    parts += ["## Real cryptography", *_crypto(_size("CRYPTO_SESSIONS", 200, 5_000))]
    parts += ["## Device keys made by OpenSSL", *key_files.table(_size("KEYS", 2_000, 20_000))]
    parts += ["## Live capture", *live.table()]
    parts += ["## Starting up", *startup.table(max(RUNS, 7))]
    text = "\n\n".join(_paragraphs(parts)) + "\n"
    print(text)
    text += _soak()
    target = os.environ.get("BENCH_OUT") or (startup.ROOT / "docs/benchmarks.md" if FULL else None)
    if target:
        Path(target).write_text(text)


def _soak() -> str:
    """What `make soak` wrote last: it stays."""
    written = (startup.ROOT / "docs/benchmarks.md").read_text("utf-8")
    found = re.search(r"^## Probes with loss.*?(?=^## |\Z)", written, re.MULTILINE | re.DOTALL)
    return f"\n{found[0].rstrip()}\n" if found else ""


def _make(name: str, frames: Iterable[captures.Timed]) -> Capture:
    path, note = FOLDER / f"{name}.pcap", FOLDER / f"{name}.frames"
    if not note.exists():
        print(f"making {path.name}", file=sys.stderr)
        note.write_text(str(captures.write(path, frames)))
    return Capture(path, int(note.read_text()))


def _slice(whole: Capture) -> Capture:
    """The first frames of a capture, for slow readers."""
    path = whole.path.with_name(f"{whole.path.stem}-slice.pcap")
    if not path.exists():
        command = ["tcpdump", "-r", str(whole.path), "-w", str(path), "-c", str(SLICE)]
        subprocess.run(command, check=True, capture_output=True)
    return Capture(path, min(SLICE, whole.frames))


def _peers(whole: Capture) -> list[str]:
    name = str(whole.path)
    commands: dict[str, list[str]] = {"cat, to nowhere": ["cat", name]}
    if shutil.which("tcpdump"):
        commands["tcpdump with a filter"] = ["tcpdump", "-r", name, "-w", "/dev/null", FILTER]
    if shutil.which("tcpflow"):
        # Its output counts as little as ours: it goes to memory where the system has that.
        flows = Path("/dev/shm" if Path("/dev/shm").is_dir() else FOLDER) / "bench-tcpflow"
        clean = f"rm -rf {flows}; tcpflow -r {name} -o {flows} '{FILTER}' && rm -rf {flows}"
        commands["tcpflow"] = ["sh", "-c", clean]
    commands[_US] = _analyze(whole)
    rows = _rows(side_by_side(commands, RUNS, VERDICTS), whole.frames)
    rows += [
        f"| {peer} | not installed: `apt-get install {peer}` | | | |"
        for peer in ("tcpdump", "tcpflow", "tshark")
        if not shutil.which(peer)
    ]
    if shutil.which("tshark") and shutil.which("tcpdump"):
        part = _slice(whole)
        command = ["tshark", "-r", str(part.path), "-Y", "tcp.port==5683", "-T", "fields"]
        command += ["-e", "tcp.stream", "-e", "tcp.len"]
        title = f"tshark, first {part.frames:,} frames"
        rows += _rows(side_by_side({title: command}, RUNS), part.frames)
    return [whole.title, *_HEADER, *rows]


def _alone(whole: Capture) -> list[str]:
    costs = side_by_side({_US: _analyze(whole)}, RUNS, VERDICTS)
    return [whole.title, *_HEADER, *_rows(costs, whole.frames)]


def _jobs(one: Capture) -> list[str]:
    """The same capture twice, one after the other and at once."""
    twice = [str(one.path), "--jobs"]
    commands = {
        "`--jobs 1`": _analyze(one, *twice, "1"),
        "`--jobs 2`": _analyze(one, *twice, "2"),
    }
    rows = _rows(side_by_side(commands, RUNS, VERDICTS), 2 * one.frames)
    return [f"{one.title}, given twice.", *_HEADER, *rows]


_HEADER = [
    "| who | seconds | CPU seconds | frames per second | memory, MB |",
    "|---|---|---|---|---|",
]


def _rows(costs: dict[str, Cost], frames: int) -> list[str]:
    return [
        f"| {name} | {cost.seconds:.2f} | {cost.cpu:.2f} | {frames / cost.seconds:,.0f} "
        f"| {cost.memory / 1e6:.0f} |"
        for name, cost in costs.items()
    ]


def _analyze(capture: Capture, *more: str) -> list[str]:
    return [*PROGRAM, "analyze", str(capture.path), "--format", "json", *more]


def _crypto(sessions: int) -> list[str]:
    both, alone = FOLDER / "crypto.keys", FOLDER / "crypto.device-keys"
    rows = [
        "| keys | CPU ms per session | without keys | RSA alone, by `openssl speed` | of its rate "
        "| sessions per second |",
        "|---|---|---|---|---|---|",
    ]
    large, small = _openssl_floor()
    for devices in (1, 20):
        name = f"crypto-{sessions}-{devices}"
        keys, device_keys = both / name, alone / name
        if not (FOLDER / f"{name}.frames").exists():
            fleet = Fleet(random.Random(sessions), devices)
            fleet.save(keys, device_keys)
            _make(name, captures.dense(sessions, script=fleet.script))
        capture = _make(name, iter(()))
        costs = side_by_side(
            {
                "none": _analyze(capture),
                "both": _analyze(capture, "--keys", str(keys)),
                "device": _analyze(capture, "--keys", str(device_keys)),
            },
            RUNS,
            VERDICTS,
        )
        count = "one device's" if devices == 1 else f"{devices} devices'"
        # Without the cloud's key every device key is tried: nothing else tells whose it is.
        for which, floor in (("both", large + small), ("device", devices * small)):
            cost = costs[which]
            title = f"cloud's and {count}" if which == "both" else f"{count} alone"
            rows.append(
                f"| {title} | {cost.cpu / sessions * 1000:.2f} "
                f"| {costs['none'].cpu / sessions * 1000:.2f} | {floor * 1000:.2f} "
                f"| {100 * floor * sessions / cost.cpu:.0f} % "
                f"| {sessions / cost.seconds:,.0f} |"
            )
    return [f"{sessions:,} sessions of 100 frames and 44 records each.", *rows]


def _openssl_floor() -> tuple[float, float]:
    """Seconds of one private operation with 2048 and with 1024 bits, by `openssl speed`."""
    command = ["openssl", "speed", "-seconds", "1", "rsa2048", "rsa1024"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = {bits: float(took) for bits, took in re.findall(r"rsa +(\d+) bits +([\d.]+)s", text)}
    return found["2048"], found["1024"]


def _head() -> str:
    return (
        "# Benchmarks\n\n"
        "`make bench` measures, `BENCH_FULL=1 make bench` measures at full size and writes this "
        f"page. Whole processes, page cache warm, medians of {RUNS} runs taken in turn. Compare "
        "ratios: absolute times belong to one machine. Memory includes some 40 MB of the measuring "
        "process, which a child inherits until it starts its own program.\n\n"
        f"{datetime.now(UTC):%Y-%m-%d} · {_processor()}, {os.cpu_count()} cores · "
        f"Linux {platform.release().split('-')[0]} · Python {platform.python_version()} · "
        f"{_version('tcpdump')} · {_version('tcpflow')} · {_version('tshark')} · "
        f"{_version('openssl')} · "
        f"{'fast reader compiled' if load() else 'no fast reader: install a C compiler'}"
    )


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text()
    match = re.search(r"model name\s*: (.+)", text)
    return match[1] if match else platform.machine()


def _version(program: str) -> str:
    if not shutil.which(program):
        return f"no {program}"
    option = "version" if program == "openssl" else "--version"
    done = subprocess.run([program, option], capture_output=True, text=True, check=False)
    match = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return f"{program} {match[0] if match else '?'}"


def _paragraphs(parts: Iterable[str]) -> list[str]:
    """Put the lines of a table together; everything else stands alone."""
    out: list[str] = []
    for part in parts:
        if part.startswith("|") and out and out[-1].startswith("|"):
            out[-1] += "\n" + part
        else:
            out.append(part)
    return out


if __name__ == "__main__":
    main()
