"""`lab cloud`: play a cloud."""

from __future__ import annotations

from pathlib import Path

import click

from handshake_probe.cli import complaints
from handshake_probe.cli.exits import ExitCode
from handshake_probe.cli.lab_shared import (
    HELP,
    PORT,
    event,
    fault_option,
    find_fault,
    keys_option,
    log_to,
    publish_option,
    seed_option,
    show,
    split,
    told,
    until_stopped,
    write_option,
)
from handshake_probe.cli.root import examples
from handshake_probe.errors import HandshakeProbeError
from handshake_probe.lab import keystore
from handshake_probe.lab.addresses import host_port
from handshake_probe.lab.cloud import Cloud, cloud_settings, listen
from handshake_probe.lab.journal import Journal
from handshake_probe.lab.play import Act
from handshake_probe.protocol.settings import Manner
from handshake_probe.protocol.state import Role

_MANNERS = {"compares": Manner.COMPARES, "trusts": Manner.TRUSTS_REGISTER}


@click.command(
    "cloud",
    short_help="Play a cloud until Ctrl-C.",
    epilog=examples(
        "lab cloud",
        "lab cloud --fault silent-after-identity",
        "lab cloud --host 0.0.0.0 --keys keys/ --write said.jsonl",
        "lab cloud --call length=abc --get answer",
    ),
)
@click.option("--port", metavar="N", type=click.IntRange(0, 65535), default=PORT, show_default=True)
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen at; 0.0.0.0 lets in whoever can reach this machine.",
)
@fault_option
@keys_option
@write_option
@click.option(
    "--manner",
    type=click.Choice(list(_MANNERS)),
    default="compares",
    show_default=True,
    help="compares: the key a device sends must be the registered one, as with Brewskey's server."
    " trusts: what it sends is ignored, as with the original one.",
)
@click.option("--claims", is_flag=True, help="Confirm every claim code that a device publishes.")
@click.option(
    "--call",
    "calls",
    metavar="NAME[=ARG]",
    multiple=True,
    help="A function to call in every session; may be repeated.",
)
@click.option(
    "--get",
    "variables",
    metavar="NAME",
    multiple=True,
    help="A variable to ask for in every session; may be repeated.",
)
@publish_option
@seed_option
def cloud(
    port: int,
    host: str,
    fault_name: str | None,
    folder: Path,
    write: Path | None,
    manner: str,
    claims: bool,
    calls: tuple[str, ...],
    variables: tuple[str, ...],
    events: tuple[str, ...],
    seed: int | None,
) -> ExitCode:
    """Play a cloud until Ctrl-C or SIGTERM.

    A device is registered by its public key in DIR/ID.pub.pem, also while the cloud runs. A Core
    sends no key, so it needs --manner trusts. Ending the cloud is no failure once it has served a
    connection: exit code 0, else 130.
    """
    fault = find_fault(Role.CLOUD, fault_name)
    acts = tuple(_call(text) for text in calls)
    acts += tuple(_request(name) for name in variables)
    acts += tuple(event(text) for text in events)
    try:
        key = keystore.cloud_key(folder)
        settings = cloud_settings(key, keystore.register(folder), _MANNERS[manner])
        with listen(host, port) as listener, log_to(write) as log:
            served = Cloud(
                settings,
                Journal(show, log),
                fault=fault,
                acts=acts,
                confirms_claims=claims,
                seed=seed,
                complain=complaints.note,
            )
            count = keystore.registered_count(folder)
            address = host_port(*listener.getsockname()[:2])
            ready = (
                f"listening on {address}, key {key.fingerprint}, {count} registered in {folder};"
                f" devices need {folder / keystore.CLOUD_PUBLIC}"
            )
            until_stopped(served.serve(listener), (ready, *told(fault)))
    except HandshakeProbeError as error:
        return complaints.expected(error, HELP)
    return ExitCode.HEALTHY if served.served else ExitCode.INTERRUPTED


def _call(text: str) -> Act:
    name, argument = split(text)
    return lambda connection, now: connection.call_function(now, name, argument)


def _request(name: str) -> Act:
    return lambda connection, now: connection.request_variable(now, name)
