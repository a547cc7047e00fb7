"""`explain`: findings, numbers, signals, stages, remedies."""

from __future__ import annotations

import difflib
import sys

import click

from handshake_probe.cli.exits import ExitCode
from handshake_probe.cli.front import PROGRAM
from handshake_probe.cli.root import examples
from handshake_probe.diagnose.catalogue import CATALOGUE
from handshake_probe.report.explanation import write_explanation, write_index, write_topics

# What stands in a remedy when it is not about one case.
_ANY_CASE = {
    "id": "<device id>",
    "device": "the device",
    "cloud": "the cloud",
    "port": "5683",
}


@click.command(
    "explain",
    context_settings={"ignore_unknown_options": True},  # -26 is a number
    epilog=examples(
        "explain",
        "explain HP201",
        "explain code=7",
        "explain -220",
        'explain "one red flash"',
        'explain "factory reset"',
    ),
)
@click.argument("words", metavar="[TOPIC]", nargs=-1)
@click.pass_context
def command(context: click.Context, words: tuple[str, ...]) -> ExitCode:
    """Explain a finding, a number in a device's log, a signal of its LED, or a remedy.

    Without TOPIC, list all there is.
    """
    asked = " ".join(words)
    if not asked.strip():
        return _list()
    entry = CATALOGUE.get(asked.upper())
    if entry is not None:
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
    from handshake_probe.diagnose.symptoms.topics import find_topic  # not for findings

    topic = find_topic(asked)
    if topic is None:
        raise click.UsageError(_unknown(asked), context)
    write_explanation(
        sys.stdout, heading=topic.heading, paragraphs=topic.paragraphs, remedy=topic.steps
    )
    return ExitCode.HEALTHY


def _list() -> ExitCode:
    from handshake_probe.diagnose.symptoms.topics import list_topics

    rows = [
        (entry.code, str(entry.severity), entry.title) for _, entry in sorted(CATALOGUE.items())
    ]
    write_index(sys.stdout, rows)
    write_topics(sys.stdout, list(list_topics()))
    return ExitCode.HEALTHY


def _unknown(asked: str) -> str:
    """What to say about words that nothing explains."""
    if asked.upper().startswith("HP") and asked[2:3].isdigit():
        near = difflib.get_close_matches(asked.upper(), CATALOGUE, 1)
        hint = f"did you mean {near[0]}?" if near else f"'{PROGRAM} explain' lists them all"
        return f"no such finding '{asked}'; {hint}"
    from handshake_probe.diagnose.symptoms.topics import list_topics

    names = {topic.name for topic in list_topics()}
    near = difflib.get_close_matches(asked.lower(), names, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"'{PROGRAM} explain' lists what there is"
    return f"nothing explains '{asked}'; {hint}"
