"""Rules for connections that got as far as records: the Hello, the session, its end."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.group import Group
from handshake_probe.diagnose.judge_describe import judge_describe
from handshake_probe.diagnose.judge_records import hello_not_taken, judge_records
from handshake_probe.diagnose.judge_silence import judge_silence
from handshake_probe.diagnose.judge_unread import reset_unread
from handshake_probe.diagnose.judgement import (
    Clue,
    Judgement,
    caused,
    frames,
    healthy,
    undecided,
)
from handshake_probe.diagnose.remarks import SHORT_SESSION, claim_pending, does_not_stay, remarks
from handshake_probe.diagnose.resets import Origin
from handshake_probe.model.observations import ConnectionSeen, SessionSeen
from handshake_probe.model.vocabulary import Cause, Confidence, EndedBy, Mechanism, Stage

PING_DUE = 15.0  # seconds of silence after which a device pings
PONG_OVERDUE = 3.0  # no path takes that long
BRIEF_SESSION = 5.0
CLAIM_PATIENCE = 8.0


def judge_session(case: Case) -> Judgement:
    """Records both ways."""
    session = case.connection.session
    decrypted = _decrypted_failure(case, session) if session is not None else None
    return (
        judge_records(case)
        or hello_not_taken(case)
        or decrypted
        or judge_silence(case)
        or _reset(case)
        or _unclaimed(case, session)
        or _cut_short_again_and_again(case)
        or _healthy(case)
    )


def _decrypted_failure(case: Case, session: SessionSeen) -> Judgement | None:
    connection = case.connection
    device_ended = connection.ended_by in (EndedBy.DEVICE_FIN, EndedBy.DEVICE_RST)
    if session.cloud_chain_broken:
        return caused(
            Cause.SERVER_FAULT,
            Mechanism.RECORDS_NOT_DECRYPTABLE,
            Clue(
                "HP511",
                f"{session.cloud_chain_broken} records of the cloud that follow a longer one are "
                "garbage, all others decrypt: it carries the wrong block over.",
                (connection.id, *frames(connection.cloud_records.last_frame)),
                Confidence.LIKELY,
            ),
            "The cloud chains its records wrongly: the device cannot read them.",
            others=(Cause.DEVICE_FAULT,),
        )
    everything_seen = connection.from_cloud.missing_bytes == 0
    in_vain = session.pings_unanswered and _waited_in_vain(connection)
    if in_vain and device_ended and everything_seen:
        return undecided(
            (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
            Mechanism.PING_UNANSWERED,
            Clue(
                "HP512",
                "The device's ping is never answered, and the device gives the session up.",
                (connection.id, *frames(connection.device_records.last_frame)),
                Confidence.LIKELY,
            ),
            "The session dies because the cloud's answers stop: the cloud is stuck, "
            "or what it sends is dropped on the way.",
            "A capture on the cloud's side, or the cloud's own log.",
        )
    describe = judge_describe(case, session)
    if describe is not None:
        return describe
    if (
        session.requests_unanswered
        and device_ended
        and everything_seen
        and session.goodbye is None
        and connection.ended - connection.started < BRIEF_SESSION
        and _repeats(case, connection.ended_by)
    ):
        return undecided(
            (Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED),
            Mechanism.SESSION_CLOSED_BY_DEVICE,
            Clue(
                "HP519",
                "The device ends its sessions while its own requests are still unanswered.",
                (connection.id, *frames(connection.ended_frame)),
                Confidence.LIKELY,
            ),
            "Handshake and keys are fine; the device breaks its sessions off in the middle of its "
            "own first messages.",
            "The device's serial log of one attempt.",
        )
    return None


def _repeats(case: Case, how: EndedBy) -> bool:
    """Whether several sessions of the device end this way."""
    return case.siblings.once(_endings)[how] >= 2


def _endings(connections: Group[ConnectionSeen]) -> Counter[EndedBy]:
    return Counter(c.ended_by for c in connections if c.stage is Stage.SESSION and not c.midstream)


def _waited_in_vain(connection: ConnectionSeen) -> bool:
    """Whether the device waited for the answer to its ping until that was overdue.

    A device that leaves on purpose may do so while the answer is on its way.
    """
    spoke, heard = connection.device_records.last_time, connection.cloud_records.last_time
    if spoke is None or heard is None:
        return False
    ended = connection.ended_time or connection.ended
    return max(ended - spoke, ended - heard - PING_DUE) >= PONG_OVERDUE


def _reset(case: Case) -> Judgement | None:
    connection = case.connection
    if connection.ended_by is EndedBy.DEVICE_RST and _repeats(case, EndedBy.DEVICE_RST):
        return reset_unread(case, Mechanism.RESET_IN_SESSION, ())
    if connection.ended_by is not EndedBy.CLOUD_RST:
        return None
    reset = case.first_reset
    if reset is None or case.origin(reset).origin is Origin.BOX:
        return None  # outlived after all, or judged by the path rules
    return undecided(
        (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
        Mechanism.RESET_IN_SESSION,
        Clue("HP131", "The running session is reset.", (connection.id, *frames(reset.frame))),
        "The running session is cut by a reset; whether the cloud or a box on the path made it "
        "cannot be told.",
        "A capture on the cloud's side: a reset that it does not show came from the path.",
    )


def _unclaimed(case: Case, session: SessionSeen | None) -> Judgement | None:
    connection = case.connection
    if session is None or not claim_pending(connection):
        return None
    sessions = case.siblings.once(_never_confirmed)
    if not sessions:
        return None
    if sessions == 1 and connection.ended - connection.started < CLAIM_PATIENCE:
        return None
    clue = Clue(
        "HP402",
        f"The claim code is published on {sessions} of {sessions} connections and never confirmed.",
        (connection.id, *frames(*session.claim_code)),
        Confidence.LIKELY,
    )
    return caused(
        Cause.UNCLAIMED,
        Mechanism.CLAIM_NOT_CONFIRMED,
        clue,
        "Network and keys are fine: the device is connected, but it belongs to nobody. "
        "Its claim code is never confirmed.",
        others=(Cause.HEALTHY,),
    )


def _never_confirmed(connections: Group[ConnectionSeen]) -> int:
    """How many sessions were read, if in none of them a claim can have been confirmed; else 0."""
    sessions = [c for c in connections if c.session is not None]
    if not all(map(claim_pending, sessions)):
        return 0
    if any(c.from_cloud.missing_bytes for c in sessions):
        return 0  # the confirmation may be among them
    return len(sessions)


def _cut_short_again_and_again(case: Case) -> Judgement | None:
    """Session after session that the cloud ends within a minute.

    A device that ends its sessions itself may do so on purpose (it sleeps between two messages).
    """
    connection = case.connection
    if connection.ended_by not in (EndedBy.CLOUD_FIN, EndedBy.CLOUD_RST) or connection.midstream:
        return None
    alike = case.siblings.once(_cut_short)[connection.ended_by]
    if not _is_cut_short(connection) or alike.sessions < 2:
        return None
    clue = Clue(
        "HP515",
        f"{alike.sessions} sessions are ended by the cloud within {alike.longest:.0f} s.",
        (connection.id, *frames(connection.ended_frame)),
        Confidence.LIKELY,
    )
    return undecided(
        (Cause.SERVER_FAULT, Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED),
        Mechanism.SESSION_CLOSED_BY_CLOUD,
        clue,
        "Handshake and keys are fine, but the sessions do not last: "
        "the cloud ends one after another.",
        "The device's private key (`--keys`): the decrypted session shows what happens before "
        "the end."
        if connection.session is None
        else "The cloud's own log of these connections.",
    )


class _CutShort(NamedTuple):
    """Sessions that ended soon, in the same way."""

    sessions: int = 0
    longest: float = 0.0  # seconds


def _is_cut_short(connection: ConnectionSeen) -> bool:
    return (
        connection.stage is Stage.SESSION
        and connection.ended - connection.started < SHORT_SESSION
        and (connection.session is None or connection.session.goodbye is None)
    )


def _cut_short(connections: Group[ConnectionSeen]) -> dict[EndedBy, _CutShort]:
    found = dict.fromkeys(EndedBy, _CutShort())
    for connection in filter(_is_cut_short, connections):
        alike, lasted = found[connection.ended_by], connection.ended - connection.started
        found[connection.ended_by] = _CutShort(alike.sessions + 1, max(alike.longest, lasted))
    return found


def _healthy(case: Case) -> Judgement:
    connection = case.connection
    silent = connection.ended_by is EndedBy.SILENCE  # cut off, or switched off
    followed = connection.ended_by is EndedBy.CAPTURE_END and (
        case.siblings.once(_last_start) > connection.ended
    )
    records = (connection.device_records.count, connection.cloud_records.count)
    clue = Clue(
        "HP530",
        f"Records flow both ways ({_seen(records[0])} from the device, {_seen(records[1])} from "
        "the cloud).",
        (
            connection.id,
            *frames(connection.device_records.first_frame, connection.cloud_records.first_frame),
        ),
        Confidence.LIKELY
        if silent or followed or case.siblings.once(does_not_stay)
        else Confidence.PROVEN,
    )
    end = ""
    if silent:
        end = f" Then both sides fall silent, {case.quiet:.0f} s before the capture ends."
    elif followed:
        end = " How this session ended is not in the capture; the device connects again later."
    return healthy(
        clue,
        "The handshake passed and messages flow both ways: "
        "network, server key and device key are fine." + end,
        *remarks(case),
    )


def _seen(records: int) -> str:
    return str(records) if records else "acknowledged, none captured,"


def _last_start(connections: Group[ConnectionSeen]) -> float:
    return max(connection.started for connection in connections)
