"""`lab`: a cloud and a device that stand in for real ones, sound or with a named fault."""

from __future__ import annotations

import asyncio
import difflib
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from handshake_probe.cli import complaints
from handshake_probe.cli.exits import ExitCode
from handshake_probe.cli.root import examples
from handshake_probe.errors import HandshakeProbeError, UnreadableInput
from handshake_probe.keys.keyfile import Source
from handshake_probe.lab import keystore
from handshake_probe.lab.addresses import host_port, split_host_port
from handshake_probe.lab.cloud import Cloud, cloud_settings, listen
from handshake_probe.lab.device import Device, Outcome, device_settings
from handshake_probe.lab.faults import FAULTS, SOUND, Fault
from handshake_probe.lab.journal import Journal, Line
from handshake_probe.lab.play import Act
from handshake_probe.protocol.settings import Generation, Manner
from handshake_probe.protocol.state import Role
from handshake_probe.report.safe import PROSE, visible

_PORT = 5683
_LOG_MODE = 0o600
_ID_LENGTH = 24
_CLAIM_CODE_LENGTH = 63
_MANNERS = {"compares": Manner.COMPARES, "trusts": Manner.TRUSTS_REGISTER}
_HELP = "handshake-probe lab --help"
_EXITS = {
    Outcome.KEPT: ExitCode.HEALTHY,
    Outcome.LOST: ExitCode.CAUSE_FOUND,
    Outcome.FAILED: ExitCode.CAUSE_FOUND,
    Outcome.UNREACHED: ExitCode.COULD_NOT_RUN,
    None: ExitCode.INTERRUPTED,
}

_keys = click.option(
    "--keys",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    default="lab-keys",
    show_default=True,
    help="The folder of the lab's keys; what is missing is made, nothing is overwritten.",
)
_fault = click.option("--fault", "fault_name", metavar="NAME", help="What it does wrong.")
_write = click.option(
    "--write",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Append what is said, decrypted, as JSON lines. They hold no private or session key.",
)
_publish = click.option(
    "--publish",
    "events",
    metavar="NAME[=DATA]",
    multiple=True,
    help="An event for the peer in every session; may be repeated.",
)
_seed = click.option(
    "--seed",
    type=int,
    help="The same random bytes in every run (keys excepted). Whoever knows it reads the sessions.",
)


@click.group(
    "lab",
    epilog=examples(
        "lab faults",
        "lab cloud --fault no-hello",
        "lab device --to 127.0.0.1",
    ),
)
def command() -> None:
    """Play a cloud or a device, sound or with a fault, for experiments and tests.

    Both show each connection while it happens: --> is from the device, <-- from the cloud.
    """


@command.command(
    "cloud",
    short_help="Play a cloud until Ctrl-C.",
    epilog=examples(
        "lab cloud",
        "lab cloud --fault silent-after-identity",
        "lab cloud --host 0.0.0.0 --keys keys/ --write said.jsonl",
        "lab cloud --call length=abc --get answer",
    ),
)
@click.option("--port", type=click.IntRange(0, 65535), default=_PORT, show_default=True)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen at; 0.0.0.0 lets in whoever can reach this machine.",
)
@_fault
@_keys
@_write
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
@_publish
@_seed
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
    fault = _find_fault(Role.CLOUD, fault_name)
    acts = tuple(_call(text) for text in calls)
    acts += tuple(_request(name) for name in variables)
    acts += tuple(_event(text) for text in events)
    try:
        key = keystore.cloud_key(folder)
        settings = cloud_settings(key, keystore.register(folder), _MANNERS[manner])
        with listen(host, port) as listener, _log(write) as log:
            served = Cloud(
                settings,
                Journal(_show, log),
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
            _until_stopped(served.serve(listener), (ready, *_told(fault)))
    except HandshakeProbeError as error:
        return complaints.expected(error, _HELP)
    return ExitCode.HEALTHY if served.served else ExitCode.INTERRUPTED


@command.command(
    "device",
    short_help="Play a device that connects to a cloud.",
    epilog=examples(
        "lab device --to 127.0.0.1",
        "lab device --to 192.168.1.5:5683 --server-key cloud_public.der",
        "lab device --to 127.0.0.1 --fault key-truncated --attempts 3",
        "lab device --to 127.0.0.1 --generation 1.0 --session 60",
    ),
)
@click.option("--to", "target", metavar="HOST[:PORT]", required=True, help="Where the cloud is.")
@_fault
@_keys
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
@_publish
@_write
@_seed
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
    events: tuple[str, ...],
    write: Path | None,
    seed: int | None,
) -> ExitCode:
    """Play a device: connect, shake hands, stay for a while, say goodbye.

    Exit codes: 0 a session, ended by the device; 1 the handshake failed or the session was lost;
    4 no connection at all; 130 interrupted before any of these.
    """
    fault = _find_fault(Role.DEVICE, fault_name)
    address = split_host_port(target, _PORT)
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
        with _log(write) as log:
            played = Device(
                settings,
                Journal(_show, log),
                fault=fault,
                acts=tuple(_event(text) for text in events),
                session=session,
                seed=seed,
            )
            _until_stopped(played.run(*address, attempts), _told(fault))
    except HandshakeProbeError as error:
        return complaints.expected(error, _HELP)
    return _EXITS[played.outcome]


@command.command("faults", short_help="List the faults, one a line.", epilog=examples("lab faults"))
def faults() -> ExitCode:
    """List the faults: whose, name, what it does and what the other side sees of it."""
    for role in (Role.CLOUD, Role.DEVICE):
        for fault in FAULTS[role].values():
            click.echo(f"{role:<7} {fault.name:<23} {fault.line}")
    return ExitCode.HEALTHY


def _find_fault(role: Role, name: str | None) -> Fault:
    if name is None:
        return SOUND[role]
    if name in FAULTS[role]:
        return FAULTS[role][name]
    near = difflib.get_close_matches(name, FAULTS[role], 1)
    other = next((other for other in Role if name in FAULTS[other]), None)
    if other is not None:
        hint = f"it is one of a {other}"
    else:
        hint = f"did you mean {near[0]}?" if near else "'handshake-probe lab faults' lists them all"
    raise click.UsageError(f"a {role} has no fault '{name}'; {hint}", click.get_current_context())


def _told(fault: Fault) -> tuple[str, ...]:
    """Return what is said of a fault before it shows."""
    return () if fault is SOUND[fault.side] else (f"fault {fault.name}: {fault.line}",)


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


def _split(text: str) -> tuple[str, bytes]:
    name, _, value = text.partition("=")
    return name, os.fsencode(value)


def _call(text: str) -> Act:
    name, argument = _split(text)
    return lambda connection, now: connection.call_function(now, name, argument)


def _request(name: str) -> Act:
    return lambda connection, now: connection.request_variable(now, name)


def _event(text: str) -> Act:
    name, data = _split(text)
    return lambda connection, now: connection.publish(now, name, data)


def _show(line: str) -> None:
    sys.stdout.write(visible(line, PROSE) + "\n")
    sys.stdout.flush()


@contextmanager
def _log(path: Path | None) -> Iterator[Line | None]:
    """Yield what takes the lines of the log; each is on disk when it returns."""
    if path is None:
        yield None
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _LOG_MODE)
    except OSError as error:
        raise UnreadableInput(f"{path}: {error.strerror or error}") from error
    with os.fdopen(descriptor, "w", encoding="ascii", buffering=1) as stream:
        yield lambda line: print(line, file=stream)


def _until_stopped(work: Coroutine[Any, Any, None], notes: tuple[str, ...]) -> None:
    """Run to the end, or until Ctrl-C or SIGTERM; connections are closed either way.

    The notes are said as soon as both are heeded.
    """

    async def run() -> None:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        for note in notes:
            complaints.note(note)
        try:
            await task
        except asyncio.CancelledError:
            if not task.cancelled():
                raise

    asyncio.run(run())
