"""Where programs are, and the command that installs one that is missing."""

from __future__ import annotations

import os
import shlex
import shutil
import sys

from handshake_probe.probe import rights

_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # not on every user's path

# What a package is called, by the command that installs it.
_PACKAGES = {
    "apt-get": {
        "gcc": "gcc libc6-dev",
        "dumpcap": "wireshark-common",
        "ip": "iproute2",
        "nft": "nftables",
    },
    "brew": {
        "tshark": "wireshark",
        "dumpcap": "wireshark",
        "chromium": "--cask chromium",
    },
}


def places(name: str) -> list[str]:
    """Where a program may lie, in the order they are searched."""
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return [os.path.join(place, name) for place in (*path, *_SBIN) if place]


def which(name: str) -> str | None:
    """The path of a program that this user can run."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(_SBIN))


def command_to_install(name: str) -> str:
    """The command that installs a program on this system, or words where none is known."""
    for command, names in _PACKAGES.items():
        if which(command):
            sudo = "sudo " if command == "apt-get" and not rights.is_root() else ""
            return f"{sudo}{command} install {names.get(name, name)}"
    return f"install {name} with this system's package manager"


def pip_install(package: str) -> str:
    """The command that installs a Python package beside this program."""
    return f"{shlex.quote(sys.executable)} -m pip install {package}"
