"""`doctor`: what works on this machine."""

from __future__ import annotations

import sys

import click

from handshake_probe.cli.exits import ExitCode
from handshake_probe.cli.root import examples
from handshake_probe.model.equipment import to_json
from handshake_probe.probe.equipment import equipment
from handshake_probe.report.safe import safe_json


@click.command("doctor", epilog=examples("doctor --format json", "doctor"))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: one document on one line.",
)
def command(form: str) -> ExitCode:
    """Say what works on this machine: tools, libraries, privileges.

    Each line says what it is needed for, and the command that adds what is missing. Nothing is
    changed or sent. Exit code 0, or 4 when something is broken without which nothing works.
    """
    found = equipment()
    if form == "json":
        sys.stdout.buffer.write(safe_json(to_json(found)) + b"\n")
    else:
        # Late: rich is loaded by then, while tshark was telling its version.
        from handshake_probe.report.equipment import write_equipment

        write_equipment(found, sys.stdout)
    return ExitCode.HEALTHY if found.usable else ExitCode.COULD_NOT_RUN
