"""`probe`: asks the network from this machine."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from handshake_probe.cli import complaints
from handshake_probe.cli.consent import agreed
from handshake_probe.cli.exits import ExitCode, exit_code_of, merged
from handshake_probe.cli.options import FILE, format_option
from handshake_probe.cli.phrases import device_os_option, led_option, phrase_of
from handshake_probe.cli.report_option import report_option, report_to
from handshake_probe.cli.root import examples
from handshake_probe.cli.targets import Address, Target
from handshake_probe.errors import HandshakeProbeError
from handshake_probe.keys.keyring import Keyring
from handshake_probe.keys.particle import PARTICLE_CLOUD, PARTICLE_NAMES, is_particle_name
from handshake_probe.model.measurement import Measurement
from handshake_probe.pipeline import Interrupted, keys_used, load_keys
from handshake_probe.pipeline.probing import probe, stand_in_settings
from handshake_probe.pipeline.rejudging import diagnose
from handshake_probe.pipeline.symptoms import Led, judge_led
from handshake_probe.probe.endpoint import Endpoint
from handshake_probe.probe.plan import CLOUD_PORT, CONTROL_PORT, PUBLIC_RESOLVERS, Plan
from handshake_probe.protocol.device_os import DeviceOs
from handshake_probe.report.json_lines import write_json

_HELP = "handshake-probe probe --help"


@click.command(
    "probe",
    epilog=examples(
        "probe",
        "probe --device 192.168.1.23 --capture probe.pcap",
        "probe cloud.example:5683 --cloud-key cloud.pub.pem",
        "probe --device-key photon.der --device-id DEVICE_ID",
        'probe --led "cyan, one red flash" --report report.html',
        "probe --plan",
    ),
)
@click.argument("host", metavar="[HOST[:PORT]]", type=Target(CLOUD_PORT), required=False)
@click.option("--plan", "only_plan", is_flag=True, help="Say what would be sent; send nothing.")
@click.option(
    "--device",
    metavar="ADDRESS",
    type=Address(),
    help="The device's address: to see whether this machine is in its network.",
)
@click.option(
    "--cloud-key",
    metavar="FILE",
    type=FILE,
    help="The cloud's public key, for a cloud of your own; Particle's is built in.",
)
@click.option("--no-identity", is_flag=True, help="Do not send a made-up device's identity.")
@click.option(
    "--control",
    "controls",
    metavar="HOST:PORT",
    type=Target(CLOUD_PORT),
    multiple=True,
    help="Another host to compare with, by address; may be repeated.",
)
@click.option(
    "--control-port",
    metavar="N",
    type=click.IntRange(1, 65535),
    default=CONTROL_PORT,
    show_default=True,
    help="The port of the cloud's own host to compare with.",
)
@click.option(
    "--public-resolver",
    "public",
    metavar="ADDRESS",
    type=Address(),
    multiple=True,
    help=f"A public DNS server to compare with; may be repeated. Without it:"
    f" {', '.join(PUBLIC_RESOLVERS)}.",
)
@click.option("--no-public-resolvers", is_flag=True, help="Ask only this network's DNS servers.")
@click.option(
    "--device-internet-test",
    "internet_test",
    is_flag=True,
    help="Also what the firmware tries after a failure: 8.8.8.8:53 and pool.ntp.org.",
)
@click.option(
    "--device-key",
    metavar="FILE",
    type=FILE,
    help="The device's private key: do the whole handshake in its place. Asks first.",
)
@click.option("--device-id", metavar="ID", help="The device's id, 24 hex digits.")
@click.option("--yes", is_flag=True, help="Do not ask before the stand-in handshake.")
@click.option(
    "--idle",
    metavar="SECONDS",
    type=click.FloatRange(10, 7200),
    help="Find how long the path keeps a silent connection, up to this; takes about twice that.",
)
@click.option(
    "--capture",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Record the probe's own packets there and use them as evidence.",
)
@led_option("judged beside the probe")
@device_os_option(", for --led")
@format_option("the measurement document, on one line.")
@report_option
def command(
    host: tuple[str, int] | None,
    only_plan: bool,
    device: str | None,
    cloud_key: str | None,
    no_identity: bool,
    controls: tuple[tuple[str, int], ...],
    control_port: int,
    public: tuple[str, ...],
    no_public_resolvers: bool,
    internet_test: bool,
    device_key: str | None,
    device_id: str | None,
    yes: bool,
    idle: float | None,
    capture: Path | None,
    led: str | None,
    version: DeviceOs | None,
    form: str,
    report: Path | None,
) -> ExitCode:
    """Ask from this machine whether the network carries the cloud handshake.

    Run it in the device's own network. HOST is Particle's cloud unless you name another. It takes
    some 5 seconds where all is well, and about 30 where something is blocked. At most 3
    connections to each of at most 4 addresses of the cloud, 2 to each control, and 64 SYNs to
    find where something is blocked; --plan shows all limits.
    """
    name, port = host or (PARTICLE_NAMES[0], CLOUD_PORT)
    if no_public_resolvers and public:
        raise click.UsageError("--public-resolver and --no-public-resolvers exclude each other")
    if (device_key is None) is not (device_id is None):
        raise click.UsageError("--device-key and --device-id belong together")
    phrase = None
    if led is not None and (phrase := phrase_of(led)) is None:
        return ExitCode.UNUSABLE
    try:
        keyring = _cloud_keys(cloud_key)
        plan = Plan(
            host=name,
            port=port,
            control_port=control_port,
            public_resolvers=() if no_public_resolvers else public or PUBLIC_RESOLVERS,
            other_hosts=tuple(Endpoint(*control) for control in controls),
            identity=None if no_identity else keyring.cloud[0].n,
            internet_test=internet_test,
            device=device,
            idle=idle,
        )
        if device_key is not None and device_id is not None:
            settings, keyring, notes = stand_in_settings(device_key, device_id, keyring)
            for line in notes:
                complaints.note(line)
            plan = replace(plan, stand_in=settings)
    except HandshakeProbeError as error:
        return complaints.expected(error, _HELP)
    if only_plan:
        _show_plan(plan)
        return ExitCode.HEALTHY
    if plan.stand_in is not None and not (yes or agreed(plan.stand_in.device_id)):
        return ExitCode.COULD_NOT_RUN
    if not is_particle_name(name) and cloud_key is None and not no_identity:
        complaints.note(
            f"{name} is no name of Particle's: the made-up identity is encrypted with Particle's "
            "key all the same (--cloud-key names another)"
        )
    seen = None if phrase is None else Led(phrase, version)
    return _run(plan, keyring, capture, seen, form, report)


def _cloud_keys(cloud_key: str | None) -> Keyring:
    """The key to encrypt a made-up identity with."""
    if cloud_key is None:
        return Keyring(cloud=(PARTICLE_CLOUD,))
    keyring, _ = load_keys((), (cloud_key,))
    return keyring


def _show_plan(plan: Plan) -> None:
    from handshake_probe.probe.system_names import system_resolvers
    from handshake_probe.report.probe_plan import write_plan

    write_plan(plan.limits(system_resolvers().addresses), sys.stdout)


def _run(
    plan: Plan,
    keyring: Keyring,
    capture: Path | None,
    led: Led | None,
    form: str,
    report: Path | None,
) -> ExitCode:
    from handshake_probe.cli.checklist import checklist

    code = None
    try:
        with checklist(sys.stderr) as tell:
            measurement = probe(plan, tell=tell, keys=keys_used(keyring), capture=capture)
    except Interrupted as interrupted:
        measurement, code = interrupted.measurement, ExitCode.INTERRUPTED
    except HandshakeProbeError as error:
        return complaints.expected(error, _HELP)
    measured = [measurement] if led is None else diagnose([measurement, judge_led(led)])
    for number, document in enumerate(measured):
        _write(document, form, apart=number > 0)
    if code is ExitCode.INTERRUPTED:
        complaints.say("interrupted: this is the verdict over what was known")
    codes = [exit_code_of(document.verdict.cause) for document in measured]
    return merged((*([code] if code else codes), *report_to(report, measured)))


def _write(measurement: Measurement, form: str, *, apart: bool) -> None:
    if form == "json":
        write_json(measurement, sys.stdout.buffer)
        sys.stdout.flush()
        return
    from handshake_probe.report.terminal import write_text

    if apart:
        sys.stdout.write("\n")
    write_text(measurement, sys.stdout)
