"""The report as plain text that survives e-mail: ASCII, 72 columns, nothing that a mailer eats."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from handshake_probe.report.page import ASCII_TYPOGRAPHY
from handshake_probe.report.sheet.content import (
    AFTER_COMMAND,
    Case,
    Fact,
    Kind,
    Ladder,
    Mark,
    Overview,
    Path,
    Report,
    Step,
    Test,
    Timeline,
)
from handshake_probe.report.sheet.secrets import harmless

WIDTH = 72
_COLUMN = 20
_SIGNS = {Mark.GOOD: "[ok]", Mark.BAD: "[x] ", Mark.NEUTRAL: " -  "}
_ARROWS = {"to_cloud": "-->", "to_device": "<--", "": "   "}


def text(report: Report) -> str:
    """The whole report."""
    return "\n".join(line.rstrip() for line in _lines(report)) + "\n"


def ladder_lines(ladder: Ladder) -> Iterator[str]:
    """A ladder, a line for each step."""
    yield plain(ladder.title)
    yield plain(f"  {ladder.device}  <-->  {ladder.cloud}")
    for rung in ladder.rungs:
        note = f" ({rung.note})" if rung.note else ""
        yield plain(f"  {_ARROWS[rung.arrow]} {rung.when:>11}  {rung.label}{note}")
    yield plain(f"  {_SIGNS[ladder.mark]} {ladder.ending}")


def way_lines(path: Path) -> Iterator[str]:
    """The hops, a line for each."""
    if path.hops:
        yield plain(f"  {'':8}{path.port:<30}{path.control}")
    for hop in path.hops:
        yield plain(f"  {hop.name:<8}{hop.answer:<30}{hop.control}")
        if hop.stop:
            yield f"  {'':8}^-- stops here or behind"
    if path.told:
        yield from _wrapped(path.told, "  ")


def timeline_lines(timeline: Timeline) -> Iterator[str]:
    """The attempts, a line for each."""
    yield plain(f"{timeline.title}:")
    half = len(timeline.tries) - 4
    for number, each in enumerate(timeline.tries):
        if timeline.folded and number == half:
            yield f"  ... {timeline.folded} more ..."
        took = f"{each.begin:8.1f} s to {each.end:.1f} s"
        yield plain(f"  {_SIGNS[each.mark]} {took:<24} {each.label}")


def plain(value: str) -> str:
    """One line of harmless ASCII."""
    shown = harmless(value.replace("\n", " ")).translate(ASCII_TYPOGRAPHY)
    return shown.encode("ascii", "backslashreplace").decode()


def _lines(report: Report) -> Iterator[str]:
    yield from _wrapped(report.title.upper())
    yield from _wrapped(
        f"Firewall troubleshooting report, handshake-probe {report.version}, {report.made}, "
        f"{report.redaction_name}"
    )
    yield ""
    yield from _wrapped(report.lead)
    yield from _heading("Verdict")
    yield from _wrapped(f"{_SIGNS[report.verdict.mark].strip()} {report.verdict.sentence}")
    yield ""
    yield from _facts(report.verdict.facts)
    if report.request:
        yield from _heading("The change that is asked for")
        yield from _wrapped(report.request)
        for rule in report.rules:
            yield ""
            yield plain(f"{rule.title}:")
            yield from _facts(rule.rows)
    yield from _heading("Who tested what, from where, when")
    yield from _facts(report.head)
    yield ""
    yield from _wrapped(f"This copy is {report.redaction_told}.")
    if report.overview:
        yield from _heading("All devices")
        yield from _overview(report.overview)
    for number, case in enumerate(report.cases):
        yield from _heading(f"Evidence: {case.title}")
        yield from _case(case, lead=number == 0)
    if report.examples:
        yield from _heading("What to look for in your own logs")
        for example in report.examples:
            yield from _hanging(f"{example.name}: ", f"{example.look}; {', '.join(example.words)}")
    if report.verify:
        yield from _heading("How to verify the change")
        yield from _steps(report.verify)
    yield from _heading("For the device's owner: what to do next")
    yield from _wrapped(report.owner_lead)
    yield ""
    yield from _steps(report.owner)
    if report.examples:
        yield from _heading("The rule in the words of products: examples, review before use")
        yield from _wrapped(report.examples_note)
        for example in report.examples:
            yield from _wrapped(f"{example.name}: example, review before use. {example.where}:")
            yield from (plain(f"    {line}") for line in example.text.splitlines())
            yield ""
    yield from _heading("Data")
    for attached in report.attached:
        yield from _wrapped(f"{attached.kind} {attached.name}")
        yield plain(f"  SHA-256 {attached.sha256}")


def _case(case: Case, *, lead: bool) -> Iterator[str]:
    if not lead:
        yield from _wrapped(f"{case.cause}: {case.sentence} ({case.sure})")
        yield from _facts(case.facts)
        yield ""
    for test in case.tests:
        yield from _test(test)
    for block in _blocks(case):
        yield ""
        yield from block
    if case.findings:
        yield ""
    for finding in case.findings:
        yield from _hanging(f"{finding.code} ", f"{finding.title}: {finding.text}")


def _blocks(case: Case) -> Iterator[Iterable[str]]:
    if case.path and (case.path.hops or case.path.told):
        yield way_lines(case.path)
    if case.ladder:
        yield ladder_lines(case.ladder)
    if case.timeline:
        yield timeline_lines(case.timeline)


def _test(test: Test) -> Iterator[str]:
    times = f" x {test.times}" if test.times > 1 else ""
    control = " (control)" if test.control and not test.what.startswith("control") else ""
    yield from _hanging(
        f"{_SIGNS[test.mark]} {test.when} ", f"{test.what}{times}{control}, {test.where}:"
    )
    yield from _wrapped(test.result, " " * 14)


def _overview(overview: Overview) -> Iterator[str]:
    for stage, row in zip(overview.stages, overview.counts, strict=True):
        told = ", ".join(f"{e}: {n}" for e, n in zip(overview.endings, row, strict=True) if n)
        yield from _hanging(f"{stage}: ", told)
    yield ""
    for address, device_id, reached, verdict in overview.devices:
        yield from _hanging(f"{address} ", f"({device_id}), {reached}: {verdict}")
    if overview.folded:
        yield from _wrapped(f"Not listed: {overview.folded}; a report in HTML or JSON holds all.")


def _facts(facts: Sequence[Fact]) -> Iterator[str]:
    for fact in facts:
        yield from _hanging(f"  {fact.label}: ".ljust(_COLUMN + 3), fact.text)


def _steps(steps: Sequence[Step]) -> Iterator[str]:
    for number, step in enumerate(steps, 1):
        lead, prose, alone = f"{number}. ", "", False
        for piece, kind in step.pieces:
            if kind is not Kind.COMMAND:
                prose += piece.lstrip(AFTER_COMMAND) if alone else piece
                alone = False
                continue
            if prose:
                yield from _hanging(lead, prose.strip(), 3)
            yield plain(f"       {piece}")
            lead, prose, alone = "   ", "", True
        if prose.strip():
            yield from _hanging(lead, prose.strip(), 3)


def _heading(title: str) -> Iterator[str]:
    yield ""
    yield plain(title)
    yield "=" * min(len(title), WIDTH)


def _wrapped(value: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        plain(value),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _hanging(lead: str, value: str, indent: int | None = None) -> list[str]:
    inner = " " * (min(len(lead), _COLUMN + 3) if indent is None else indent)
    return textwrap.wrap(
        plain(value),
        WIDTH,
        initial_indent=plain(lead),
        subsequent_indent=inner,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [plain(lead)]
