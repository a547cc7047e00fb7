"""Rules on DNS: a device that asked for the cloud and got no usable address."""

from __future__ import annotations

from collections.abc import Sequence

from handshake_probe.diagnose.judgement import Clue, Judgement, caused, frames, undecided
from handshake_probe.model.observations import DnsSeen
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism
from handshake_probe.packets.addresses import sinkhole

# Firmware asks three times; a resolver that needs longer than this is as good as none.
ANSWER_PATIENCE = 2.0


def judge_dns(asked: Sequence[DnsSeen], capture_end: float) -> Judgement:
    """A device that asked for a cloud name and never tried to connect."""
    questions = [q for q in asked if q.type == "A"] or list(asked)
    usable = [q for q in questions if any(not sinkhole(address) for address in q.addresses)]
    if usable:
        clue = Clue(
            "HP518",
            f"{usable[-1].name} is answered with {', '.join(usable[-1].addresses[:4])}; "
            "no connection follows.",
            (usable[-1].id, *frames(usable[-1].answer_frame)),
        )
        return undecided(
            (Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED),
            Mechanism.NO_TRAFFIC,
            clue,
            "DNS works, and the device never tries to connect to the address it got.",
            "A longer capture on the device's own Wi-Fi, and its serial log.",
        )
    sunk = next((q for q in questions if q.addresses), None)
    if sunk is not None:
        clue = Clue(
            "HP103",
            f"{sunk.server} answers {sunk.name} with {', '.join(sunk.addresses[:4])}.",
            (sunk.id, *frames(sunk.answer_frame)),
            Confidence.LIKELY,
        )
        return caused(
            Cause.NETWORK_BLOCKED,
            Mechanism.DNS_SINKHOLE,
            clue,
            "The DNS server sends the device to an address that leads nowhere: a DNS filter.",
        )
    answered = [q for q in questions if q.rcode is not None]
    if answered:
        return _refused(answered)
    return _unanswered(questions, capture_end)


def _refused(answered: Sequence[DnsSeen]) -> Judgement:
    last = answered[-1]
    empty = last.rcode == "NOERROR"
    what = "without an address" if empty else str(last.rcode)
    clue = Clue(
        "HP102",
        f"{last.server} answers {last.name} with {what} ({len(answered)} times).",
        (last.id, *frames(*(q.answer_frame for q in answered[:4]))),
        Confidence.LIKELY,
    )
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.DNS_NO_ADDRESS if empty else Mechanism.DNS_REFUSED,
        clue,
        f"The DNS server {last.server} does not tell the device the cloud's address ({what}).",
        others=(Cause.DEVICE_FAULT,),
        assumption=f"that {last.name} is the cloud's right name",
    )


def _unanswered(questions: Sequence[DnsSeen], capture_end: float) -> Judgement:
    first = questions[0]
    attempts = sum(q.attempts for q in questions)
    waited = capture_end - first.time
    evidence = (first.id, *frames(*(q.frame for q in questions[:4])))
    text = f"{attempts} questions for {first.name} to {first.server}, no answer in {waited:.0f} s."
    if waited < ANSWER_PATIENCE:
        return undecided(
            (Cause.HEALTHY, Cause.NETWORK_BLOCKED),
            Mechanism.CAPTURE_TOO_SHORT,
            Clue("HP605", text, evidence),
            "The capture ends right after the device asked for the cloud's address.",
            "A longer capture: at least 30 seconds.",
            capture_ended=True,
        )
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.DNS_NO_ANSWER,
        Clue("HP101", text, evidence, Confidence.LIKELY),
        f"The DNS server {first.server} does not answer the device: it has no address to call.",
        others=(Cause.DEVICE_FAULT,),
        assumption=f"that {first.server} is the right DNS server for this network",
    )
