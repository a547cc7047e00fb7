"""`led`: what the LED of a device tells."""

from __future__ import annotations

import sys

import click

from handshake_probe.cli.exits import ExitCode, exit_code_of
from handshake_probe.cli.options import format_option
from handshake_probe.cli.phrases import device_os_option, phrase_of
from handshake_probe.cli.root import examples
from handshake_probe.diagnose.judge_symptoms import by_version
from handshake_probe.diagnose.symptoms.led_reading import read_led
from handshake_probe.pipeline import symptoms
from handshake_probe.protocol.device_os import DeviceOs
from handshake_probe.report.json_lines import write_json


@click.command(
    "led",
    epilog=examples(
        'led "cyan, one red flash"',
        'led "blinking cyan then orange x3" --device-os 1.5.2',
        'led "breathing cyan" --format json',
    ),
)
@click.argument("words", metavar="TEXT...", nargs=-1, required=True)
@device_os_option("; without it, what each version says")
@format_option("the same document as of 'analyze', of kind led.")
def command(words: tuple[str, ...], version: DeviceOs | None, form: str) -> ExitCode:
    """Say what a pattern of the LED tells, what it proves, and what to do next.

    TEXT is colour by colour, with how it is shown and how often: breathing cyan; blinking cyan,
    one red flash; orange x3. An LED alone never proves a cause.
    """
    phrase = phrase_of(" ".join(words))
    if phrase is None:
        return ExitCode.UNUSABLE
    measurement = symptoms.judge_led(symptoms.Led(phrase, version))
    if form == "json":
        write_json(measurement, sys.stdout.buffer)
    else:
        from handshake_probe.report.led import Told, write_led  # rich: not for JSON

        told = [
            Told(versions.removesuffix(": "), row.says, row.proves, row.excludes)
            for versions, row in by_version(read_led(phrase, version))
        ]
        write_led(sys.stdout, measurement, str(phrase), str(version) if version else None, told)
    return exit_code_of(measurement.verdict.cause)
