"""Rules on a recorded connection said again, beside other bytes and another port.

A cloud must refuse bytes that are not fresh: its FIN is the expected answer, and no block. What is
looked for is what became of the bytes themselves. Each comparison takes two runs that agree.

| the recorded part | random bytes, same shape | another port | reading |
|---|---|---|---|
| passes | | | nothing blocked |
| stopped | passes | | by content |
| stopped | stopped | passes | by port |
| stopped | stopped | stopped | by shape, or all payload |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from handshake_probe.diagnose.active.case import ProbeCase
from handshake_probe.diagnose.active.fates import RUNS, Fate, agreed, fate
from handshake_probe.diagnose.active.stand_in import judge_stand_in
from handshake_probe.diagnose.active.vantage import doubted, elsewhere
from handshake_probe.diagnose.active.verdict import ProbeVerdict
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, healthy, undecided
from handshake_probe.model.probed import Connect, Ending, HandshakeProbed, ReplayProbed
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism, Stage
from handshake_probe.protocol.layouts import IDENTITY_SIZE

COMPARE = (
    "`handshake-probe replay CAPTURE --to HOST --compare`: the recorded bytes, random ones and "
    "another port beside each other."
)
SETTLES = "`handshake-probe probe HOST` on the same network: it finds who stops the packets, where."
_BOTH = (Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT)


_STOPPED = (Fate.LOST, Fate.CUT, Fate.RESET, Fate.RESET_EARLY, Fate.NO_GREETING)
_UNCONNECTED = (Fate.SYN_LOST, Fate.REFUSED, Fate.REJECTED)
_BYTES_PASS = (Fate.CARRIED, Fate.UNHEARD)  # for a control: it need not be answered
_ALIVE = (*_BYTES_PASS, Fate.NO_GREETING, Fate.CLOSED_EARLY, Fate.FOREIGN, Fate.REFUSED, Fate.RESET)
_SURE = (Fate.LOST, Fate.CUT)  # the cloud's host never had the bytes
# Stopped before we spoke, so by nothing we said. Not REFUSED: a cloud may just have moved.
_BEFORE_WORDS = (Fate.NO_GREETING, Fate.RESET_EARLY, Fate.REJECTED)
_TOLD = {
    Fate.CARRIED: "passes",
    Fate.UNHEARD: "arrives and is not answered",
    Fate.LOST: "is never acknowledged",
    Fate.CUT: "is cut off by a reset before it arrived",
    Fate.RESET: "is answered by a reset",
    Fate.NO_GREETING: "meets silence: no greeting comes",
    Fate.CLOSED_EARLY: "meets a closed connection",
    Fate.RESET_EARLY: "is cut off by a reset before anything is sent",
    Fate.FOREIGN: "meets somebody who is no cloud",
    Fate.SYN_LOST: "gets no connection: no answer",
    Fate.REFUSED: "gets no connection: refused",
    Fate.REJECTED: "gets no connection: an ICMP error",
    Fate.UNTOLD: "cannot be told",
}
_MECHANISMS = {
    Fate.SYN_LOST: Mechanism.SYN_DROPPED,
    Fate.REFUSED: Mechanism.CONNECTION_REFUSED,
    Fate.REJECTED: Mechanism.ICMP_UNREACHABLE,
    Fate.NO_GREETING: Mechanism.NO_NONCE,
    Fate.RESET_EARLY: Mechanism.RESET_BEFORE_NONCE,
}


def judge_replay(case: ProbeCase) -> ProbeVerdict:
    """Judge one replay."""
    runs = [run for run in case.replays if run.purpose == "replay"]
    judgement = _judge(case)
    aside = elsewhere(case)
    if aside is not None:
        judgement = doubted(judgement, aside)
    target = next((run.target for run in (*runs, *case.replays)), None)
    out = [Cause.NETWORK_BLOCKED] if judgement.clues[0].code in ("HP189", "HP172") else []
    return ProbeVerdict(
        judgement,
        _stage(case),
        (),
        tuple(cause for cause in out if cause not in judgement.candidates),
        target,
    )


def _judge(case: ProbeCase) -> Judgement:
    arms = {
        purpose: tuple(run for run in case.replays if run.purpose == purpose)
        for purpose in ("replay", "random", "other_port")
    }
    own, random, other = (agreed(runs) for runs in arms.values())
    evidence = tuple(run.id for run in case.replays)
    if own is None or own is Fate.UNTOLD:
        return _unsettled(arms["replay"], evidence)
    if own is Fate.CARRIED:
        return _passes(case, arms["replay"])
    if own in (Fate.UNHEARD, Fate.FOREIGN, Fate.CLOSED_EARLY):
        return _unclear(own, evidence)
    if random is None or (random not in _BYTES_PASS and other is None):
        return _unsettled(arms["replay"], evidence, own)
    if random in _BYTES_PASS:
        return _by_content(own, arms["replay"], other, evidence)
    resets = (Fate.CUT, Fate.RESET)
    if other is not None and (random is own or (random in resets and own in resets)):
        own = own if random is own else Fate.RESET
        return _by_port_or_shape(own, arms, other, evidence)
    return _unsettled(arms["replay"], evidence, own, SETTLES)


def _passes(case: ProbeCase, runs: Sequence[ReplayProbed]) -> Judgement:
    evidence = tuple(run.id for run in runs)
    fresh = [run for run in runs if run.content == "fresh"]
    beyond = _by_handshakes(case.handshakes) if fresh else None
    what = "A fresh handshake" if fresh else "The recorded part"
    ending = "; the cloud closed it, as it must" if not fresh and _closed(runs) else ""
    clue = Clue(
        "HP189", f"{what} arrived whole in {len(runs)} of {len(runs)} runs{ending}.", evidence
    )
    if beyond is not None:
        return _with(beyond, clue)
    return healthy(
        clue,
        "The network carries what the recorded device sent, by its content as by its port, size "
        "and timing. Whether the cloud likes this device is not tested by that.",
    )


def _by_handshakes(handshakes: Sequence[HandshakeProbed]) -> Judgement | None:
    """What the fresh handshakes say when they agree."""
    judged = [judge_stand_in(handshake) for handshake in handshakes]
    found = [item for item in judged if item is not None]
    if len(found) < max(RUNS, len(judged)) or len({item.mechanism for item in found}) > 1:
        return None
    return found[0]


def _with(judgement: Judgement, *clues: Clue) -> Judgement:
    return replace(judgement, clues=(*judgement.clues, *clues))


def _closed(runs: Sequence[ReplayProbed]) -> bool:
    return all(run.ended_by is Ending.CLOSED for run in runs)


def _unclear(own: Fate, evidence: tuple[str, ...]) -> Judgement:
    clue = Clue("HP190", f"The recorded part {_TOLD[own]}.", evidence, Confidence.POSSIBLE)
    return undecided(
        _BOTH,
        Mechanism.IDENTITY_UNANSWERED if own is Fate.UNHEARD else Mechanism.NO_NONCE,
        clue,
        f"The recorded part {_TOLD[own]}: that is neither what a cloud does nor a clear block.",
        SETTLES,
    )


def _unsettled(
    runs: Sequence[ReplayProbed],
    evidence: tuple[str, ...],
    own: Fate | None = None,
    settles: str = COMPARE,
) -> Judgement:
    if own is not None:
        text = f"The recorded part {_TOLD[own]}; the controls are missing, or do not agree."
    elif len(runs) < RUNS:
        text = f"{len(runs)} run of the recorded part is too little: two must agree."
    elif len({fate(run) for run in runs}) == 1:
        text = "Whether the recorded part arrives cannot be told."
    else:
        told = ", ".join(dict.fromkeys(_TOLD[fate(run)] for run in runs))
        text = f"The runs of the recorded part do not agree: it {told}."
    return undecided(
        (*_BOTH, Cause.HEALTHY),
        _mechanism(own, runs) if own else Mechanism.NO_TRAFFIC,
        Clue("HP190", text, evidence, Confidence.POSSIBLE),
        text,
        settles,
    )


def _by_content(
    own: Fate, runs: Sequence[ReplayProbed], other: Fate | None, evidence: tuple[str, ...]
) -> Judgement:
    elsewhere_too = {
        None: "",
        True: " So it is on the other port.",
        False: " The same bytes pass on the other port.",
    }[None if other is None else other in _STOPPED]
    if other is not None and other not in (*_STOPPED, *_BYTES_PASS):
        elsewhere_too = ""
    clue = Clue(
        "HP186",
        f"What the device sent {_TOLD[own]}; random bytes of the same sizes, at the same times and "
        f"on the same port pass.{elsewhere_too}",
        evidence,
        Confidence.LIKELY,
    )
    summary = (
        "Something reads what is sent: the same shape with other bytes gets through to the cloud's "
        "port, the recorded part does not."
    )
    if own not in _SURE:
        return undecided(
            _BOTH,
            _mechanism(own, runs),
            clue,
            f"{summary} The bytes did arrive, so the cloud itself may have answered like that.",
            SETTLES,
        )
    return caused(
        Cause.NETWORK_BLOCKED,
        _mechanism(own, runs),
        clue,
        summary,
        others=(Cause.SERVER_FAULT,),
        assumption="that the cloud itself does not reset what it refuses before it has read it",
    )


def _by_port_or_shape(
    own: Fate,
    arms: dict[str, tuple[ReplayProbed, ...]],
    other: Fate,
    evidence: tuple[str, ...],
) -> Judgement:
    runs = arms["replay"]
    port = runs[0].target.rpartition(":")[2]
    other_port = arms["other_port"][0].target.rpartition(":")[2]
    both = f"The recorded part and random bytes fare alike on port {port}: each {_TOLD[own]}"
    if other in _BYTES_PASS or (own in _UNCONNECTED and other in _ALIVE and other is not own):
        clue = Clue(
            "HP187",
            f"{both}. On port {other_port} the recorded part {_TOLD[other]}.",
            evidence,
            Confidence.LIKELY,
        )
        summary = (
            f"Port {port} itself is stopped, whatever is sent there; port {other_port} is not."
        )
        greeted = all(run.first is not None and run.first.is_nonce for run in arms["other_port"])
        if own in (*_SURE, Fate.SYN_LOST) or (greeted and own in _BEFORE_WORDS):
            return caused(
                Cause.NETWORK_BLOCKED,
                _mechanism(own, runs),
                clue,
                summary,
                others=(Cause.SERVER_FAULT,),
                assumption=f"that the cloud's own host serves port {port} to everybody else",
            )
        return undecided(
            _BOTH,
            _mechanism(own, runs),
            clue,
            f"{summary} That may be the network, or the cloud's own host.",
            SETTLES,
        )
    if own in _SURE and other in _SURE:
        clue = Clue(
            "HP188",
            f"{both}, and so it is on port {other_port}: neither content nor port decides.",
            evidence,
            Confidence.LIKELY,
        )
        return caused(
            Cause.NETWORK_BLOCKED,
            _mechanism(own, runs),
            clue,
            "Connections come up, and what is sent on them in the shape of a handshake does not "
            "arrive, whatever the content and the port.",
            others=(Cause.SERVER_FAULT,),
            assumption="that the cloud's host itself takes data",
        )
    return _unsettled(runs, evidence, own, SETTLES)


def _mechanism(own: Fate, runs: Sequence[ReplayProbed]) -> Mechanism:
    sent = max((run.sent for run in runs), default=0)
    if own is Fate.LOST:
        return Mechanism.IDENTITY_DROPPED if sent <= IDENTITY_SIZE else Mechanism.RECORD_DROPPED
    if own in (Fate.CUT, Fate.RESET):
        if sent <= IDENTITY_SIZE:
            return Mechanism.RESET_AFTER_IDENTITY
        return Mechanism.RESET_AFTER_CREDENTIALS
    return _MECHANISMS.get(own, Mechanism.NO_TRAFFIC)


def _stage(case: ProbeCase) -> Stage:
    stages = [handshake.stage for handshake in case.handshakes]
    for run in case.replays:
        if run.purpose == "other_port":
            continue
        if run.outcome is not Connect.CONNECTED:
            sent = run.outcome is not Connect.NOT_SENT
            stages.append(Stage.TCP_SYN if sent else Stage.NONE)
        elif run.first is None or not run.first.is_nonce:
            stages.append(Stage.TCP_ESTABLISHED)
        else:
            spoke = run.sent >= IDENTITY_SIZE
            stages.append(Stage.IDENTITY_SENT if spoke else Stage.NONCE_RECEIVED)
    return max(stages, key=lambda stage: stage.order, default=Stage.NONE)
