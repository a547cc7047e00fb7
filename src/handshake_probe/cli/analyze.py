"""`analyze`: an offline verdict for every device in each capture."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from handshake_probe import pipeline
from handshake_probe.capture.inputs import Engine
from handshake_probe.capture.serial_log import is_serial_log
from handshake_probe.cli import complaints
from handshake_probe.cli.exits import ExitCode, exit_code_of, merged
from handshake_probe.cli.measurements import is_document
from handshake_probe.cli.options import (
    FILE,
    cloud_keys_option,
    format_option,
    keys_option,
    ports_option,
)
from handshake_probe.cli.phrases import device_os_option, led_option, phrase_of
from handshake_probe.cli.progress import counted, progress_of
from handshake_probe.cli.report_option import report_option, report_to
from handshake_probe.cli.root import examples
from handshake_probe.errors import HandshakeProbeError, UnreadableInput
from handshake_probe.keys.keyring import Keyring
from handshake_probe.model.measurement import Measurement
from handshake_probe.report.json_lines import write_json

if TYPE_CHECKING:
    from handshake_probe.pipeline.several import Written
    from handshake_probe.protocol.device_os import DeviceOs
    from handshake_probe.protocol.led_phrase import Phrase

_NAMED = 8  # devices, where somebody named none of them
_CAPTURE_HELP = (
    "give captures (pcap, pcapng, also compressed; in Wireshark: File > Save As) as arguments, and"
    " keys with --keys"
)
_DOCUMENT_HELP = "measurements and reports are read by 'diagnose', 'compare' and 'report'"
_KEY_HELP = "--keys takes DER and PEM files, slot images, and folders of them"


@click.command(
    "analyze",
    epilog=examples(
        "analyze home.pcapng",
        "analyze home.pcapng --keys keys/ --messages",
        "analyze a.pcap b.pcap --cloud-key cloud.pem --format json",
        "analyze own-cloud.pcap --port 8883 --keys cloud_public.der",
        "analyze *.pcap --jobs 4 --format json",
        "analyze site.pcap --device 10.16.3.4",
        "analyze - < home.pcapng.gz",
        "analyze home.pcapng serial.log",
        'analyze home.pcapng --led "cyan, one red flash"',
    ),
)
@click.argument("captures", metavar="CAPTURE...", type=FILE, nargs=-1, required=True)
@keys_option(
    "A key file or a folder of them; may be repeated. What a key is follows from its content,"
    " whose it is from a device id in its name."
)
@cloud_keys_option
@ports_option
@led_option("weighed with the rest")
@device_os_option(", for --led")
@format_option("one document per capture, one per line.")
@click.option(
    "--engine",
    type=click.Choice([str(engine) for engine in Engine]),
    default=str(Engine.AUTO),
    show_default=True,
    help="auto: passes over what no verdict needs, in large files; own: decodes every frame;"
    " tshark: reads the frames as a slow second opinion.",
)
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many captures to read at a time, each in a process of its own.",
)
@click.option("--messages", is_flag=True, help="Show the decrypted conversation in the text.")
@click.option(
    "--device",
    "only",
    metavar="ADDRESS|ID",
    multiple=True,
    help="Tell in the text of this device alone; may be repeated. Without it, text on many devices"
    " is an overview and the details of some that fail. JSON holds all; the exit code is that of"
    " all, or 2 where no capture has the device.",
)
@report_option
def command(
    captures: tuple[str, ...],
    keys: tuple[str, ...],
    cloud_keys: tuple[str, ...],
    ports: tuple[int, ...],
    led: str | None,
    version: DeviceOs | None,
    form: str,
    engine: str,
    jobs: int,
    messages: bool,
    only: tuple[str, ...],
    report: Path | None,
) -> ExitCode:
    """Say which devices tried, how far each handshake came, and what ended it.

    CAPTURE is a pcap or pcapng file, also inside gzip, zstd, xz, bzip2 or LZ4; - is standard
    input. A serial log of a device may stand beside captures, or alone. Nothing is sent anywhere.
    """
    try:
        keyring, notes = pipeline.load_keys(keys, cloud_keys)
    except HandshakeProbeError as error:
        return complaints.expected(error, _KEY_HELP)
    for line in notes:
        complaints.note(line)
    if only and form == "json":
        complaints.note("--device chooses for text: the JSON holds every device")
        only = ()
    phrase = None
    if led is not None and (phrase := phrase_of(led)) is None:
        return ExitCode.UNUSABLE
    logs = [path for path in captures if is_serial_log(path)]
    alone = not logs and phrase is None  # else captures wait, to be judged with logs and LED
    codes: list[ExitCode] = []
    measured: list[Measurement] = []
    files = tuple(path for path in captures if path not in logs)
    results = _results(files, keyring, frozenset(ports), Engine(engine), jobs)
    passed_on = alone and form == "json" and report is None
    for path, result in zip(files, results, strict=True):
        if not isinstance(result, (Measurement, Exception)):  # made by another process
            if passed_on:
                result.copy_to(sys.stdout.buffer)
                sys.stdout.flush()
                codes.append(exit_code_of(result.cause))
                continue
            result = result.read()
        measurement, code = _told(path, result)
        if measurement is None or alone or code is ExitCode.INTERRUPTED:
            codes.append(code)
        if measurement is None:
            continue
        if alone:
            _show(measurement, form, apart=bool(measured), messages=messages, only=only)
        measured.append(measurement)
        if code is ExitCode.INTERRUPTED:
            complaints.say("interrupted: this is the verdict over what was read")
            break
    if not alone:
        measured, more = _together(measured, logs, phrase, version)
        codes += more
        for number, measurement in enumerate(measured):
            _show(measurement, form, apart=number > 0, messages=messages, only=only)
            codes.append(exit_code_of(measurement.verdict.cause))
    return merged((*codes, *_unknown(only, measured), *report_to(report, measured)))


def _unknown(only: Sequence[str], measured: Sequence[Measurement]) -> Iterator[ExitCode]:
    """Says which chosen devices no capture holds, and which it does."""
    devices = [device for measurement in measured for device in measurement.devices]
    known = {name for device in devices for name in (device.address, device.device_id)}
    for name in only:
        if measured and name.lower() not in known:
            named = list(dict.fromkeys(device.address for device in devices if device.address))
            here = ", ".join(named[:_NAMED]) or "none"
            more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
            told = f"--device {name}: no device has this address or id"
            yield complaints.expected(UnreadableInput(told), f"the devices here: {here}{more}")


def _together(
    captures: list[Measurement], logs: list[str], phrase: Phrase | None, version: DeviceOs | None
) -> tuple[list[Measurement], list[ExitCode]]:
    """Documents of captures, logs and LED, and the codes of logs that could not be read."""
    from handshake_probe.pipeline import symptoms  # its tables are not for captures alone

    read = []
    codes = []
    for path in logs:
        try:
            read.append(symptoms.read_log(path))
        except HandshakeProbeError as error:
            codes.append(complaints.expected(error, _CAPTURE_HELP))
    led = None if phrase is None else symptoms.Led(phrase, version)
    return symptoms.judge_together(captures, read, led), codes


def _results(
    captures: tuple[str, ...],
    keyring: Keyring,
    ports: frozenset[int],
    engine: Engine,
    jobs: int,
) -> Iterator[Written | Measurement | Exception]:
    """The captures' measurements in order, or what went wrong instead."""
    if jobs > 1 and len(captures) > 1:
        from handshake_probe.pipeline.several import analyze_several  # loads multiprocessing

        several = analyze_several(captures, jobs=jobs, keyring=keyring, ports=ports, engine=engine)
        yield from counted(several, len(captures))
        return
    for path in captures:
        try:
            with progress_of(path) as progress:
                yield pipeline.analyze(
                    path, keyring=keyring, ports=ports, progress=progress, engine=engine
                )
        except Exception as error:
            yield error


def _told(path: str, result: Measurement | Exception) -> tuple[Measurement | None, ExitCode]:
    """One capture; what went wrong with it is said, and the next one still gets its turn."""
    match result:
        case pipeline.Interrupted():
            return result.measurement, ExitCode.INTERRUPTED
        case HandshakeProbeError():
            given = _DOCUMENT_HELP if is_document(path) else _CAPTURE_HELP
            return None, complaints.expected(result, given)
        case Exception():
            return None, complaints.internal(result, path)
    return result, exit_code_of(result.verdict.cause)


def _show(
    measurement: Measurement, form: str, *, apart: bool, messages: bool, only: Sequence[str]
) -> None:
    if form == "json":
        write_json(measurement, sys.stdout.buffer)
    else:
        from handshake_probe.report.terminal import write_text  # rich: not for JSON

        if apart:
            sys.stdout.write("\n")
        write_text(measurement, sys.stdout, messages=messages, only=only)
    sys.stdout.flush()
