"""Rules for a connection that never carried an identity: portals, silence, bad nonces."""

from __future__ import annotations

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.judge_unread import reset_unread
from handshake_probe.diagnose.judgement import (
    HOTSPOT,
    Clue,
    Judgement,
    caused,
    frames,
    undecided,
)
from handshake_probe.diagnose.path_rules import peer_gone
from handshake_probe.diagnose.topology import hops_away, host_of
from handshake_probe.diagnose.unseen import UNFILTERED, sent_unseen
from handshake_probe.model.observations import NonceSeen
from handshake_probe.model.vocabulary import Cause, Confidence, EndedBy, Mechanism

# A cloud sends the nonce at once; a device waits 20 s for it. Less waiting decides nothing.
NONCE_PATIENCE = 10.0
# Every known peer sends its identity within a second of the nonce, a Core within about two.
IDENTITY_PATIENCE = 10.0


def accepted_by_first_hop(case: Case) -> bool:
    """Whether the SYN/ACK was made by the first hop and not by the cloud."""
    return any(
        control.flags == "SYN-ACK"
        and control.sender == "cloud"
        and case.topology.made_by_first_hop(case.connection, control.ttl)
        for control in case.connection.controls
    )


def _foreign_distance(case: Case) -> str | None:
    """How the sender here differs in distance from the cloud elsewhere in the capture."""
    here = set(case.connection.from_cloud.ttls)
    known = case.topology.known_ttls(host_of(case.connection.cloud)) - here
    elsewhere = case.topology.genuine_ttls.get(host_of(case.connection.cloud), set())
    if here and elsewhere and max(map(hops_away, here)) + 2 < min(map(hops_away, elsewhere)):
        return f"TTL {min(here)} here, {min(elsewhere)} from the real cloud"
    if accepted_by_first_hop(case):
        return "a TTL that was decremented by no router" + (
            f", other packets of that address arrive with {min(known)}" if known else ""
        )
    return None


def judge_no_nonce(case: Case) -> Judgement:
    """Connected, and the cloud said nothing or too little."""
    connection = case.connection
    if connection.nonce is not None and not connection.nonce.whole:
        return _short(case, connection.nonce)
    if connection.nonce is not None:
        return _late(case, connection.nonce)
    distance = _foreign_distance(case)
    started = connection.established or connection.started
    ended = connection.ended_time or connection.capture_end
    waited = ended - started
    evidence = (connection.id, *frames(connection.ended_frame or connection.last_frame))
    if distance is not None and (
        waited >= NONCE_PATIENCE or connection.ended_by is not EndedBy.CAPTURE_END
    ):
        clue = Clue(
            "HP120",
            f"Somebody nearer than the cloud accepts the connection to {connection.cloud} "
            f"and sends no nonce ({distance}).",
            evidence,
            Confidence.LIKELY,
        )
        return caused(
            Cause.NETWORK_BLOCKED,
            Mechanism.ACCEPTED_ON_BEHALF,
            clue,
            "A device on the way (a transparent proxy or firewall) accepts the connection in the "
            "cloud's place, and no handshake follows.",
            others=(Cause.SERVER_FAULT,),
            assumption="that the cloud itself does not run on the first hop",
            blocker=case.topology.first_hop(connection) if accepted_by_first_hop(case) else None,
        )
    gone = peer_gone(case)
    if gone is not None:
        return gone
    if connection.ended_by is EndedBy.CAPTURE_END and waited < NONCE_PATIENCE:
        return undecided(
            (Cause.HEALTHY, Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT),
            Mechanism.CAPTURE_TOO_SHORT,
            Clue(
                "HP605", f"The capture ends {waited:.1f} s after the connection came up.", evidence
            ),
            "The capture ends before the cloud's first message was due.",
            "A longer capture: at least 30 seconds.",
            capture_ended=True,
        )
    if connection.ended_by in (EndedBy.DEVICE_FIN, EndedBy.DEVICE_RST) and waited < NONCE_PATIENCE:
        return undecided(
            (Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT),
            Mechanism.DEVICE_CLOSED_EARLY,
            Clue("HP518", f"The device closes after {waited:.1f} s without a nonce.", evidence),
            "The device closes the connection before the cloud's first message was due.",
            "The device's serial log of one attempt.",
        )
    closed = connection.ended_by in (EndedBy.CLOUD_FIN, EndedBy.CLOUD_RST)
    text = (
        f"The other side closes {waited:.1f} s after accepting, without a nonce."
        if closed
        else f"No nonce within {waited:.0f} s; the connection itself stays up."
    )
    return undecided(
        (Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT),
        Mechanism.NO_NONCE,
        Clue("HP502", text, evidence),
        "The connection comes up, but the cloud's first message never comes: either a proxy "
        "accepts in the cloud's place, or the cloud itself is stuck.",
        HOTSPOT,
    )


def judge_foreign_nonce(case: Case, nonce: NonceSeen) -> Judgement | None:
    """The first bytes are no nonce: another protocol, text, a constant. None when they are fine."""
    if not nonce.flaws and nonce.looks_like is None:
        return None
    connection = case.connection
    evidence = (connection.id, *frames(nonce.frame))
    distance = _foreign_distance(case)
    shown = f' ("{nonce.excerpt[:48]}")' if nonce.excerpt else ""
    if nonce.looks_like is not None or distance is not None:
        what = nonce.looks_like.upper() if nonce.looks_like else "something"
        first_hop = accepted_by_first_hop(case)
        certain = first_hop and case.topology.certain_off_link(connection)
        clue = Clue(
            "HP121",
            f"Instead of 40 random bytes {connection.cloud} sends {what}{shown}"
            + (f"; {distance}." if distance else "."),
            evidence,
            Confidence.PROVEN if certain else Confidence.LIKELY,
        )
        return caused(
            Cause.NETWORK_BLOCKED,
            Mechanism.FOREIGN_NONCE,
            clue,
            f"Not the cloud answers, but {'a portal or proxy' if nonce.looks_like else 'somebody'} "
            f"that speaks {what}: the network intercepts the connection.",
            others=() if certain else (Cause.SERVER_FAULT,),
            assumption=None if certain else "that the cloud's address and port are the right ones",
            blocker=case.topology.first_hop(connection) if first_hop else None,
        )
    return undecided(
        (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
        Mechanism.NONCE_MALFORMED,
        Clue("HP503", f"The first 40 bytes are not random{shown}.", evidence),
        "What the cloud sends first is no nonce; who sends it cannot be told.",
        HOTSPOT,
    )


def _late(case: Case, nonce: NonceSeen) -> Judgement:
    """A whole nonce that came when the device had given up, or never arrived there."""
    connection = case.connection
    waited = nonce.time - (connection.established or connection.started)
    return undecided(
        (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED, Cause.DEVICE_FAULT),
        Mechanism.NO_NONCE,
        Clue(
            "HP502",
            f"The nonce comes {waited:.0f} s after the connection: the device has given up.",
            (connection.id, *frames(nonce.frame)),
        ),
        "The cloud's first message comes too late for the device.",
        HOTSPOT,
    )


def _short(case: Case, nonce: NonceSeen) -> Judgement:
    foreign = judge_foreign_nonce(case, nonce)
    if foreign is not None:
        return foreign
    connection = case.connection
    if connection.ended_by is EndedBy.CAPTURE_END and case.quiet < NONCE_PATIENCE:
        return undecided(
            (Cause.HEALTHY, Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
            Mechanism.CAPTURE_TOO_SHORT,
            Clue("HP605", "The capture ends within the nonce.", frames(nonce.frame)),
            "The capture ends in the middle of the cloud's first message.",
            "A longer capture: at least 30 seconds.",
            capture_ended=True,
        )
    return undecided(
        (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
        Mechanism.NONCE_MALFORMED,
        Clue(
            "HP503",
            f"Only {nonce.received} of 40 bytes came.",
            (connection.id, *frames(nonce.frame)),
        ),
        f"The cloud's first message is too short: {nonce.received} bytes instead of 40.",
        HOTSPOT,
    )


def judge_no_identity(case: Case) -> Judgement:
    """A nonce arrived, the device sent no identity."""
    connection = case.connection
    nonce = connection.nonce
    assert nonce is not None  # the stage says so
    foreign = judge_foreign_nonce(case, nonce)
    if foreign is not None:
        return foreign
    ended = connection.ended_time or connection.capture_end
    waited = ended - nonce.time
    evidence = (connection.id, *frames(nonce.frame, connection.ended_frame))
    unread = reset_unread(case, Mechanism.RESET_AFTER_NONCE, (Cause.SERVER_KEY_MISMATCH,))
    if unread is not None:
        return unread
    if connection.ended_by in (EndedBy.DEVICE_FIN, EndedBy.DEVICE_RST):
        unseen = sent_unseen(connection.from_device)
        if unseen:
            return _identity_unseen(unseen, evidence)
        clue = Clue(
            "HP204",
            f"The device has the nonce and closes {waited:.2f} s later without sending anything.",
            evidence,
        )
        return undecided(
            (Cause.SERVER_KEY_MISMATCH, Cause.DEVICE_FAULT),
            Mechanism.IDENTITY_NOT_SENT,
            clue,
            "The network carries the handshake; the device gives up before its own first message. "
            "Most often the server key in its flash is unusable, so that it cannot encrypt.",
            "Write the server key again (`particle keys server`) and try once more: "
            "if it sends 256 bytes now, the key was damaged.",
        )
    if connection.ended_by in (EndedBy.CLOUD_FIN, EndedBy.CLOUD_RST):
        if waited < IDENTITY_PATIENCE / 2:
            return undecided(
                (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
                Mechanism.SESSION_CLOSED_BY_CLOUD,
                Clue(
                    "HP515",
                    f"The cloud closes {waited:.1f} s after its nonce, before the device spoke.",
                    evidence,
                ),
                "The cloud sends its nonce and closes at once.",
                HOTSPOT,
            )
        return _device_silent(case, waited, evidence)
    if connection.ended_by is EndedBy.CAPTURE_END and case.quiet < IDENTITY_PATIENCE:
        return undecided(
            (
                Cause.HEALTHY,
                Cause.SERVER_KEY_MISMATCH,
                Cause.DEVICE_FAULT,
                Cause.NETWORK_BLOCKED,
            ),
            Mechanism.CAPTURE_TOO_SHORT,
            Clue("HP605", f"The capture ends {waited:.1f} s after the nonce.", evidence),
            "The capture ends before the device answered the nonce.",
            "A longer capture: at least 30 seconds.",
            capture_ended=True,
        )
    return _device_silent(case, waited, evidence)


def _identity_unseen(unseen: int, evidence: tuple[str, ...]) -> Judgement:
    return undecided(
        (
            Cause.SERVER_KEY_MISMATCH,
            Cause.DEVICE_UNKNOWN,
            Cause.DEVICE_KEY_CORRUPTION,
            Cause.SERVER_FAULT,
            Cause.NETWORK_BLOCKED,
            Cause.DEVICE_FAULT,
        ),
        Mechanism.CAPTURE_INCOMPLETE,
        Clue(
            "HP604",
            f"The device has sent {unseen} bytes by its own sequence numbers, and the capture "
            "holds none of them.",
            evidence,
        ),
        "The device answers the nonce and closes later; the capture lacks what was said between.",
        UNFILTERED,
    )


def _device_silent(case: Case, waited: float, evidence: tuple[str, ...]) -> Judgement:
    return undecided(
        (Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED, Cause.SERVER_KEY_MISMATCH),
        Mechanism.DEVICE_SILENT,
        Clue("HP517", f"The device says nothing for {waited:.0f} s after the nonce.", evidence),
        "The nonce reached the device, and then it went silent: it hangs, lost power, "
        "or its answer was dropped before the point of capture.",
        "A capture on the device's own Wi-Fi, or its serial log.",
    )
