"""Runs one command line: every way it can end becomes an exit code and at most two lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click
from click.shell_completion import shell_complete

from handshake_probe.cli import complaints
from handshake_probe.cli.exits import ExitCode
from handshake_probe.cli.front import PROGRAM
from handshake_probe.cli.root import root
from handshake_probe.errors import HandshakeProbeError

COMPLETE = "_HANDSHAKE_PROBE_COMPLETE"  # how shells ask what may follow, as click names it


def run(arguments: Sequence[str]) -> int:
    """The exit code; results are on stdout, talk on stderr."""
    try:
        instruction = os.environ.get(COMPLETE)
        if instruction:
            return shell_complete(root, {}, PROGRAM, COMPLETE, instruction)
        code = _invoke(list(arguments))
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        complaints.say("interrupted")
        return ExitCode.INTERRUPTED
    except Exception as error:
        return failed(error)
    return code


def failed(error: Exception) -> ExitCode:
    """Says why nothing more comes, and with which exit code."""
    if isinstance(error, OSError):
        _silence_stdout()
    if isinstance(error, BrokenPipeError):
        return ExitCode.COULD_NOT_RUN
    if isinstance(error, HandshakeProbeError):
        return complaints.expected(error, f"{PROGRAM} --help")
    return complaints.internal(error)


def _invoke(arguments: list[str]) -> int:
    # click's own main() would turn a closed pipe and an end of file into exit codes of its own.
    try:
        with root.make_context(PROGRAM, arguments) as context:
            return int(root.invoke(context))
    except click.exceptions.Exit as done:  # --help
        return done.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
    except click.UsageError as error:
        complaints.usage(error)
    return ExitCode.UNUSABLE


def _silence_stdout() -> None:
    """Throws away what could not be written, lest the interpreter try again at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
