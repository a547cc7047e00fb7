"""Gives up root once the capture is open: what decodes strangers' packets needs no rights."""

from __future__ import annotations

import ctypes
import os
import pwd
import stat
import sys
from pathlib import Path
from typing import NamedTuple

_NOBODY = "nobody"
_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS, <linux/prctl.h>
_CAPABILITIES_3 = 0x20080522  # _LINUX_CAPABILITY_VERSION_3


class User(NamedTuple):
    """Somebody this process can become."""

    name: str
    user: int
    group: int


def user_to_become() -> User | None:
    """Who called sudo, else nobody; None when this process is not root."""
    if os.geteuid() != 0:
        return None
    number = os.environ.get("SUDO_UID", "")
    try:
        entry = pwd.getpwuid(int(number)) if number.isdecimal() else pwd.getpwnam(_NOBODY)
    except KeyError:
        return None
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid) if entry.pw_uid else None


def step_down(user: User) -> str:
    """Become this user for good, and say what became of root.

    Where the user cannot read this program (root's own installation in root's home), modules that
    load late would fail: then this process stays root in name, without any capability.
    """
    if all(_may_read(user, Path(file)) for file in (os.__file__, __file__, sys.executable)):
        os.setgroups([])
        os.setresgid(user.group, user.group, user.group)
        os.setresuid(user.user, user.user, user.user)
        return f"as user {user.name}"
    if _shed_capabilities():
        return "as root without capabilities"
    return "as root"


def _may_read(user: User, file: Path) -> bool:
    """Whether the modes along a path let a user through to the file."""
    path = file.resolve()
    steps = [(parent, stat.S_IXOTH) for parent in path.parents] + [(path, stat.S_IROTH)]
    return all(_allows(os.stat(step), user, bit) for step, bit in steps)


def _allows(status: os.stat_result, user: User, bit: int) -> bool:
    if status.st_uid == user.user:
        bit <<= 6
    elif status.st_gid == user.group:
        bit <<= 3
    return bool(status.st_mode & bit)


def _shed_capabilities() -> bool:
    """Give up every capability of this process, and what a program that it starts could regain."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    head = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)  # this process
    none = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; 32 bits each, twice
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return False
    return not libc.capset(ctypes.byref(head), ctypes.byref(none))
