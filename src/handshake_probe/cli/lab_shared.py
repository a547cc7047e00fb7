"""What the commands of `lab` share: options, faults by name, and how long they run."""

from __future__ import annotations

import asyncio
import difflib
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from handshake_probe.cli import complaints
from handshake_probe.errors import UnreadableInput
from handshake_probe.lab.faults import FAULTS, SOUND, Fault
from handshake_probe.lab.journal import Line
from handshake_probe.lab.play import Act
from handshake_probe.protocol.state import Role
from handshake_probe.report.safe import PROSE, visible

PORT = 5683
HELP = "handshake-probe lab --help"

_LOG_MODE = 0o600

keys_option = click.option(
    "--keys",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    default="lab-keys",
    show_default=True,
    help="The folder of the lab's keys; what is missing is made, nothing is overwritten.",
)
fault_option = click.option("--fault", "fault_name", metavar="NAME", help="What it does wrong.")
write_option = click.option(
    "--write",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Append what is said, decrypted, as JSON lines. They hold no private or session key.",
)
publish_option = click.option(
    "--publish",
    "events",
    metavar="NAME[=DATA]",
    multiple=True,
    help="An event for the peer in every session; may be repeated.",
)
seed_option = click.option(
    "--seed",
    metavar="N",
    type=int,
    help="The same random bytes in every run (keys excepted). Whoever knows it reads the sessions.",
)


def find_fault(role: Role, name: str | None) -> Fault:
    """Return the fault of this name, or a sound side; raises click's error for an unknown name."""
    if name is None:
        return SOUND[role]
    if name in FAULTS[role]:
        return FAULTS[role][name]
    near = difflib.get_close_matches(name, FAULTS[role], 1)
    other = next((other for other in Role if name in FAULTS[other]), None)
    if other is not None:
        hint = f"it is one of a {other}"
    else:
        hint = f"did you mean {near[0]}?" if near else "'handshake-probe lab faults' lists them all"
    raise click.UsageError(f"a {role} has no fault '{name}'; {hint}", click.get_current_context())


def told(fault: Fault) -> tuple[str, ...]:
    """Return what is said of a fault before it shows."""
    return () if fault is SOUND[fault.side] else (f"fault {fault.name}: {fault.line}",)


def split(text: str) -> tuple[str, bytes]:
    """Split `NAME[=VALUE]`."""
    name, _, value = text.partition("=")
    return name, os.fsencode(value)


def event(text: str) -> Act:
    """Return what publishes the event `NAME[=DATA]`."""
    name, data = split(text)
    return lambda connection, now: connection.publish(now, name, data)


def list_one(name: str, line: str) -> None:
    """Show an entry of a list: on one line for other programs, wrapped beside its name for eyes."""
    if not sys.stdout.isatty():
        click.echo(f"{name}{visible(line, PROSE)}")
        return
    from handshake_probe.report.page import Page  # rich: for terminals

    page = Page(sys.stdout)
    if page.narrow:
        page.line(f"{name} {visible(line, PROSE)}", hang=2)
    else:
        page.beside(page.text(name), visible(line, PROSE))


def show(line: str) -> None:
    """Show a line now, with what came from outside made harmless."""
    sys.stdout.write(visible(line, PROSE) + "\n")
    sys.stdout.flush()


@contextmanager
def log_to(path: Path | None) -> Iterator[Line | None]:
    """Yield what takes the lines of the log; each is on disk when it returns."""
    if path is None:
        yield None
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _LOG_MODE)
    except OSError as error:
        raise UnreadableInput(f"{path}: {error.strerror or error}") from error
    with os.fdopen(descriptor, "w", encoding="ascii", buffering=1) as stream:
        yield lambda line: print(line, file=stream)


def until_stopped(work: Coroutine[Any, Any, None], notes: tuple[str, ...]) -> None:
    """Run to the end, or until Ctrl-C or SIGTERM; connections are closed either way.

    The notes are said as soon as both are heeded.
    """

    async def run() -> None:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        for note in notes:
            complaints.note(note)
        try:
            await task
        except asyncio.CancelledError:
            if not task.cancelled():
                raise

    asyncio.run(run())
