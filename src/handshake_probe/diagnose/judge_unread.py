"""Rules for a peer that ends a connection and never had what it seems to refuse.

Whoever closes because of what it read has acknowledged that, in its FIN or reset at the latest.
Without that no key can be the reason.
"""

from __future__ import annotations

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.judgement import HOTSPOT, Clue, Judgement, caused, frames, undecided
from handshake_probe.diagnose.resets import ignores_data
from handshake_probe.model.vocabulary import Cause, Confidence, EndedBy, Mechanism

ARRIVAL_DUE = 2.0  # seconds that an identity, or its first repeat, may take to the cloud
KEYS = (Cause.SERVER_KEY_MISMATCH, Cause.DEVICE_UNKNOWN, Cause.DEVICE_KEY_CORRUPTION)


def closed_unread(case: Case, waited: float, clue: Clue) -> Judgement | None:
    """The cloud closed, and its FIN or reset acknowledges nothing of the identity."""
    if case.connection.ended_by is EndedBy.CLOUD_RST:
        return _reset(case, clue.evidence)
    closed = next(
        (c for c in case.connection.controls if c.sender == "cloud" and c.flags == "FIN"), None
    )
    if closed is None or closed.acknowledgment is None or closed.acknowledgment > 1:
        return None
    if waited >= ARRIVAL_DUE and case.connection.from_device.acknowledged_up_to <= 1:
        return caused(
            Cause.NETWORK_BLOCKED,
            Mechanism.IDENTITY_DROPPED,
            Clue(
                "HP123",
                f"The cloud closes {waited:.0f} s after the identity was sent and has not "
                "acknowledged a byte of it.",
                clue.evidence,
                Confidence.LIKELY,
            ),
            "The device's identity does not reach the cloud, which waits for it and gives up.",
            others=(Cause.SERVER_FAULT,),
        )
    return undecided(
        (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
        Mechanism.SESSION_CLOSED_BY_CLOUD,
        Clue(
            "HP515",
            "The cloud's FIN acknowledges nothing of the identity: it closed before it had it.",
            clue.evidence,
        ),
        "The cloud sends its nonce and closes before the device's answer reaches it.",
        HOTSPOT,
    )


def _reset(case: Case, evidence: tuple[str, ...]) -> Judgement | None:
    reset = case.first_reset
    if reset is None or not ignores_data(case.connection, reset):
        return None
    keys = KEYS if case.opened_identity is None else ()
    return undecided(
        (Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT, *keys),
        Mechanism.RESET_AFTER_IDENTITY,
        Clue("HP131", "A reset answers the identity and acknowledges nothing of it.", evidence),
        "A reset answers the device's identity, and nothing shows that the cloud ever had it: "
        "a box on the path made the reset, or the cloud's host had lost the connection.",
        "A capture on the cloud's side: a reset that it does not show came from the path.",
    )


def reset_unread(case: Case, mechanism: Mechanism, keys: tuple[Cause, ...]) -> Judgement | None:
    """A reset with the device's address, and what the cloud sent is acknowledged by nothing."""
    connection, reset = case.connection, case.first_reset
    if connection.ended_by is not EndedBy.DEVICE_RST or reset is None:
        return None
    if not ignores_data(connection, reset):
        return None
    return undecided(
        (Cause.NETWORK_BLOCKED, Cause.DEVICE_FAULT, *keys),
        mechanism,
        Clue(
            "HP131",
            "A reset with the device's address answers the cloud and acknowledges nothing of what "
            "it sent.",
            (connection.id, *frames(reset.frame)),
        ),
        "A reset answers what the cloud sent, and nothing shows that the device ever had it: a "
        "box on the path made the reset, or the device restarted.",
        "A capture on the device's own Wi-Fi: a reset that it does not show came from the path.",
    )
