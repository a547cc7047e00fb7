"""Rules for an identity that got no credentials: the heart of "which key is wrong"."""

from __future__ import annotations

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.judge_form import foreign_answer, repeated_nonce, surplus_nonce
from handshake_probe.diagnose.judge_nonce import accepted_by_first_hop, judge_foreign_nonce
from handshake_probe.diagnose.judge_register import judge_register
from handshake_probe.diagnose.judge_server_key import (
    OPEN_QUESTION,
    identity_arrived,
    mismatch_by_keys,
    other_content,
)
from handshake_probe.diagnose.judge_sizes import repeated_identity, small_identities
from handshake_probe.diagnose.judge_unread import closed_unread
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, frames, undecided
from handshake_probe.diagnose.key_sizes import identity_clues
from handshake_probe.diagnose.path_rules import peer_gone
from handshake_probe.diagnose.unseen import UNFILTERED, unconfirmed
from handshake_probe.model.vocabulary import Cause, Confidence, EndedBy, Mechanism

# Clouds answer an identity within a second; JS servers wait 10 or 30 s for one, devices 20 s.
ANSWER_PATIENCE = 8.0
# The device reads for 20 s; when it closes much earlier it did not wait for the answer.
DEVICE_READS = 15.0


def judge_identity(case: Case) -> Judgement:
    """Identity sent, no credentials came."""
    connection = case.connection
    if connection.nonce is not None:
        foreign = judge_foreign_nonce(case, connection.nonce)
        if foreign is not None:
            return foreign
    return (
        foreign_answer(case)
        or mismatch_by_keys(case)
        or repeated_identity(case)
        or surplus_nonce(case)
        or repeated_nonce(case)
        or _partial_credentials(case)
        or _by_ending(case)
    )


def _partial_credentials(case: Case) -> Judgement | None:
    got = case.connection.credentials
    if got is None or got.whole:
        return None
    connection = case.connection
    if connection.ended_by is EndedBy.CAPTURE_END:
        return _capture_ended(case, "The capture ends in the middle of the cloud's answer.")
    evidence = (connection.id, *frames(got.frame))
    clue = Clue(
        "HP508",
        f"The cloud answers the identity with {got.received} bytes instead of 384.",
        evidence,
    )
    if connection.ended_by is EndedBy.CLOUD_FIN and not accepted_by_first_hop(case):
        return caused(
            Cause.SERVER_FAULT,
            Mechanism.CREDENTIALS_MALFORMED,
            clue,
            f"The cloud sends {got.received} bytes of its answer and closes: nothing was lost on "
            "the way, it sent no more.",
            others=(Cause.NETWORK_BLOCKED,),
        )
    return undecided(
        (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
        Mechanism.CREDENTIALS_MALFORMED,
        clue,
        f"The cloud's answer to the identity has {got.received} bytes, and 384 are right.",
        "The cloud's own log of this connection, or a capture on the cloud's side.",
    )


def _by_ending(case: Case) -> Judgement:
    connection = case.connection
    identity = connection.identity
    sent_at = identity.time if identity else connection.from_device.last_data or connection.started
    ended = connection.ended_time or connection.capture_end
    waited = ended - sent_at
    if connection.ended_by in (EndedBy.CLOUD_FIN, EndedBy.CLOUD_RST):
        return _cloud_closed(case, waited)
    evidence = (
        connection.id,
        *frames(identity.frame if identity else None, connection.ended_frame),
    )
    if connection.ended_by is EndedBy.CAPTURE_END and case.quiet < ANSWER_PATIENCE:
        text = f"The capture ends {waited:.1f} s after the identity was sent."
        known = judge_register(case, Clue("HP605", text, evidence), refused=False)
        return known or _capture_ended(case, text)
    if connection.ended_by in (EndedBy.DEVICE_FIN, EndedBy.DEVICE_RST) and waited < DEVICE_READS:
        return undecided(
            (Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED, *OPEN_QUESTION[:1], Cause.SERVER_FAULT),
            Mechanism.DEVICE_CLOSED_EARLY,
            Clue(
                "HP518",
                f"The device closes {waited:.1f} s after its identity, "
                "although it waits 20 s for an answer.",
                evidence,
            ),
            "The device closes before the cloud's answer was due.",
            "The device's serial log of one attempt.",
        )
    return _silence(case, waited, evidence)


def _silence(case: Case, waited: float, evidence: tuple[str, ...]) -> Judgement:
    if not identity_arrived(case):
        if unconfirmed(case.connection.from_device, case.connection.capture_end):
            return _unconfirmed(case, waited, evidence)
        clue = Clue(
            "HP123",
            f"The identity is never acknowledged ({waited:.0f} s).",
            evidence,
            Confidence.LIKELY,
        )
        return caused(
            Cause.NETWORK_BLOCKED,
            Mechanism.IDENTITY_DROPPED,
            clue,
            "The device's identity does not reach the cloud: nothing acknowledges it.",
            others=(Cause.SERVER_FAULT,),
        )
    clue = Clue(
        "HP516",
        f"The cloud has the identity (acknowledged) and says nothing for {waited:.0f} s.",
        evidence,
    )
    gone = peer_gone(case)
    if gone is not None:
        return gone
    known = judge_register(case, clue, refused=case.cloud_sent_nothing)
    if known is not None:
        return known
    opened = case.opened_identity is not None
    candidates = (
        (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED, Cause.DEVICE_UNKNOWN)
        if opened
        else (
            Cause.SERVER_FAULT,
            Cause.NETWORK_BLOCKED,
            Cause.SERVER_KEY_MISMATCH,
            Cause.DEVICE_UNKNOWN,
            Cause.DEVICE_KEY_CORRUPTION,
        )
    )
    return undecided(
        candidates,
        Mechanism.IDENTITY_UNANSWERED,
        clue,
        "The cloud received the device's identity and never answered: it is stuck, "
        "it drops what it cannot read, or its answer is lost.",
        "The cloud's own log of this connection."
        if opened
        else "The cloud's private key (`--keys`): it shows whether the identity can be read.",
        *(() if opened else identity_clues(case)),
    )


def _cloud_closed(case: Case, waited: float) -> Judgement:
    connection = case.connection
    identity = connection.identity
    how = "resets" if connection.ended_by is EndedBy.CLOUD_RST else "closes"
    evidence = (
        connection.id,
        *frames(identity.frame if identity else None, connection.ended_frame),
    )
    clue = Clue(
        "HP405",
        f"The cloud {how} {_span(waited)} after the identity, without credentials.",
        evidence,
    )
    unread = closed_unread(case, waited, clue)
    known = judge_register(case, clue, refused=unread is None) or other_content(case, clue)
    if known is not None:
        return known
    if unread is not None:
        return unread
    opened = case.opened_identity
    if opened is not None and not case.keys.ambiguous:
        return undecided(
            (
                Cause.DEVICE_UNKNOWN,
                Cause.DEVICE_KEY_CORRUPTION,
                Cause.SERVER_FAULT,
                *case.possible_forger,
            ),
            Mechanism.IDENTITY_REFUSED,
            clue,
            f"The cloud can read the identity of device {opened.device_id} and refuses it: "
            "it does not know the device, or has another public key on file.",
            "The public key the cloud has on file for this device (`--keys <id>.pub.pem`).",
        )
    first_hop = accepted_by_first_hop(case)
    sized = None if opened is not None or first_hop else small_identities(case, clue)
    if sized is not None:
        return sized
    candidates: tuple[Cause, ...] = (*OPEN_QUESTION, Cause.DEVICE_FAULT)
    if identity is not None and identity.pieces > 1:
        candidates = (Cause.SERVER_FAULT, *OPEN_QUESTION[:3], Cause.DEVICE_FAULT)
    if first_hop:
        candidates = (Cause.NETWORK_BLOCKED, *candidates)
    else:
        candidates += case.possible_forger
    if case.keys.ambiguous:
        settles = "Which of the given keys is this cloud's: name it with `--cloud-key FILE`."
    elif case.earlier_session is not None:
        settles = (
            "The private key the cloud holds now (`--keys`): "
            "it worked earlier in this capture, so something on the cloud's side changed."
        )
    else:
        settles = (
            "The cloud's private key (`--keys`), which only its operator has. Without it: "
            "`particle keys server`, then a new capture; no change means `particle keys doctor`."
        )
    return undecided(
        candidates,
        Mechanism.IDENTITY_REFUSED,
        clue,
        "The network carries the handshake; the cloud gets the device's identity and hangs up. "
        "It cannot read it (server key), does not know the device, or has another key on file.",
        settles,
        *identity_clues(case),
    )


def _unconfirmed(case: Case, waited: float, evidence: tuple[str, ...]) -> Judgement:
    clue = Clue(
        "HP616",
        f"For {waited:.0f} s nothing acknowledges the identity, and the device does not repeat it: "
        "the capture lacks one or the other.",
        evidence,
    )
    return judge_register(case, clue, refused=False) or undecided(
        (*OPEN_QUESTION, Cause.NETWORK_BLOCKED, Cause.DEVICE_FAULT),
        Mechanism.CAPTURE_INCOMPLETE,
        clue,
        "The device sends its identity, and the capture does not show what became of it: frames "
        "are missing, or the device was gone at once.",
        UNFILTERED,
        *identity_clues(case),
    )


def _capture_ended(case: Case, text: str) -> Judgement:
    connection = case.connection
    return undecided(
        (Cause.HEALTHY, *OPEN_QUESTION, Cause.NETWORK_BLOCKED),
        Mechanism.CAPTURE_TOO_SHORT,
        Clue("HP605", text, (connection.id, *frames(connection.last_frame))),
        "The capture ends while the handshake is running.",
        "A longer capture: at least 30 seconds.",
        capture_ended=True,
    )


def _span(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
