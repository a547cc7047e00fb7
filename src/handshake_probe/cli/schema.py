"""`schema`: the contracts of the JSON output."""

from __future__ import annotations

import json

import click

from handshake_probe.cli.exits import ExitCode
from handshake_probe.cli.root import examples
from handshake_probe.model.keycheck import keys_json_schema
from handshake_probe.model.measurement import json_schema

_DOCUMENTS = {"measurement": json_schema, "keys": keys_json_schema}


@click.command("schema", epilog=examples("schema", "schema keys"))
@click.argument(
    "document", type=click.Choice(list(_DOCUMENTS)), metavar="[DOCUMENT]", default="measurement"
)
def command(document: str) -> ExitCode:
    """Print the JSON Schema of what `--format json` writes.

    DOCUMENT is measurement (`analyze`, the default) or keys (`keys check`).
    """
    click.echo(json.dumps(_DOCUMENTS[document](), indent=2))
    return ExitCode.HEALTHY
