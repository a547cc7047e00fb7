"""`wireshark`: decrypted sessions as captures, and plugins for Wireshark."""

from __future__ import annotations

import click

from handshake_probe import pipeline
from handshake_probe.cli import complaints
from handshake_probe.cli.exits import ExitCode
from handshake_probe.cli.progress import progress_of
from handshake_probe.cli.root import examples
from handshake_probe.errors import HandshakeProbeError
from handshake_probe.wireshark.export import export as write_export

_HELP = "handshake-probe wireshark --help"


@click.group(
    "wireshark",
    epilog=examples(
        "wireshark export home.pcapng --keys keys/ -o out.pcapng",
        "wireshark install",
        "wireshark status",
    ),
)
def command() -> None:
    """Show decrypted sessions in Wireshark, and teach it the handshake."""


@command.command(
    "export",
    short_help="Write a capture with its decrypted messages.",
    epilog=examples(
        "wireshark export home.pcapng --keys keys/ -o out.pcapng",
        "wireshark export own.pcap --port 8883 --keys keys/ -o out.pcapng",
    ),
)
@click.argument("capture", metavar="CAPTURE")
@click.option(
    "-o", "--output", metavar="NEWFILE", required=True, help="Where to write; a file not there yet."
)
@click.option(
    "--keys",
    metavar="PATH",
    multiple=True,
    help="A key file or a folder of them; may be repeated. Messages need the device's private key.",
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
def export(
    capture: str,
    output: str,
    keys: tuple[str, ...],
    cloud_keys: tuple[str, ...],
    ports: tuple[int, ...],
) -> ExitCode:
    """Write a pcapng file with the frames of CAPTURE and its decrypted messages.

    The frames keep their numbers; comments on them say what was found. Behind them stand the
    messages as exported PDUs, which any Wireshark dissects as CoAP: filter for exported_pdu. No
    key is written, and claim codes are masked. The file is readable by its owner only.
    """
    try:
        keyring, notes = pipeline.load_keys(keys, cloud_keys)
        for line in notes:
            complaints.note(line)
        with progress_of(capture) as progress:
            done = write_export(
                capture, output, keyring=keyring, ports=frozenset(ports), progress=progress
            )
    except pipeline.Interrupted:
        raise KeyboardInterrupt from None
    except HandshakeProbeError as error:
        return complaints.expected(error, f"{_HELP.replace(' --', ' export --')}")
    if not done.messages:
        complaints.note("no message could be decrypted: that takes the device's private key")
    click.echo(f"{output}: {done.frames} frames, {done.messages} decrypted messages")
    return ExitCode.HEALTHY
