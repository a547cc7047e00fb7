"""Looks what works on this machine. Nothing is changed, sent or left behind."""

from __future__ import annotations

import importlib
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from handshake_probe import __version__
from handshake_probe.model.equipment import Equipment, Item
from handshake_probe.probe import error_queue, rights
from handshake_probe.probe.programs import command_to_install, pip_install, places, which

_PATIENCE = 5.0  # seconds for a tool to tell its version
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_HOTSPOT = "nmcli device wifi hotspot"
_NET_ADMIN, _NET_RAW, _SYS_ADMIN = 12, 13, 21  # bits, <linux/capability.h>
_FILE_CAPABILITIES = "security.capability"
_CHROMIUMS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_LINUX_ONLY = "Linux only"
_CAPTURE_ROOM = Path(__file__).parents[1] / "capture"


class _Found(NamedTuple):
    works: bool
    detail: str | None = None
    add: str | None = None


@dataclass(frozen=True)
class _Check:
    name: str
    needed_for: str
    look: Callable[[], _Found]
    essential: bool = False


def equipment() -> Equipment:
    """Look at everything."""
    telling = _Telling()
    checks = (
        *(
            _Check(name, what, _imported(module, name), essential=True)
            for name, module, what in _ESSENTIAL
        ),
        _Check("fast reader", "reading captures of gigabytes in seconds", _fast_reader),
        _Check("error queue", "naming who sent an ICMP error", _error_queue),
        _Check("ip", "seeing routes and VPNs in a probe, and for lab scenarios", _tool("ip")),
        _Check("cypcap", "watching an interface, through libpcap", _library("cypcap")),
        _Check("dumpcap", "recording beside a probe; watching without root or cypcap", _dumpcap),
        _Check("scapy", "watching where neither cypcap nor dumpcap is", _library("scapy")),
        _Check("tcpdump", "recording as root, and for lab scenarios", _tool("tcpdump")),
        _Check(
            "raw packets",
            "watching through libpcap, recording with tcpdump",
            _capability(_NET_RAW, "CAP_NET_RAW"),
        ),
        _Check("forwarding", "watching devices that use this machine as hotspot", _forwarding),
        _Check("ssh", "watching through a router's own tcpdump", _tool("ssh")),
        _Check("tshark", "a second opinion: analyze --engine tshark", telling.tshark),
        _Check("pyshark", "a second opinion: analyze --engine tshark", _library("pyshark")),
        _Check("chromium", "reports as PDF", _chromium),
        _Check("weasyprint", "reports as PDF where no Chromium is", _library("weasyprint")),
        _Check("nft", "firewalls in lab scenarios", _tool("nft")),
        _Check("namespaces", "the networks of lab scenarios", _namespaces),
        _Check("aiocoap", "the project's tests", _library("aiocoap")),
    )
    return Equipment(
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        version=__version__,
        items=[_item(check) for check in checks],
    )


def _item(check: _Check) -> Item:
    found = check.look()
    return Item(
        name=check.name,
        works=found.works,
        detail=found.detail,
        needed_for=check.needed_for,
        add=found.add,
        essential=check.essential,
    )


_ESSENTIAL = (
    ("cryptography", "cryptography.hazmat.primitives.asymmetric.rsa", "keys and sessions"),
    ("dnspython", "dns.message", "DNS, in captures and in a probe"),
    ("msgspec", "msgspec", "documents"),
    ("rich", "rich.console", "reports on a terminal"),
)


def _imported(module: str, package: str) -> Callable[[], _Found]:
    """Import it: a wheel for another machine shows only then."""

    def look() -> _Found:
        try:
            importlib.import_module(module)
        except ImportError as error:
            return _Found(False, str(error), pip_install(package))
        return _Found(True, version(package))

    return look


def _library(package: str) -> Callable[[], _Found]:
    """Look whether it is there, without the time that its import takes."""

    def look() -> _Found:
        if find_spec(package) is None:
            return _Found(False, "not installed", pip_install(package))
        with suppress(PackageNotFoundError):
            return _Found(True, version(package))
        return _Found(True)

    return look


def _fast_reader() -> _Found:
    """Whether it was compiled when this program was installed; Python reads otherwise."""
    if next(_CAPTURE_ROOM.glob("sift-*.so"), None) is not None:
        return _Found(True, "compiled")
    if which("cc") is None:
        return _Found(False, "no C compiler when this was installed", command_to_install("gcc"))
    again = f"{pip_install('--force-reinstall --no-deps')} handshake-probe"
    return _Found(False, "not compiled", "make setup" if _in_checkout() else again)


def _in_checkout() -> bool:
    return (_CAPTURE_ROOM.parents[2] / "hatch_build.py").exists()


def _tool(name: str) -> Callable[[], _Found]:
    def look() -> _Found:
        path = which(name)
        if path is not None:
            return _Found(True, path)
        if name in ("ip", "nft") and sys.platform != "linux":
            return _Found(False, _LINUX_ONLY)
        return _Found(False, "not installed", command_to_install(name))

    return look


def _chromium() -> _Found:
    path = next(filter(None, map(which, _CHROMIUMS)), None)
    return (
        _Found(True, path)
        if path
        else _Found(False, "not installed", command_to_install("chromium"))
    )


class _Telling:
    """Tools that are asked for their version while the rest is looked at."""

    def __init__(self) -> None:
        self._path = which("tshark")
        self._process = None
        if self._path is not None:
            with suppress(OSError):
                self._process = subprocess.Popen(
                    [self._path, "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )

    def tshark(self) -> _Found:
        if self._path is None:
            return _Found(False, "not installed", command_to_install("tshark"))
        if self._process is None:
            return _Found(False, f"{self._path} cannot be run")
        try:
            told, _ = self._process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return _Found(False, f"{self._path} does not tell its version")
        words = told.decode("utf-8", "replace").partition("\n")[0].split()
        number = next((word.rstrip(".") for word in words if word[:1].isdigit()), None)
        if self._process.returncode or number is None:
            return _Found(False, f"{self._path} does not tell its version")
        return _Found(True, number)


def _error_queue() -> _Found:
    if error_queue.supported():
        return _Found(True)
    return _Found(False, "not on this kernel" if error_queue.exists() else _LINUX_ONLY)


def _dumpcap() -> _Found:
    """Whether it is there, and whether this user may capture with it."""
    path = which("dumpcap")
    if path is None:
        # A group may run it, and nobody else even sees that it can be.
        hidden = next((at for at in map(Path, places("dumpcap")) if at.exists()), None)
        if hidden is None:
            return _Found(False, "not installed", command_to_install("dumpcap"))
        return _Found(False, f"{hidden} is not for this user", _join_group(hidden))
    if rights.holds(_NET_RAW) or _is_privileged(path):
        return _Found(True, path)
    if sys.platform == "darwin":
        return _bpf(path)
    add = "sudo dpkg-reconfigure wireshark-common" if which("dpkg-reconfigure") else None
    add = add or f"sudo setcap cap_net_raw,cap_net_admin+eip {shlex.quote(path)}"
    return _Found(False, f"{path} may not capture for this user", add)


def _bpf(path: str) -> _Found:
    if os.access("/dev/bpf0", os.R_OK):
        return _Found(True, path)
    return _Found(False, "no access to /dev/bpf*", "brew install --cask wireshark-chmodbpf")


def _is_privileged(path: str) -> bool:
    """Whether a program has rights of its own: set-user-id root, or capabilities."""
    status = os.stat(path)
    if status.st_uid == 0 and status.st_mode & 0o4000:
        return True
    if sys.platform != "linux":
        return False
    with suppress(OSError):
        return bool(os.getxattr(path, _FILE_CAPABILITIES))
    return False


def _join_group(path: Path) -> str | None:
    import grp

    try:
        group = grp.getgrgid(path.stat().st_gid).gr_name
    except (KeyError, OSError):
        return None
    return None if group == "root" else f"sudo usermod -aG {group} $USER  # then log in again"


def _forwarding() -> _Found:
    """Whether others' packets pass through here, as they do through a hotspot."""
    if sys.platform != "linux":
        return _Found(False, _LINUX_ONLY)
    with suppress(OSError):
        if _FORWARDING.read_text().strip() == "1":
            return _Found(True, "this machine forwards IPv4")
    return _Found(False, "this machine forwards nothing", _HOTSPOT if which("nmcli") else None)


def _capability(bit: int, name: str) -> Callable[[], _Found]:
    def look() -> _Found:
        if rights.holds(bit):
            return _Found(True, "root" if rights.is_root() else name)
        if rights.is_root():
            return _Found(False, f"root without {name}: a container?")
        return _Found(False, f"neither root nor {name}", "sudo handshake-probe probe")

    return look


def _namespaces() -> _Found:
    if sys.platform != "linux":
        return _Found(False, _LINUX_ONLY)
    if not rights.is_root():
        return _Found(False, "not root", "sudo handshake-probe lab scenario")
    if not (rights.holds(_NET_ADMIN) and rights.holds(_SYS_ADMIN)):
        return _Found(False, "root without CAP_NET_ADMIN and CAP_SYS_ADMIN: a container?")
    return _Found(True, "root")
