"""Rules on the DNS matrix: does the network's resolver give the device the cloud's address?"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from handshake_probe.diagnose.active.case import ProbeCase
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, undecided
from handshake_probe.diagnose.topology import host_of
from handshake_probe.keys.particle import is_particle_name
from handshake_probe.model.probed import DnsProbed, Lookup
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism
from handshake_probe.packets.addresses import sinkhole

NAMES_ALLOWED = "that the name is the cloud's right one"
_UNHEARD = (Lookup.TIMEOUT, Lookup.UNREACHABLE)
_OWN = ("configured", "system")


def judge_lookups(case: ProbeCase) -> Judgement | None:
    """Whether DNS stops the device; None when its resolver gives a usable address."""
    name = case.cloud_name
    asked = case.asked(name, "configured") or case.asked(name, "system")
    if name is None or not asked:
        return None
    given = [a for q in asked for a in q.addresses]
    if any(address in _open_hosts(case) for address in given):
        return None  # whatever the address looks like, a cloud speaks there
    usable = [address for address in given if not _leads_nowhere(case, name, address)]
    if usable:
        return None
    if given:
        return _wrong_address(case, name, asked)
    answered = [q for q in asked if q.outcome not in _UNHEARD]
    return _refused(case, name, answered) if answered else _unanswered(case, name, asked)


def _open_hosts(case: ProbeCase) -> set[str]:
    return {host_of(address.target) for address in case.addresses if address.with_nonce}


def _leads_nowhere(case: ProbeCase, name: str, address: str) -> bool:
    """Nobody's address, the router's, or a private one that others do not confirm.

    A private address alone is no proof: it may be a cloud of one's own.
    """
    if sinkhole(address) or (case.vantage is not None and address == case.vantage.gateway):
        return True
    if ipaddress.ip_address(address).is_global:
        return False
    control = _elsewhere(case, name)
    made_up = {a for q in case.lookups if q.purpose == "random" for a in q.addresses}
    return address in made_up or (control is not None and address not in control.addresses)


def _elsewhere(case: ProbeCase, name: str) -> DnsProbed | None:
    """A public resolver's answer with addresses."""
    found = (q for q in case.asked(name, "public") if q.outcome is Lookup.ANSWERED)
    return next((q for q in found if not all(map(sinkhole, q.addresses))), None)


def _told(question: DnsProbed) -> str:
    return question.resolver or "the system's look-up"


def _wrong_address(case: ProbeCase, name: str, asked: Sequence[DnsProbed]) -> Judgement:
    first = next(q for q in asked if q.addresses)
    control = _elsewhere(case, name)
    differs = control is not None and not set(control.addresses) & set(first.addresses)
    everything = next((q for q in case.lookups if q.purpose == "random" and q.addresses), None)
    text = f"{_told(first)} answers {name} with {', '.join(first.addresses[:4])}"
    if control is not None and differs:
        text += f"; {_told(control)} says {', '.join(control.addresses[:4])}"
    if everything is not None and set(everything.addresses) & set(first.addresses):
        text += f"; the made-up name {everything.name} leads there as well"
    nowhere = all(map(sinkhole, first.addresses))
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.DNS_SINKHOLE if nowhere else Mechanism.DNS_REDIRECT,
        Clue(
            "HP103",
            f"{text}.",
            tuple(q.id for q in (first, control, everything) if q is not None),
            Confidence.PROVEN if nowhere and differs else Confidence.LIKELY,
        ),
        f"This network's DNS server sends the device to {first.addresses[0]}, "
        "where no cloud is: a DNS filter or a login page.",
    )


def _refused(case: ProbeCase, name: str, answered: Sequence[DnsProbed]) -> Judgement:
    first = answered[0]
    what = "without an address" if first.outcome is Lookup.EMPTY else str(first.rcode or "an error")
    mechanism = Mechanism.DNS_NO_ADDRESS if first.outcome is Lookup.EMPTY else Mechanism.DNS_REFUSED
    control = _elsewhere(case, name)
    evidence = tuple(q.id for q in (*answered[:4], control) if q is not None)
    summary = f"The DNS server {_told(first)} does not tell the cloud's address ({what})."
    if control is not None:
        clue = Clue(
            "HP102",
            f"{_told(first)} answers {name} with {what}; "
            f"{_told(control)} knows {', '.join(control.addresses[:4])}.",
            evidence,
        )
        return caused(Cause.NETWORK_BLOCKED, mechanism, clue, summary)
    clue = Clue("HP102", f"{_told(first)} answers {name} with {what}.", evidence, Confidence.LIKELY)
    public = [q for q in case.asked(name, "public") if q.outcome not in _UNHEARD]
    if public or not is_particle_name(name):
        return undecided(
            (Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT),
            mechanism,
            clue,
            f"No DNS server that was asked knows {name}: it is mistyped or gone, "
            "or this network filters all DNS.",
            f"The same question from another network (a phone hotspot): `dig {name}`.",
        )
    return caused(
        Cause.NETWORK_BLOCKED,
        mechanism,
        clue,
        summary,
        others=(Cause.SERVER_FAULT,),
        assumption=NAMES_ALLOWED,
    )


def _unanswered(case: ProbeCase, name: str, asked: Sequence[DnsProbed]) -> Judgement:
    first = asked[0]
    tries = sum(q.attempts for q in asked)
    speaks = next(
        (
            q
            for q in case.lookups
            if q.role in _OWN and q.name != name and q.outcome not in _UNHEARD
        ),
        None,
    )
    control = _elsewhere(case, name)
    text = (
        f"{tries} questions for {name} to {', '.join(dict.fromkeys(map(_told, asked)))}: no answer"
    )
    if speaks is not None:
        text += f", although {speaks.name} is answered"
    evidence = tuple(q.id for q in (*asked[:4], speaks, control) if q is not None)
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.DNS_NO_ANSWER,
        Clue("HP101", f"{text}.", evidence, Confidence.LIKELY),
        f"The DNS server {_told(first)} does not answer: the device gets no address to call.",
        others=() if speaks or control else (Cause.SERVER_FAULT,),
        assumption=None if speaks or control else "that DNS fails here and not at the cloud's own",
    )


def remarks(case: ProbeCase) -> list[Clue]:
    """What else the matrix shows."""
    found = []
    for question in case.lookups:
        if question.second_answer is not None:
            found.append(
                Clue(
                    "HP104",
                    f"{_told(question)} answers {question.name} twice: "
                    f"{', '.join(question.addresses)}, then {', '.join(question.second_answer)}.",
                    (question.id,),
                )
            )
        if question.purpose == "random" and question.addresses and question.role in _OWN:
            found.append(
                Clue(
                    "HP163",
                    f"{_told(question)} answers the made-up name {question.name} "
                    f"with {question.addresses[0]}.",
                    (question.id,),
                )
            )
    own = case.asked(case.cloud_name, "configured")
    failing = [q for q in own if not q.addresses and q.transport == "udp"]
    if failing and any(q.addresses for q in own):
        found.append(
            Clue(
                "HP164",
                f"Of this network's DNS servers {', '.join(map(_told, failing))} "
                f"does not give an address for {case.cloud_name}.",
                tuple(q.id for q in failing),
            )
        )
    return found
