"""`compare`: two measurements, what differs, and what that proves."""

from __future__ import annotations

import sys

import click

from handshake_probe import pipeline
from handshake_probe.cli import complaints
from handshake_probe.cli.exits import ExitCode, exit_code_of
from handshake_probe.cli.measurements import HELP, read_measurements
from handshake_probe.cli.options import FILE, format_option
from handshake_probe.cli.root import examples
from handshake_probe.diagnose.compare import Comparison, compare
from handshake_probe.errors import HandshakeProbeError
from handshake_probe.model.measurement import Measurement
from handshake_probe.model.vocabulary import SEVERITY_ORDER
from handshake_probe.pipeline.rejudging import diagnose


@click.command(
    "compare",
    epilog=examples(
        "compare office.json hotspot.json",
        "compare office.pcapng hotspot.pcapng",
        "compare report-before.html report-after.html",
    ),
)
@click.argument("one", metavar="A", type=FILE)
@click.argument("other", metavar="B", type=FILE)
@format_option("the comparison, on one line.")
def command(one: str, other: str, form: str) -> ExitCode:
    """Say what differs between two measurements, and what that proves.

    A and B are what `--format json` wrote, reports in HTML, or captures, which are read without
    keys.

    The same probe from two networks tells the network from the cloud; the same device in two
    networks tells the network from the device. Of captures of several devices, each device that
    is in both is compared with itself. Of a file that holds several measurements, the one with the
    gravest verdict counts. Exit code 1 when a cause is shown, 3 when nothing is.
    """
    try:
        found = compare(_gravest(one), _gravest(other))
    except pipeline.Interrupted:
        complaints.say("interrupted: nothing was compared")
        return ExitCode.INTERRUPTED
    except HandshakeProbeError as error:
        return complaints.expected(error, HELP)
    _write(found, (one, other), form)
    return ExitCode.INCONCLUSIVE if found.cause is None else exit_code_of(found.cause)


def _gravest(path: str) -> Measurement:
    judged = diagnose(read_measurements(path))
    return min(judged, key=lambda m: SEVERITY_ORDER.index(m.verdict.cause))


def _write(found: Comparison, names: tuple[str, str], form: str) -> None:
    from handshake_probe.report.compare import comparison_json, write_comparison

    rows = [(each.label, each.one, each.other) for each in found.differences]
    if form == "json":
        line = comparison_json(
            names=names,
            proof=found.proof,
            cause=found.cause,
            confidence=str(found.confidence),
            caveats=found.caveats,
            rows=rows,
        )
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.flush()
        return
    write_comparison(
        sys.stdout,
        names=names,
        proof=found.proof,
        sure="" if found.cause is None else f"how sure: {found.confidence}",
        caveats=found.caveats,
        rows=rows,
    )
