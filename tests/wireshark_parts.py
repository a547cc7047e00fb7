"""What the tests of the Wireshark door share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

CAPTURES = Path(__file__).resolve().parent.parent / "captures"
SOURCE = CAPTURES.parent / "src"

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


def environment(home: Path) -> dict[str, str]:
    """Of a user whose folders are below `home`."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return kept | {"HOME": str(home), "PYTHONPATH": str(SOURCE), "TZ": "UTC"}


def tshark(home: Path, *arguments: str) -> str:
    """What tshark says on stdout; it must not fail, nor trip over a bug."""
    done = subprocess.run(
        ["tshark", "-n", *arguments],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Dissector bug" not in done.stderr + done.stdout
    assert "Lua" not in done.stderr, done.stderr
    return done.stdout


def fields(home: Path, file: Path, names: Sequence[str], *more: str) -> list[dict[str, str]]:
    """The fields of every packet of a file, by name; several values are joined by a bar."""
    options = [option for name in names for option in ("-e", name)]
    shape = ["-T", "fields", "-E", "separator=/t", "-E", "aggregator=|", "-E", "occurrence=a"]
    told = tshark(home, "-r", str(file), *shape, *options, *more)
    return [dict(zip(names, line.split("\t"), strict=True)) for line in told.splitlines()]


def probe(
    *arguments: str, home: Path, prefix: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run the program as a user with this home would."""
    return subprocess.run(
        [*prefix, sys.executable, "-m", "handshake_probe", *arguments],
        env=environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
