"""Rules for sessions in which one side falls silent."""

from __future__ import annotations

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, frames, undecided
from handshake_probe.model.vocabulary import Cause, Confidence, EndedBy, Mechanism

PING_GIVES_UP = 9.0  # a device closes 10 s after a ping in vain
SILENT = 30.0  # a device speaks after 15 s of silence; servers close after 31 s
KEEPALIVES = 3  # of the cloud's TCP; fewer may be lost
END_REPEATED = 2.0  # a FIN is sent again after 0.2 s, 0.4 s and so on
GONE = (
    "The handshake passed; then the device was gone without a word: it lost its power or its "
    "Wi-Fi, crashed, or what it sends no longer comes through."
)


def judge_silence(case: Case) -> Judgement | None:
    """The cloud no longer answers, or the device is gone or hangs; None when both spoke."""
    return (
        _unanswered(case) or _end_unheard(case) or _keepalives_in_vain(case) or _device_hung(case)
    )


def _unanswered(case: Case) -> Judgement | None:
    """The device speaks, TCP acknowledges, and nothing comes back until the device gives up."""
    connection = case.connection
    spoke = connection.device_records.last_time
    heard = connection.cloud_records.last_time
    session = connection.session
    if connection.from_cloud.missing_bytes or (
        session is not None
        and session.proven
        and not session.pings_unanswered
        and not session.requests_unanswered
    ):
        return None
    if spoke is None or heard is None or connection.ended_by is not EndedBy.DEVICE_FIN:
        return None
    gave_up = connection.ended_time or connection.ended
    if spoke <= heard or gave_up - spoke < PING_GIVES_UP or spoke - heard < 1.0:
        return None
    acknowledged = connection.from_device.acknowledged_up_to >= connection.from_device.sent_up_to
    clue = Clue(
        "HP512",
        f"The device's last message stays unanswered for {gave_up - spoke:.0f} s"
        + (" (TCP acknowledges it)" if acknowledged else " and unacknowledged")
        + ", then it gives the session up.",
        (
            connection.id,
            *frames(connection.device_records.last_frame, connection.ended_frame),
        ),
        Confidence.LIKELY,
    )
    if not acknowledged:
        return caused(
            Cause.NETWORK_BLOCKED,
            Mechanism.SESSION_SILENT,
            clue,
            "The live session went silent: what the device sends gets no acknowledgement any more.",
            others=(Cause.SERVER_FAULT,),
            assumption="that the cloud's host did not vanish in the same moment",
        )
    return undecided(
        (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
        Mechanism.PING_UNANSWERED,
        clue,
        "The session dies because the cloud's answers stop: the cloud is stuck, "
        "or what it sends is dropped on the way.",
        "A capture on the cloud's side, or the cloud's own log.",
    )


def _end_unheard(case: Case) -> Judgement | None:
    """The cloud says goodbye again and again, and nothing comes back, not even from TCP."""
    connection = case.connection
    if connection.ended_by is not EndedBy.CLOUD_FIN or connection.ended_time is None:
        return None
    device, cloud = connection.from_device.last_packet, connection.from_cloud.last_packet
    if device is None or cloud is None or device >= connection.ended_time:
        return None
    if cloud - connection.ended_time < END_REPEATED:
        return None
    return undecided(
        (Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED),
        Mechanism.SESSION_SILENT,
        Clue(
            "HP523",
            f"The cloud ends the session and repeats that for {cloud - connection.ended_time:.0f}"
            f" s; nothing has come from the device for {cloud - device:.0f} s.",
            (
                connection.id,
                *frames(connection.ended_frame, connection.from_cloud.last_packet_frame),
            ),
        ),
        GONE,
        "A capture of the device's next minutes: when and how it comes back.",
    )


def _keepalives_in_vain(case: Case) -> Judgement | None:
    """The cloud's TCP asks whether the device is still there, and nothing comes back."""
    connection = case.connection
    device, cloud = connection.from_device.last_packet, connection.from_cloud.last_packet
    if connection.ended_by in (EndedBy.DEVICE_FIN, EndedBy.DEVICE_RST, EndedBy.CLOUD_FIN):
        return None
    if device is None or cloud is None or cloud - device < SILENT:
        return None
    asked = connection.from_cloud.keepalives
    if asked < KEEPALIVES:
        return None
    return undecided(
        (Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED),
        Mechanism.SESSION_SILENT,
        Clue(
            "HP523",
            f"Nothing has come from the device for {cloud - device:.0f} s; the keep-alives of "
            "the cloud's TCP stay unanswered.",
            (connection.id, *frames(connection.from_cloud.last_packet_frame)),
        ),
        GONE,
        "A capture of the device's next minutes: when and how it comes back.",
    )


def _device_hung(case: Case) -> Judgement | None:
    """TCP answers for the device, and the device itself says nothing until the cloud gives up."""
    connection, sent = case.connection, case.connection.from_device
    closed, heard = connection.ended_time, sent.last_packet
    if connection.ended_by is not EndedBy.CLOUD_FIN or closed is None or heard is None:
        return None
    spoken = connection.device_records.last_time, connection.cloud_records.last_time
    quiet = closed - max((time for time in spoken if time is not None), default=closed)
    unseen = sent.missing_bytes or connection.from_cloud.missing_bytes
    if quiet < SILENT or heard < closed or unseen or sent.claimed_up_to > sent.sent_up_to + 1:
        return None
    if connection.session is not None and connection.session.goodbye is not None:
        return None
    return undecided(
        (Cause.DEVICE_FAULT, Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
        Mechanism.DEVICE_SILENT,
        Clue(
            "HP517",
            f"The device says nothing for {quiet:.0f} s, then the cloud closes; TCP on the "
            "device's side still answers.",
            (
                connection.id,
                *frames(connection.device_records.last_frame, connection.ended_frame),
            ),
            Confidence.LIKELY,
        ),
        "Handshake and keys are fine; then the device no longer speaks, although it is due to "
        "after 15 s of silence, and the cloud ends the session. Most often its application "
        "blocks it.",
        "The device's serial log at that moment, and the cloud's own limit for idle sessions.",
    )
