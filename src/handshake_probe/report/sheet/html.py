"""The report as one HTML file that needs nothing else: no request, no script, no font."""

from __future__ import annotations

from importlib.resources import files

from markupsafe import Markup

from handshake_probe.report.sheet import embedded
from handshake_probe.report.sheet.content import AFTER_COMMAND, Case, Report
from handshake_probe.report.sheet.paint import PAINT
from handshake_probe.report.sheet.pictures import (
    SIGNS,
    ladder_picture,
    overview_picture,
    timeline_picture,
    way_picture,
)
from handshake_probe.report.sheet.shapes import Picture
from handshake_probe.report.sheet.templates import page


def html(report: Report, documents: str) -> str:
    """The page; `documents` are the measurements it carries, lines of JSON."""
    style = (files(__package__) / "pages" / "report.css").read_text("utf-8")
    overview = report.overview
    return (
        page("report.html")
        .render(
            r=report,
            cases=[(case, _pictures(f"c{n}", case)) for n, case in enumerate(report.cases, 1)],
            overview=overview_picture("all", overview) if overview else None,
            signs=SIGNS,
            style=Markup(style),
            after_command=AFTER_COMMAND,
            paint={
                shape: {kind: Markup(attributes) for kind, attributes in kinds.items()}
                for shape, kinds in PAINT.items()
            },
            data=Markup(embedded.element(documents)),
        )
        .lstrip()
    )


def _pictures(name: str, case: Case) -> list[Picture]:
    drawn = []
    if case.path and case.path.hops:
        drawn.append(way_picture(f"{name}-way", case.path))
    if case.ladder:
        drawn.append(ladder_picture(f"{name}-ladder", case.ladder))
    if case.timeline:
        drawn.append(timeline_picture(f"{name}-time", case.timeline))
    return drawn
