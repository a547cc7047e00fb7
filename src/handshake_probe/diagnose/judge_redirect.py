"""Rule: DNS sent the device to the DNS server itself, and no handshake came from there."""

from __future__ import annotations

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.group import Group
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, frames
from handshake_probe.diagnose.topology import host_of
from handshake_probe.model.observations import DnsSeen
from handshake_probe.model.vocabulary import Cause, Confidence, EndedBy, Mechanism, Stage


def judge_redirect(case: Case) -> Judgement | None:
    """A portal's DNS names its own address for every name; a cloud there would send a nonce."""
    connection = case.connection
    cloud = host_of(connection.cloud)
    answer = case.questions.once(_answered_with_itself).get(cloud)
    if answer is None or connection.ended_by is EndedBy.CAPTURE_END:
        return None
    nonce = connection.nonce
    genuine = nonce is not None and nonce.whole and not nonce.flaws
    if genuine or connection.stage.reached(Stage.CREDENTIALS_RECEIVED):
        return None
    if cloud in case.topology.genuine_ttls:
        return None  # a cloud has answered there in this capture
    clue = Clue(
        "HP103",
        f"{answer.server} answers {answer.name} with its own address, "
        "and no handshake comes from there.",
        (answer.id, connection.id, *frames(answer.answer_frame, connection.ended_frame)),
        Confidence.LIKELY,
    )
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.DNS_REDIRECT,
        clue,
        "The DNS server sends the device to itself instead of the cloud: "
        "a portal or filter that redirects every name.",
        others=(Cause.SERVER_FAULT,),
        assumption=f"that the cloud itself does not run at {cloud}",
    )


def _answered_with_itself(questions: Group[DnsSeen]) -> dict[str, DnsSeen]:
    """By server, the first question it answered with its own address."""
    return {q.server: q for q in reversed(questions) if q.server in q.addresses}
