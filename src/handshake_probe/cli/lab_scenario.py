"""`lab scenario`: a network between a device and a cloud, with a laptop to look at it from."""

from __future__ import annotations

import difflib
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click

from handshake_probe.cli import complaints
from handshake_probe.cli.exits import ExitCode
from handshake_probe.cli.lab_shared import HELP, list_one, until_stopped
from handshake_probe.cli.options import FILE
from handshake_probe.cli.root import examples
from handshake_probe.errors import HandshakeProbeError, UnreadableInput
from handshake_probe.lab import network, scenario_files, staging

_MOST_SHELLS = 256  # exit codes


@click.command(
    "scenario",
    short_help="Run a network scenario, and a command in it.",
    epilog=examples(
        "lab scenario syn-dropped --keep syn-dropped/",
        "lab scenario portal-redirects --unprivileged -- sh",
        "lab scenario dns-sinkhole -- handshake-probe probe",
    ),
    context_settings={"ignore_unknown_options": True},
)
@click.argument("name", metavar="NAME|FILE", type=FILE)
@click.argument("words", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--keep",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="A new folder for capture, keys, truth and logs.",
)
@click.option("--unprivileged", is_flag=True, help="Run the command as nobody, not as root.")
def scenario(name: str, words: tuple[str, ...], folder: Path | None, unprivileged: bool) -> int:
    """Run a scenario in network namespaces; needs root, ip, nft and tcpdump.

    The command runs on a laptop beside the device, with this terminal, while the scenario goes on.
    The exit code is the command's; 4: the network cannot be built here.
    """
    if folder is None and not words:
        raise click.UsageError("give --keep, a command, or both", click.get_current_context())
    try:
        done = scenario_files.read_scenario(_file(name))
        lack = network.missing()
        if lack is not None:
            raise network.NetworkFailed(lack)
        with ExitStack() as places:
            place = folder or Path(places.enter_context(tempfile.TemporaryDirectory()))
            if folder is not None:
                _make(folder)
            command = (*staging.UNPRIVILEGED, *words) if unprivileged and words else words
            status: list[int] = []

            async def play() -> None:
                recording = await staging.run(done, place, laptop=command, attached=True)
                status.append(recording.laptop_status or 0)

            until_stopped(play(), ())
    except HandshakeProbeError as error:
        return complaints.expected(error, HELP)
    if not status:
        return ExitCode.INTERRUPTED
    if folder is not None:
        complaints.note(f"kept in {folder}: capture.pcap, keys, truth.json, logs")
    return status[0] % _MOST_SHELLS


@click.command(
    "scenarios", short_help="List the scenarios, one a line.", epilog=examples("lab scenarios")
)
def scenarios() -> ExitCode:
    """List the scenarios that come with the program: name, and what is done in it."""
    for path in scenario_files.all_scenarios():
        what = scenario_files.read_scenario(path).what
        list_one(f"{path.stem:<28} ", what)
    return ExitCode.HEALTHY


def _file(name: str) -> Path:
    """Return the scenario's file: one of ours by its name, or any other."""
    ours = {path.stem: path for path in scenario_files.all_scenarios()}
    path = ours.get(name, Path(name))
    if not path.is_file():
        near = difflib.get_close_matches(name, ours, 1)
        hint = f"did you mean {near[0]}?" if near else "'lab scenarios' lists them all"
        raise UnreadableInput(f"no scenario '{name}'; {hint}")
    return path


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UnreadableInput(f"{folder}: {error.strerror or error}") from error
