"""Rules on an identity held against the keys of the clouds."""

from __future__ import annotations

from handshake_probe.diagnose.case import OPENED, Case
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, frames, undecided
from handshake_probe.diagnose.resets import Origin
from handshake_probe.diagnose.unseen import unconfirmed
from handshake_probe.model.vocabulary import Cause, Mechanism

OPEN_QUESTION = (
    Cause.SERVER_KEY_MISMATCH,
    Cause.DEVICE_UNKNOWN,
    Cause.DEVICE_KEY_CORRUPTION,
    Cause.SERVER_FAULT,
)
UNSEEN = (Cause.NETWORK_BLOCKED,)  # where nothing shows that the identity arrived
# The padding shows that a key is the right one (another gives such a block once in 100 000), and
# what it encloses is no identity for this nonce.
_OTHER_CONTENT = ("nonce_differs", "padding_good_length_odd")


def mismatch_by_keys(case: Case) -> Judgement | None:
    """What the cloud's keys alone prove about the identity."""
    cloud_key = case.keys.cloud_key
    if cloud_key is None:
        return None
    other = next(
        (t for t in case.tests("identity") if t.state in OPENED and t.key != cloud_key), None
    )
    test = case.test("identity", cloud_key)
    if test is None or test.state in (*OPENED, *_OTHER_CONTENT, "fits"):
        return None
    connection = case.connection
    certain = case.keys.cloud_key_certain
    arrived = identity_arrived(case)
    if not certain and not (arrived or unconfirmed(connection.from_device, connection.capture_end)):
        return None  # which key made what never reached the cloud explains nothing
    evidence = (connection.id, *frames(test.frame))
    name = case.keys.name(cloud_key)
    if other is not None:
        clue = Clue(
            "HP206",
            f"It opens with {case.keys.name(other.key)} and not with {name}, the cloud's.",
            evidence,
        )
        return caused(
            Cause.SERVER_KEY_MISMATCH,
            Mechanism.IDENTITY_NOT_DECRYPTABLE,
            clue,
            "The device holds the server key of another cloud "
            f"({case.keys.name(other.key)}): this cloud cannot read its identity.",
        )
    if test.state == "not_below_modulus":
        clue = Clue(
            "HP202",
            f"The identity is a larger number than the modulus of {name}: "
            "it was made with another key.",
            evidence,
        )
    elif test.private:
        clue = Clue("HP201", f"The identity does not decrypt with {name}.", evidence)
    else:
        return None
    return caused(
        Cause.SERVER_KEY_MISMATCH,
        Mechanism.IDENTITY_NOT_DECRYPTABLE,
        clue,
        "The device encrypts its identity with another server key than the cloud's: "
        "the cloud cannot read it.",
        others=() if certain else (*OPEN_QUESTION[1:], *(() if arrived else UNSEEN)),
        assumption=None if certain else f"that {name} is this cloud's key",
    )


def other_content(case: Case, clue: Clue) -> Judgement | None:
    """An identity that a given key opens, and that no cloud can accept for what is in it."""
    test = next((t for t in case.tests("identity") if t.state in _OTHER_CONTENT), None)
    if test is None:
        return None
    name = case.keys.name(test.key)
    inside = (
        "the nonce in it is not the one this cloud sent"
        if test.state == "nonce_differs"
        else f"there are {test.length} bytes in it, and 52 or 214 are right"
    )
    return undecided(
        (Cause.DEVICE_FAULT, Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
        Mechanism.IDENTITY_REFUSED,
        clue,
        f"The identity opens with {name}, but {inside}: the device makes it wrongly, or something "
        "between the two sends another one.",
        "The device's serial log of one attempt, and a capture on the device's own Wi-Fi.",
    )


def identity_arrived(case: Case) -> bool:
    """Whether the cloud acknowledged what the device sent, in its own reset at the latest."""
    acknowledged, reset = case.connection.from_device.acknowledged_up_to, case.first_reset
    if reset is not None and case.origin(reset).origin is Origin.PEER:
        acknowledged = max(acknowledged, reset.acknowledgment or 0)
    return acknowledged > 1
