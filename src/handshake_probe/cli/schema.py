"""`schema`: the contract of the JSON output."""

from __future__ import annotations

import json

import click

from handshake_probe.cli.exits import ExitCode
from handshake_probe.cli.root import examples
from handshake_probe.model.measurement import json_schema


@click.command("schema", epilog=examples("schema"))
def command() -> ExitCode:
    """Print the JSON Schema of what `analyze --format json` writes."""
    click.echo(json.dumps(json_schema(), indent=2))
    return ExitCode.HEALTHY
