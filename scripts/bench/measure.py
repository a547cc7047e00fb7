"""Runs commands as whole processes and takes medians."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_SCRIPT = Path(sys.executable).with_name("handshake-probe")
# As installed programs run: with their bytecode compiled once and kept.
_ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
PROGRAM = [str(_SCRIPT)] if _SCRIPT.exists() else [sys.executable, "-m", "handshake_probe"]


class Cost(NamedTuple):
    """What one command took: medians of several runs."""

    seconds: float  # wall clock
    cpu: float  # seconds of processor time, user and system
    memory: int  # bytes at its largest


def once(command: Sequence[str], allowed: Sequence[int] = (0,)) -> Cost:
    """Run a command with its output thrown away.

    Raises:
        subprocess.CalledProcessError: the exit code is none of `allowed`; the time means nothing.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_ENVIRONMENT
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in allowed:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def side_by_side(
    commands: Mapping[str, Sequence[str]], runs: int, allowed: Sequence[int] = (0,)
) -> dict[str, Cost]:
    """Run every command in turn, `runs` times, after one round that only warms caches."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for number in range(runs + 1):
        for name, command in commands.items():
            cost = once(command, allowed)
            if number:
                costs[name].append(cost)
    return {name: _median(taken) for name, taken in costs.items()}


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.seconds for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        int(statistics.median(cost.memory for cost in costs)),
    )
