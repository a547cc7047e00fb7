"""`lab`: a cloud and a device that stand in for real ones, sound or with a named fault."""

from __future__ import annotations

import click

from handshake_probe.cli.exits import ExitCode
from handshake_probe.cli.lab_cloud import cloud
from handshake_probe.cli.lab_device import device
from handshake_probe.cli.lab_scenario import scenario, scenarios
from handshake_probe.cli.lab_shared import list_one
from handshake_probe.cli.root import examples
from handshake_probe.lab.faults import FAULTS
from handshake_probe.protocol.state import Role


@click.group(
    "lab",
    epilog=examples(
        "lab faults",
        "lab cloud --fault no-hello",
        "lab device --to 127.0.0.1",
    ),
)
def command() -> None:
    """Play a cloud or a device, sound or with a fault, for experiments and tests.

    Both show each connection while it happens: --> is from the device, <-- from the cloud.
    """


@command.command("faults", short_help="List the faults, one a line.", epilog=examples("lab faults"))
def faults() -> ExitCode:
    """List the faults: whose, name, what it does and what the other side sees of it."""
    for role in (Role.CLOUD, Role.DEVICE):
        for fault in FAULTS[role].values():
            list_one(f"{role:<7} {fault.name:<23} ", fault.line)
    return ExitCode.HEALTHY


command.add_command(cloud)
command.add_command(device)
command.add_command(scenario)
command.add_command(scenarios)
