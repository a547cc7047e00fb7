"""Builds the compiled reader with address and undefined-behaviour sanitizers, and runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from handshake_probe.capture import sift

ROOT = Path(__file__).resolve().parent.parent

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def sanitized(folder: Path) -> Path:
    """Return the library, or skip where the compiler has no sanitizers."""
    library = folder / "sift.so"
    flags = ["-std=c11", "-g", "-O1", "-fPIC", "-shared", "-fno-sanitize-recover=all"]
    flags += ["-fsanitize=address,undefined"]
    flags += ["-DKEPT_MANY=0"]  # look ahead however few connections there are
    units = [str(source) for source in sift.SOURCES if source.suffix == ".c"]
    built = subprocess.run(
        ["cc", *flags, "-o", str(library), *units], capture_output=True, check=False
    )
    if built.returncode or not _runtime().is_absolute():
        pytest.skip("this compiler has no sanitizers")
    return library


def run_sanitized(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script in an interpreter that the sanitizer watches."""
    environment = {
        **os.environ,
        "LD_PRELOAD": str(_runtime().resolve()),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")]),
    }
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _runtime() -> Path:
    name = subprocess.run(
        ["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout
    return Path(name.strip())
