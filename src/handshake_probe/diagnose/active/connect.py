"""Rules for an address of the cloud to which no connection comes up."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from handshake_probe.diagnose.active.case import Address, ProbeCase
from handshake_probe.diagnose.active.where import (
    Where,
    blocker_behind,
    blocker_within,
    hop_of,
    locate,
    place,
)
from handshake_probe.diagnose.judge_icmp import ICMP_WORDS, PROHIBITED, REJECTS
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, undecided
from handshake_probe.diagnose.resets import Origin, ResetOrigin, reset_origin
from handshake_probe.diagnose.topology import host_of
from handshake_probe.model.measurement import Blocker
from handshake_probe.model.probed import Connect, IcmpAnswer, TcpProbed
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism

HOTSPOT = "The same probe, with the same arguments, from another network (a phone hotspot)."
_UNKNOWN_ORIGIN = ResetOrigin(Origin.UNKNOWN)


def judge_unconnected(case: ProbeCase, address: Address) -> Judgement:
    """Every attempt failed: a refusal says more than a reset, a reset more than silence."""
    for attempt in address.attempts:
        if attempt.icmp is not None and attempt.outcome is Connect.REJECTED:
            return rejected(case, address, attempt, attempt.icmp)
    refused = [a for a in address.attempts if a.outcome is Connect.REFUSED]
    return _refused(case, address, refused) if refused else _dropped(case, address)


def rejected(
    case: ProbeCase, address: Address, attempt: TcpProbed, message: IcmpAnswer
) -> Judgement:
    """An ICMP error refused a packet of ours."""
    key = (message.version, message.type, message.code)
    word = ICMP_WORDS.get(key, f"unreachable, code {message.code}")
    numbers = f"ICMP type {message.type} code {message.code}, {word}"
    policy = key in PROHIBITED or key in REJECTS
    if message.source == host_of(address.target) and key not in PROHIBITED:
        return undecided(
            (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
            Mechanism.ICMP_UNREACHABLE,
            Clue("HP501", f"{message.source} itself answers with {numbers}.", (attempt.id,)),
            f"The cloud's own address refuses the connection ({word}): its service does not run, "
            "or a firewall in front of it speaks in its name.",
            HOTSPOT,
        )
    hop = _icmp_hop(case, address, message)
    clue = Clue(
        "HP113",
        f"{message.source} refuses the connection to {address.target}: {numbers}.",
        (attempt.id, *control_evidence(address)),
        Confidence.PROVEN if policy else Confidence.LIKELY,
    )
    blocker = Blocker(
        address=message.source, hop=hop, who=place(message.source, hop, gateway_of(case))
    )
    if policy:
        return caused(
            Cause.NETWORK_BLOCKED,
            Mechanism.ICMP_PROHIBITED,
            clue,
            f"{message.source} ({blocker.who}) refuses the connection by policy ({word}).",
            others=(Cause.SERVER_FAULT,) if message.source == host_of(address.target) else (),
            blocker=blocker,
        )
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.ICMP_UNREACHABLE,
        clue,
        f"{message.source} ({blocker.who}) says that the cloud cannot be reached ({word}).",
        others=(Cause.SERVER_FAULT,),
        assumption="that the cloud's host is up; if it is down, its last router says the same",
        blocker=blocker,
    )


def _icmp_hop(case: ProbeCase, address: Address, message: IcmpAnswer) -> int | None:
    known = hop_of(message.source, address.hops)
    if known is not None:
        return known
    if message.source == gateway_of(case):
        return 1
    sources = [h for h in address.hops if h.icmp is not None and h.icmp.source == message.source]
    return min((h.ttl for h in sources), default=None)


def _refused(case: ProbeCase, address: Address, refused: Sequence[TcpProbed]) -> Judgement:
    first = refused[0]
    where = locate(address.hops)
    evidence = tuple(a.id for a in refused[:3])
    if where.answered_early is not None:
        hop = where.answered_early
        clue = Clue(
            "HP111",
            f"A reset already answers a SYN that may go {hop} hop{'s' * (hop > 1)} far, where the "
            "control's SYN still expires: it was not made by the cloud.",
            (*evidence, *where.evidence),
        )
        return caused(
            Cause.NETWORK_BLOCKED,
            Mechanism.SYN_RESET,
            clue,
            "A device on the way to the cloud answers the connection attempt with a reset "
            "in the cloud's name.",
            blocker=blocker_within(where, address.hops, gateway_of(case)),
        )
    origin = packet_origin(case, first)
    if origin.origin is Origin.BOX or _too_fast(address, refused):
        reasons = "; ".join(origin.reasons) or (
            f"it came after {1000 * first.seconds:.0f} ms, and the cloud's host is farther away"
        )
        clue = Clue(
            "HP111",
            f"The SYN to {address.target} is answered by a reset that the cloud did not send: "
            f"{reasons}.",
            evidence,
            Confidence.PROVEN if origin.certain else Confidence.LIKELY,
        )
        return caused(
            Cause.NETWORK_BLOCKED,
            Mechanism.SYN_RESET,
            clue,
            "A device on the way to the cloud answers the connection attempt with a reset "
            "in the cloud's name.",
            others=() if origin.certain else (Cause.SERVER_FAULT,),
        )
    clue = Clue("HP501", f"{address.target} refuses the connection with a reset.", evidence)
    summary = f"{address.target} refuses the connection: a reset answers."
    if origin.origin is Origin.PEER or where.same_host:
        return caused(
            Cause.SERVER_FAULT,
            Mechanism.CONNECTION_REFUSED,
            clue,
            f"{summary} It comes from as far away as what answers on the cloud's other port: "
            "nothing listens on this one.",
            others=(Cause.NETWORK_BLOCKED,),
            assumption="that no firewall sits right in front of the cloud's host",
        )
    return undecided(
        (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
        Mechanism.CONNECTION_REFUSED,
        clue,
        f"{summary} Either nothing listens there, or a firewall refuses in its name.",
        HOTSPOT,
    )


def _too_fast(address: Address, refused: Sequence[TcpProbed]) -> bool:
    """Every reset came in less than half of what the same host needs on another port.

    Round trips under 5 ms are not used: on a LAN scheduling noise is as large.
    """
    alive = address.alive
    if alive is None or alive.outcome is not Connect.CONNECTED:
        return False
    trip = alive.rtt or alive.seconds
    return trip >= 0.005 and len(refused) > 1 and all(a.seconds < trip / 2 for a in refused)


def _dropped(case: ProbeCase, address: Address) -> Judgement:
    tries = [a for a in address.attempts if a.outcome is Connect.TIMEOUT]
    waited = sum(a.seconds for a in tries)
    where = locate(address.hops)
    alive = address.alive
    evidence = (*(a.id for a in tries[:4]), *control_evidence(address))
    text = f"{len(tries)} attempts to connect to {address.target}, nothing within {waited:.0f} s"
    blocker = blocker_behind(where, gateway_of(case))
    if blocker is not None:
        clue = Clue(
            "HP110",
            f"{text}; SYNs to it vanish behind {_told(where)}, SYNs to another port of the same "
            "address go on.",
            (*evidence, *where.evidence),
            Confidence.LIKELY,
        )
        return _blocked(
            clue,
            f"A firewall drops connections to port {address.target.rpartition(':')[2]} silently: "
            f"they vanish at {blocker.who}.",
            blocker=blocker,
        )
    if alive is not None and alive.outcome is Connect.CONNECTED:
        clue = Clue(
            "HP110",
            f"{text}; {alive.target}, the same host, {_outcome(alive)}.",
            evidence,
            Confidence.LIKELY,
        )
        return _blocked(
            clue,
            f"Nothing answers on {address.target}, and the same host answers on another port: "
            "a firewall drops this port silently.",
            others=(Cause.SERVER_FAULT,),
            assumption="that the cloud's own firewall lets this port in",
        )
    if where.same_end and where.common is not None and _reaches_far(address, where):
        return undecided(
            (Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT),
            Mechanism.SYN_DROPPED,
            Clue(
                "HP110",
                f"{text}; SYNs to it get as far as those to other ports of that address, "
                f"past {_told(where)}.",
                (*evidence, *where.evidence),
                Confidence.POSSIBLE,
            ),
            f"Nothing answers at {host_of(address.target)} on any port that was tried: the host is "
            "down, or something far out drops it all.",
            HOTSPOT,
        )
    clue = Clue("HP110", f"{text}.", evidence, Confidence.LIKELY)
    inside = " Nothing else outside answers either." if not case.outside_answers else ""
    return _blocked(
        clue,
        f"Nothing answers the connection attempts to {address.target}: "
        f"a firewall drops them silently.{inside}",
        others=(Cause.SERVER_FAULT,),
        assumption="that the cloud's host is up: a switched-off host is as silent as a firewall",
    )


def _reaches_far(address: Address, where: Where) -> bool:
    """Whether the last common router lies beyond this network, so that it let the SYNs out."""
    assert where.common is not None
    try:
        return ipaddress.ip_address(where.common[1]).is_global
    except ValueError:
        return False


def _blocked(
    clue: Clue,
    summary: str,
    *,
    others: tuple[Cause, ...] = (),
    assumption: str | None = None,
    blocker: Blocker | None = None,
) -> Judgement:
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.SYN_DROPPED,
        clue,
        summary,
        others=others,
        assumption=assumption,
        blocker=blocker,
    )


def packet_origin(case: ProbeCase, attempt: TcpProbed) -> ResetOrigin:
    """Who made the reset of an attempt, when our own packets were recorded."""
    seen = case.packets.get(attempt.local or "")
    reset = next((c for c in seen.controls if c.flags == "RST"), None) if seen else None
    if seen is None or reset is None or reset.sender != "cloud":
        return _UNKNOWN_ORIGIN
    return reset_origin(seen, reset, case.topology)


def control_evidence(address: Address) -> tuple[str, ...]:
    """The controls that stand beside a failure."""
    return tuple(control.id for control in address.controls[:2])


def gateway_of(case: ProbeCase) -> str | None:
    """The router of the machine that probed."""
    return case.vantage.gateway if case.vantage else None


def _told(where: Where) -> str:
    return f"{where.common[1]} (hop {where.common[0]})" if where.common else "the first hop"


def _outcome(control: TcpProbed) -> str:
    return "accepts" if control.outcome is Connect.CONNECTED else "answers with a reset"
