"""Gives up root once the capture is open: what decodes strangers' packets needs no rights."""

from __future__ import annotations

import os
import pwd
from typing import NamedTuple

_NOBODY = "nobody"


class User(NamedTuple):
    """Who this process becomes."""

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


def become(user: User) -> None:
    """Become this user for good: root cannot be had back."""
    os.setgroups([])
    os.setresgid(user.group, user.group, user.group)
    os.setresuid(user.user, user.user, user.user)
