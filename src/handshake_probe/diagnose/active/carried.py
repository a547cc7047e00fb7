"""Rules for an address of the cloud where connections come up: what passes over them?"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from handshake_probe.diagnose.active.case import IDENTITY, Address, ProbeCase
from handshake_probe.diagnose.active.connect import (
    HOTSPOT,
    control_evidence,
    gateway_of,
    packet_origin,
    rejected,
)
from handshake_probe.diagnose.active.where import blocker_behind, blocker_within, locate
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, healthy, undecided
from handshake_probe.diagnose.resets import Origin
from handshake_probe.diagnose.topology import host_of
from handshake_probe.model.probed import Connect, Delivery, Ending, FirstBytes, TcpProbed
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism

WITH_PACKETS = "The same probe with `--capture probe.pcap`: its packets tell who made the reset."


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
        return _foreign(case, address, foreign, foreign.first, proxy)
    return proxy or _no_nonce(case, address)


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


def _foreign(
    case: ProbeCase,
    address: Address,
    attempt: TcpProbed,
    first: FirstBytes,
    proxy: Judgement | None,
) -> Judgement:
    shown = f' ("{first.excerpt[:48]}")' if first.excerpt else ""
    evidence = (attempt.id, *(a.id for a in case.unused[:1]))
    if first.looks_like is None and not first.flaws:
        return undecided(
            (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
            Mechanism.NONCE_MALFORMED,
            Clue("HP503", f"{first.received} bytes came instead of 40.", (attempt.id,)),
            f"The first message of {address.target} has {first.received} bytes instead of 40.",
            HOTSPOT,
        )
    if first.looks_like is None and proxy is None:
        return undecided(
            (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
            Mechanism.NONCE_MALFORMED,
            Clue("HP503", f"The first bytes are not random{shown}.", (attempt.id,)),
            "What comes first is no nonce; who sends it cannot be told.",
            HOTSPOT,
        )
    word = (first.looks_like or "something else").upper()
    if _near(case, address) and proxy is None:
        return undecided(
            (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
            Mechanism.FOREIGN_NONCE,
            Clue(
                "HP503",
                f"Instead of 40 random bytes {address.target} sends {word}{shown}.",
                evidence,
            ),
            f"On {address.target}, in this machine's own network, another service answers "
            f"({word}).",
            "On that host: which program listens on this port?",
        )
    everywhere = any(a.outcome is Connect.CONNECTED for a in case.unused)
    certain = proxy is not None or everywhere
    clue = Clue(
        "HP121",
        f"Instead of 40 random bytes {address.target} sends {word}{shown}"
        + (
            f"; {case.unused[0].target}, nobody's address, is accepted as well."
            if everywhere
            else "."
        ),
        evidence,
        Confidence.PROVEN if certain else Confidence.LIKELY,
    )
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.FOREIGN_NONCE,
        clue,
        f"Not the cloud answers, but a portal or proxy that speaks {word}: "
        "the network intercepts the connection.",
        *(proxy.clues if proxy else ()),
        others=() if certain else (Cause.SERVER_FAULT,),
        assumption=None if certain else "that the cloud's address and port are the right ones",
        blocker=proxy.blocker if proxy else None,
    )


def _near(case: ProbeCase, address: Address) -> bool:
    """Whether the address is in this machine's own subnet, or this machine itself."""
    host = ipaddress.ip_address(host_of(address.target))
    if host.is_loopback:
        return True
    network = case.vantage.network if case.vantage else None
    return network is not None and host in ipaddress.ip_network(network, strict=False)


def _no_nonce(case: ProbeCase, address: Address) -> Judgement:
    """Connected, and not a byte came."""
    silent = [a for a in address.connected if a.ended_by in (Ending.SILENCE, Ending.OURSELVES)]
    evidence = tuple(a.id for a in (*address.connected[:3], *case.unused[:1]))
    everywhere = next((a for a in case.unused if a.outcome is Connect.CONNECTED), None)
    if everywhere is not None:
        return caused(
            Cause.NETWORK_BLOCKED,
            Mechanism.ACCEPTED_ON_BEHALF,
            Clue(
                "HP120",
                f"{address.target} accepts and sends no nonce; {everywhere.target}, an address "
                "that belongs to nobody, accepts as well.",
                evidence,
                Confidence.LIKELY,
            ),
            "A device on the way accepts every connection by itself, the cloud's included, and no "
            "handshake follows.",
        )
    if silent and len(silent) == len(address.connected):
        dropped = [a for a in silent if a.delivery is Delivery.UNACKNOWLEDGED]
        if dropped and len(dropped) == sum(a.sent is not None for a in silent):
            return _payload_dropped(address, dropped)
        text = f"No nonce within {silent[0].waited:.0f} s; the connection itself stays up"
        acknowledged = any(a.delivery is Delivery.ACKNOWLEDGED for a in silent)
        text += ", and what is sent is acknowledged." if acknowledged else "."
        return undecided(
            (Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT),
            Mechanism.NO_NONCE,
            Clue("HP502", text, evidence),
            "The connection comes up, but the cloud's first message never comes: either a proxy "
            "accepts in the cloud's place, or the cloud itself is stuck.",
            HOTSPOT,
        )
    reset = next((a for a in address.connected if a.ended_by is Ending.RESET), None)
    if reset is not None:
        return _reset(case, address, reset, Mechanism.RESET_BEFORE_NONCE, "before the nonce")
    closed = address.connected[0]
    return undecided(
        (Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT),
        Mechanism.NO_NONCE,
        Clue(
            "HP502",
            f"The other side closes {closed.ended_after or 0.0:.1f} s after accepting, "
            "without a nonce.",
            evidence,
        ),
        "The connection is accepted and closed again without the cloud's first message.",
        HOTSPOT,
    )


def _payload_dropped(address: Address, dropped: Sequence[TcpProbed]) -> Judgement:
    clue = Clue(
        "HP122",
        f"{address.target} accepts, then no nonce comes and our own 256 bytes, sent "
        f"{1 + max(a.retransmissions for a in dropped)} times, are never acknowledged.",
        (*(a.id for a in dropped), *control_evidence(address)),
        Confidence.LIKELY,
    )
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.NONCE_DROPPED,
        clue,
        "The connection comes up, but no data passes in either direction: a filter lets the "
        "connection through and drops what it carries.",
        others=(Cause.SERVER_FAULT,),
        assumption="that the cloud's host did not vanish in that moment",
    )


def _reset_on_the_way(
    case: ProbeCase, address: Address, attempt: TcpProbed, mechanism: Mechanism
) -> Judgement | None:
    """The identity, sent with few hops, is reset where a router still answers the control."""
    where = locate(address.hops, IDENTITY)
    if mechanism is not Mechanism.RESET_AFTER_IDENTITY or where.answered_early is None:
        return None
    hop = where.answered_early
    return caused(
        Cause.NETWORK_BLOCKED,
        mechanism,
        Clue(
            "HP130",
            f"An identity that may go {hop} hop{'s' * (hop > 1)} far, and cannot reach the cloud, "
            "is answered with a reset in its name.",
            (attempt.id, *where.evidence),
        ),
        "A device on the way lets the connection through and resets it when it sees the device's "
        "first message.",
        blocker=blocker_within(where, address.hops, gateway_of(case)),
    )


def _reset(
    case: ProbeCase, address: Address, attempt: TcpProbed, mechanism: Mechanism, when: str
) -> Judgement:
    origin = packet_origin(case, attempt)
    evidence = (attempt.id, *_packets(case, attempt))
    boxed = _reset_on_the_way(case, address, attempt, mechanism)
    if boxed is not None:
        return boxed
    early = _before_round_trip(attempt)
    if origin.origin is Origin.BOX or early:
        reasons = "; ".join(origin.reasons) or (
            f"it came {1000 * (attempt.ended_after or 0.0):.0f} ms after our data, "
            f"and a round trip takes {1000 * (attempt.rtt or 0.0):.0f} ms"
        )
        return caused(
            Cause.NETWORK_BLOCKED,
            mechanism,
            Clue(
                "HP130",
                f"The connection is reset {when}, and not by the cloud: {reasons}.",
                evidence,
                Confidence.PROVEN if origin.certain else Confidence.LIKELY,
            ),
            f"A device on the way resets the connection {when}, in the cloud's name.",
            others=() if origin.certain else (Cause.SERVER_FAULT,),
            blocker=case.topology.first_hop(case.packets[attempt.local or ""])
            if origin.first_hop
            else None,
        )
    candidates: tuple[Cause, ...] = (Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT)
    if attempt.sent == "identity" and attempt.delivery is Delivery.ACKNOWLEDGED:
        candidates = (Cause.HEALTHY, *candidates)  # a cloud may drop a stranger like this
    return undecided(
        candidates,
        mechanism,
        Clue("HP515", f"The connection is reset {when}; who did it cannot be told.", evidence),
        f"The connection is reset {when}, by the cloud or by something on the way.",
        HOTSPOT if case.recorded is not None and case.recorded.file else WITH_PACKETS,
    )


def _packets(case: ProbeCase, attempt: TcpProbed) -> tuple[str, ...]:
    seen = case.packets.get(attempt.local or "")
    return (seen.id,) if seen else ()


def _before_round_trip(attempt: TcpProbed) -> bool:
    """Sooner than an answer of the cloud can be; noise is as large as trips under 5 ms."""
    return (
        attempt.rtt is not None
        and attempt.sent is not None
        and attempt.ended_after is not None
        and attempt.rtt >= 0.005
        and attempt.ended_after < attempt.rtt / 2
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
        return _reset(case, address, reset, Mechanism.RESET_AFTER_IDENTITY, "after the identity")
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
