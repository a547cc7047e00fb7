"""`replay`: one side of a recorded handshake, said again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from handshake_probe.cli import complaints
from handshake_probe.cli.consent import agreed
from handshake_probe.cli.exits import ExitCode, exit_code_of
from handshake_probe.cli.options import FILE, format_option, keys_option
from handshake_probe.cli.root import examples
from handshake_probe.cli.targets import Target
from handshake_probe.errors import HandshakeProbeError, KeyFileError, UnreadableInput
from handshake_probe.keys.keyring import Keyring
from handshake_probe.keys.particle import PARTICLE_CLOUD
from handshake_probe.model.measurement import Measurement
from handshake_probe.packets.units import Direction
from handshake_probe.pipeline import Interrupted, keys_used, load_keys
from handshake_probe.pipeline.recorded import Recorded, recorded
from handshake_probe.probe.plan import CLOUD_PORT, CONTROL_PORT
from handshake_probe.report.json_lines import write_json

_HELP = "handshake-probe replay --help"


@click.command(
    "replay",
    epilog=examples(
        "replay home.pcapng --to device.spark.io --compare",
        "replay home.pcapng --to cloud.example --verbatim",
        "replay home.pcapng --to HOST --device-key photon.der",
        "replay home.pcapng --to cloud.example --control random",
        "replay home.pcapng --as-cloud --listen 0.0.0.0",
        "replay home.pcapng --offline --keys keys/",
    ),
)
@click.argument("capture", metavar="CAPTURE", type=FILE)
@click.option(
    "--to",
    "target",
    metavar="HOST[:PORT]",
    type=Target(CLOUD_PORT),
    help="Say the device's part to this cloud.",
)
@click.option(
    "--as-cloud",
    is_flag=True,
    help="Play the cloud's part to devices that connect here, until Ctrl-C.",
)
@click.option(
    "--offline",
    is_flag=True,
    help="Step through the recording on this terminal; nothing is sent.",
)
@click.option(
    "--stream",
    metavar="N",
    type=click.IntRange(0),
    help="Which connection, by the number 'analyze' shows. Without it the most telling one.",
)
@click.option("--verbatim", is_flag=True, help="Send the recorded bytes as they were.")
@click.option(
    "--control",
    type=click.Choice(["random"]),
    help="Send random bytes instead, with the recorded sizes and pauses.",
)
@click.option(
    "--port",
    metavar="N",
    type=click.IntRange(1, 65535),
    help=f"Send to this port instead; with --compare: the other port (else {CONTROL_PORT}).",
)
@click.option(
    "--compare",
    is_flag=True,
    help="The recorded part, random bytes, and another port, in turn: tells blocking by content"
    " from blocking by port.",
)
@click.option(
    "--device-key",
    metavar="FILE",
    type=FILE,
    help="The device's private key: do a fresh handshake, which the cloud accepts. Asks first.",
)
@click.option("--device-id", metavar="ID", help="The device's id, where the recording hides it.")
@click.option("--yes", is_flag=True, help="Do not ask before a handshake with the device's key.")
@click.option(
    "--cloud-key",
    metavar="FILE",
    type=FILE,
    help="The cloud's public key, for a cloud of your own; Particle's is built in.",
)
@keys_option("Keys to read the recording with, as with 'analyze'; may be repeated.")
@click.option(
    "--listen",
    metavar="HOST[:PORT]",
    type=Target(CLOUD_PORT),
    default="127.0.0.1",
    show_default=True,
    help="With --as-cloud: where; 0.0.0.0 lets in whoever can reach this machine.",
)
@click.option(
    "--fault",
    metavar="NAME",
    help="With --as-cloud: this fault of 'lab faults' in place of what was recorded.",
)
@click.option(
    "--lab-keys",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    default="lab-keys",
    show_default=True,
    help="With --as-cloud: the cloud's key and its register, as with 'lab cloud --keys'.",
)
@format_option("the measurement document, on one line.")
def command(
    capture: str,
    target: tuple[str, int] | None,
    as_cloud: bool,
    offline: bool,
    stream: int | None,
    verbatim: bool,
    control: str | None,
    port: int | None,
    compare: bool,
    device_key: str | None,
    device_id: str | None,
    yes: bool,
    cloud_key: str | None,
    keys: tuple[str, ...],
    listen: tuple[str, int],
    fault: str | None,
    folder: Path,
    form: str,
) -> ExitCode:
    """Say one side of a recorded handshake again.

    With --to, the device's: its segment sizes and pauses, with a fresh handshake when its key is
    given, else with the recorded bytes, which a cloud must refuse and a middlebox treats alike.
    What the device said after its Hello is never repeated with a fresh key, but one ping.

    With --as-cloud, the cloud's: with a fresh handshake, or --verbatim. With --offline, both, step
    by step, with what each side knew and checked.

    With --to, at most 3 connections for each thing compared, 9 in all, one at a time and 1 second
    apart; at most 16 kB each; pauses over 5 seconds are shortened.
    """
    if (target is not None) + as_cloud + offline != 1:
        raise click.UsageError("say one of --to HOST, --as-cloud, --offline")
    if fault and not as_cloud:
        raise click.UsageError("--fault belongs to --as-cloud")
    if compare and control:
        raise click.UsageError("--compare includes --control random")
    if verbatim and device_key:
        raise click.UsageError("--verbatim needs no --device-key")
    try:
        keyring, notes = load_keys(keys, (cloud_key,) if cloud_key else ())
        for line in notes:
            complaints.note(line)
        found = recorded(capture, keyring=keyring, stream=stream)
        if as_cloud:
            from handshake_probe.cli.replay_cloud import as_cloud as play_cloud

            return play_cloud(found, listen, folder, fault_name=fault, verbatim=verbatim)
        if target is None:
            from handshake_probe.cli.replay_offline import step_through

            return step_through(found, keyring)
        return _to_cloud(
            found,
            target,
            keyring,
            capture=capture,
            verbatim=verbatim,
            control=control,
            port=port,
            compare=compare,
            device_key=device_key,
            device_id=device_id,
            yes=yes,
            form=form,
        )
    except HandshakeProbeError as error:
        return complaints.expected(error, _HELP)


def _to_cloud(
    found: Recorded,
    target: tuple[str, int],
    keyring: Keyring,
    *,
    capture: str,
    verbatim: bool,
    control: str | None,
    port: int | None,
    compare: bool,
    device_key: str | None,
    device_id: str | None,
    yes: bool,
    form: str,
) -> ExitCode:
    from handshake_probe.pipeline.probing import stand_in_settings
    from handshake_probe.pipeline.replaying import replay
    from handshake_probe.probe.replay import MAX_BYTES, OTHER_PORT, RANDOM_CONTROL, REPLAY
    from handshake_probe.probe.replay_run import ReplayPlan

    number = found.connection.stream
    script = found.talk.sayable(Direction.DEVICE_TO_CLOUD, MAX_BYTES)
    if not script:
        raise UnreadableInput(
            f"{capture}: connection {number} holds nothing that the device said; 'probe' asks the "
            "network without a recording"
        )
    settings, used = None, Keyring()
    if device_key is not None:
        cloud = keyring.cloud[:1] or (PARTICLE_CLOUD,)
        known = device_id or found.device.device_id
        if known is None:
            raise KeyFileError("the recording does not show whose it is: give --device-id")
        settings, used, notes = stand_in_settings(device_key, known, Keyring(cloud=cloud))
        for line in notes:
            complaints.note(line)
        if not (yes or agreed(known, "The fresh handshake")):
            return ExitCode.COULD_NOT_RUN
    elif not verbatim and control is None:
        complaints.note("no --device-key: the recorded bytes are sent as they were")
    host, own_port = target
    arms: tuple[str, ...] = (RANDOM_CONTROL,) if control else (REPLAY,)
    if compare:
        arms = (REPLAY, RANDOM_CONTROL, OTHER_PORT)
    elif port is not None and not control:
        arms = (OTHER_PORT,)
    elif port is not None:
        own_port = port
    plan = ReplayPlan(
        host=host,
        port=own_port,
        script=script,
        settings=settings,
        arms=arms,
        other_port=port or CONTROL_PORT,
    )
    code = None
    try:
        measurement = replay(
            plan,
            sha256=found.measurement.source.sha256,
            tell=lambda told: complaints.say(f"{told.arm}: {told.text}"),
            keys=keys_used(used),
        )
    except Interrupted as interrupted:
        measurement, code = interrupted.measurement, ExitCode.INTERRUPTED
    _write(measurement, form)
    return code or exit_code_of(measurement.verdict.cause)


def _write(measurement: Measurement, form: str) -> None:
    if form == "json":
        write_json(measurement, sys.stdout.buffer)
        sys.stdout.flush()
        return
    from handshake_probe.report.terminal import write_text

    write_text(measurement, sys.stdout)
