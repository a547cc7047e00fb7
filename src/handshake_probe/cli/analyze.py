"""`analyze`: an offline verdict for every device in each capture."""

from __future__ import annotations

import sys

import click

from handshake_probe import pipeline
from handshake_probe.capture.inputs import Engine
from handshake_probe.cli import complaints
from handshake_probe.cli.exits import ExitCode, exit_code_of, merged
from handshake_probe.cli.progress import progress_of
from handshake_probe.cli.root import examples
from handshake_probe.errors import HandshakeProbeError
from handshake_probe.keys.keyring import Keyring
from handshake_probe.model.measurement import Measurement, to_json
from handshake_probe.report.safe import safe_json

_CAPTURE_HELP = "give captures (pcap, pcapng, also compressed) as arguments, and keys with --keys"
_KEY_HELP = "--keys takes DER and PEM files, slot images, and folders of them"


@click.command(
    "analyze",
    epilog=examples(
        "analyze home.pcapng",
        "analyze home.pcapng --keys keys/ --messages",
        "analyze a.pcap b.pcap --cloud-key cloud.pem --format json",
        "analyze own-cloud.pcap --port 8883 --keys cloud_public.der",
        "analyze - < home.pcapng.gz",
    ),
)
@click.argument("captures", metavar="CAPTURE...", nargs=-1, required=True)
@click.option(
    "--keys",
    metavar="PATH",
    multiple=True,
    help="A key file or a folder of them; may be repeated. What a key is follows from its content,"
    " whose it is from a device id in its name.",
)
@click.option(
    "--cloud-key",
    "cloud_keys",
    metavar="FILE",
    multiple=True,
    help="The key that is the cloud's, when several could be; may be repeated.",
)
@click.option(
    "--port",
    "ports",
    metavar="N",
    type=click.IntRange(1, 65535),
    multiple=True,
    help="A port where the cloud listens, besides 5683; may be repeated.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: one document per capture, one per line.",
)
@click.option(
    "--engine",
    type=click.Choice([str(engine) for engine in Engine]),
    default=str(Engine.AUTO),
    show_default=True,
    help="Who reads the frames: own reader, libpcap (faster for large files), or tshark as a slow"
    " second opinion; auto chooses by size.",
)
@click.option("--messages", is_flag=True, help="Show the decrypted conversation in the text.")
def command(
    captures: tuple[str, ...],
    keys: tuple[str, ...],
    cloud_keys: tuple[str, ...],
    ports: tuple[int, ...],
    form: str,
    engine: str,
    messages: bool,
) -> ExitCode:
    """Say which devices tried, how far each handshake came, and what ended it.

    CAPTURE is a pcap or pcapng file, also inside gzip, zstd, xz, bzip2 or LZ4; - is standard
    input. Nothing is sent anywhere.
    """
    try:
        keyring, notes = pipeline.load_keys(keys, cloud_keys)
    except HandshakeProbeError as error:
        return complaints.expected(error, _KEY_HELP)
    for line in notes:
        complaints.note(line)
    codes = []
    for number, path in enumerate(captures):
        measurement, code = _measure(path, keyring, frozenset(ports), Engine(engine))
        codes.append(code)
        if measurement is None:
            continue
        if form == "json":
            sys.stdout.buffer.write(safe_json(to_json(measurement)) + b"\n")
        else:
            _show(measurement, apart=number > 0, messages=messages)
        sys.stdout.flush()
        if code is ExitCode.INTERRUPTED:
            complaints.say("interrupted: this is the verdict over what was read")
            break
    return merged(codes)


def _measure(
    path: str, keyring: Keyring, ports: frozenset[int], engine: Engine
) -> tuple[Measurement | None, ExitCode]:
    """One capture; what goes wrong with it is said, and the next one still gets its turn."""
    try:
        with progress_of(path) as progress:
            measurement = pipeline.analyze(
                path, keyring=keyring, ports=ports, progress=progress, engine=engine
            )
    except pipeline.Interrupted as interrupted:
        return interrupted.measurement, ExitCode.INTERRUPTED
    except HandshakeProbeError as error:
        return None, complaints.expected(error, _CAPTURE_HELP)
    except Exception as error:
        return None, complaints.internal(error, path)
    return measurement, exit_code_of(measurement.verdict.cause)


def _show(measurement: Measurement, *, apart: bool, messages: bool) -> None:
    from handshake_probe.report.terminal import write_text  # rich: not for JSON

    if apart:
        sys.stdout.write("\n")
    write_text(measurement, sys.stdout, messages=messages)
