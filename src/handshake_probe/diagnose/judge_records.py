"""Rules for records that do not open with the session that the cloud itself handed out."""

from __future__ import annotations

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.group import Group
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, frames, undecided
from handshake_probe.model.observations import ConnectionSeen
from handshake_probe.model.vocabulary import Cause, Confidence, EndedBy, Mechanism, Stage

# A device waits 4 s for the cloud's Hello (classic firmware 2 s), then closes.
_GIVES_UP = (1.5, 6.0)


def judge_records(case: Case) -> Judgement | None:
    """One side's records are all garbage under a session whose HMAC is right: a wrong key or IV.

    Nothing is said where bytes are missing: behind a gap the next IV is not known.
    """
    connection = case.connection
    session = connection.session
    if session is None or not session.proven or connection.midstream:
        return None
    for who, records, sent, cause, other in (
        (
            "device",
            connection.device_records,
            connection.from_device,
            Cause.DEVICE_FAULT,
            Cause.SERVER_FAULT,
        ),
        (
            "cloud",
            connection.cloud_records,
            connection.from_cloud,
            Cause.SERVER_FAULT,
            Cause.DEVICE_FAULT,
        ),
    ):
        if not records.count or records.bad < records.count or sent.missing_bytes:
            continue
        clue = Clue(
            "HP511",
            f"No record of the {who} ({records.count} seen) opens with the session in the "
            "credentials, although its HMAC is right.",
            (connection.id, *frames(records.first_frame)),
            Confidence.LIKELY,
        )
        return caused(
            cause,
            Mechanism.RECORDS_NOT_DECRYPTABLE,
            clue,
            f"Both keys are right; the {who} then encrypts with another session key or IV than "
            "the one agreed, so the other side cannot read it.",
            others=(other,),
        )
    return None


def hello_not_taken(case: Case) -> Judgement | None:
    """Again and again a device leaves as if no Hello had come, although a record did.

    A device that takes the cloud's Hello goes on at once: it subscribes and asks for the time.
    """
    connection = case.connection
    times = case.siblings.once(_left_after_hello)
    if times < 2 or not _leaves_after_hello(connection):
        return None
    return undecided(
        (Cause.SERVER_FAULT, Cause.DEVICE_FAULT),
        Mechanism.NO_SERVER_HELLO,
        Clue(
            "HP510",
            f"{times} times the cloud answers the device's Hello with a record, and the device "
            "says nothing more and closes when its wait for a Hello is over.",
            (
                connection.id,
                *frames(connection.cloud_records.first_frame, connection.ended_frame),
            ),
            Confidence.LIKELY,
        ),
        "Network and keys are fine; the device does not take the cloud's first message for a "
        "Hello: it cannot read it, or it is something else.",
        "The device's private key (`--keys`): it shows what the cloud's first message is.",
    )


def _left_after_hello(connections: Group[ConnectionSeen]) -> int:
    return sum(map(_leaves_after_hello, connections))


def _leaves_after_hello(connection: ConnectionSeen) -> bool:
    hello, heard = connection.device_records.first_time, connection.cloud_records.first_time
    ended = connection.ended_time
    if connection.stage is not Stage.SESSION or connection.midstream:
        return False
    if connection.ended_by is not EndedBy.DEVICE_FIN or connection.device_records.count != 1:
        return False
    if hello is None or heard is None or ended is None or connection.from_device.missing_bytes:
        return False
    read = connection.session is not None and connection.session.server_hello is not None
    return not read and heard < ended and _GIVES_UP[0] <= ended - hello <= _GIVES_UP[1]
