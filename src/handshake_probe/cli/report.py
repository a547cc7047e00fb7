"""`report`: one file that somebody else can act on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from handshake_probe import pipeline
from handshake_probe.cli import complaints
from handshake_probe.cli.exits import ExitCode
from handshake_probe.cli.measurements import HELP, read_measurements
from handshake_probe.cli.options import FILE
from handshake_probe.cli.root import examples
from handshake_probe.errors import HandshakeProbeError

_HELP = f"{HELP}, and -o with .html, .pdf, .md, .json or .txt"
_LEVELS = ("it", "public")


class _Moment(click.ParamType[float]):
    """An RFC 3339 time, as seconds since the epoch."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds since the epoch."""
        try:
            found = datetime.fromisoformat(str(value))
            if found.tzinfo is not None:
                return found.timestamp()
        except (ValueError, OverflowError):
            pass
        self.fail(f"{value!r} is no time such as 2026-11-22T10:49:01Z", param, ctx)


@click.command(
    "report",
    epilog=examples(
        "report probe.json -o report.html",
        "report home.pcapng -o report.pdf --by 'Jane Doe, room 12'",
        "report probe.json device.pcap hotspot.json -o report.html",
        "report report.html --redact public -o forum.md",
    ),
)
@click.argument("inputs", metavar="MEASUREMENT|CAPTURE...", type=FILE, nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    "files",
    metavar="FILE",
    multiple=True,
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it: .html, .pdf, .md, .json or .txt; may be repeated.",
)
@click.option(
    "--redact",
    "level",
    type=click.Choice(_LEVELS),
    default="it",
    show_default=True,
    help="What is left out. it: keys, tokens and decrypted messages. public: also host parts of"
    " addresses, ids, and names of networks, hosts and files.",
)
@click.option("--by", metavar="NAME", help="Who asks, for the head of the report.")
@click.option(
    "--at",
    "made",
    metavar="TIME",
    type=_Moment(),
    help="The time it says it was made, such as 2026-11-22T10:49:01Z; now, without it.",
)
def command(
    inputs: tuple[str, ...],
    files: tuple[Path, ...],
    level: str,
    by: str | None,
    made: float | None,
) -> ExitCode:
    """Turn measurements into one file for the people who run the network.

    It says what was tested, asks for a rule where the network is the cause, and for none where it
    is not. Several measurements make one report: the device's capture, a probe, a hotspot.
    Reports in HTML carry their measurements: `report`, `diagnose` and `compare` read them.
    The exit code is 0 when the report was written, whatever it says.
    """
    from handshake_probe.pipeline.reporting import write_report
    from handshake_probe.report.sheet.redaction import Level

    try:
        measurements = [found for path in inputs for found in read_measurements(path)]
        write_report(measurements, files, level=Level(level), made=made, by=by)
    except pipeline.Interrupted:
        complaints.say("interrupted: no report was written")
        return ExitCode.INTERRUPTED
    except HandshakeProbeError as error:
        return complaints.expected(error, _HELP)
    for file in files:
        complaints.note(f"wrote {file}")
    return ExitCode.HEALTHY
