"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import click

FILE = click.Path()  # nothing is checked: it lets shells complete names of files
Command = TypeVar("Command", bound=Callable[..., Any])


class Option(Protocol):
    """What gives a command an option."""

    def __call__(self, command: Command, /) -> Command:
        """Return the command with it."""


def format_option(json: str) -> Option:
    """`--format`, as `form`; `json` says what it writes then."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help=f"json: {json}",
    )


def keys_option(help_text: str) -> Option:
    """`--keys`, any number of times."""
    return click.option("--keys", metavar="PATH", type=FILE, multiple=True, help=help_text)


def cloud_keys_option(command: Command) -> Command:
    """`--cloud-key`, as `cloud_keys`, where there may be several."""
    return click.option(
        "--cloud-key",
        "cloud_keys",
        metavar="FILE",
        type=FILE,
        multiple=True,
        help="The key that is the cloud's, when several could be; may be repeated.",
    )(command)


def ports_option(command: Command) -> Command:
    """`--port`, as `ports`: where else the handshake is looked for."""
    return click.option(
        "--port",
        "ports",
        metavar="N",
        type=click.IntRange(1, 65535),
        multiple=True,
        help="A port where the cloud listens, besides 5683; may be repeated.",
    )(command)
