"""Judges one connection: path rules first, then the rules of the stage it reached."""

from __future__ import annotations

from collections.abc import Callable

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.judge_connect import judge_connect
from handshake_probe.diagnose.judge_credentials import judge_credentials
from handshake_probe.diagnose.judge_hello import judge_hello
from handshake_probe.diagnose.judge_icmp import blocking_icmp, judge_icmp
from handshake_probe.diagnose.judge_identity import judge_identity
from handshake_probe.diagnose.judge_nonce import (
    judge_foreign_nonce,
    judge_no_identity,
    judge_no_nonce,
)
from handshake_probe.diagnose.judge_redirect import judge_redirect
from handshake_probe.diagnose.judge_session import judge_session
from handshake_probe.diagnose.judgement import Clue, Judgement, frames, healthy, undecided
from handshake_probe.diagnose.path_rules import judge_path
from handshake_probe.model.vocabulary import Cause, Confidence, EndedBy, Mechanism, Stage

STAGE_RULES: dict[Stage, Callable[[Case], Judgement]] = {
    Stage.TCP_SYN: judge_connect,
    Stage.TCP_ESTABLISHED: judge_no_nonce,
    Stage.NONCE_RECEIVED: judge_no_identity,
    Stage.IDENTITY_SENT: judge_identity,
    Stage.CREDENTIALS_RECEIVED: judge_credentials,
    Stage.HELLO_SENT: judge_hello,
    Stage.SESSION: judge_session,
}


def judge_connection(case: Case) -> Judgement:
    """The cause of this connection's failure, or that it is healthy."""
    connection = case.connection
    if connection.one_sided:
        return _one_sided(case)
    redirect = judge_redirect(case)
    if redirect is not None:
        return redirect
    if connection.stage is Stage.TCP_SYN:
        return judge_connect(case)
    if connection.midstream and not (
        connection.device_records.count and connection.cloud_records.count
    ):
        return _picked_up(case)
    if connection.nonce is not None and not connection.stage.reached(Stage.CREDENTIALS_RECEIVED):
        foreign = judge_foreign_nonce(case, connection.nonce)
        if foreign is not None and foreign.cause is Cause.NETWORK_BLOCKED:
            return foreign
    message = blocking_icmp(case)
    if message is not None and _unfinished(case):
        return judge_icmp(case, message)
    return judge_path(case) or STAGE_RULES[connection.stage](case)


def _unfinished(case: Case) -> bool:
    """An ICMP error counts when the device's data stayed unacknowledged or no session came."""
    sent = case.connection.from_device
    return (
        not case.connection.stage.reached(Stage.SESSION)
        or sent.acknowledged_up_to < sent.sent_up_to
    )


def _one_sided(case: Case) -> Judgement:
    connection = case.connection
    clue = Clue(
        "HP612",
        "The capture holds the packets of one side only; the other side's are acknowledged unseen.",
        (connection.id, *frames(connection.first_frame)),
        Confidence.LIKELY,
    )
    repeated = max(
        connection.from_device.unacknowledged_retransmissions,
        connection.from_cloud.unacknowledged_retransmissions,
    )
    if (
        connection.stage is Stage.SESSION
        and repeated < 2
        and connection.ended_by is not EndedBy.SILENCE
    ):
        return healthy(
            clue,
            "The capture shows one side only, and what it acknowledges is a running session.",
        )
    return undecided(
        tuple(cause for cause in Cause if cause not in (Cause.INCONCLUSIVE, Cause.UNCLAIMED)),
        Mechanism.CAPTURE_INCOMPLETE,
        clue,
        "The capture shows one side of the connection only: too little to judge.",
        "A capture that holds both directions (a mirror port set to both, no filter on a sender).",
    )


def _picked_up(case: Case) -> Judgement:
    connection = case.connection
    return undecided(
        (Cause.HEALTHY, Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT),
        Mechanism.CAPTURE_INCOMPLETE,
        Clue(
            "HP603",
            "The capture starts in the middle of this connection and shows no session.",
            (connection.id, *frames(connection.first_frame)),
        ),
        "The capture shows only the end of a connection: too little to judge.",
        "A capture that starts before the device connects (press its reset button).",
        capture_ended=True,
    )
