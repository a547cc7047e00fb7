"""Rules for sessions that end when the cloud asks the device to describe itself."""

from __future__ import annotations

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.group import Group
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, frames, undecided
from handshake_probe.diagnose.remarks import SHORT_SESSION
from handshake_probe.model.observations import ConnectionSeen, SessionSeen
from handshake_probe.model.vocabulary import Cause, Confidence, EndedBy, Mechanism

AT_ONCE = 1.0  # seconds; firmware that fails there does so while it builds the answer


def judge_describe(case: Case, session: SessionSeen) -> Judgement | None:
    """What a Describe request ended, if it did."""
    return _refused(case, session) or _left_unanswered(case, session)


def _refused(case: Case, session: SessionSeen) -> Judgement | None:
    connection = case.connection
    if not _ends_refused(connection):
        return None
    if connection.from_device.missing_bytes and case.siblings.once(_refused_in_all) < 2:
        return None  # its Goodbye may be among what the capture lost
    return caused(
        Cause.SERVER_FAULT,
        Mechanism.DESCRIBE_REFUSED,
        Clue(
            "HP513",
            "The device refuses the cloud's Describe request (4.00), and the cloud closes.",
            (connection.id, *frames(session.describe_refused, connection.ended_frame)),
            Confidence.LIKELY,
        ),
        "The cloud asks for the device's description in a form that Device OS 3.3 and later "
        "refuse, and then gives the session up. Device and keys are fine.",
        others=(Cause.DEVICE_FAULT,),
    )


def _ends_refused(connection: ConnectionSeen) -> bool:
    """Whether the cloud ends this session, in which its Describe request was refused."""
    session = connection.session
    return (
        session is not None
        and session.describe_refused is not None
        and session.goodbye is None
        and connection.ended_by in (EndedBy.CLOUD_FIN, EndedBy.CLOUD_RST)
        and not _lasted(connection)
    )


def _refused_in_all(connections: Group[ConnectionSeen]) -> int:
    return sum(map(_ends_refused, connections))


def _left_unanswered(case: Case, session: SessionSeen) -> Judgement | None:
    """A device may leave whenever it likes, also while a request is on its way to it.

    Device OS from 2.0 on acknowledges a Describe request before it builds the answer: if that is
    its last word, it was the answer that ended it. Earlier firmware says nothing before the answer.
    """
    connection = case.connection
    if not _leaves_unanswered(connection):
        return None
    evidence = (
        connection.id,
        *frames(
            session.describe_requested[0], session.describe_acknowledged, connection.ended_frame
        ),
    )
    if _acknowledgement_is_last(connection, session):
        return caused(
            Cause.DEVICE_FAULT,
            Mechanism.DESCRIBE_UNANSWERED,
            Clue(
                "HP514",
                "The cloud asks for the description; the device acknowledges that and ends the "
                "connection at once instead of answering.",
                evidence,
                Confidence.LIKELY,
            ),
            "The device breaks off when it has to describe itself: its firmware fails "
            "(a description too large for its buffer does this).",
            others=(Cause.SERVER_FAULT,),
        )
    alike = case.siblings.once(_left_in_all)
    if alike < 2:
        return None
    return undecided(
        (Cause.DEVICE_FAULT, Cause.HEALTHY),
        Mechanism.DESCRIBE_UNANSWERED,
        Clue(
            "HP514",
            f"The device ends {alike} sessions while the cloud's Describe request is unanswered.",
            evidence,
            Confidence.POSSIBLE,
        ),
        "Handshake and keys are fine; the device ends its sessions before it describes itself: "
        "its firmware fails there, or it leaves on purpose before it reads the request.",
        "The device's serial log of one attempt, or the colours of its LED (red SOS: a crash).",
    )


def _leaves_unanswered(connection: ConnectionSeen) -> bool:
    """Whether the device ends this session without a word about a request it was sent before."""
    session = connection.session
    if session is None or connection.ended_frame is None:
        return False
    return (
        any(frame < connection.ended_frame for frame in session.describe_requested)
        and session.describe_answered is None
        and session.describe_refused is None
        and session.goodbye is None
        and connection.ended_by in (EndedBy.DEVICE_FIN, EndedBy.DEVICE_RST)
        and connection.from_device.missing_bytes == 0
        and not _lasted(connection)
    )


def _left_in_all(connections: Group[ConnectionSeen]) -> int:
    return sum(map(_leaves_unanswered, connections))


def _acknowledgement_is_last(connection: ConnectionSeen, session: SessionSeen) -> bool:
    last, ended = connection.device_records, connection.ended_time
    return (
        session.describe_acknowledged is not None
        and session.describe_acknowledged == last.last_frame
        and last.last_time is not None
        and ended is not None
        and ended - last.last_time < AT_ONCE
    )


def _lasted(connection: ConnectionSeen) -> bool:
    return connection.ended - connection.started >= SHORT_SESSION
