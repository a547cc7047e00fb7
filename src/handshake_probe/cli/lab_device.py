"""`lab device`: play a device."""

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
    told,
    until_stopped,
    write_option,
)
from handshake_probe.cli.root import examples
from handshake_probe.errors import HandshakeProbeError
from handshake_probe.keys.keyfile import Source
from handshake_probe.lab import keystore
from handshake_probe.lab.addresses import split_host_port
from handshake_probe.lab.device import Device, Outcome, device_settings
from handshake_probe.lab.faults import Fault
from handshake_probe.lab.journal import Journal
from handshake_probe.protocol.settings import Generation
from handshake_probe.protocol.state import Role

_ID_LENGTH = 24
_CLAIM_CODE_LENGTH = 63
_EXITS = {
    Outcome.KEPT: ExitCode.HEALTHY,
    Outcome.LOST: ExitCode.CAUSE_FOUND,
    Outcome.FAILED: ExitCode.CAUSE_FOUND,
    Outcome.UNREACHED: ExitCode.COULD_NOT_RUN,
    None: ExitCode.INTERRUPTED,
}


@click.command(
    "device",
    short_help="Play a device that connects to a cloud.",
    epilog=examples(
        "lab device --to 127.0.0.1",
        "lab device --to 192.168.1.5 --server-key cloud.der",
        "lab device --to 127.0.0.1 --fault key-truncated --attempts 3",
        "lab device --to 127.0.0.1 --generation 1.0 --session 60",
    ),
)
@click.option("--to", "target", metavar="HOST[:PORT]", required=True, help="Where the cloud is.")
@fault_option
@keys_option
@click.option(
    "--key",
    "key_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The device's private key or key slot, read as the firmware does. [default: DIR/ID.der]",
)
@click.option("--id", "device_id", metavar="ID", help="24 hex digits; else those in FILE's name.")
@click.option(
    "--server-key",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The cloud's public key. [default: DIR/cloud_public.der]",
)
@click.option(
    "--generation",
    type=click.Choice([str(generation) for generation in Generation]),
    default=str(Generation.V3_3),
    show_default=True,
    help="The firmware's version.",
)
@click.option(
    "--attempts",
    metavar="N",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Connections at most, with the firmware's waits between failures.",
)
@click.option(
    "--session",
    metavar="SECONDS",
    type=click.FloatRange(0),
    default=5.0,
    show_default=True,
    help="How long it stays in its session before it says goodbye.",
)
@click.option("--claim-code", metavar="CODE", default="", help="63 characters, to be published.")
@click.option(
    "--other-traffic",
    is_flag=True,
    help="Also send what firmware sends beside its connection: after a failure to 8.8.8.8:53 or"
    " pool.ntp.org:123, as a Core after a success to 224.0.1.187:5683 (multicast).",
)
@publish_option
@write_option
@seed_option
def device(
    target: str,
    fault_name: str | None,
    folder: Path,
    key_file: Path | None,
    device_id: str | None,
    server_key: Path | None,
    generation: str,
    attempts: int,
    session: float,
    claim_code: str,
    other_traffic: bool,
    events: tuple[str, ...],
    write: Path | None,
    seed: int | None,
) -> ExitCode:
    """Play a device: connect, shake hands, stay for a while, say goodbye.

    Exit codes: 0 a session, ended by the device; 1 the handshake failed or the session was lost;
    4 no connection at all; 130 interrupted before any of these.
    """
    fault = find_fault(Role.DEVICE, fault_name)
    address = split_host_port(target, PORT)
    if address is None:
        raise click.UsageError(f"'{target}' is no HOST or HOST:PORT", click.get_current_context())
    code = claim_code.encode()
    if len(code) not in (0, _CLAIM_CODE_LENGTH):
        raise click.UsageError("a claim code has 63 characters", click.get_current_context())
    own_id = _device_id(device_id, key_file, fault)
    try:
        slot = _own_slot(key_file or folder / f"{own_id}.der", own_id, fault)
        server = keystore.server_modulus(server_key or folder / keystore.CLOUD_PUBLIC)
        modulus, note = server
        if note is not None:
            complaints.note(note)
        settings = device_settings(
            own_id,
            slot,
            modulus,
            generation=Generation(generation),
            claim_code=code,
            fault=fault,
        )
        with log_to(write) as log:
            played = Device(
                settings,
                Journal(show, log),
                fault=fault,
                acts=tuple(event(text) for text in events),
                session=session,
                seed=seed,
                other_traffic=other_traffic,
            )
            until_stopped(played.run(*address, attempts), told(fault))
    except HandshakeProbeError as error:
        return complaints.expected(error, HELP)
    return _EXITS[played.outcome]


def _device_id(given: str | None, key_file: Path | None, fault: Fault) -> str:
    named = None if key_file is None else Source(key_file.name, b"", pem=False).device_id
    if given is None:
        return named or fault.device_id
    try:
        sound = len(given) == _ID_LENGTH and len(bytes.fromhex(given)) * 2 == _ID_LENGTH
    except ValueError:
        sound = False
    if not sound:
        raise click.UsageError(f"'{given}' is no id of 24 hex digits", click.get_current_context())
    return given.lower()


def _own_slot(path: Path, device_id: str, fault: Fault) -> bytes:
    """Load or make the device's key, and say what is to be known about it."""
    loaded = keystore.device_slot(path, fault.makes_slot)
    if loaded.note is not None:
        complaints.note(loaded.note)
    if loaded.made is not None:
        complaints.note(
            f"made a key, {path}; a cloud knows the device when {loaded.made} is in the cloud's"
            f" folder of keys as {device_id}.pub.pem"
        )
    return loaded.slot
