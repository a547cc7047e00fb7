"""`doctor`: what works on this machine."""

from __future__ import annotations

import sys

import click

from handshake_probe.capture.live import open_live
from handshake_probe.capture.live_interfaces import own_addresses
from handshake_probe.capture.live_path import FILTERS, overhear
from handshake_probe.capture.live_privilege import step_down, user_to_become
from handshake_probe.cli import complaints
from handshake_probe.cli.exits import ExitCode
from handshake_probe.cli.options import format_option
from handshake_probe.cli.root import examples
from handshake_probe.errors import HandshakeProbeError
from handshake_probe.model.equipment import Item, to_json
from handshake_probe.probe.equipment import equipment
from handshake_probe.report.safe import safe_json
from handshake_probe.report.words import counted

_LISTENING = 5.0  # seconds


@click.command("doctor", epilog=examples("doctor --format json", "doctor", "doctor -i wlan0"))
@click.option(
    "-i",
    "--interface",
    metavar="IFACE",
    help="Listen there for 5 seconds as well: do packets of other machines pass?",
)
@format_option("one document on one line.")
def command(interface: str | None, form: str) -> ExitCode:
    """Say what works on this machine: tools, libraries, privileges.

    Each line says what it is needed for, and the command that adds what is missing. Nothing is
    changed or sent. With -i, also whether what devices send can be watched on an interface: let
    something else on that network be used meanwhile. Exit code 0, or 4 when something is broken
    without which nothing works.
    """
    found = equipment()
    if interface is not None:
        complaints.say(f"listening on {interface} for {_LISTENING:.0f} seconds")
        found = found.and_(_path(interface))
    if form == "json":
        sys.stdout.buffer.write(safe_json(to_json(found)) + b"\n")
    else:
        # Late: rich is loaded by then, while tshark was telling its version.
        from handshake_probe.report.equipment import write_equipment

        write_equipment(found, sys.stdout)
    return ExitCode.HEALTHY if found.usable else ExitCode.COULD_NOT_RUN


def _path(interface: str) -> Item:
    """Whether others' packets pass an interface. Root is given up: this is looked at last."""
    passes = False
    try:
        source = open_live(interface, FILTERS)
        own = own_addresses()
        user = user_to_become()
        if user is not None:
            step_down(user)
        heard = overhear(source, own, _LISTENING)
    except HandshakeProbeError as error:
        told = str(error)
    else:
        passes = heard.packets > 0
        told = f"{interface}: only own packets and broadcasts in {_LISTENING:.0f} s"
        if passes:
            senders = counted(heard.senders, "sender")
            told = f"{counted(heard.packets, 'packet')} of {senders} to others"
    what = f"watching what devices do on {interface}"
    return Item(name="in the path", works=passes, detail=told, needed_for=what)
