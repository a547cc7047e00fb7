"""Rules for ICMP errors: who refuses a connection, and in which words."""

from __future__ import annotations

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, frames, undecided
from handshake_probe.diagnose.topology import blocker_from_icmp, host_of
from handshake_probe.model.observations import IcmpSeen
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism

# ICMP codes that say "policy" in so many words (RFC 792, 1812, 4443).
PROHIBITED = {(4, 3, 9), (4, 3, 10), (4, 3, 13), (6, 1, 1), (6, 1, 5), (6, 1, 6)}
ICMP_WORDS = {
    (4, 3, 0): "network unreachable",
    (4, 3, 1): "host unreachable",
    (4, 3, 2): "protocol unreachable",
    (4, 3, 3): "port unreachable",
    (4, 3, 9): "network administratively prohibited",
    (4, 3, 10): "host administratively prohibited",
    (4, 3, 13): "communication administratively prohibited",
    (6, 1, 0): "no route to destination",
    (6, 1, 1): "administratively prohibited",
    (6, 1, 3): "address unreachable",
    (6, 1, 4): "port unreachable",
    (6, 1, 5): "source address failed policy",
    (6, 1, 6): "reject route",
}
# Codes a filter's default "reject" sends: they refuse a port although the host is there.
REJECTS = {(4, 3, 2), (4, 3, 3), (6, 1, 4)}


def blocking_icmp(case: Case) -> IcmpSeen | None:
    """The first ICMP error that ends a connection (time exceeded and path MTU do not count)."""
    unreachable = {4: 3, 6: 1}
    established, sent = case.connection.established, case.connection.from_device
    pending = sent.first_retransmission if sent.unacknowledged_retransmissions else sent.last_data
    pending = pending or 0.0
    return next(
        (
            message
            for message in case.connection.icmp
            if (established is None or message.time > established)
            and message.time >= pending
            and message.type == unreachable[message.version]
            and not (message.version == 4 and message.code == 4)
        ),
        None,
    )


def judge_icmp(case: Case, message: IcmpSeen) -> Judgement:
    """An ICMP error refused a packet of this connection."""
    key = (message.version, message.type, message.code)
    word = ICMP_WORDS.get(key, f"unreachable, code {message.code}")
    cloud = host_of(case.connection.cloud)
    evidence = (case.connection.id, *frames(message.frame))
    numbers = f"ICMP type {message.type} code {message.code}"
    prohibited = key in PROHIBITED
    if message.source == cloud and not prohibited:
        clue = Clue("HP501", f"{cloud} itself answers with {numbers}, {word}.", evidence)
        return undecided(
            (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
            Mechanism.ICMP_UNREACHABLE,
            clue,
            f"The cloud's own address {cloud} refuses the connection ({word}): "
            "its service is not running, or a firewall in front of it speaks in its name.",
            "Check on the cloud's host that its service listens and its firewall lets TCP in.",
        )
    clue = Clue(
        "HP113",
        f"{message.source} refuses the connection to {case.connection.cloud}: {numbers}, {word}.",
        evidence,
        Confidence.PROVEN if prohibited or key in REJECTS else Confidence.LIKELY,
    )
    blocker = blocker_from_icmp(
        message.source,
        message.ttl,
        on_device_link=case.topology.on_device_link(case.connection) and message.version == 4,
    )
    own = message.source == cloud
    place = "itself, or a firewall in its name," if own else "on the way to the cloud"
    if prohibited or key in REJECTS:
        return caused(
            Cause.NETWORK_BLOCKED,
            Mechanism.ICMP_PROHIBITED,
            clue,
            f"{message.source} {place} refuses the connection by policy ({word}).",
            others=(Cause.SERVER_FAULT,) if own else (),
            blocker=blocker,
        )
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.ICMP_UNREACHABLE,
        clue,
        f"{message.source} on the way to the cloud says it cannot be reached ({word}).",
        others=(Cause.SERVER_FAULT,),
        assumption="that the cloud's host is up; if it is down, its last router says the same",
        blocker=blocker,
    )
