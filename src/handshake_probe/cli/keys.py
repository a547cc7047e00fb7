"""`keys`: what key files say, whether devices can use them, and whether they fit together."""

from __future__ import annotations

import re
import sys

import click

from handshake_probe.cli import complaints
from handshake_probe.cli.exits import ExitCode
from handshake_probe.cli.options import FILE, format_option
from handshake_probe.cli.root import examples
from handshake_probe.errors import HandshakeProbeError
from handshake_probe.keys.convert import Form
from handshake_probe.model.keycheck import KeysChecked, keys_to_json
from handshake_probe.pipeline.keycheck import check_keys, convert_file
from handshake_probe.report.safe import safe_json

_CONVERT_HELP = "handshake-probe keys convert --help"
_EXITS = {
    "usable": ExitCode.HEALTHY,
    "defect": ExitCode.CAUSE_FOUND,
    "unreadable": ExitCode.UNUSABLE,
}
_DEVICE_ID = re.compile(r"[0-9a-fA-F]{24}")


@click.group("keys", epilog=examples("keys check device.der", "keys convert device.pem --to der"))
def command() -> None:
    """Check key files and slot images, or write a key in another form.

    Files are only ever read, nothing is sent anywhere, and private values are never shown.
    """


def _read_id(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _DEVICE_ID.fullmatch(value):
        raise click.BadParameter("a device id has 24 hexadecimal digits", context, parameter)
    return None if value is None else value.lower()


@command.command(
    "check",
    short_help="Say what key files are and whether they fit.",
    epilog=examples(
        "keys check device.der",
        "keys check device.der registered.pub.pem",
        "keys check server-slot.bin cloud_private.pem",
        "keys check spark-server/data/",
        "keys check device.der --format json | jq .verdict",
    ),
)
@click.argument("files", metavar="FILE...", type=FILE, nargs=-1, required=True)
@click.option(
    "--device-id",
    metavar="ID",
    callback=_read_id,
    help="Whose the devices' keys are that have no id in their names (24 hex digits).",
)
@format_option("one document, schema handshake-probe/keys/1.")
def check(files: tuple[str, ...], device_id: str | None, form: str) -> ExitCode:
    """Say what each file is, whether a device can use it, and which files fit together.

    FILE is a key (PEM or DER, PKCS#1, PKCS#8, SubjectPublicKeyInfo), a slot read from flash, or a
    folder of them, such as a private cloud's. A device id in the name binds a key to its device.

    Exit codes: 0 all usable and fitting, 1 a defect or a mismatch was found, 2 a file could not be
    read or needs a passphrase, or none held a key.
    """
    document = check_keys(files, device_id)
    for line in document.unread:
        complaints.say(f"error: {line}")
    for file in document.files:
        if file.readable_by_others:
            complaints.say(
                f"warning: everybody on this computer may read the private key {file.source} "
                "(HP733): chmod 600"
            )
    if form == "json":
        sys.stdout.buffer.write(safe_json(keys_to_json(document)) + b"\n")
    elif document.files:
        _show(document)
    if not document.files and not document.unread:
        complaints.say("error: no key in what was given")
    return _EXITS[document.verdict]


@command.command(
    "convert",
    short_help="Write a key in another form.",
    epilog=examples(
        "keys convert device.pem --to der",
        "keys convert device.der --to slot -o slot.bin",
    ),
)
@click.argument("file", metavar="FILE", type=FILE)
@click.option(
    "--to",
    "form",
    type=click.Choice([str(form) for form in Form]),
    required=True,
    help="pem: text, PKCS#1 or SPKI; der: the same in bytes, as devices want it; slot: as it lies"
    " in flash.",
)
@click.option(
    "-o",
    "--output",
    metavar="NEWFILE",
    help="Where to write; without it beside FILE, with the form as extension.",
)
def convert(file: str, form: str, output: str | None) -> ExitCode:
    """Write a key in another form, and never one that the firmware could not read.

    No file is ever overwritten; a private key's file can be read by its owner only. The slot of a
    key that devices would misread is written as devices write theirs, which they do read.
    """
    try:
        target = convert_file(file, Form(form), output)
    except HandshakeProbeError as error:
        return complaints.expected(error, _CONVERT_HELP)
    click.echo(str(target))
    return ExitCode.HEALTHY


def _show(document: KeysChecked) -> None:
    from handshake_probe.report.keys import write_keys  # rich: not for JSON

    write_keys(document, sys.stdout)
