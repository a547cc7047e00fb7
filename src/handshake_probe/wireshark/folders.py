"""Where Wireshark looks for its user's plugins and interfaces."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

_PATIENCE = 20  # seconds; tshark loads all its dissectors before it answers


class Folders(NamedTuple):
    """The personal folders of one user."""

    plugins: Path  # Lua files
    extcap: Path  # programs that are interfaces


def personal_folders() -> Folders:
    """Ask tshark; without one, its defaults on Unix.

    Wireshark 4.0 names no personal extcap folder, and looks into the one beside its configuration;
    later versions name the one they use.
    """
    said = _said()
    configuration = said.get("Personal configuration") or _configuration()
    plugins = said.get("Personal Lua Plugins") or Path.home() / ".local/lib/wireshark/plugins"
    return Folders(plugins, said.get("Personal Extcap path") or configuration / "extcap")


def _configuration() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "wireshark"


def _said() -> dict[str, Path]:
    tshark = shutil.which("tshark")
    if tshark is None:
        return {}
    try:
        done = subprocess.run(
            [tshark, "-G", "folders"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    pairs = (line.partition(":") for line in done.stdout.splitlines())
    return {name.strip(): Path(path.strip()) for name, _, path in pairs if path.strip()}
