"""`wireshark install`, `status` and `remove`: the dissector and the interface of one user.

Each installed file says in one line which version wrote it, and the hash of the rest: so a file
that somebody changed, or that was never ours, is told apart and left alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
from collections.abc import Callable
from enum import StrEnum
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from handshake_probe import __version__
from handshake_probe.errors import HandshakeProbeError
from handshake_probe.wireshark.folders import Folders, personal_folders

NAME = "handshake-probe"  # of the extcap program and of its interface
_MARK = "installed by handshake-probe {version}, content {digest}"
_FOUND = re.compile(r"installed by handshake-probe (\S{1,40}), content ([0-9a-f]{64})$")
_SHEBANG = "#!/bin/sh\n"


class PluginError(HandshakeProbeError):
    """Plugins cannot be installed or removed; the message is one line."""


class State(StrEnum):
    """What lies where a plugin belongs."""

    ABSENT = "absent"
    CURRENT = "current"  # as this version and this interpreter would write it
    OTHER = "other"  # ours, of another version or another interpreter
    CHANGED = "changed"  # ours once, then edited
    FOREIGN = "foreign"  # never ours


class Plugin(NamedTuple):
    """One file and its state."""

    what: str  # "dissector" or "interface"
    path: Path
    state: State
    version: str | None  # that installed it


class _Kind(NamedTuple):
    what: str
    file: Callable[[Folders], Path]
    body: Callable[[], str]
    comment: str  # begins a comment line
    mode: int


def _dissector() -> str:
    file = resources.files("handshake_probe.wireshark") / "handshake_probe.lua"
    return file.read_text("utf-8")


def _program() -> str:
    # -P: a folder Wireshark happens to run in is no place to import from.
    command = [sys.executable, "-P", "-m", "handshake_probe", "wireshark", "extcap"]
    return f'exec {shlex.join(command)} "$@"\n'


_KINDS = (
    _Kind("dissector", lambda f: f.plugins / "handshake_probe.lua", _dissector, "--", 0o644),
    _Kind("interface", lambda f: f.extcap / NAME, _program, "#", 0o755),
)


def status() -> list[Plugin]:
    """What is installed for this user."""
    folders = personal_folders()
    return [_look(kind, folders) for kind in _KINDS]


def install() -> list[Plugin]:
    """Install both, or bring them up to this version.

    Raises:
        PluginError: root asks, a file there is not ours or was changed, or cannot be written.
    """
    _refuse_root("installed")
    folders = personal_folders()
    found = [(kind, _look(kind, folders)) for kind in _KINDS]
    for _, plugin in found:
        if plugin.state in (State.CHANGED, State.FOREIGN):
            raise PluginError(f"{plugin.path}: {_WHY[plugin.state]}; move it away first")
    try:
        for kind, plugin in found:
            if plugin.state is not State.CURRENT:
                _put(plugin.path, _content(kind), kind.mode)
    except OSError as error:
        raise PluginError(f"{error.filename}: {error.strerror}") from error
    return [_look(kind, folders) for kind in _KINDS]


def remove() -> list[Plugin]:
    """Remove what `install` put there, of any version; return what is left.

    Raises:
        PluginError: root asks, or a file cannot be removed.
    """
    _refuse_root("removed")
    folders = personal_folders()
    for kind in _KINDS:
        plugin = _look(kind, folders)
        if plugin.state in (State.CURRENT, State.OTHER):
            try:
                plugin.path.unlink()
            except OSError as error:
                raise PluginError(f"{plugin.path}: {error.strerror}") from error
    return [_look(kind, folders) for kind in _KINDS]


_WHY = {
    State.CHANGED: "was changed since it was installed",
    State.FOREIGN: "was not installed by handshake-probe",
}


def _refuse_root(what: str) -> None:
    if os.geteuid() == 0:
        raise PluginError(f"plugins are {what} for one user, never for root: run it as yourself")


def _content(kind: _Kind) -> str:
    body = kind.body()
    digest = sha256(body.encode()).hexdigest()
    mark = f"{kind.comment} {_MARK.format(version=__version__, digest=digest)}\n"
    head = _SHEBANG if kind.mode & 0o111 else ""
    return head + mark + body


def _look(kind: _Kind, folders: Folders) -> Plugin:
    path = kind.file(folders)
    if not os.path.lexists(path):
        return Plugin(kind.what, path, State.ABSENT, None)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return Plugin(kind.what, path, State.FOREIGN, None)
    mark, _, body = text.removeprefix(_SHEBANG).partition("\n")
    found = _FOUND.search(mark)
    if found is None:
        return Plugin(kind.what, path, State.FOREIGN, None)
    if text == _content(kind):
        state = State.CURRENT
    elif sha256(body.encode()).hexdigest() == found[2]:
        state = State.OTHER
    else:
        state = State.CHANGED
    return Plugin(kind.what, path, state, found[1])


def _put(path: Path, content: str, mode: int) -> None:
    """Write a file so that Wireshark sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Wireshark runs every program in the extcap folder, and loads every .lua: this is neither.
    passing = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), mode)
        passing.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            passing.unlink()
