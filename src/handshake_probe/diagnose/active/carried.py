"""Rules for an address of the cloud where connections come up: what passes over them?"""

from __future__ import annotations

from collections.abc import Sequence

from handshake_probe.diagnose.active.case import IDENTITY, Address, ProbeCase
from handshake_probe.diagnose.active.connect import (
    HOTSPOT,
    gateway_of,
    rejected,
)
from handshake_probe.diagnose.active.no_nonce import judge_foreign, judge_no_nonce
from handshake_probe.diagnose.active.reset import judge_reset
from handshake_probe.diagnose.active.where import blocker_behind, blocker_within, locate
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, healthy, undecided
from handshake_probe.model.probed import Connect, Delivery, Ending, TcpProbed
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism


def judge_connected(case: ProbeCase, address: Address) -> Judgement:
    """At least one connection came up."""
    if address.with_nonce:
        return _with_nonce(case, address)
    proxy = _accepted_early(case, address)
    for attempt in address.connected:
        if attempt.icmp is not None and attempt.first is None:
            return rejected(case, address, attempt, attempt.icmp)
        if attempt.ended_by is Ending.ICMP and attempt.first is None:
            return _refused_by_icmp(attempt)
    foreign = next((a for a in address.connected if a.first is not None), None)
    if foreign is not None and foreign.first is not None and not foreign.first.is_nonce:
        return judge_foreign(case, address, foreign, foreign.first, proxy)
    return proxy or judge_no_nonce(case, address)


def _accepted_early(case: ProbeCase, address: Address) -> Judgement | None:
    """A SYN with few hops is accepted where the control's still expires: a box accepted it."""
    where = locate(address.hops)
    hop = where.answered_early
    if hop is None or not any(
        h.ttl == hop and h.outcome is Connect.CONNECTED and h.purpose == "cloud"
        for h in address.hops
    ):
        return None
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.ACCEPTED_ON_BEHALF,
        Clue(
            "HP120",
            f"A SYN to {address.target} that may go {hop} hop{'s' * (hop > 1)} far is accepted, "
            "where the control's SYN still expires.",
            where.evidence,
        ),
        "A device on the way (a transparent proxy or firewall) accepts the connection in the "
        "cloud's place, and no handshake follows.",
        blocker=blocker_within(where, address.hops, gateway_of(case)),
    )


def _with_nonce(case: ProbeCase, address: Address) -> Judgement:
    """Nonces arrive: does what a device sends arrive as well?"""
    good = address.with_nonce
    evidence = tuple(a.id for a in good[:3])
    digests = [a.first.digest for a in good if a.first is not None]
    if len(digests) > 1 and len(set(digests)) < len(digests):
        return undecided(
            (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
            Mechanism.NONCE_MALFORMED,
            Clue("HP504", f"{address.target} sends the same 40 bytes again.", evidence),
            "The other side repeats its nonce: it is no cloud, or one whose random numbers fail.",
            HOTSPOT,
        )
    spoken = [a for a in good if a.sent == "identity"]
    if not spoken:
        return _carries_nonce(address, good, evidence)
    for attempt in spoken:
        if attempt.ended_by is Ending.ICMP:
            return (
                _refused_by_icmp(attempt)
                if attempt.icmp is None
                else rejected(case, address, attempt, attempt.icmp)
            )
    for attempt in spoken:
        if attempt.reply_looks_like is not None:
            return _foreign_answer(case, address, attempt, attempt.reply_looks_like)
    arrived = [a for a in spoken if _arrived(a)]
    if arrived:
        return _carries_identity(address, good, arrived)
    unacknowledged = [a for a in spoken if a.delivery is Delivery.UNACKNOWLEDGED]
    if len(unacknowledged) == len(spoken):
        return _identity_dropped(case, address, unacknowledged)
    reset = next((a for a in spoken if a.ended_by is Ending.RESET), None)
    if reset is not None:
        return judge_reset(
            case, address, reset, Mechanism.RESET_AFTER_IDENTITY, "after the identity"
        )
    return undecided(
        (Cause.HEALTHY, Cause.NETWORK_BLOCKED),
        Mechanism.IDENTITY_UNANSWERED,
        Clue("HP516", "The identity was sent; whether it arrived was not seen.", evidence),
        "Nonces arrive. Whether the device's first message passes could not be told here.",
        "The same probe on Linux, where the system tells what was acknowledged.",
    )


def _refused_by_icmp(attempt: TcpProbed) -> Judgement:
    """An ICMP error in answer to data; who sent it is told for a SYN only."""
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.ICMP_PROHIBITED,
        Clue(
            "HP113",
            "An ICMP error answers the identity "
            f"({(attempt.failure or 'unreachable').replace('_', ' ')}); connection and nonce had "
            "passed.",
            (attempt.id,),
            Confidence.LIKELY,
        ),
        "A router on the way lets the connection and the nonce pass and refuses the device's "
        "first message.",
        others=(Cause.SERVER_FAULT,),
        assumption="that the cloud's host did not vanish in that moment",
    )


def _foreign_answer(
    case: ProbeCase, address: Address, attempt: TcpProbed, looks_like: str
) -> Judgement:
    """A proxy that let the nonce pass and answers the identity in its own protocol."""
    word = looks_like.upper()
    where = locate(address.hops, IDENTITY)
    early = where.answered_early is not None
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.FOREIGN_NONCE,
        Clue(
            "HP121",
            f"The identity is answered with {word}"
            + (", also where it cannot reach the cloud." if early else "."),
            (attempt.id, *where.evidence),
            Confidence.PROVEN if early else Confidence.LIKELY,
        ),
        f"A proxy answers the identity with {word}: the network intercepts the connection.",
        others=() if early else (Cause.SERVER_FAULT,),
        assumption=None if early else "that the cloud's address and port are the right ones",
        blocker=blocker_within(where, address.hops, gateway_of(case)),
    )


def _arrived(attempt: TcpProbed) -> bool:
    """The other side has our bytes, or answered them as only somebody does who has them."""
    if attempt.ended_by is Ending.RESET:
        return False
    return attempt.delivery is Delivery.ACKNOWLEDGED or attempt.reply > 0


def _carries_nonce(
    address: Address, good: Sequence[TcpProbed], evidence: tuple[str, ...]
) -> Judgement:
    sure = len(good) > 1
    clue = Clue(
        "HP162",
        f"{address.target} sends {len(good)} different nonces in {len(address.attempts)} attempts.",
        evidence,
        Confidence.LIKELY if sure else Confidence.POSSIBLE,
    )
    if not sure:
        return undecided(
            (Cause.HEALTHY, Cause.NETWORK_BLOCKED),
            Mechanism.NO_NONCE,
            clue,
            "One nonce came in one attempt only: the path works at times.",
            "The same probe again, on a quieter network.",
        )
    return healthy(
        clue,
        "The network carries the connection and the cloud's nonce; what a device sends was not "
        "tested.",
    )


def _carries_identity(
    address: Address, good: Sequence[TcpProbed], arrived: Sequence[TcpProbed]
) -> Judgement:
    attempt = arrived[0]
    after = f" after {attempt.ended_after:.1f} s" if attempt.ended_after is not None else ""
    then = {
        Ending.CLOSED: f"the cloud closes{after}, as it does with a stranger",
        Ending.SILENCE: "the cloud keeps silent, as it may with a stranger",
    }.get(attempt.ended_by or Ending.OURSELVES, "it arrived")
    if len(good) < 2:
        return undecided(
            (Cause.HEALTHY, Cause.NETWORK_BLOCKED),
            Mechanism.NO_NONCE,
            Clue("HP162", "One connection of several carried the handshake.", (attempt.id,)),
            "The path carries the handshake at times.",
            "The same probe again, on a quieter network.",
        )
    return healthy(
        Clue(
            "HP162",
            f"{address.target} sends {len(good)} different nonces and acknowledges the 256 bytes "
            f"of a made-up device; {then}.",
            tuple(dict.fromkeys(a.id for a in (*good[:3], *arrived[:1]))),
            Confidence.LIKELY,
        ),
        "The network carries the handshake as far as a stranger gets: connection, nonce and "
        "identity pass. That says nothing about the device's keys.",
    )


def _identity_dropped(case: ProbeCase, address: Address, dropped: Sequence[TcpProbed]) -> Judgement:
    times = 1 + max(a.retransmissions for a in dropped)
    where = locate(address.hops, IDENTITY)
    blocker = blocker_behind(where, gateway_of(case))
    sure = len(dropped) > 1 or blocker is not None
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.IDENTITY_DROPPED,
        Clue(
            "HP123",
            f"The nonce arrives; the 256 bytes of an identity, sent {times} times to "
            f"{address.target}, are never acknowledged.",
            (*(a.id for a in dropped), *where.evidence),
            Confidence.LIKELY,
        ),
        "What a device sends does not get through: its first message is sent again and again, "
        "and the cloud never acknowledges it."
        + (f" It vanishes at {blocker.who}." if blocker else ""),
        others=() if sure else (Cause.SERVER_FAULT,),
        assumption=None if sure else "that the cloud's host did not vanish in that moment",
        blocker=blocker,
    )
