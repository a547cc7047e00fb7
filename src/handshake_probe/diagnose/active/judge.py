"""From a probe's observations to its verdict: DNS, then each address, then what was done beyond."""

from __future__ import annotations

from dataclasses import replace

from handshake_probe.diagnose.active import extras, lookups
from handshake_probe.diagnose.active.carried import judge_connected
from handshake_probe.diagnose.active.case import Address, ProbeCase
from handshake_probe.diagnose.active.connect import judge_unconnected
from handshake_probe.diagnose.active.lookups import judge_lookups
from handshake_probe.diagnose.active.stand_in import judge_stand_in
from handshake_probe.diagnose.active.vantage import (
    doubted,
    elsewhere,
    ipv6_alone,
    not_connected,
    without_ipv4,
)
from handshake_probe.diagnose.active.verdict import ProbeVerdict
from handshake_probe.diagnose.judgement import Clue, Judgement, undecided
from handshake_probe.model.vocabulary import SEVERITY_ORDER, Cause, Confidence, Mechanism, Stage

_KEYS = (Cause.SERVER_KEY_MISMATCH, Cause.DEVICE_KEY_CORRUPTION, Cause.DEVICE_UNKNOWN)


def judge_probe(case: ProbeCase) -> ProbeVerdict:
    """Judge one run."""
    judgement, address = _judge(case)
    aside = elsewhere(case)
    if aside is not None and judgement.mechanism is not Mechanism.NO_TRAFFIC:
        judgement = doubted(judgement, aside)
    stage = _stage(case, judgement, address)
    said = {clue.code for clue in judgement.clues}
    alien = ipv6_alone(case)
    remarks = (*lookups.remarks(case), *extras.remarks(case), *([alien] if alien else []))
    return ProbeVerdict(
        judgement,
        stage,
        tuple(clue for clue in remarks if clue.code not in said or clue.code == "HP165"),
        _ruled_out(case, judgement),
        address.target if address else None,
    )


def _judge(case: ProbeCase) -> tuple[Judgement, Address | None]:
    nothing = without_ipv4(case) or not_connected(case)
    if nothing is not None:
        return nothing, None
    blocked = judge_lookups(case)
    if blocked is not None:
        return blocked, None
    if not case.addresses:
        return _untested(case), None
    judged = [(_judge_address(case, address), address) for address in case.addresses]
    judgement, address = _combined(judged)
    if judgement.cause is Cause.HEALTHY:
        for handshake in case.handshakes:
            beyond = judge_stand_in(handshake)
            if beyond is not None:
                judgement = replace(beyond, clues=(*beyond.clues, *judgement.clues))
        idle = extras.judge_idle(case)
        if idle is not None and judgement.cause is Cause.HEALTHY:
            judgement = replace(idle, clues=(*idle.clues, *judgement.clues))
    return judgement, address


def _judge_address(case: ProbeCase, address: Address) -> Judgement:
    return (judge_connected if address.connected else judge_unconnected)(case, address)


def _combined(judged: list[tuple[Judgement, Address]]) -> tuple[Judgement, Address]:
    """The verdict over all addresses: a device takes any of them."""
    # What may as well be healthy was tried too little: it has not failed.
    failed = [item for item in judged if Cause.HEALTHY not in item[0].candidates]
    if not failed:
        return min(judged, key=lambda item: item[0].cause is not Cause.HEALTHY)
    worst = min(
        failed,
        key=lambda item: (
            item[0].confidence is not Confidence.PROVEN,
            SEVERITY_ORDER.index(item[0].cause),
        ),
    )
    well = [item for item in judged if item[0].cause is Cause.HEALTHY]
    judgement, address = worst
    if not well or judgement.confidence is Confidence.PROVEN:
        return worst
    mixed = undecided(
        tuple(c for c in dict.fromkeys((*judgement.candidates, Cause.HEALTHY))),
        judgement.mechanism or Mechanism.NO_TRAFFIC,
        Clue(
            "HP167",
            f"{len(failed)} of {len(judged)} addresses of the cloud fail, the others carry the "
            "handshake.",
            tuple(clue.evidence[0] for item, _ in judged for clue in item.clues[:1]),
        ),
        f"Some of the cloud's addresses work and {address.target} does not: a device that takes "
        "it fails at times.",
        "The same probe from another network (a phone hotspot): "
        "if the same address fails there, the cloud is to blame.",
        *judgement.clues,
    )
    return mixed, address


def _untested(case: ProbeCase) -> Judgement:
    return undecided(
        (Cause.NETWORK_BLOCKED, Cause.HEALTHY),
        Mechanism.NO_TRAFFIC,
        Clue(
            "HP161",
            "No address of the cloud was tried.",
            tuple(q.id for q in case.lookups[:4]),
        ),
        "The cloud's port was not tested.",
        "Probe again, and let it run to the end.",
    )


def _stage(case: ProbeCase, judgement: Judgement, address: Address | None) -> Stage:
    """How far the handshake came on the address that the verdict is about."""
    if address is None:
        return Stage.DNS if case.lookups else Stage.NONE
    stages = [h.stage for h in case.handshakes if judgement.clues[0].evidence[:1] == (h.id,)]
    if address.with_nonce:
        spoke = any(a.sent == "identity" for a in address.with_nonce)
        stages.append(Stage.IDENTITY_SENT if spoke else Stage.NONCE_RECEIVED)
    elif address.connected:
        stages.append(Stage.TCP_ESTABLISHED)
    else:
        stages.append(Stage.TCP_SYN)
    return max(stages, key=lambda stage: stage.order)


def _ruled_out(case: ProbeCase, judgement: Judgement) -> tuple[Cause, ...]:
    out: set[Cause] = set()
    if judgement.cause is Cause.HEALTHY and judgement.confidence is Confidence.PROVEN:
        out |= {Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT}
    if judgement.cause in _KEYS or judgement.mechanism is Mechanism.IDENTITY_REFUSED:
        out.add(Cause.NETWORK_BLOCKED)
    if any(h.stage is Stage.SESSION for h in case.handshakes):
        out |= {Cause.DEVICE_UNKNOWN, Cause.NETWORK_BLOCKED}
    return tuple(c for c in Cause if c in out and c not in judgement.candidates)
