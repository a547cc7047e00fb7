"""Rules for what the cloud sends when its form alone is wrong, whoever holds which key."""

from __future__ import annotations

from collections import defaultdict

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.group import Group
from handshake_probe.diagnose.judgement import HOTSPOT, Clue, Judgement, caused, frames, undecided
from handshake_probe.model.observations import ConnectionSeen, CredentialsSeen
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism

NONCE_SIZE, CREDENTIALS_SIZE = 40, 384


def foreign_answer(case: Case) -> Judgement | None:
    """A proxy that let the nonce pass and answers the identity in its own protocol."""
    got = case.connection.credentials
    if got is None or got.excerpt is None:
        return None
    if got.looks_like is None:
        return undecided(
            (Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT),
            Mechanism.CREDENTIALS_MALFORMED,
            Clue(
                "HP508",
                f'The identity is answered with text ("{got.excerpt[:48]}").',
                (case.connection.id, *frames(got.frame)),
            ),
            "The identity is answered with a text, and no cloud speaks so: a box on the path "
            "answers in its place, or something else listens at this address.",
            HOTSPOT,
        )
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.FOREIGN_NONCE,
        Clue(
            "HP121",
            f"The identity is answered with {got.looks_like.upper()}"
            + (f' ("{got.excerpt[:48]}").' if got.excerpt else "."),
            (case.connection.id, *frames(got.frame)),
            Confidence.LIKELY,
        ),
        f"A proxy answers the device's identity with {got.looks_like.upper()}: "
        "the network intercepts the connection.",
        others=(Cause.SERVER_FAULT,),
    )


def surplus_nonce(case: Case) -> Judgement | None:
    """A cloud that sends more than 40 bytes first: the device takes the rest for its answer."""
    nonce = case.connection.nonce
    if nonce is None or nonce.received <= NONCE_SIZE or nonce.flaws:
        return None
    clue = Clue(
        "HP503",
        f"The cloud's first message has {nonce.received} bytes; devices read 40 and take the rest "
        "for the beginning of the credentials.",
        (case.connection.id, *frames(nonce.frame)),
        Confidence.LIKELY,
    )
    return caused(
        Cause.SERVER_FAULT,
        Mechanism.NONCE_MALFORMED,
        clue,
        "The cloud's first message is too long, and everything after it is misread.",
        others=(Cause.NETWORK_BLOCKED,),
    )


def repeated_nonce(case: Case) -> Judgement | None:
    """A nonce that another connection got too, though the device answered it anew."""
    connection = case.connection
    nonce, identity = connection.nonce, connection.identity
    if nonce is None or nonce.digest is None or identity is None or identity.digest is None:
        return None
    twins = case.siblings.once(_by_nonce)[nonce.digest]
    # One with the same identity is this connection seen twice.
    twin = next((other for digest, other in twins.items() if digest != identity.digest), None)
    if twin is None:
        return None
    return undecided(
        (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
        Mechanism.NONCE_MALFORMED,
        Clue(
            "HP504",
            f"The nonce is that of stream {twin.stream} again.",
            (connection.id, twin.id, *frames(nonce.frame)),
        ),
        "The cloud's nonces repeat themselves: its random numbers stand still, or a box on the "
        "path replays an earlier answer in its place.",
        HOTSPOT,
    )


def _by_nonce(connections: Group[ConnectionSeen]) -> dict[str, dict[str, ConnectionSeen]]:
    """The first connection with each identity that answers a nonce, by digest of both."""
    found: dict[str, dict[str, ConnectionSeen]] = defaultdict(dict)
    for connection in connections:
        nonce, identity = connection.nonce, connection.identity
        if nonce and nonce.digest and identity and identity.digest:
            found[nonce.digest].setdefault(identity.digest, connection)
    return found


def odd_size(case: Case, got: CredentialsSeen, clue: Clue) -> Judgement | None:
    """More than 384 bytes: a cloud that encrypts for a larger key, or no cloud."""
    if got.received == CREDENTIALS_SIZE:
        return None
    return undecided(
        (Cause.SERVER_FAULT, Cause.DEVICE_KEY_CORRUPTION, Cause.NETWORK_BLOCKED),
        Mechanism.CREDENTIALS_MALFORMED,
        Clue(
            "HP508",
            f"The cloud answers the identity with {got.received} bytes instead of 384.",
            (case.connection.id, *frames(got.frame)),
        ),
        f"The cloud's answer has {got.received} bytes, and 384 are right: most likely it has a "
        "key of another size on file for this device.",
        "The public key the cloud has on file for this device: it must have 1024 bits.",
        clue,
    )


def odd_signature(case: Case, got: CredentialsSeen, clue: Clue) -> Judgement | None:
    """Signatures and HMACs that no device can accept, whoever holds which key."""
    connection = case.connection
    evidence = (connection.id, *frames(got.frame))
    digest_info = next((t for t in case.tests("signature") if t.state == "digest_info"), None)
    if digest_info is not None:
        return caused(
            Cause.SERVER_FAULT,
            Mechanism.SIGNATURE_MALFORMED,
            Clue(
                "HP507",
                "The signature carries a DigestInfo; devices expect the bare 20 bytes.",
                evidence,
            ),
            "The cloud signs in a form that no device accepts: its software is at fault.",
            clue,
        )
    if any(t.state == "misplaced" for t in case.tests("signature")):
        return caused(
            Cause.SERVER_FAULT,
            Mechanism.CREDENTIALS_MALFORMED,
            Clue("HP507", "The signature comes before the ciphertext, not behind it.", evidence),
            "The cloud sends the two halves of its answer in the wrong order: its software is at "
            "fault.",
            clue,
        )
    odd = next((t for t in case.tests("signature") if t.state == "padding_good_length_odd"), None)
    if odd is not None:
        return caused(
            Cause.SERVER_FAULT,
            Mechanism.SIGNATURE_MALFORMED,
            Clue("HP507", f"The signed body has {odd.length} bytes, 20 are right.", evidence),
            "The cloud signs in a form that no device accepts: its software is at fault.",
            clue,
        )
    if any(t.state == "hmac_differs" and t.private for t in case.tests("credentials")):
        return caused(
            Cause.SERVER_FAULT,
            Mechanism.SIGNATURE_MALFORMED,
            Clue(
                "HP509",
                "The credentials open with the device's key, but the signed HMAC is another one.",
                evidence,
            ),
            "The cloud signs the wrong bytes: its software is at fault.",
            clue,
        )
    return None
