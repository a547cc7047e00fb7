"""Times whole processes side by side: what starting up and one small capture cost.

Every round runs each command once, in turn, so that a slow moment of the machine meets all of
them alike. Printed are medians, and ratios to a bare interpreter that does nothing.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = Path(sys.executable).with_name("handshake-probe")
CAPTURE = ROOT / "captures" / "healthy-brewskey-device-os-2.3.1.pcap"

BARE = "python -c pass"
COMMANDS: dict[str, list[str]] = {
    BARE: [sys.executable, "-c", "pass"],
    "handshake-probe --version": [str(PROGRAM), "--version"],
    "handshake-probe --help": [str(PROGRAM), "--help"],
    "handshake-probe analyze": [str(PROGRAM), "analyze", str(CAPTURE)],
    "handshake-probe analyze --keys": [
        str(PROGRAM),
        "analyze",
        str(CAPTURE),
        "--keys",
        str(CAPTURE.with_suffix(".keys")),
    ],
}


def seconds(command: list[str]) -> float:
    """Wall-clock seconds of one whole process.

    Raises:
        subprocess.CalledProcessError: the command failed; its time would mean nothing.
    """
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Runs all commands and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="runs of each command")
    rounds: int = parser.parse_args().rounds

    for command in COMMANDS.values():
        seconds(command)  # warm-up: file cache and compiled modules
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))

    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"whole processes, medians of {rounds} runs; capture of {CAPTURE.stat().st_size} bytes\n")
    print(f"{'command':<32}{'ms':>8}{'fastest':>9}{'ratio':>8}")
    for name, median in medians.items():
        fastest = min(times[name])
        ratio = median / medians[BARE]
        print(f"{name:<32}{median * 1000:>8.1f}{fastest * 1000:>9.1f}{ratio:>7.1f}x")


if __name__ == "__main__":
    main()
