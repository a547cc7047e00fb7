"""Rules for an identity that the cloud can read: who sends it, and with which key."""

from __future__ import annotations

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.judge_nonce import accepted_by_first_hop
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, frames
from handshake_probe.model.observations import KeyTest
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism

SENT_KEY_FLAWS = {
    "erased": "an erased region of flash (FF bytes)",
    "zeroed": "a region of zeros",
    "pkcs8": "a PKCS#8 file, which the firmware cannot read (OpenSSL 3 writes these)",
    "ec_key": "an elliptic-curve key in the slot of the RSA key",
    "shifted": "an RSA key that starts at the wrong byte of its slot",
    "not_a_modulus": "bytes that are no RSA modulus",
}
_SLOT_MECHANISMS = {
    "erased": Mechanism.SLOT_ERASED,
    "pkcs8": Mechanism.WRAPPED_KEY_IN_SLOT,
    "ec_key": Mechanism.EC_KEY_IN_SLOT,
    "shifted": Mechanism.SLOT_SHIFTED,
}


def flawed_key(case: Case, clue: Clue, *more: Clue) -> Judgement | None:
    """What lies in the device's slot, where the opened identity shows that it is no key."""
    opened = case.opened_identity
    if opened is None or opened.sent_key_flaw not in SENT_KEY_FLAWS:
        return None
    what = SENT_KEY_FLAWS[opened.sent_key_flaw]
    flaw = Clue(
        "HP305",
        f"The device key inside the identity is {what}.",
        (case.connection.id, *frames(opened.frame)),
    )
    return caused(
        Cause.DEVICE_KEY_CORRUPTION,
        _SLOT_MECHANISMS.get(opened.sent_key_flaw, Mechanism.SLOT_DAMAGED),
        flaw,
        f"The device's own key is damaged: what it sends as its public key is {what}.",
        clue,
        *more,
    )


def judge_register(case: Case, clue: Clue, *, refused: bool = True) -> Judgement | None:
    """An identity the cloud can read, held against the register.

    `refused`: the cloud gave up on it, so that a flawless identity is a judgement as well.
    """
    opened = case.opened_identity
    if opened is None or opened.device_id is None:
        return None
    connection = case.connection
    device_id = opened.device_id
    read = Clue(
        "HP520",
        f"The identity opens with {case.keys.name(opened.key)}: nonce right, device {device_id}.",
        (connection.id, *frames(opened.frame)),
    )
    flawed = flawed_key(case, clue, read)
    if flawed is not None:
        return flawed
    register = case.keys.register
    if not register or case.keys.ambiguous:
        return None
    registered = register.get(device_id)
    if registered is None:
        unknown = Clue(
            "HP401",
            f"Device {device_id} is not in the register that was given ({len(register)} devices).",
            (connection.id, *frames(opened.frame)),
            Confidence.LIKELY,
        )
        return caused(
            Cause.DEVICE_UNKNOWN,
            Mechanism.DEVICE_NOT_REGISTERED,
            unknown,
            f"The cloud can read the identity, but device {device_id} is not registered there.",
            clue,
            read,
            others=(Cause.SERVER_FAULT,),
            assumption="that the given public keys are the cloud's whole register",
        )
    if opened.sent_key is not None and opened.sent_key != registered:
        return _other_key(case, opened, clue)
    return _all_right_yet_refused(case, clue, read) if refused else None


def _other_key(case: Case, opened: KeyTest, clue: Clue) -> Judgement:
    differs = Clue(
        "HP301",
        f"Device {opened.device_id} sends the public key {opened.sent_key}, "
        f"registered is {case.keys.register[opened.device_id or '']}.",
        (case.connection.id, *frames(opened.frame)),
    )
    return caused(
        Cause.DEVICE_KEY_CORRUPTION,
        Mechanism.REGISTERED_KEY_DIFFERS,
        differs,
        f"Device {opened.device_id} holds another key pair than the one the cloud has on file.",
        clue,
    )


def _all_right_yet_refused(case: Case, clue: Clue, read: Clue) -> Judgement | None:
    connection = case.connection
    identity = connection.identity
    if identity is None:
        return None
    if identity.pieces > 1:
        split = Clue(
            "HP506",
            f"The identity is right and came in {identity.pieces} segments; "
            "the cloud gave up on it.",
            (connection.id, *frames(identity.frame)),
            Confidence.LIKELY,
        )
        return caused(
            Cause.SERVER_FAULT,
            Mechanism.IDENTITY_NOT_REASSEMBLED,
            split,
            "The identity is right, but it arrives in several segments, and this server takes "
            "the first one for the whole.",
            clue,
            read,
            others=(Cause.DEVICE_UNKNOWN,),
        )
    if accepted_by_first_hop(case):
        proxy = Clue(
            "HP120",
            "The identity is right, and everything on this connection comes from the first hop.",
            (connection.id, *frames(identity.frame, connection.ended_frame)),
            Confidence.LIKELY,
        )
        return caused(
            Cause.NETWORK_BLOCKED,
            Mechanism.ACCEPTED_ON_BEHALF,
            proxy,
            "The device did everything right; a proxy on the first hop holds the connection in the "
            "cloud's place and ends it.",
            clue,
            read,
            others=(Cause.SERVER_FAULT,),
            blocker=case.topology.first_hop(connection),
        )
    if case.refused_for_good and case.earlier_session is not None:
        changed = Clue(
            "HP205",
            f"The same key and device worked in stream {case.earlier_session.stream}; "
            "since then the cloud refuses it.",
            (connection.id, case.earlier_session.id),
            Confidence.LIKELY,
        )
        return caused(
            Cause.SERVER_KEY_MISMATCH,
            Mechanism.CLOUD_KEY_CHANGED,
            changed,
            "The cloud accepted this device earlier in the capture and refuses the same identity "
            "now: most likely it was restarted with another key.",
            clue,
            read,
            others=(Cause.SERVER_FAULT,),
            assumption="that the cloud's software did not change in the same moment",
        )
    right = Clue(
        "HP505",
        "Nonce, device id and device key in the identity are all right, yet the cloud gives up.",
        (connection.id, *frames(identity.frame)),
        Confidence.LIKELY,
    )
    return caused(
        Cause.SERVER_FAULT,
        Mechanism.IDENTITY_REFUSED,
        right,
        "The device did everything right; the cloud fails on its own side.",
        clue,
        read,
        others=(Cause.DEVICE_UNKNOWN, *case.possible_forger),
        assumption="that the given register is the one the cloud uses",
    )
