"""What goes wrong, said on stderr in one line, and one line of help."""

from __future__ import annotations

import errno
import os
import sys
import traceback

import click

from handshake_probe.cli.exits import ExitCode
from handshake_probe.cli.front import PROGRAM
from handshake_probe.errors import HandshakeProbeError, UnreadableInput
from handshake_probe.report.safe import PROSE, visible

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DEBUG = "HANDSHAKE_PROBE_DEBUG"


def say(message: str) -> None:
    """One line on stderr, after the results written so far."""
    sys.stdout.flush()
    click.echo(f"{PROGRAM}: {visible(message, PROSE)}", err=True)


def note(message: str) -> None:
    """Something the user should know, though nothing failed."""
    say(f"note: {message}")


def expected(error: HandshakeProbeError, help_line: str) -> ExitCode:
    """An error that was raised on purpose; returns its exit code."""
    say(f"error: {error}")
    _help(help_line)
    return ExitCode.UNUSABLE if isinstance(error, UnreadableInput) else ExitCode.COULD_NOT_RUN


def usage(error: click.UsageError) -> None:
    """A command line that cannot be understood."""
    message = error.format_message().rstrip(".")
    say(f"error: {message[:1].lower()}{message[1:]}")
    _help(f"{error.ctx.command_path if error.ctx else PROGRAM} --help")


def internal(error: Exception, doing: str | None = None) -> ExitCode:
    """A mistake of ours, or a machine that fails us; returns its exit code."""
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    if isinstance(error, OSError) and error.errno in _FULL:
        say(f"error: cannot write: {error.strerror}")
        _help("free some space, or write elsewhere")
        return ExitCode.COULD_NOT_RUN
    where = f" while reading {visible(doing)}" if doing else ""
    say(f"error: internal error{where}: {type(error).__name__}: {error}")
    _help(f"please report it, with what {DEBUG}=1 shows")
    return ExitCode.COULD_NOT_RUN


def _help(text: str) -> None:
    click.echo(f"help: {text}", err=True)
