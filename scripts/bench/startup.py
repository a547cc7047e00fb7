"""What starting up and one small capture cost, beside a bare interpreter that does nothing."""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.bench.measure import PROGRAM, side_by_side

ROOT = Path(__file__).resolve().parent.parent.parent
CAPTURE = ROOT / "captures" / "healthy-brewskey-device-os-2.3.1.pcap"
BARE = "python -c pass"
COMMANDS: dict[str, list[str]] = {
    BARE: [sys.executable, "-c", "pass"],
    "handshake-probe --version": [*PROGRAM, "--version"],
    "handshake-probe --help": [*PROGRAM, "--help"],
    "handshake-probe analyze": [*PROGRAM, "analyze", str(CAPTURE)],
    "handshake-probe analyze --keys": [
        *PROGRAM,
        "analyze",
        str(CAPTURE),
        "--keys",
        str(CAPTURE.with_suffix(".keys")),
    ],
}


def table(runs: int) -> list[str]:
    """Return the Markdown table of start-up times."""
    costs = side_by_side(COMMANDS, runs)
    lines = ["| command | ms | times a bare interpreter |", "|---|---|---|"]
    for name, cost in costs.items():
        ratio = cost.seconds / costs[BARE].seconds
        lines.append(f"| `{name}` | {cost.seconds * 1000:.0f} | {ratio:.1f} |")
    return lines
