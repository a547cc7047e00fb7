"""`explain`: the catalogue of findings."""

from __future__ import annotations

import difflib
import sys

import click

from handshake_probe.cli.exits import ExitCode
from handshake_probe.cli.front import PROGRAM
from handshake_probe.cli.root import examples
from handshake_probe.diagnose.catalogue import CATALOGUE
from handshake_probe.report.explanation import write_explanation, write_index

# What stands in a remedy when it is not about one case.
_ANY_CASE = {
    "id": "<device id>",
    "device": "the device",
    "cloud": "the cloud",
    "port": "5683",
}


@click.command("explain", epilog=examples("explain", "explain HP201"))
@click.argument("code", required=False)
@click.pass_context
def command(context: click.Context, code: str | None) -> ExitCode:
    """Explain a finding: what it means, how it is seen, what would change our mind, what helps.

    Without CODE, list all findings.
    """
    if code is None:
        rows = [(entry.code, str(entry.severity), entry.title) for entry in CATALOGUE.values()]
        write_index(sys.stdout, rows)
        return ExitCode.HEALTHY
    entry = CATALOGUE.get(code.upper())
    if entry is None:
        near = difflib.get_close_matches(code.upper(), CATALOGUE, 1)
        hint = f"did you mean {near[0]}?" if near else f"'{PROGRAM} explain' lists them all"
        raise click.UsageError(f"no such finding '{code}'; {hint}", context)
    write_explanation(
        sys.stdout,
        heading=f"{entry.code} {entry.severity}: {entry.title}",
        paragraphs=[
            ("what it means", entry.meaning),
            ("how it is seen", entry.detection),
            ("what would change our mind", entry.doubt),
        ],
        remedy=[step.format_map(_ANY_CASE) for step in entry.remedy],
    )
    return ExitCode.HEALTHY
