"""`diagnose`: judges saved measurements again."""

from __future__ import annotations

import sys

import click

from handshake_probe import pipeline
from handshake_probe.cli import complaints
from handshake_probe.cli.exits import ExitCode, exit_code_of, merged
from handshake_probe.cli.measurements import HELP, read_measurements
from handshake_probe.cli.options import FILE, format_option
from handshake_probe.cli.root import examples
from handshake_probe.errors import HandshakeProbeError
from handshake_probe.model.measurement import ASKED
from handshake_probe.pipeline.rejudging import diagnose
from handshake_probe.report.json_lines import write_json


@click.command(
    "diagnose",
    epilog=examples(
        "analyze device.pcap --format json > device.json",
        "probe --format json > probe.json",
        "diagnose device.json probe.json",
    ),
)
@click.argument("files", metavar="MEASUREMENT|CAPTURE...", type=FILE, nargs=-1, required=True)
@format_option("one document per measurement, one per line.")
def command(files: tuple[str, ...], form: str) -> ExitCode:
    """Judge saved measurements again, alone or together.

    With a device's capture and a probe from the same network, the two are judged side by side:
    a probe that passes where the device's own packets fail shows a rule against this device.
    Captures are read without keys; what `analyze --keys KEYS --format json` wrote knows more.
    """
    try:
        loaded = [measurement for path in files for measurement in read_measurements(path)]
    except pipeline.Interrupted:
        complaints.say("interrupted: nothing was judged")
        return ExitCode.INTERRUPTED
    except HandshakeProbeError as error:
        return complaints.expected(error, HELP)
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
