"""Runs harnesses under atheris: `python -m fuzz [--seconds N] [--corpus DIR] [NAME ...]`.

Each one gets its own process and its share of the time. What breaks a rule is written to
`--findings` and ends the run with exit code 1; `python -m fuzz --replay FILE NAME` shows it again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fuzz.seeds import write_seeds

ROOT = Path(__file__).resolve().parent.parent
NAMES = (
    "capture",
    "sieves",
    "decode",
    "names",
    "flows",
    "keys",
    "messages",
    "blocks",
    "records",
    "transcript",
)
_CHILD = "--under-atheris"


def main() -> int:
    """Fuzz the named harnesses, all by default; return 1 when something was found."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--seconds", type=float, default=20, help="in all")
    parser.add_argument("--corpus", type=Path, default=ROOT / ".fuzz" / "corpus")
    parser.add_argument("--findings", type=Path, default=ROOT / ".fuzz" / "findings")
    parser.add_argument("--replay", type=Path, help="run one input without atheris")
    options = parser.parse_args()
    names: list[str] = options.names or list(NAMES)
    for name in names:
        if name not in NAMES:
            parser.error(f"no harness is called {name}")
    if options.replay is not None:
        from fuzz.harnesses import HARNESSES

        for name in names:
            HARNESSES[name](options.replay.read_bytes())
        return 0
    workers = os.cpu_count() or 1
    each = options.seconds * workers / max(len(names), workers)

    def run(name: str) -> bool:
        return _run(name, each, options.corpus / name, options.findings / name)

    with ThreadPoolExecutor(workers) as pool:
        return 0 if all(list(pool.map(run, names))) else 1


def _run(name: str, seconds: float, corpus: Path, findings: Path) -> bool:
    """Fuzz one harness; tell whether all went well."""
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    write_seeds(name, corpus)
    command = [
        sys.executable,
        "-m",
        "fuzz",
        _CHILD,
        name,
        f"-max_total_time={max(1, round(seconds))}",
        f"-artifact_prefix={findings}/",
        "-max_len=4096",
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        "-verbosity=0",
        str(corpus),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    runs = next((line.split()[-1] for line in text.splitlines() if "executed_units" in line), "?")
    print(f"{name}: {runs} runs, {'ok' if done.returncode == 0 else 'FOUND SOMETHING'}", flush=True)
    if done.returncode != 0:
        print(text[-4000:], file=sys.stderr)
    return done.returncode == 0


def _under_atheris(arguments: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["handshake_probe"]):
        from fuzz.harnesses import HARNESSES
    name, *rest = arguments
    atheris.Setup([f"fuzz-{name}", *rest], HARNESSES[name])
    atheris.Fuzz()


if __name__ == "__main__":
    if _CHILD in sys.argv[1:2]:
        _under_atheris(sys.argv[2:])
    else:
        sys.exit(main())
