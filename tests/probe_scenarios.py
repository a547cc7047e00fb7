"""What a probe on a laptop beside the device has to say in each scenario of the laboratory."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from handshake_probe.lab import staging
from handshake_probe.lab.scenario import Device, Scenario, Shaper
from handshake_probe.lab.scenario_files import FOLDER, read_scenario
from handshake_probe.model.measurement import Measurement, from_json

# Root without any capability may send what any user may, and can read this interpreter's files.
UNPRIVILEGED = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
_PROBE = (sys.executable, "-m", "handshake_probe", "probe", "--format", "json")


@dataclass(frozen=True)
class Expected:
    """What is true for the laptop; a mechanism or hop of None is not looked at."""

    cause: str
    stage: str
    mechanism: str | None = None
    hop: int | None = None
    arguments: tuple[str, ...] = ()
    with_packets: str | None = None  # the cause when the probe records its own packets
    also: tuple[str, ...] = ()  # causes that are right as well: what is timed may come first


OPEN = Expected("healthy", "identity_sent")
UNDECIDED = "inconclusive"
NETWORK = "network_blocked"
DEVICE = ("--device", "192.168.1.2")

EXPECTED: dict[str, Expected] = {
    "address-dropped": Expected(NETWORK, "tcp_syn", "syn_dropped"),
    "banned-after-two": replace(OPEN, also=(UNDECIDED,)),
    "cloud-refuses": Expected("server_fault", "tcp_syn", "connection_refused"),
    "cloud-silent": Expected(UNDECIDED, "tcp_established", "no_nonce"),
    "device-elsewhere": Expected(NETWORK, "tcp_syn", "icmp_prohibited", 2),
    "dns-no-ipv4": Expected(NETWORK, "dns", "dns_no_address"),
    "dns-outside-hijacked": Expected(NETWORK, "dns", "dns_sinkhole"),
    "dns-nxdomain": Expected(NETWORK, "dns", "dns_refused"),
    "dns-silent": Expected(NETWORK, "dns", "dns_no_answer"),
    "dns-sinkhole": Expected(NETWORK, "dns", "dns_sinkhole"),
    "dns-two-answers": Expected(NETWORK, "dns", "dns_sinkhole"),
    "identity-dropped": Expected(NETWORK, "identity_sent", "identity_dropped", 2),
    # Made by the last router, a reset is as far away as the cloud's.
    "identity-rejected": Expected(
        UNDECIDED, "identity_sent", "reset_after_identity", with_packets=NETWORK
    ),
    "internet-blocked": Expected(NETWORK, "tcp_syn", "syn_dropped"),
    "ipv6-device-knows-ipv4-only": Expected(UNDECIDED, "dns", "no_ipv4", also=("healthy",)),
    "ipv6-identity-dropped": Expected(NETWORK, "identity_sent", "identity_dropped"),
    "ipv6-portal-redirects": Expected(NETWORK, "tcp_established", "foreign_nonce"),
    "ipv6-rejected-by-icmp": Expected(NETWORK, "tcp_syn", "icmp_prohibited"),
    # As in `resets-injected`.
    "ipv6-resets-injected": Expected(
        NETWORK, "identity_sent", "reset_after_identity", also=(UNDECIDED,)
    ),
    "laptop-behind-vpn": Expected(UNDECIDED, "identity_sent", "other_path"),
    "laptop-in-guest-network": Expected(UNDECIDED, "tcp_syn", "other_path", arguments=DEVICE),
    "nonce-dropped": Expected(UNDECIDED, "tcp_established", "no_nonce"),
    "path-dies-in-session": replace(OPEN, also=(NETWORK, UNDECIDED)),
    "portal-redirects": Expected(NETWORK, "tcp_established", "foreign_nonce", 1),
    "proxy-accepts-silently": Expected(NETWORK, "tcp_established", "accepted_on_behalf", 1),
    "proxy-answers-identity": Expected(NETWORK, "identity_sent", "foreign_nonce", 1),
    "proxy-closes-at-once": Expected(NETWORK, "tcp_established", "accepted_on_behalf", 1),
    # Beside the path: the router's own answer may come first, and then the next hop is in doubt,
    # in one probe of thirty so much that nobody is accused.
    "resets-injected": Expected(
        NETWORK,
        "identity_sent",
        "reset_after_identity",
        with_packets=NETWORK,
        also=(UNDECIDED,),
    ),
    "session-reset-by-gateway": replace(OPEN, also=(NETWORK, UNDECIDED)),
    "syn-dropped": Expected(NETWORK, "tcp_syn", "syn_dropped", 2),
    "syn-dropped-without-icmp": Expected(NETWORK, "tcp_syn", "syn_dropped"),
    "syn-rejected-as-port-unreachable": Expected(NETWORK, "tcp_syn", "icmp_prohibited", 1),
    "syn-rejected-by-icmp": Expected(NETWORK, "tcp_syn", "icmp_prohibited", 2),
    "syn-reset-by-gateway": Expected(NETWORK, "tcp_syn", "syn_reset"),
}


def expected_of(name: str) -> Expected:
    """What is not in the table lets a probe through: what fails there is the device's alone."""
    return EXPECTED.get(name, OPEN)


async def probe_in(
    name: str,
    folder: Path,
    *,
    loss: float = 0.0,
    packets: bool = False,
    arguments: tuple[str, ...] = (),
) -> Measurement:
    """Run a scenario, its device silent, and the probe on its laptop; unprivileged, if it can be.

    Args:
        name: Of the scenario.
        folder: An empty one.
        loss: On the cloud's cable, either way, by chance.
        packets: Whether the probe records its own packets, which takes a privilege.
        arguments: Of the probe.
    """
    scenario = silent(read_scenario(FOLDER / f"{name}.toml"))
    if loss and scenario.routers:
        scenario = replace(scenario, shaper=replace(scenario.shaper or Shaper(), loss=loss))
    recording = ("--capture", str(folder / "own.pcap")) if packets else ()
    command = (*_PROBE, *expected_of(name).arguments, *recording, *arguments)
    await staging.run(scenario, folder, laptop=command if packets else (*UNPRIVILEGED, *command))
    said = (folder / "laptop.stdout").read_bytes()
    assert said, (folder / "laptop.stderr").read_text()
    return from_json(said.strip())


def silent(scenario: Scenario) -> Scenario:
    """The same network with a device that does nothing: what it did would count as ours."""
    return replace(scenario, devices=(Device(runs=0, seen=False),))


def disagreement(name: str, measurement: Measurement, *, packets: bool = False) -> str | None:
    """Say how a verdict differs from what is true; None when it does not."""
    expected, verdict = expected_of(name), measurement.verdict
    cause = expected.with_packets or expected.cause if packets else expected.cause
    told = json.dumps(
        [verdict.cause, verdict.mechanism, verdict.stage, verdict.blocker and verdict.blocker.hop]
    )
    if verdict.cause in expected.also:
        return None
    if verdict.cause != cause:
        return f"{name}: {told} for {cause}"
    if verdict.stage != expected.stage:
        return f"{name}: {told} for stage {expected.stage}"
    if cause == expected.cause and expected.mechanism not in (None, verdict.mechanism):
        return f"{name}: {told} for {expected.mechanism}"
    hop = verdict.blocker.hop if verdict.blocker else None
    if not packets and expected.hop not in (None, hop):
        return f"{name}: {told} for hop {expected.hop}"
    return None


def accuses_wrongly(name: str, measurement: Measurement) -> bool:
    """Whether a verdict names a cause that is not there."""
    expected, cause = expected_of(name), measurement.verdict.cause
    return cause not in (
        expected.cause,
        expected.with_packets,
        *expected.also,
        UNDECIDED,
        "healthy",
    )
