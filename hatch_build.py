"""Compiles the fast reader (`sift.c`, `fast_path*.c`) into the package where there is a C compiler.

The program works without it: `sieve.py` does the same in Python, only more slowly. So nothing
here ever fails a build. `python hatch_build.py` compiles in place.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

CAPTURE = Path(__file__).parent / "src" / "handshake_probe" / "capture"
PARTS = ("fast_path.c", "fast_path_form.c", "fast_path_slots.c", "fast_path.h", "fast_path_parts.h")
SOURCES = ("sift.c", *PARTS)
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Wconversion", "-fPIC", "-shared")


def compile_in_place() -> Path | None:
    """Compile the source as it is; None without a compiler, or with one that fails."""
    for stale in CAPTURE.glob("sift-*.so"):
        stale.unlink()
    sources = [CAPTURE / name for name in SOURCES]
    content = b"".join(source.read_bytes() for source in sources)
    mark = sha256(content).hexdigest()[:16]  # as `sift.py` looks for it
    library = CAPTURE / f"sift-{mark}.so"
    new = library.with_suffix(f".{os.getpid()}")
    compiler = shlex.split(os.environ.get("CC", "cc"))
    try:
        units = [str(source) for source in sources if source.suffix == ".c"]
        subprocess.run([*compiler, *FLAGS, "-o", str(new), *units], check=True)
        new.rename(library)
    except (OSError, subprocess.CalledProcessError):
        return None
    return library


class SiftHook(BuildHookInterface[Any]):
    """Makes a wheel with the library one of this platform, whatever its Python."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say what the wheel has become."""
        if compile_in_place() is None:
            return
        platforms = (tag.platform for tag in sys_tags())
        platform = next(p for p in platforms if not p.startswith(("manylinux", "musllinux")))
        build_data["artifacts"].append("/src/handshake_probe/capture/sift-*.so")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"


if __name__ == "__main__":
    sys.exit(compile_in_place() is None)
