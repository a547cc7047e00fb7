"""Rules for credentials that arrived and were not followed by a device record."""

from __future__ import annotations

from handshake_probe.diagnose.case import OPENED, Case
from handshake_probe.diagnose.judge_device_key import (
    encrypted_for,
    judge_device_key,
    signature_test,
)
from handshake_probe.diagnose.judge_form import (
    foreign_answer,
    odd_signature,
    odd_size,
    surplus_nonce,
)
from handshake_probe.diagnose.judge_register import flawed_key
from handshake_probe.diagnose.judge_sizes import large_ciphertext
from handshake_probe.diagnose.judge_unread import reset_unread
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, frames, undecided
from handshake_probe.diagnose.key_sizes import credentials_clues
from handshake_probe.diagnose.unseen import UNFILTERED, unconfirmed
from handshake_probe.model.vocabulary import Cause, Confidence, EndedBy, Mechanism

KEYS = (Cause.DEVICE_KEY_CORRUPTION, Cause.SERVER_KEY_MISMATCH)
# A device needs up to 0.6 s for RSA; with a failing internet test it closes 10.3 s later at most.
DEVICE_DECIDES = 15.0


def judge_credentials(case: Case) -> Judgement:
    """384 bytes came, and no Hello."""
    connection = case.connection
    got = connection.credentials
    if got is None:  # it passed unseen
        return undecided(
            (Cause.DEVICE_KEY_CORRUPTION, Cause.SERVER_KEY_MISMATCH, Cause.SERVER_FAULT),
            Mechanism.CAPTURE_INCOMPLETE,
            Clue("HP604", "The cloud's answer passed, and the capture lost it.", (connection.id,)),
            "The cloud answered the identity; the capture lost its answer, and no Hello followed.",
            "A capture that loses no frames.",
        )
    ended = connection.ended_time or connection.capture_end
    waited = ended - got.time
    evidence = (connection.id, *frames(got.frame, connection.ended_frame))
    if connection.ended_by is EndedBy.CAPTURE_END and case.quiet < DEVICE_DECIDES:
        return undecided(
            (Cause.HEALTHY, Cause.DEVICE_KEY_CORRUPTION, Cause.SERVER_KEY_MISMATCH),
            Mechanism.CAPTURE_TOO_SHORT,
            Clue("HP605", f"The capture ends {waited:.1f} s after the credentials.", evidence),
            "The capture ends before the device answered the credentials.",
            "A longer capture: at least 30 seconds.",
            capture_ended=True,
        )
    if connection.ended_by in (EndedBy.CLOUD_FIN, EndedBy.CLOUD_RST):
        return _cloud_closed(case, waited, evidence)
    if connection.ended_by not in (EndedBy.DEVICE_FIN, EndedBy.DEVICE_RST):
        if unconfirmed(connection.from_cloud, connection.capture_end):
            return _unconfirmed(case, waited, evidence)
        return undecided(
            (Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED, *KEYS),
            Mechanism.DEVICE_SILENT,
            Clue("HP517", f"The device says nothing for {waited:.0f} s.", evidence),
            "The credentials reached the device, and then it went silent.",
            "A capture on the device's own Wi-Fi, or its serial log.",
        )
    clue = Clue(
        "HP310",
        f"The device closes {waited:.2f} s after the cloud's credentials, without a Hello.",
        evidence,
    )
    told = (
        foreign_answer(case)
        or surplus_nonce(case)
        or odd_size(case, got, clue)
        or odd_signature(case, got, clue)
        or _by_register(case, clue)
        or judge_device_key(case, clue)
        or large_ciphertext(case, clue)
        or _by_signature(case, clue)
    )
    if told.confidence is Confidence.PROVEN:
        return told
    return reset_unread(case, Mechanism.RESET_AFTER_CREDENTIALS, KEYS) or told


def _unconfirmed(case: Case, waited: float, evidence: tuple[str, ...]) -> Judgement:
    clue = Clue(
        "HP616",
        f"For {waited:.0f} s nothing acknowledges the credentials, and the cloud does not repeat "
        "them: the capture lacks one or the other.",
        evidence,
    )
    return (
        _by_register(case, clue)
        or judge_device_key(case, clue)
        or undecided(
            (*KEYS, Cause.SERVER_FAULT, Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED),
            Mechanism.CAPTURE_INCOMPLETE,
            clue,
            "The cloud accepts the identity and answers; the capture does not show what the "
            "device did then: frames are missing.",
            UNFILTERED,
            *credentials_clues(case),
        )
    )


def _cloud_closed(case: Case, waited: float, evidence: tuple[str, ...]) -> Judgement:
    return undecided(
        (
            Cause.SERVER_FAULT,
            Cause.NETWORK_BLOCKED,
            Cause.DEVICE_FAULT,
            Cause.DEVICE_KEY_CORRUPTION,
        ),
        Mechanism.SESSION_CLOSED_BY_CLOUD,
        Clue(
            "HP515",
            f"The cloud closes {waited:.1f} s after its own credentials, before the device spoke.",
            evidence,
        ),
        "The cloud sends its credentials and closes before the device answers.",
        "The cloud's own log of this connection, and the device's serial log.",
    )


def _by_register(case: Case, clue: Clue) -> Judgement | None:
    """The key the device sent, held against the one registered for it."""
    opened = case.opened_identity
    if opened is None:
        return None
    flawed = flawed_key(case, clue)
    if flawed is not None:
        return flawed
    evidence = (case.connection.id, *frames(opened.frame))
    registered = case.keys.register.get(opened.device_id or "")
    if registered is None or opened.sent_key is None or opened.sent_key == registered:
        return None
    if encrypted_for(case, opened.sent_key):
        return None  # the cloud encrypts for the key the device sends: the register is not its own
    signature = signature_test(case)
    if signature is not None and signature.state in ("padding_bad", "not_below_modulus"):
        return None  # the signature alone stops every device, whatever key it holds
    return caused(
        Cause.DEVICE_KEY_CORRUPTION,
        Mechanism.REGISTERED_KEY_DIFFERS,
        Clue(
            "HP301",
            f"Device {opened.device_id} sends the public key {opened.sent_key}, registered is "
            f"{registered}: it cannot open what the cloud encrypts for it.",
            evidence,
        ),
        f"Device {opened.device_id} holds another key pair than the one the cloud has on file.",
        clue,
    )


def _by_signature(case: Case, clue: Clue) -> Judgement:
    """Only the signature is left to tell the two halves of the credentials apart."""
    connection = case.connection
    signature = signature_test(case)
    if signature is None:
        if case.keys.ambiguous:
            settles = "Which of the given keys is this cloud's: name it with `--cloud-key FILE`."
        else:
            settles = (
                "The cloud's public key (`--keys`): it shows whether the signature is its own."
            )
        return undecided(
            (
                Cause.DEVICE_KEY_CORRUPTION,
                Cause.SERVER_KEY_MISMATCH,
                Cause.SERVER_FAULT,
                Cause.DEVICE_FAULT,
            ),
            Mechanism.CREDENTIALS_REFUSED,
            clue,
            "The network carries the handshake, and the cloud accepted the identity. "
            "The device cannot use the answer: its own key does not fit, or the signature is "
            "not by the server key it holds.",
            settles,
            *credentials_clues(case),
        )
    evidence = (connection.id, *frames(signature.frame))
    name = case.keys.name(signature.key)
    if signature.state == "opened":
        refused = Clue(
            "HP302",
            f"The signature opens with {name}: the cloud is genuine, and the device closes "
            "because it cannot open the credentials.",
            evidence,
            Confidence.LIKELY,
        )
        return caused(
            Cause.DEVICE_KEY_CORRUPTION,
            Mechanism.CREDENTIALS_REFUSED,
            refused,
            "The cloud accepted the identity and answered with a genuine signature; the device "
            "cannot open the credentials: its private key does not fit the key on file.",
            clue,
            *credentials_clues(case),
            others=(Cause.SERVER_FAULT, Cause.DEVICE_FAULT),
            assumption="that the cloud encrypts the credentials properly",
        )
    identity = case.test("identity", signature.key)
    if identity is not None and identity.state not in (*OPENED, "fits", "nonce_differs"):
        return undecided(
            (Cause.DEVICE_KEY_CORRUPTION, Cause.SERVER_KEY_MISMATCH, Cause.SERVER_FAULT),
            Mechanism.CREDENTIALS_REFUSED,
            clue,
            f"The cloud read the identity, and {name} does not: it is not this cloud's key.",
            "The public key of this cloud (`--keys`).",
        )
    return caused(
        Cause.SERVER_KEY_MISMATCH,
        Mechanism.SIGNATURE_BY_ANOTHER_KEY,
        Clue(
            "HP203",
            f"The signature does not open with {name}: another key made it.",
            evidence,
            Confidence.LIKELY,
        ),
        "The credentials are signed by another key than the cloud's: the device rightly refuses.",
        clue,
        others=(Cause.SERVER_FAULT, Cause.DEVICE_KEY_CORRUPTION),
        assumption=None
        if case.keys.cloud_key_certain
        else f"that {name} is the server key the device holds",
    )
