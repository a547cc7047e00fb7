"""`diagnose`: judges saved measurements again."""

from __future__ import annotations

import sys

import click

from handshake_probe.cli import complaints
from handshake_probe.cli.exits import ExitCode, exit_code_of, merged
from handshake_probe.cli.options import FILE, format_option
from handshake_probe.cli.root import examples
from handshake_probe.errors import HandshakeProbeError
from handshake_probe.model.measurement import ASKED
from handshake_probe.pipeline.rejudging import diagnose, load_measurements
from handshake_probe.report.json_lines import write_json

_HELP = "give files that `analyze --format json` or `probe --format json` wrote"


@click.command(
    "diagnose",
    epilog=examples(
        "analyze device.pcap --format json > device.json",
        "probe --format json > probe.json",
        "diagnose device.json probe.json",
    ),
)
@click.argument("files", metavar="MEASUREMENT...", type=FILE, nargs=-1, required=True)
@format_option("one document per measurement, one per line.")
def command(files: tuple[str, ...], form: str) -> ExitCode:
    """Judge saved measurements again, alone or together.

    With a device's capture and a probe from the same network, the two are judged side by side:
    a probe that passes where the device's own packets fail shows a rule against this device.
    """
    try:
        loaded = [measurement for path in files for measurement in load_measurements(path)]
    except HandshakeProbeError as error:
        return complaints.expected(error, _HELP)
    judged = diagnose(loaded)
    for number, measurement in enumerate(judged):
        if form == "json":
            write_json(measurement, sys.stdout.buffer)
            continue
        from handshake_probe.report.terminal import write_text  # rich: not for JSON

        if number:
            sys.stdout.write("\n")
        write_text(measurement, sys.stdout)
    captures = [m for m in judged if m.kind not in ASKED]
    return merged(exit_code_of(m.verdict.cause) for m in captures or judged)
