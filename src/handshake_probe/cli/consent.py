"""Asked before a device's private key is used in its place."""

from __future__ import annotations

import sys

import click

from handshake_probe.cli import complaints

_WARNING = """\
{what} takes the place of device {id} for a moment: if the
device is connected, its session ends, and it connects again by itself.
Its private key is used on this machine only; it is neither sent, stored nor
reported."""


def agreed(device_id: str, what: str = "The stand-in handshake") -> bool:
    """Say what a handshake in a device's place does, and ask."""
    complaints.say(_WARNING.format(id=device_id, what=what))
    if not sys.stdin.isatty():
        complaints.say("nobody can be asked here: --yes says that this is all right")
        return False
    return click.confirm("Go on?", err=True)
