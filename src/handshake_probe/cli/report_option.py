"""`--report FILE`, which `analyze` and `probe` share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from handshake_probe.cli import complaints
from handshake_probe.cli.exits import ExitCode
from handshake_probe.errors import HandshakeProbeError
from handshake_probe.model.measurement import Measurement

_HELP = "`handshake-probe report --help` tells about forms and copies for the public"


class _ReportFile(click.ParamType[Path]):
    """A file whose ending is a form of report."""

    name = "file"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """The file, refused before any work is done if its ending is none."""
        from handshake_probe.report.sheet.files import form_of

        path = Path(str(value))
        try:
            form_of(path)
        except HandshakeProbeError as error:
            self.fail(str(error), param, ctx)
        return path


report_option = click.option(
    "--report",
    "report",
    metavar="FILE",
    type=_ReportFile(),
    help="Also write a report for the people who run the network: .html, .pdf, .md, .json, .txt.",
)


def report_to(file: Path | None, measurements: Sequence[Measurement]) -> list[ExitCode]:
    """Write the report if one is wanted; an exit code where that fails."""
    if file is None or not measurements:
        return []
    from handshake_probe.pipeline.reporting import write_report

    try:
        write_report(measurements, [file])
    except HandshakeProbeError as error:
        return [complaints.expected(error, _HELP)]
    complaints.note(f"wrote {file}")
    return []
