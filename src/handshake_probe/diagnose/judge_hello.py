"""Rules for a device that said Hello and got no record in return."""

from __future__ import annotations

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.judge_records import judge_records
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, frames, undecided
from handshake_probe.diagnose.path_rules import peer_gone
from handshake_probe.model.vocabulary import Cause, Confidence, EndedBy, Mechanism

# The device waits 4 s (classic firmware 2 s) for the cloud's Hello.
HELLO_PATIENCE = 6.0


def judge_hello(case: Case) -> Judgement:
    """The device sent its Hello, the cloud sent no record."""
    connection = case.connection
    hello = connection.device_records.first_time or connection.ended
    ended = connection.ended_time or connection.capture_end
    waited = ended - hello
    late = connection.cloud_records.first_time
    evidence = (
        connection.id,
        *frames(connection.device_records.first_frame, connection.ended_frame),
    )
    if connection.midstream:
        return _one_sided(case, evidence)
    garbage = judge_records(case)
    if garbage is not None:
        return garbage
    if connection.ended_by is EndedBy.CAPTURE_END and case.quiet < HELLO_PATIENCE:
        return undecided(
            (Cause.HEALTHY, Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
            Mechanism.CAPTURE_TOO_SHORT,
            Clue("HP605", f"The capture ends {waited:.1f} s after the device's Hello.", evidence),
            "The capture ends before the cloud's Hello was due. Both keys fit already.",
            "A longer capture: at least 30 seconds.",
            capture_ended=True,
        )
    if connection.ended_by in (EndedBy.CLOUD_FIN, EndedBy.CLOUD_RST):
        return undecided(
            (
                Cause.SERVER_FAULT,
                Cause.DEVICE_UNKNOWN,
                Cause.DEVICE_FAULT,
                Cause.NETWORK_BLOCKED,
            ),
            Mechanism.NO_SERVER_HELLO,
            Clue("HP510", f"The cloud closes {waited:.1f} s after the device's Hello.", evidence),
            "Keys and network are fine up to the device's Hello; then the cloud hangs up: "
            "it cannot read the Hello, or refuses this product or device.",
            "The cloud's own log of this connection.",
        )
    gone = peer_gone(case)
    if gone is not None:
        return gone
    acknowledged = connection.from_device.acknowledged_up_to >= connection.from_device.sent_up_to
    if late is not None and connection.session is None:
        waited = late - hello
    clue = Clue(
        "HP510",
        f"No Hello from the cloud within {waited:.1f} s of the device's Hello"
        + (" (which it acknowledged)." if acknowledged else "."),
        evidence,
        Confidence.LIKELY,
    )
    if acknowledged and case.cloud_sent_nothing:
        return caused(
            Cause.SERVER_FAULT,
            Mechanism.NO_SERVER_HELLO,
            clue,
            "The cloud received the device's Hello and sent none itself "
            "(its sequence numbers have not moved): the device gives up and tries again.",
            others=(Cause.NETWORK_BLOCKED,),
        )
    return undecided(
        (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
        Mechanism.NO_SERVER_HELLO,
        clue,
        "The device's Hello gets no answer: the cloud is stuck, or its answer is dropped.",
        "A capture on the cloud's side, or the same test from another network.",
    )


def _one_sided(case: Case, evidence: tuple[str, ...]) -> Judgement:
    return undecided(
        (Cause.HEALTHY, Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT),
        Mechanism.CAPTURE_INCOMPLETE,
        Clue("HP603", "The capture starts in mid-session and shows one side only.", evidence),
        "The capture shows too little of a running session.",
        "A capture that starts before the device connects (press its reset button).",
        capture_ended=True,
    )
