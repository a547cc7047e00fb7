"""Rules on who reset a connection of a probe: the cloud, or something on the way."""

from __future__ import annotations

from handshake_probe.diagnose.active.case import IDENTITY, Address, ProbeCase
from handshake_probe.diagnose.active.connect import (
    HOTSPOT,
    gateway_of,
    packet_origin,
)
from handshake_probe.diagnose.active.where import blocker_within, locate
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, undecided
from handshake_probe.diagnose.resets import Origin
from handshake_probe.model.probed import Delivery, TcpProbed
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism

_NOISE = 0.005  # seconds
WITH_PACKETS = "The same probe with `--capture probe.pcap`: its packets tell who made the reset."


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


def judge_reset(
    case: ProbeCase, address: Address, attempt: TcpProbed, mechanism: Mechanism, when: str
) -> Judgement:
    """A connection that came up was reset; `when` says at which step."""
    origin = packet_origin(case, attempt)
    evidence = (attempt.id, *_packets(case, attempt))
    boxed = _reset_on_the_way(case, address, attempt, mechanism)
    if boxed is not None:
        return boxed
    early = _before_round_trip(address, attempt)
    if origin.origin is Origin.BOX or early:
        reasons = "; ".join(origin.reasons) or (
            f"it came {1000 * (attempt.ended_after or 0.0):.0f} ms after our data, "
            f"and no round trip is shorter than {1000 * (address.round_trip or 0.0):.0f} ms"
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


def _before_round_trip(address: Address, attempt: TcpProbed) -> bool:
    """Sooner than an answer of the cloud can be; noise is as large as trips under 5 ms."""
    trip = address.round_trip
    return (
        trip is not None
        and attempt.sent is not None
        and attempt.ended_after is not None
        and trip >= _NOISE
        and attempt.ended_after < trip / 2
    )
