"""`watch`: a live capture with a live verdict."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import BinaryIO

import click

from handshake_probe import pipeline
from handshake_probe.capture.inputs import STANDARD_INPUT
from handshake_probe.capture.live import (
    CannotCapture,
    LiveSource,
    live_filters,
    open_live,
    open_live_stream,
)
from handshake_probe.capture.live_interfaces import Interface, interfaces, own_addresses
from handshake_probe.capture.live_privilege import step_down, user_to_become
from handshake_probe.capture.live_record import Recorder
from handshake_probe.cli import complaints
from handshake_probe.cli.exits import ExitCode, exit_code_of
from handshake_probe.cli.keyboard import keyboard
from handshake_probe.cli.options import (
    FILE,
    cloud_keys_option,
    format_option,
    keys_option,
    ports_option,
)
from handshake_probe.cli.root import examples
from handshake_probe.cli.watch_loop import Limits, View, Watching, standard_input
from handshake_probe.cli.watch_probe import ProbeBeside
from handshake_probe.cli.watch_view import Lines, Terminal
from handshake_probe.errors import HandshakeProbeError
from handshake_probe.model.measurement import Measurement
from handshake_probe.pipeline.watching import Watcher
from handshake_probe.report.json_lines import write_json
from handshake_probe.report.safe import visible
from handshake_probe.report.terminal import write_text
from handshake_probe.report.watch_rows import rows
from handshake_probe.report.watch_screen import Screen, usable

_HELP = "'handshake-probe watch --list' shows interfaces, 'handshake-probe doctor' what is missing"
_RIGHTS = "capturing takes root (sudo) or dumpcap and membership of its group"


@click.command(
    "watch",
    epilog=examples(
        "watch --list",
        "watch -i wlan0",
        "watch -i wlan0 --keys keys/ --write seen.pcapng",
        "watch -i wlan0 --until verdict --duration 120 --format json",
        "watch -i wlan0 --probe",
        'ssh root@router "tcpdump -i br0 -U -w - port 5683" | handshake-probe watch -',
    ),
)
@click.argument("stream", metavar="[-]", required=False, type=click.Choice([STANDARD_INPUT]))
@click.option("-i", "--interface", metavar="IFACE", help="Where to capture.")
@click.option("--list", "only_list", is_flag=True, help="Show the interfaces and end.")
@keys_option("A key file or a folder of them, as for 'analyze'; may be repeated.")
@cloud_keys_option
@ports_option
@click.option(
    "--write",
    metavar="FILE",
    type=FILE,
    help="Keep the frames in a new pcapng file, for 'analyze'.",
)
@click.option(
    "--duration",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    help="End after so long.",
)
@click.option(
    "--until",
    type=click.Choice(["verdict"]),
    help="End when the first device has a verdict that stands for 2 seconds.",
)
@click.option(
    "--probe",
    "with_probe",
    is_flag=True,
    help="Run the active probe from this machine when the first device fails, and judge both"
    " together.",
)
@format_option("a line for each event, then the measurement document.")
def command(
    stream: str | None,
    interface: str | None,
    only_list: bool,
    keys: tuple[str, ...],
    cloud_keys: tuple[str, ...],
    ports: tuple[int, ...],
    write: str | None,
    duration: float | None,
    until: str | None,
    with_probe: bool,
    form: str,
) -> ExitCode:
    """Watch devices while they try, with a verdict that follows what they do.

    On a terminal, a row for each device and the steps of the selected one; elsewhere a line for
    each event. Ctrl-C or q ends it with the report that 'analyze' would give. Root is given up as
    soon as the capture is open. Nothing is sent without --probe.

    With -, a capture is read from standard input while it is written, as from a router.

    Exit codes are those of the verdict: to end a watch is no failure.
    """
    if only_list:
        return _list()
    if (interface is None) is (stream is None):
        raise click.UsageError("give an interface with -i, or - for a capture from standard input")
    if form == "json" and sys.stdout.isatty():
        complaints.note("one JSON line for each event; Ctrl-C ends with the document")
    with ExitStack() as stack:
        try:
            keyring, notes = pipeline.load_keys(keys, cloud_keys)
            for line in notes:
                complaints.note(line)
            source = _open(interface, frozenset(ports) | {pipeline.CLOUD_PORT})
            recorder = None if write is None else Recorder(write, source.name)
        except CannotCapture as error:
            return complaints.expected(error, f"{_RIGHTS}; {_HELP}")
        except HandshakeProbeError as error:
            return complaints.expected(error, _HELP)
        # Those of a capture from elsewhere are not known, unless it is this machine that probes.
        own = own_addresses() if with_probe or interface is not None else frozenset()
        who = _step_down(recorder)
        watcher = Watcher(
            source.name, keyring, frozenset(ports), time.time_ns(), own, probes=with_probe
        )
        screen = form == "text" and usable(sys.stdout)
        told: list[str] = []
        tell = told.append if screen else complaints.say
        probe = ProbeBeside(tell, cloud_keys) if with_probe else None
        if probe is not None:
            stack.callback(probe.close)
        through = "" if source.how == "stream" else f" through {source.how}"
        complaints.say(f"watching {source.name}{through}{who}; Ctrl-C ends with the report")
        limits = Limits(duration, until is not None)
        try:
            watching = partial(Watching, source, watcher, limits, recorder, probe or _alone, tell)
            if screen:
                measurement = _on_screen(watching, source, told)
            else:
                measurement = _as_lines(watching, json=form == "json")
        except HandshakeProbeError as error:
            return complaints.expected(error, _HELP)
    if probe is not None and probe.found is not None:
        _show(probe.found, form)
    unusable = source.damage is not None and not measurement.source.frames
    if not unusable:
        _show(measurement, form)
    if source.damage is not None:
        complaints.say(f"error: the capture ended: {source.damage}")
    return ExitCode.UNUSABLE if unusable else exit_code_of(measurement.verdict.cause)


def _open(interface: str | None, ports: frozenset[int]) -> LiveSource:
    if interface is not None:
        return open_live(interface, live_filters(ports))
    given: BinaryIO | None = None
    descriptor = standard_input()
    if descriptor is not None and not sys.stdin.isatty():
        given = open(descriptor, "rb", buffering=0, closefd=False)  # noqa: SIM115 - the source's
    if given is None:
        raise click.UsageError("standard input is no capture: pipe one into 'watch -'")
    return open_live_stream("standard input", given)


def _step_down(recorder: Recorder | None) -> str:
    """Give up root: what is read from now on comes from strangers. Say who this process is."""
    user = user_to_become()
    if user is None:
        return ""
    if recorder is not None:
        recorder.give_to(user.user, user.group)
    return f", {step_down(user)}"


def _as_lines(watching: Callable[[View], Watching], *, json: bool) -> Measurement:
    lines = Lines(sys.stdout, json=json)
    measurement, state = watching(lines).run(None)
    lines.show(measurement, rows(measurement, state.now, over=True), state)
    return measurement


def _on_screen(
    watching: Callable[[View], Watching], source: LiveSource, notes: list[str]
) -> Measurement:
    given = None if source.how == "stream" else standard_input()
    with keyboard(given) as keys, Screen(sys.stdout) as screen:
        measurement, _ = watching(Terminal(screen, source.name, notes)).run(keys)
    return measurement


def _show(measurement: Measurement, form: str) -> None:
    """The report, or the document on one line."""
    if form == "json":
        write_json(measurement, sys.stdout.buffer)
    else:
        sys.stdout.write("\n")
        write_text(measurement, sys.stdout)
    sys.stdout.flush()


def _alone(measurement: Measurement, _: object) -> Measurement:
    return measurement


def _list() -> ExitCode:
    """One interface a line: name, state, addresses."""
    for item in interfaces():
        click.echo(_told(item))
    return ExitCode.HEALTHY


def _told(item: Interface) -> str:
    state = {True: "up", False: "down", None: ""}[item.up]
    addresses = ", ".join(item.addresses) or item.description or "no address"
    return f"{visible(item.name):<16} {state:<5} {visible(addresses)}".rstrip()
