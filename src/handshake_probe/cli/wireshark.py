"""`wireshark`: decrypted sessions as captures, and plugins for Wireshark."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click

from handshake_probe import pipeline
from handshake_probe.cli import complaints
from handshake_probe.cli.exits import ExitCode
from handshake_probe.cli.options import (
    FILE,
    cloud_keys_option,
    format_option,
    keys_option,
    ports_option,
)
from handshake_probe.cli.progress import progress_of
from handshake_probe.cli.root import examples
from handshake_probe.errors import HandshakeProbeError
from handshake_probe.report.safe import safe_json, visible
from handshake_probe.wireshark import extcap as live
from handshake_probe.wireshark import plugins
from handshake_probe.wireshark.export import export as write_export

_EXPORT_HELP = "handshake-probe wireshark export --help"
_HELP = "handshake-probe wireshark --help"
_STATES = {
    "absent": "not installed",
    "current": "installed, up to date",
    "other": "installed by another version or interpreter: install again",
    "changed": "installed, then changed by somebody: left alone",
    "foreign": "not ours: left alone",
}


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
        "wireshark export a.pcap --port 8883 --keys keys/ -o b.pcapng",
    ),
)
@click.argument("capture", metavar="CAPTURE", type=FILE)
@click.option(
    "-o", "--output", metavar="NEWFILE", required=True, help="Where to write; a file not there yet."
)
@keys_option(
    "A key file or a folder of them; may be repeated. Messages need the device's private key."
)
@cloud_keys_option
@ports_option
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
        return complaints.expected(error, _EXPORT_HELP)
    if not done.messages:
        complaints.note("no message could be decrypted: that takes the device's private key")
    click.echo(f"{output}: {done.frames} frames, {done.messages} decrypted messages")
    return ExitCode.HEALTHY


@command.command(
    "install",
    short_help="Install the dissector and the live interface.",
    epilog=examples("wireshark install"),
)
def install() -> ExitCode:
    """Put the dissector and the interface into your own Wireshark folders.

    Wireshark then names the steps of the handshake, and its list of interfaces has one that
    decrypts while it captures. Done again after an update, it brings both up to date. Files that
    are not ours are left alone. Never done for root.
    """
    try:
        done = plugins.install()
    except HandshakeProbeError as error:
        return complaints.expected(error, _HELP)
    _show(done, "text")
    return ExitCode.HEALTHY


@command.command(
    "status",
    short_help="Say what is installed where.",
    epilog=examples("wireshark status", "wireshark status --format json"),
)
@format_option("one document on one line.")
def status(form: str) -> ExitCode:
    """Say what is installed where, and whether it is of this version.

    Exit code 0 when both plugins are installed and up to date, 1 when not.
    """
    found = plugins.status()
    _show(found, form)
    current = all(plugin.state is plugins.State.CURRENT for plugin in found)
    return ExitCode.HEALTHY if current else ExitCode.CAUSE_FOUND


@command.command(
    "remove",
    short_help="Remove what install put there.",
    epilog=examples("wireshark remove"),
)
def remove() -> ExitCode:
    """Remove what 'install' put into your Wireshark folders, and nothing else."""
    try:
        left = plugins.remove()
    except HandshakeProbeError as error:
        return complaints.expected(error, _HELP)
    _show(left, "text")
    return ExitCode.HEALTHY


def _show(found: Sequence[plugins.Plugin], form: str) -> None:
    if form == "json":
        listed = [
            {"what": p.what, "path": str(p.path), "state": str(p.state), "version": p.version}
            for p in found
        ]
        sys.stdout.buffer.write(safe_json(json.dumps({"plugins": listed}).encode()) + b"\n")
        return
    for plugin in found:
        version = f" (version {plugin.version})" if plugin.version else ""
        click.echo(f"{plugin.what}: {_STATES[plugin.state]}{version}")
        click.echo(f"  {visible(str(plugin.path), 4000)}")


# Wireshark's own questions, and what `extcap.CONFIG` names; it may ask more in later versions.
@command.command("extcap", hidden=True, context_settings={"ignore_unknown_options": True})
@click.option("--extcap-interfaces", "interfaces", is_flag=True)
@click.option("--extcap-dlts", "dlts", is_flag=True)
@click.option("--extcap-config", "config", is_flag=True)
@click.option("--extcap-capture-filter", "capture_filter")
@click.option("--capture", "capturing", is_flag=True)
@click.option("--fifo")
@click.option("--source", default=live.DEFAULT_SOURCE)
@click.option("--keys")
@click.option("--port", type=click.IntRange(1, 65535), default=5683)
@click.argument("rest", nargs=-1)
def extcap(
    interfaces: bool,
    dlts: bool,
    config: bool,
    capture_filter: str | None,
    capturing: bool,
    fifo: str | None,
    source: str,
    keys: str | None,
    port: int,
    rest: tuple[str, ...],
) -> ExitCode:
    """Answer Wireshark, which calls this as an external capture program."""
    for asked, answer in (
        (interfaces, live.INTERFACES),
        (dlts, live.DLTS),
        (config, live.CONFIG),
    ):
        if asked:
            sys.stdout.write(answer)
            return ExitCode.HEALTHY
    if not capturing or fifo is None:
        return ExitCode.HEALTHY
    try:
        live.capture(
            fifo,
            source=source,
            keys=[keys] if keys else [],
            port=port,
            capture_filter=capture_filter or None,
        )
    except HandshakeProbeError as error:
        return complaints.expected(error, _HELP)
    return ExitCode.HEALTHY
