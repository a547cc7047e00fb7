"""Rules on credentials held against the private key of the device."""

from __future__ import annotations

from collections.abc import Sequence

from handshake_probe.diagnose.case import OPENED, Case
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, frames, undecided
from handshake_probe.model.observations import KeyTest
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism

# What only the key shows that the ciphertext was made for.
_ITS_OWN = (*OPENED, "hmac_differs", "padding_good_length_odd")
_IN_FLASH = "that the given key file is what the device holds in flash"
_REGISTER = "that the given register is the one the cloud uses"


def judge_device_key(case: Case, clue: Clue) -> Judgement | None:
    """What the device's own private key shows about the credentials."""
    ours = _device_tests(case)
    opened = next((t for state in OPENED for t in ours if t.state == state), None)
    if opened is not None:
        return _opens(case, opened, clue)
    return _odd_length(case, ours, clue) or _opens_nothing(case, ours, clue)


def _opens(case: Case, opened: KeyTest, clue: Clue) -> Judgement | None:
    """A given key opens the credentials."""
    if not _may_be_its(case, opened):
        return _for_another_device(case, opened, clue)
    name, evidence = case.keys.name(opened.key), (case.connection.id, *frames(opened.frame))
    if opened.firmware_opens is False:
        return caused(
            Cause.DEVICE_KEY_CORRUPTION,
            Mechanism.KEY_UNREADABLE_BY_FIRMWARE,
            Clue(
                "HP304",
                f"{name} opens the credentials, but not the way the firmware reads that file.",
                evidence,
            ),
            "The device's key is right, but stored so that the firmware misreads it.",
            clue,
        )
    if opened.state != "opened" or not _signed(case):
        return None
    return undecided(
        (Cause.DEVICE_KEY_CORRUPTION, Cause.DEVICE_FAULT),
        Mechanism.DEVICE_CLOSED_EARLY,
        Clue(
            "HP521",
            f"Signature and credentials are right for {name}, also the way the firmware reads "
            "it, yet the device gives up.",
            evidence,
            Confidence.LIKELY,
        ),
        f"Network and cloud are right, and so is the device's key as it lies in {name}. The "
        "copy in the device's flash is damaged, or the device fails for another reason.",
        "The key as the device holds it now: read it back with `particle keys save` and give "
        "that file.",
        clue,
    )


def _odd_length(case: Case, ours: Sequence[KeyTest], clue: Clue) -> Judgement | None:
    """The device's key opens the block, and no session is in it."""
    odd = next((t for t in ours if t.state == "padding_good_length_odd"), None)
    if odd is None or not _is_the_devices(case, odd):
        return None
    return caused(
        Cause.SERVER_FAULT,
        Mechanism.CREDENTIALS_MALFORMED,
        Clue(
            "HP522",
            f"The credentials open with {case.keys.name(odd.key)}, the device's key, and hold "
            f"{odd.length} bytes; 40 are right.",
            (case.connection.id, *frames(odd.frame)),
            Confidence.LIKELY,
        ),
        "The cloud encrypts a session of the wrong length: no device can use it.",
        clue,
    )


def _opens_nothing(case: Case, ours: Sequence[KeyTest], clue: Clue) -> Judgement | None:
    """The cloud signed the credentials, and the device's key does not open them."""
    own = next((t for t in ours if _is_the_devices(case, t)), None)
    if own is None or not _signed(case):
        return None
    name, evidence = case.keys.name(own.key), (case.connection.id, *frames(own.frame))
    if own.state == "key_damaged":
        return caused(
            Cause.DEVICE_KEY_CORRUPTION,
            Mechanism.SLOT_DAMAGED,
            Clue(
                "HP302",
                f"The signature is genuine, and {name} is too damaged to open anything.",
                evidence,
                Confidence.LIKELY,
            ),
            "The device's private key is damaged: with it, no credentials can be opened.",
            clue,
            others=(Cause.SERVER_FAULT, Cause.DEVICE_FAULT),
            assumption=_IN_FLASH,
        )
    if case.keys.register.get(case.device_id or "") == own.key:
        return caused(
            Cause.SERVER_FAULT,
            Mechanism.CREDENTIALS_MALFORMED,
            Clue(
                "HP522",
                "The device's key is the registered one, and the credentials do not open with "
                "it: the cloud did not encrypt for the key it has on file.",
                evidence,
                Confidence.LIKELY,
            ),
            "The device holds the registered key; the cloud's credentials are not made for it.",
            clue,
            others=(Cause.DEVICE_KEY_CORRUPTION,),
            assumption=_REGISTER,
        )
    return caused(
        Cause.DEVICE_KEY_CORRUPTION,
        Mechanism.CREDENTIALS_NOT_DECRYPTABLE,
        Clue(
            "HP303",
            f"The credentials do not open with the device's key {name}: "
            "the cloud encrypts for another key.",
            evidence,
        ),
        "The cloud encrypts for another key than the one the device holds.",
        clue,
        others=(Cause.SERVER_FAULT,),
        assumption=_IN_FLASH,
    )


def _signed(case: Case) -> bool:
    signature = signature_test(case)
    return signature is not None and signature.state == "opened"


def signature_test(case: Case) -> KeyTest | None:
    """The signature as the cloud's key shows it."""
    return case.test("signature", case.keys.cloud_key)


def _for_another_device(case: Case, opened: KeyTest, clue: Clue) -> Judgement:
    """The credentials open with a key that is given, and that is not this device's."""
    registered = case.keys.register.get(case.device_id or "")
    as_registered = registered in (None, opened.key)
    name, owner = case.keys.name(opened.key), case.keys.owners.get(opened.key)
    whose = f"device {owner}'s" if owner not in (None, case.device_id) else "another"
    other = Clue(
        "HP303",
        f"The credentials open with {name}: the cloud encrypts for {whose} key, not for the one "
        f"of device {case.device_id}.",
        (case.connection.id, *frames(opened.frame)),
        Confidence.LIKELY,
    )
    return caused(
        Cause.DEVICE_KEY_CORRUPTION if as_registered else Cause.SERVER_FAULT,
        Mechanism.CREDENTIALS_NOT_DECRYPTABLE,
        other,
        "The cloud encrypts for another key than the one the device holds.",
        clue,
        others=(Cause.SERVER_FAULT if as_registered else Cause.DEVICE_KEY_CORRUPTION,),
        assumption=None if as_registered else _REGISTER,
    )


def encrypted_for(case: Case, key: str) -> bool:
    """Whether the ciphertext opens with this device key, whatever is in it."""
    return any(t.state in _ITS_OWN and t.key == key for t in _device_tests(case))


def _device_tests(case: Case) -> list[KeyTest]:
    return [t for t in case.tests("credentials") if t.role == "device" and t.private]


def _is_the_devices(case: Case, test: KeyTest) -> bool:
    """Whether a key file is this device's by its name, and nothing the device sent speaks against.

    Who sends the public half of another key holds another key than the file.
    """
    if case.device_id is None or case.keys.owners.get(test.key) != case.device_id:
        return False
    opened = case.opened_identity
    return opened is None or opened.sent_key in (None, test.key)


def _may_be_its(case: Case, test: KeyTest) -> bool:
    """Whether the device may hold this key, by what it sends, else by the names of the files."""
    opened = case.opened_identity
    if opened is not None and opened.sent_key is not None:
        return opened.sent_key == test.key
    return case.device_id is None or case.keys.owners.get(test.key) in (None, case.device_id)
