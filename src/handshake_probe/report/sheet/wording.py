"""The verdict in words: title, sentence, how sure, and what that rules out."""

from __future__ import annotations

from collections.abc import Sequence

from handshake_probe.model.measurement import Measurement
from handshake_probe.model.measurement import Verdict as Judged
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism, Stage
from handshake_probe.report.overview import counts, cut_short
from handshake_probe.report.sheet.content import Fact, Mark, Matter, Verdict
from handshake_probe.report.words import CAUSES

TITLES = {
    Matter.REQUEST: "Request to the network team",
    Matter.OTHER: "Not the network: no firewall rule is asked for",
    Matter.HEALTHY: "The network carries it: no firewall rule is asked for",
    Matter.OPEN: "Not decided: no firewall rule is asked for",
}
LEADS = {
    Matter.OTHER: "A Particle device does not complete the handshake with its cloud, and the "
    "measurement shows a cause other than the network.",
    Matter.HEALTHY: "What was measured works.",
    Matter.OPEN: "What was measured does not tell the network from another cause. The page for the "
    "owner says what would settle it.",
}
_NOT_THE_NETWORK = (
    "The network carries what a Particle device and its cloud say, so nothing is asked of it. "
    "Which of the other causes it is was not decided; the page for the owner says what would "
    "settle it."
)
_SURE = {
    Confidence.PROVEN: "proven: an explicit refusal or arithmetic leaves no other reading",
    Confidence.LIKELY: "likely: it explains all that was seen; others would need a coincidence",
    Confidence.POSSIBLE: "possible, not more",
}
_MARKS = {
    Matter.REQUEST: Mark.BAD,
    Matter.OTHER: Mark.BAD,
    Matter.HEALTHY: Mark.GOOD,
    Matter.OPEN: Mark.NEUTRAL,
}
_WITHOUT_KEYS = (Stage.NONE, Stage.DNS, Stage.TCP_SYN, Stage.TCP_ESTABLISHED, Stage.NONCE_RECEIVED)


def lead(verdict: Judged, measurement: Measurement, changes: int) -> str:
    """What the page is about, for somebody who never heard of the device."""
    devices = measurement.devices
    matter = matter_of(verdict)
    if matter is Matter.OPEN and carried(verdict):
        return _NOT_THE_NETWORK
    if matter is not Matter.REQUEST:
        return LEADS[matter]
    blocked = sum(device.verdict.cause is Cause.NETWORK_BLOCKED for device in devices)
    who = "A Particle device cannot reach its"
    if len(devices) > 1 and blocked:
        reach = "cannot reach its" if blocked == 1 else "cannot reach their"
        number = f"{blocked} of {len(devices)}"
        if cut_short(measurement.findings):
            number = f"At least {blocked}"
        who = f"{number} Particle devices {reach}"
    asked = "one change" if changes == 1 else f"{changes} changes"
    return (
        f"{who} cloud from this network. This page asks for {asked}, shows what was measured, and "
        "says how to check the result."
    )


def title(verdict: Judged) -> str:
    """The heading of the page."""
    matter = matter_of(verdict)
    if matter is Matter.OPEN and carried(verdict):
        return "Not the network, and not decided further: no firewall rule is asked for"
    return TITLES[matter]


def carried(verdict: Judged) -> bool:
    """Whether the network is known to carry the handshake."""
    return Cause.NETWORK_BLOCKED in verdict.ruled_out


def matter_of(verdict: Judged) -> Matter:
    """What a report over this verdict is about."""
    if verdict.cause is Cause.NETWORK_BLOCKED:
        return Matter.REQUEST
    if verdict.cause is Cause.HEALTHY:
        return Matter.HEALTHY
    return Matter.OPEN if verdict.cause is Cause.INCONCLUSIVE else Matter.OTHER


def sureness(verdict: Judged) -> str:
    """How sure a verdict is, in a few words."""
    if verdict.cause is Cause.INCONCLUSIVE:
        return "not decided"
    return _SURE[verdict.confidence]


def told(
    verdict: Judged,
    stages: dict[Stage, str],
    compared: Sequence[str],
    measurement: Measurement,
) -> Verdict:
    """The verdict as the report tells it; of several devices it is that of the gravest."""
    matter = matter_of(verdict)
    facts = [Fact("How sure", sureness(verdict)), Fact("Got as far as", stages[verdict.stage])]
    if len(measurement.devices) > 1:
        number = counts(measurement.devices, at_least=cut_short(measurement.findings))
        facts.insert(0, Fact("In this capture", number))
    others = [cause for cause in verdict.candidates if cause is not verdict.cause]
    if others:
        label = "Could be" if matter is Matter.OPEN else "Less likely"
        facts.append(Fact(label, "; ".join(readings(others))))
    if excluded := _excluded(verdict, matter):
        facts.append(Fact("Ruled out", excluded))
    if verdict.assumption:
        facts.append(Fact("Taken for granted", verdict.assumption))
    if verdict.settles:
        facts.append(Fact("Would settle it", verdict.settles.replace("`", "")))
    facts += [Fact("Compared", text) for text in compared if text]
    return Verdict(sentence=verdict.summary, mark=_MARKS[matter], facts=tuple(facts))


def readings(causes: Sequence[Cause]) -> list[str]:
    """Causes as halves of sentences."""
    return [CAUSES[cause].reading for cause in causes]


def _excluded(verdict: Judged, matter: Matter) -> str:
    told = readings(verdict.ruled_out)
    blocked = matter is Matter.REQUEST and verdict.mechanism is not Mechanism.NO_TRAFFIC
    if blocked and verdict.stage in _WITHOUT_KEYS:
        told.append("the device's keys: they play no part before the device has sent its identity")
    return "; ".join(dict.fromkeys(told))
