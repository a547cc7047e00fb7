"""Rules for a TCP connection that never came up: SYN unanswered, reset, refused by ICMP."""

from __future__ import annotations

from itertools import pairwise
from operator import attrgetter

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.group import Group
from handshake_probe.diagnose.judge_icmp import blocking_icmp, judge_icmp
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, frames, undecided
from handshake_probe.diagnose.resets import Origin
from handshake_probe.diagnose.topology import host_of
from handshake_probe.diagnose.unseen import REPEAT_OVERDUE, UNFILTERED
from handshake_probe.model.observations import ConnectionSeen, ControlSeen
from handshake_probe.model.vocabulary import Cause, Confidence, EndedBy, Mechanism, Stage

# A device waits 5 s or longer for the answer to a SYN, and repeats it after 1 or 3 s.
SYN_WAITED = 2.5


def judge_connect(case: Case) -> Judgement:
    """SYN seen, no connection."""
    connection = case.connection
    message = blocking_icmp(case)
    if message is not None:
        return judge_icmp(case, message)
    reset = case.first_reset
    if reset is not None and reset.sender == "cloud":
        return _refused(case, reset)
    syns = [c for c in connection.controls if c.flags == "SYN"]
    answers = [c for c in connection.controls if c.flags == "SYN-ACK"]
    if reset is not None:
        return undecided(
            (Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED),
            Mechanism.DEVICE_CLOSED_EARLY,
            Clue("HP518", "The device resets its own connection attempt.", frames(reset.frame)),
            "The device gives up its own connection attempt with a reset.",
            "A longer capture that shows whether the device tries again.",
        )
    if answers:
        return _syn_ack_lost(case, syns, answers)
    waited = connection.capture_end - syns[0].time if syns else 0.0
    evidence = (connection.id, *frames(*(syn.frame for syn in syns[:4])))
    if connection.ended_by is EndedBy.CAPTURE_END:
        return undecided(
            (Cause.HEALTHY, Cause.NETWORK_BLOCKED),
            Mechanism.CAPTURE_TOO_SHORT,
            Clue("HP605", f"The capture ends {waited:.1f} s after the first SYN.", evidence),
            "The capture ends while the device is still trying to connect.",
            "A longer capture: at least 30 seconds.",
            capture_ended=True,
        )
    count = f"{len(syns)} SYNs" if len(syns) != 1 else "one SYN"
    clue = Clue(
        "HP110",
        f"{count} to {connection.cloud}, nothing came back within {waited:.0f} s.",
        evidence,
        Confidence.LIKELY,
    )
    if _asked_once(case):
        return undecided(
            (Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT, Cause.DEVICE_FAULT),
            Mechanism.SYN_DROPPED,
            clue,
            f"One connection attempt to {connection.cloud}, not repeated: either nothing answers, "
            "or the capture lost the answer that kept the device from asking again.",
            "A longer capture: a device whose attempts are dropped tries again and again.",
            capture_ended=case.siblings.once(_unanswered) < len(case.siblings),
        )
    if case.siblings.once(_given_up_at_once):
        return undecided(
            (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
            Mechanism.SYN_DROPPED,
            clue,
            f"The device gives its attempts to {connection.cloud} up sooner than it waits for an "
            "answer: something refuses them, and the capture does not show it.",
            "A capture that holds both directions (a mirror port set to both, no filter on a "
            "sender).",
        )
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.SYN_DROPPED,
        clue,
        f"Nothing answers the device's connection attempts to {connection.cloud}: "
        "a firewall drops them silently.",
        others=(Cause.SERVER_FAULT,),
        assumption="that the cloud's host is up: a switched-off host is as silent as a firewall",
    )


def _asked_once(case: Case) -> bool:
    """Whether one SYN only remained unanswered, in all its attempts: TCP repeats such a one.

    Where other attempts got an answer, it most likely is the last the capture holds before a pause.
    """
    return case.siblings.once(_unanswered_syns) == 1


def _unanswered(connections: Group[ConnectionSeen]) -> int:
    return sum(c.stage is Stage.TCP_SYN for c in connections)


def _unanswered_syns(connections: Group[ConnectionSeen]) -> int:
    return _syns(Group([c for c in connections if c.stage is Stage.TCP_SYN]))


def _given_up_at_once(connections: Group[ConnectionSeen]) -> bool:
    """Whether the device starts anew, no SYN ever repeated, when it would still be waiting."""
    tries = sorted((c for c in connections if c.stage is Stage.TCP_SYN), key=attrgetter("started"))
    return _syns(Group(tries)) == len(tries) and any(
        later.cloud == earlier.cloud and later.started - earlier.started < SYN_WAITED
        for earlier, later in pairwise(tries)
    )


def _syns(connections: Group[ConnectionSeen]) -> int:
    return sum(c.flags == "SYN" for o in connections for c in o.controls)


def _refused(case: Case, reset: ControlSeen) -> Judgement:
    connection = case.connection
    origin = case.origin(reset)
    evidence = (connection.id, *frames(reset.frame))
    if origin.origin is Origin.BOX:
        clue = Clue(
            "HP111",
            f"The SYN to {connection.cloud} is answered by a reset that "
            f"the cloud did not send: {'; '.join(origin.reasons)}.",
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
            blocker=case.topology.first_hop(connection) if origin.first_hop else None,
        )
    clue = Clue("HP501", f"{connection.cloud} refuses the connection with a reset.", evidence)
    summary = f"{connection.cloud} refuses the connection: a reset answers the device's SYN."
    cloud = host_of(connection.cloud)
    if cloud in case.topology.resolvers and cloud not in case.topology.genuine_ttls:
        return undecided(
            (Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT),
            Mechanism.CONNECTION_REFUSED,
            clue,
            summary + " That host is the DNS server: it redirects the device to itself, or the "
            "cloud runs there and is down.",
            "A capture that holds the DNS answers whole: do they name the DNS server's own "
            "address?",
        )
    if origin.origin is Origin.PEER:
        return caused(
            Cause.SERVER_FAULT,
            Mechanism.CONNECTION_REFUSED,
            clue,
            summary + " The reset comes from as far away as the cloud's own packets: "
            "nothing listens there.",
            others=(Cause.NETWORK_BLOCKED,),
            assumption="that no firewall sits right in front of the cloud's host",
        )
    return undecided(
        (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
        Mechanism.CONNECTION_REFUSED,
        clue,
        summary + " Either nothing listens there, or a firewall refuses in its name.",
        "The same connection from another network (a phone hotspot): "
        "refused there too means the cloud, accepted means this network.",
    )


def _established_unseen(evidence: tuple[str, ...], waited: float) -> Judgement:
    """A SYN/ACK that nobody confirms is sent again: the confirmation was left out."""
    return undecided(
        tuple(cause for cause in Cause if cause not in (Cause.INCONCLUSIVE, Cause.UNCLAIMED)),
        Mechanism.CAPTURE_INCOMPLETE,
        Clue(
            "HP616",
            f"For {waited:.0f} s nothing acknowledges the SYN/ACK, and nobody repeats himself: the "
            "capture lacks the rest of the connection.",
            evidence,
        ),
        "The cloud accepts the connection, and the capture does not hold what follows.",
        UNFILTERED,
        capture_ended=True,
    )


def _syn_ack_lost(case: Case, syns: list[ControlSeen], answers: list[ControlSeen]) -> Judgement:
    connection = case.connection
    evidence = (connection.id, *frames(answers[0].frame, answers[-1].frame))
    asked_again = any(syn.frame > answers[0].frame for syn in syns)
    if len(answers) < 2 and not asked_again:
        waited = connection.capture_end - answers[0].time
        if waited >= REPEAT_OVERDUE:
            return _established_unseen(evidence, waited)
        return undecided(
            (Cause.HEALTHY, Cause.NETWORK_BLOCKED, Cause.DEVICE_FAULT),
            Mechanism.CAPTURE_TOO_SHORT,
            Clue("HP605", "The capture ends right after the SYN/ACK.", evidence),
            "The cloud accepts the connection, and the capture ends before the device confirms.",
            "A longer capture: at least 30 seconds.",
            capture_ended=True,
        )
    clue = Clue(
        "HP114",
        f"The cloud accepts ({len(answers)} SYN/ACKs), the device goes on asking.",
        evidence,
        Confidence.LIKELY,
    )
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.SYN_ACK_LOST,
        clue,
        "The cloud accepts the connection, but its answer does not reach the device.",
        others=(Cause.DEVICE_FAULT,),
    )
