"""Probes in every scenario again and again, with loss on the way: none may accuse wrongly.

    python tests/soak.py [ROUNDS [LOSS]]

Its table goes to standard output and into docs/benchmarks.md, progress to standard error; exit code
1 after an accusation. An interrupt ends it early, and the table tells of what was done.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from handshake_probe.lab import network, scenario_files
from probe_scenarios import accuses_wrongly, disagreement, probe_in

AT_A_TIME = 10
BENCHMARKS = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
SECTION = "## Probes with loss on the way"
OUTCOMES = ("runs", "as expected", "other verdict, no accusation", "wrong accusation")
LIMIT = 150.0  # seconds for one probe


async def soak(rounds: int, loss: float, folder: Path, counts: Counter[str]) -> None:
    """Run everything; counts by outcome, and by scenario for what was not as it should be."""
    free = asyncio.Semaphore(AT_A_TIME)
    names = [path.stem for path in scenario_files.all_scenarios()]

    async def one(name: str, number: int) -> None:
        async with free:
            place = folder / f"{name}-{number}"
            place.mkdir()
            measurement = await asyncio.wait_for(probe_in(name, place, loss=loss), LIMIT)
        wrong = accuses_wrongly(name, measurement)
        differs = disagreement(name, measurement)
        counts["runs"] += 1
        counts["wrong accusation"] += wrong
        counts["as expected"] += differs is None
        counts["other verdict, no accusation"] += differs is not None and not wrong
        if differs is not None:
            counts[f"{'!' if wrong else ' '} {differs}"] += 1
        print(f"\r{counts['runs']} of {rounds * len(names)}", end="", file=sys.stderr)

    for number in range(rounds):
        await asyncio.gather(*(one(name, number) for name in names))


def keep(text: str) -> None:
    """Put the result into its section of the benchmarks, which stays when they are made again."""
    before, _, after = BENCHMARKS.read_text("utf-8").partition(f"{SECTION}\n")
    rest = after[after.index("\n## ") :] if "\n## " in after else ""
    BENCHMARKS.write_text(f"{before.rstrip()}\n\n{SECTION}\n\n{text}\n{rest}", "utf-8")


def main() -> int:
    """Run, and print a table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    loss = float(sys.argv[2]) if len(sys.argv) > 2 else 0.05
    lack = network.missing()
    if lack is not None:
        print(f"not run: {lack}", file=sys.stderr)
        return 4
    began = time.monotonic()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, suppress(KeyboardInterrupt):
        asyncio.run(soak(rounds, loss, Path(folder), counts))
    minutes = (time.monotonic() - began) / 60
    scenarios = len(scenario_files.all_scenarios())
    done = f"{counts['runs'] / scenarios:.1f} of {rounds} rounds over {scenarios} scenarios"
    told = [
        f"{done}, {100 * loss:g} % of packets lost, {minutes:.0f} minutes (`make soak`).",
        "",
        "| outcome | probes |",
        "|---|---|",
    ]
    wrong = counts["wrong accusation"]
    told += [f"| {outcome} | {counts.pop(outcome, 0)} |" for outcome in OUTCOMES]
    print("\n".join(told))
    keep("\n".join(told))
    for what, count in counts.most_common():
        print(f"{count:4} {what}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
