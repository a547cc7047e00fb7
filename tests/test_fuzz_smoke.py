"""A short run of every fuzz harness: the machinery works, and nothing breaks at once."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed"
)


def fuzz(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fuzz", "--corpus", str(folder / "corpus")]
    command += ["--findings", str(folder / "findings"), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.timeout(300)
def test_no_harness_finds_anything_at_once(tmp_path: Path) -> None:
    done = fuzz("--seconds", "10", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" runs, ok") == done.stdout.count("\n") > 5
