"""Rules for records that do not open with the session that the cloud itself handed out."""

from __future__ import annotations

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, frames
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism


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
