"""The same for the codes of a probe, alone and beside a capture: reached, nearly, too thinly.

A probe's stories are its observations; no wire stands behind them here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from coverage_cases import Case
from coverage_network import SYN_DROPPED
from coverage_parts import ANEW
from coverage_peers import STUCK
from handshake_probe.lab.memory.cast import device_id
from handshake_probe.model.measurement import Measurement
from handshake_probe.model.observation import Observation
from handshake_probe.model.probed import Connect, Delivery, Ending, Lookup, PacketsRecorded
from handshake_probe.model.vocabulary import Cause, Mechanism, Stage
from probed import (
    control,
    identity,
    idle,
    lookup,
    measured,
    nonce,
    public,
    stand_in,
    tcp,
    udp,
    vantage,
)

T, NOT_SENT = Connect.TIMEOUT, Connect.NOT_SENT
SECOND_ADDRESS, SECOND_RESOLVER = "198.51.100.8:5683", "192.168.1.9"
OTHER_DAY = "2023-11-16T08:00:00.000000Z"  # the in-memory path's stories are on November 14
C, M = Cause, Mechanism


@dataclass(frozen=True)
class ProbeTold:
    """The three stories of one code of a probe, and the verdict of the first."""

    cause: Cause
    mechanism: Mechanism | None
    reached: Measurement
    near: Measurement
    thin: Measurement


@dataclass(frozen=True)
class JointTold:
    """A capture beside a probe that changes what is made of it, nearly does, or cannot."""

    cause: Cause
    mechanism: Mechanism
    capture: Case
    reached: Measurement
    near: Measurement
    thin: Measurement


def run(*told: Observation, seen: Observation | None = None) -> Measurement:
    """A probe from here that was told the cloud's address."""
    return measured(seen or vantage(), lookup(), *told)


def names(*told: Observation, then: Sequence[Observation] = ()) -> Measurement:
    """A probe with these look-ups."""
    return measured(vantage(), *told, *(then or OPEN))


def random_name(outcome: Lookup) -> Observation:
    return lookup(outcome, name="x.example.com", purpose="random")


def internet(outcome: Connect) -> Observation:
    return tcp(outcome, target="8.8.8.8:53", purpose="internet_test")


def recorded(**facts: Any) -> Observation:
    return PacketsRecorded(id="", **facts)


OPEN = (nonce("a"), identity("b"))
SILENT = (tcp(T), tcp(T))
PASSES, BLOCKED = run(*OPEN), run(*SILENT)
THROUGH_TUNNEL = run(*OPEN, seen=vantage(through_tunnel=True, interface="tun0"))
DTLS = "dtls_client_hello"

PROBES: dict[str, ProbeTold] = {
    "HP160": ProbeTold(
        C.INCONCLUSIVE,
        M.OTHER_PATH,
        THROUGH_TUNNEL,
        run(*OPEN, seen=vantage(tunnels=["tun0"])),
        measured(lookup(), *OPEN),
    ),
    "HP161": ProbeTold(
        C.INCONCLUSIVE,
        M.NO_TRAFFIC,
        run(tcp(NOT_SENT), tcp(NOT_SENT)),
        run(nonce("a"), nonce("b")),
        run(tcp(NOT_SENT), nonce("b")),
    ),
    "HP162": ProbeTold(
        C.HEALTHY,
        None,
        PASSES,
        run(nonce("a"), nonce("a")),
        run(
            nonce("a"),
            identity("b", delivery=Delivery.UNKNOWN, ended_by=Ending.SILENCE, ended_after=None),
        ),
    ),
    "HP163": ProbeTold(
        C.HEALTHY,
        None,
        names(lookup(), random_name(Lookup.ANSWERED)),
        names(lookup(), random_name(Lookup.NXDOMAIN)),
        names(lookup(), random_name(Lookup.TIMEOUT)),
    ),
    "HP164": ProbeTold(
        C.HEALTHY,
        None,
        names(lookup(), lookup(Lookup.TIMEOUT, resolver=SECOND_RESOLVER)),
        names(lookup(), lookup(resolver=SECOND_RESOLVER)),
        names(lookup()),
    ),
    "HP165": ProbeTold(
        C.NETWORK_BLOCKED,
        M.SYN_DROPPED,
        run(*SILENT, control()),
        run(*SILENT, control(T)),
        run(*OPEN),
    ),
    "HP167": ProbeTold(
        C.INCONCLUSIVE,
        M.SYN_DROPPED,
        run(*OPEN, tcp(T, target=SECOND_ADDRESS)),
        run(*OPEN, nonce("c", target=SECOND_ADDRESS)),
        run(*OPEN),
    ),
    "HP168": ProbeTold(
        C.HEALTHY, None, run(tcp(T), *OPEN), run(nonce("c"), *OPEN), run(nonce("c"))
    ),
    "HP169": ProbeTold(
        C.HEALTHY,
        None,
        run(*OPEN, udp(DTLS, "silent")),
        run(*OPEN, udp(DTLS, "answered")),
        run(*OPEN, udp(DTLS, "not_sent")),
    ),
    "HP170": ProbeTold(
        C.HEALTHY,
        None,
        run(*OPEN, udp(DTLS, "answered")),
        run(*OPEN, udp(DTLS, "silent")),
        run(*OPEN, udp(DTLS, "not_sent")),
    ),
    "HP171": ProbeTold(
        C.HEALTHY,
        None,
        run(*OPEN, internet(Connect.CONNECTED)),
        run(*OPEN, internet(T)),
        run(*OPEN, internet(NOT_SENT)),
    ),
    "HP172": ProbeTold(
        C.HEALTHY,
        None,
        run(*OPEN, stand_in(Stage.SESSION)),
        run(*OPEN, stand_in(Stage.HELLO_SENT)),
        run(*OPEN),
    ),
    "HP173": ProbeTold(
        C.HEALTHY,
        None,
        run(*OPEN, idle(60, True)),
        run(*OPEN, idle(60, False)),
        run(*OPEN, idle(60, None)),
    ),
    "HP174": ProbeTold(
        C.NETWORK_BLOCKED,
        M.IDLE_TIMEOUT,
        run(*OPEN, idle(10, True), idle(14, False)),
        run(*OPEN, idle(10, True), idle(14, True)),
        run(*OPEN, idle(10, True), idle(14, None)),
    ),
    "HP175": ProbeTold(
        C.HEALTHY,
        None,
        run(*OPEN, recorded(refused="no permission")),
        run(*OPEN, recorded(file="probe.pcap")),
        run(*OPEN),
    ),
    "HP178": ProbeTold(
        C.NETWORK_BLOCKED,
        M.SYN_DROPPED,
        run(*SILENT, public(Lookup.TIMEOUT)),
        run(*SILENT, public()),
        run(*OPEN),
    ),
    "HP179": ProbeTold(
        C.INCONCLUSIVE,
        M.NO_IPV4,
        measured(vantage(ip_versions=[6]), lookup(Lookup.TIMEOUT)),
        measured(vantage(ip_versions=[4, 6]), lookup(Lookup.TIMEOUT)),
        measured(vantage(ip_versions=None), lookup(), *OPEN),
    ),
}


def of_the_device(stage: Stage) -> Measurement:
    return run(*OPEN, msgspec.structs.replace(stand_in(stage), device_id=device_id("device")))


def at_another_time(probe: Measurement) -> Measurement:
    source = msgspec.structs.replace(probe.source, first=OTHER_DAY, last=OTHER_DAY)
    return msgspec.structs.replace(probe, source=source)


JOINT: dict[str, JointTold] = {
    "HP180": JointTold(
        C.NETWORK_BLOCKED,
        M.DEVICE_SINGLED_OUT,
        SYN_DROPPED,
        PASSES,
        BLOCKED,
        THROUGH_TUNNEL,
    ),
    "HP181": JointTold(
        C.NETWORK_BLOCKED,
        M.SYN_DROPPED,
        SYN_DROPPED,
        at_another_time(PASSES),
        PASSES,
        at_another_time(THROUGH_TUNNEL),
    ),
    "HP182": JointTold(
        C.NETWORK_BLOCKED,
        M.SYN_DROPPED,
        SYN_DROPPED,
        BLOCKED,
        PASSES,
        run(tcp(NOT_SENT)),
    ),
    "HP183": JointTold(C.SERVER_FAULT, M.PING_UNANSWERED, STUCK, PASSES, BLOCKED, THROUGH_TUNNEL),
    "HP184": JointTold(
        C.DEVICE_KEY_CORRUPTION,
        M.CREDENTIALS_REFUSED,
        ANEW,
        of_the_device(Stage.SESSION),
        of_the_device(Stage.HELLO_SENT),
        PASSES,
    ),
}
