"""Rules on RSA blocks as numbers: sent twice, too small, or too large for a key."""

from __future__ import annotations

from collections import defaultdict

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.group import Group
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, frames
from handshake_probe.diagnose.key_sizes import WEIGHTY, identity_sizes, too_small
from handshake_probe.keys.particle import PARTICLE_SOURCE
from handshake_probe.model.observations import ConnectionSeen, KeyTest
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism


def repeated_identity(case: Case) -> Judgement | None:
    """An identity that was sent before, to another nonce: it cannot answer this one."""
    connection = case.connection
    identity, nonce = connection.identity, connection.nonce
    if identity is None or identity.digest is None or nonce is None or nonce.digest is None:
        return None
    for other in case.siblings.once(_by_identity)[identity.digest]:
        if (
            other.stream < connection.stream
            and other.identity is not None
            and other.nonce is not None
            and other.nonce.digest not in (None, nonce.digest)
        ):
            return caused(
                Cause.DEVICE_FAULT,
                Mechanism.IDENTITY_REPEATED,
                Clue(
                    "HP209",
                    f"This identity was sent in stream {other.stream} already, for another nonce.",
                    (connection.id, other.id, *frames(identity.frame, other.identity.frame)),
                ),
                "The device sends an identity again that was made for an earlier nonce: a cloud "
                "must refuse it. Its random numbers stand still, or a recording is being replayed.",
            )
    return None


def _by_identity(connections: Group[ConnectionSeen]) -> dict[str, list[ConnectionSeen]]:
    """Connections by the digest of their identity."""
    found: dict[str, list[ConnectionSeen]] = defaultdict(list)
    for connection in connections:
        if connection.identity is not None and connection.identity.digest is not None:
            found[connection.identity.digest].append(connection)
    return found


def small_identities(case: Case, clue: Clue) -> Judgement | None:
    """Identities that are all far too small for the cloud's key, and all refused."""
    sizes = identity_sizes(case)
    small = None if sizes is None else too_small(case, sizes)
    if small is None or small.confidence is not Confidence.LIKELY:
        return None
    name = case.keys.name(case.keys.cloud_key or "")
    if not case.keys.cloud_key_certain and name != PARTICLE_SOURCE:
        return None  # of another cloud's key, small identities say nothing
    return caused(
        Cause.SERVER_KEY_MISMATCH,
        Mechanism.IDENTITY_NOT_DECRYPTABLE,
        small,
        "The device's identities are refused, and all of them are smaller than identities made "
        "with the cloud's key would be: it holds another server key, or a damaged one.",
        clue,
        others=(Cause.DEVICE_UNKNOWN, Cause.DEVICE_KEY_CORRUPTION, Cause.SERVER_FAULT),
        assumption=f"that a chance below {WEIGHTY:.0e} did not come true, and that "
        f"{name} is this cloud's key",
    )


def large_ciphertext(case: Case, clue: Clue) -> Judgement | None:
    """A ciphertext that is no number below the modulus of the key the device holds."""
    test = next((t for t in case.tests("credentials") if _is_devices(case, t)), None)
    if test is None:
        return None
    what = "the key it sends" if test.role == "sent" else f"{case.keys.name(test.key)}, its own key"
    larger = Clue(
        "HP311",
        f"The ciphertext is a larger number than the modulus of {what}: "
        "it was made for another key.",
        (case.connection.id, *frames(test.frame)),
    )
    if case.keys.register.get(case.device_id or "") == test.key:
        return caused(
            Cause.SERVER_FAULT,
            Mechanism.CREDENTIALS_MALFORMED,
            larger,
            "The device holds the registered key; the cloud's credentials are not made for it.",
            clue,
            others=(Cause.DEVICE_KEY_CORRUPTION,),
            assumption="that the given register is the one the cloud uses",
        )
    return caused(
        Cause.DEVICE_KEY_CORRUPTION,
        Mechanism.CREDENTIALS_NOT_DECRYPTABLE,
        larger,
        "The cloud encrypts for another key than the one the device holds.",
        clue,
        others=(Cause.SERVER_FAULT,),
        assumption="that the cloud encrypts the credentials properly",
    )


def _is_devices(case: Case, test: KeyTest) -> bool:
    """Whether a test refutes a key that the device surely holds: sent by it, or bound to its id."""
    if test.state != "not_below_modulus":
        return False
    if test.role == "sent":
        return True
    return test.private and any(
        key.fingerprint == test.key and key.role == "device_private"
        for key in case.keys.of_device(case.device_id)
    )
