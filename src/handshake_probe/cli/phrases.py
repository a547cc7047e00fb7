"""Words about an LED and versions of Device OS, as they are given on a command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from handshake_probe.cli import complaints
from handshake_probe.cli.options import Option

if TYPE_CHECKING:  # most command lines hold neither
    from handshake_probe.protocol.device_os import DeviceOs
    from handshake_probe.protocol.led_phrase import Phrase

GRAMMAR = """\
Say it colour by colour, each with how it is shown and how often:
  colours   cyan red orange magenta green blue white yellow, or off
  shown     breathing, blinking, fast blinking, solid, SOS
  how often one flash, 2 flashes, x3, once, twice
  between   a comma, "then", "and", "with", "alternating with"
for example: "breathing cyan", "blinking cyan, one red flash", "cyan, orange x3",
             "one red flash alternating with 3 orange flashes", "red SOS 10"
"""


class _Version(click.ParamType["DeviceOs"]):
    name = "version"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> DeviceOs:
        """`1.5.2` and the like."""
        from handshake_probe.protocol.device_os import DeviceOs, device_os

        version = value if isinstance(value, DeviceOs) else device_os(str(value))
        if version is None:
            self.fail(f"'{value}' is no version of Device OS, such as 1.5.2", param, ctx)
        return version


def led_option(use: str) -> Option:
    """`--led`; `use` says what becomes of it."""
    return click.option(
        "--led",
        metavar="TEXT",
        help=f"What the device's LED shows, as in 'handshake-probe led'; {use}.",
    )


def device_os_option(use: str) -> Option:
    """`--device-os`, as `version`; `use` says what for."""
    return click.option(
        "--device-os",
        "version",
        metavar="VERSION",
        type=_Version(),
        help=f"The device's version of Device OS{use}.",
    )


def phrase_of(text: str) -> Phrase | None:
    """What the words say; None when they were not understood, which is said with the grammar."""
    from handshake_probe.protocol.led_phrase import PhraseError, parse_phrase

    try:
        return parse_phrase(text)
    except PhraseError as error:
        complaints.say(f"error: LED: {error}")
        click.echo(GRAMMAR, err=True, nl=False)
        return None
