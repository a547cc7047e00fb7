"""What a working session still tells: claim, safe mode, key errors, sessions that do not last."""

from __future__ import annotations

from itertools import pairwise

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.group import Group
from handshake_probe.diagnose.judgement import Clue, frames
from handshake_probe.model.observations import ConnectionSeen
from handshake_probe.model.vocabulary import Confidence, EndedBy, Stage

BACK_AT_ONCE = 3.0  # seconds; the first back-off is 1 s
SHORT_SESSION = 60.0  # seconds; longer sessions count as settled


def claim_pending(connection: ConnectionSeen) -> bool:
    """Whether this session published a claim code that was not confirmed in it."""
    session = connection.session
    return session is not None and bool(session.claim_code) and session.claim_confirmed is None


def remarks(case: Case) -> list[Clue]:
    """What a working session still tells."""
    connection, session = case.connection, case.connection.session
    found: list[Clue] = []
    short = case.siblings.once(_soon_left)
    if short >= 2:
        found.append(
            Clue(
                "HP519",
                f"The device itself ends {short} sessions within a minute each: "
                "on purpose (sleep), or because its firmware fails.",
                (connection.id,),
                Confidence.POSSIBLE,
            )
        )
    if session is None:
        return found
    if session.safe_mode is not None:
        found.append(
            Clue(
                "HP404",
                "The device reports safe mode: it is connected, its application does not run.",
                frames(session.safe_mode),
            )
        )
    if session.key_error:
        found.append(
            Clue("HP306", f"The device reports key problems (mask {session.key_error}).", ())
        )
    if session.claim_confirmed is not None:
        found.append(
            Clue("HP403", "The cloud confirms the claim.", frames(session.claim_confirmed))
        )
    elif claim_pending(connection):
        found.append(
            Clue(
                "HP402",
                "A claim code is published; the capture is too short to say whether it is "
                "confirmed.",
                frames(*session.claim_code),
                Confidence.POSSIBLE,
            )
        )
    return found


def does_not_stay(connections: Group[ConnectionSeen]) -> bool:
    """Whether the device ends sessions and is back at once: it does not do so to sleep."""
    return any(
        _is_soon_left(earlier) and 0 <= later.started - earlier.ended < BACK_AT_ONCE
        for earlier, later in pairwise(connections)
        if _is_soon_left(later)
    )


def _soon_left(connections: Group[ConnectionSeen]) -> int:
    """How many sessions the device itself ended within a minute."""
    return sum(map(_is_soon_left, connections))


def _is_soon_left(connection: ConnectionSeen) -> bool:
    return (
        connection.stage is Stage.SESSION
        and connection.ended_by in (EndedBy.DEVICE_FIN, EndedBy.DEVICE_RST)
        and connection.ended - connection.started < SHORT_SESSION
    )
