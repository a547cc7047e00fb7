"""Rules for an identity that got no credentials: the heart of "which key is wrong"."""

from __future__ import annotations

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.judge_nonce import accepted_by_first_hop, judge_foreign_nonce
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, frames, undecided
from handshake_probe.diagnose.path_rules import peer_gone
from handshake_probe.model.observations import KeyTest
from handshake_probe.model.vocabulary import Cause, Confidence, EndedBy, Mechanism

# Clouds answer an identity within a second; JS servers wait 10 or 30 s for one, devices 20 s.
ANSWER_PATIENCE = 8.0
NONCE_SIZE = 40
# The device reads for 20 s; when it closes much earlier it did not wait for the answer.
DEVICE_READS = 15.0
OPEN_QUESTION = (
    Cause.SERVER_KEY_MISMATCH,
    Cause.DEVICE_UNKNOWN,
    Cause.DEVICE_KEY_CORRUPTION,
    Cause.SERVER_FAULT,
)
SENT_KEY_FLAWS = {
    "erased": "an erased region of flash (FF bytes)",
    "pkcs8": "a PKCS#8 file, which the firmware cannot read (OpenSSL 3 writes these)",
    "ec_key": "an elliptic-curve key in the slot of the RSA key",
    "not_a_modulus": "bytes that are no RSA modulus",
}


def judge_identity(case: Case) -> Judgement:
    """Identity sent, no credentials came."""
    connection = case.connection
    if connection.nonce is not None:
        foreign = judge_foreign_nonce(case, connection.nonce)
        if foreign is not None:
            return foreign
    return (
        mismatch_by_keys(case)
        or surplus_nonce(case)
        or _partial_credentials(case)
        or _by_ending(case)
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


def mismatch_by_keys(case: Case) -> Judgement | None:
    """What the cloud's keys alone prove about the identity."""
    cloud_key = case.keys.cloud_key
    if cloud_key is None:
        return None
    other = next(
        (t for t in case.tests("identity") if t.state == "opened" and t.key != cloud_key), None
    )
    test = case.test("identity", cloud_key)
    if test is None or test.state in ("opened", "fits", "nonce_differs"):
        return None
    connection = case.connection
    evidence = (connection.id, *frames(test.frame))
    name = case.keys.name(cloud_key)
    if other is not None:
        clue = Clue(
            "HP206",
            f"The identity opens with {case.keys.name(other.key)}, not with the cloud's key {name}.",
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
    certain = case.keys.cloud_key_certain or test.private
    return caused(
        Cause.SERVER_KEY_MISMATCH,
        Mechanism.IDENTITY_NOT_DECRYPTABLE,
        clue,
        "The device encrypts its identity with another server key than the cloud's: "
        "the cloud cannot read it.",
        others=() if certain else (Cause.SERVER_FAULT,),
        assumption=None if case.keys.cloud_key_certain else f"that {name} is this cloud's key",
    )


def _partial_credentials(case: Case) -> Judgement | None:
    got = case.connection.credentials
    if got is None or got.whole:
        return None
    connection = case.connection
    if connection.ended_by is EndedBy.CAPTURE_END:
        return _capture_ended(case, "The capture ends in the middle of the cloud's answer.")
    evidence = (connection.id, *frames(got.frame))
    if got.looks_like is not None:
        return caused(
            Cause.NETWORK_BLOCKED,
            Mechanism.FOREIGN_NONCE,
            Clue(
                "HP121",
                f"The identity is answered with {got.looks_like.upper()}"
                + (f' ("{got.excerpt[:48]}").' if got.excerpt else "."),
                evidence,
                Confidence.LIKELY,
            ),
            f"A proxy answers the device's identity with {got.looks_like.upper()}: "
            "the network intercepts the connection.",
            others=(Cause.SERVER_FAULT,),
        )
    clue = Clue(
        "HP508",
        f"The cloud answers the identity with {got.received} bytes instead of 384.",
        evidence,
    )
    if connection.ended_by is EndedBy.CLOUD_FIN and not accepted_by_first_hop(case):
        return caused(
            Cause.SERVER_FAULT,
            Mechanism.CREDENTIALS_MALFORMED,
            clue,
            f"The cloud sends {got.received} bytes of its answer and closes: nothing was lost on "
            "the way, it sent no more.",
            others=(Cause.NETWORK_BLOCKED,),
        )
    return undecided(
        (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
        Mechanism.CREDENTIALS_MALFORMED,
        clue,
        f"The cloud's answer to the identity has {got.received} bytes, and 384 are right.",
        "The cloud's own log of this connection, or a capture on the cloud's side.",
    )


def _by_ending(case: Case) -> Judgement:
    connection = case.connection
    identity = connection.identity
    assert identity is not None  # the stage says so
    acknowledged = connection.from_device.acknowledged_up_to > 1
    ended = connection.ended_time or connection.capture_end
    waited = ended - identity.time
    if connection.ended_by in (EndedBy.CLOUD_FIN, EndedBy.CLOUD_RST):
        return _cloud_closed(case, waited)
    evidence = (connection.id, *frames(identity.frame, connection.ended_frame))
    if connection.ended_by is EndedBy.CAPTURE_END and case.quiet < ANSWER_PATIENCE:
        text = f"The capture ends {waited:.1f} s after the identity was sent."
        known = _registered_judgement(case, Clue("HP605", text, evidence), refused=False)
        return known or _capture_ended(case, text)
    if (
        connection.ended_by in (EndedBy.DEVICE_FIN, EndedBy.DEVICE_RST)
        and waited < DEVICE_READS
    ):
        return undecided(
            (Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED, *OPEN_QUESTION[:1], Cause.SERVER_FAULT),
            Mechanism.DEVICE_CLOSED_EARLY,
            Clue(
                "HP518",
                f"The device closes {waited:.1f} s after its identity, "
                "although it waits 20 s for an answer.",
                evidence,
            ),
            "The device closes before the cloud's answer was due.",
            "The device's serial log of one attempt.",
        )
    return _silence(case, waited, acknowledged, evidence)


def _silence(
    case: Case, waited: float, acknowledged: bool, evidence: tuple[str, ...]
) -> Judgement:
    if not acknowledged:
        clue = Clue(
            "HP123",
            f"The identity is never acknowledged ({waited:.0f} s).",
            evidence,
            Confidence.LIKELY,
        )
        return caused(
            Cause.NETWORK_BLOCKED,
            Mechanism.IDENTITY_DROPPED,
            clue,
            "The device's identity does not reach the cloud: nothing acknowledges it.",
            others=(Cause.SERVER_FAULT,),
        )
    clue = Clue(
        "HP516",
        f"The cloud has the identity (acknowledged) and says nothing for {waited:.0f} s.",
        evidence,
    )
    gone = peer_gone(case)
    if gone is not None:
        return gone
    known = _registered_judgement(case, clue)
    if known is not None:
        return known
    opened = case.opened_identity is not None
    candidates = (
        (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED, Cause.DEVICE_UNKNOWN)
        if opened
        else (
            Cause.SERVER_FAULT,
            Cause.NETWORK_BLOCKED,
            Cause.SERVER_KEY_MISMATCH,
            Cause.DEVICE_UNKNOWN,
            Cause.DEVICE_KEY_CORRUPTION,
        )
    )
    return undecided(
        candidates,
        Mechanism.IDENTITY_UNANSWERED,
        clue,
        "The cloud received the device's identity and never answered: it is stuck, "
        "it drops what it cannot read, or its answer is lost.",
        "The cloud's own log of this connection."
        if opened
        else "The cloud's private key (`--keys`): it shows whether the identity can be read.",
    )


def _cloud_closed(case: Case, waited: float) -> Judgement:
    connection = case.connection
    identity = connection.identity
    assert identity is not None
    how = "resets" if connection.ended_by is EndedBy.CLOUD_RST else "closes"
    evidence = (connection.id, *frames(identity.frame, connection.ended_frame))
    clue = Clue(
        "HP405",
        f"The cloud {how} {_span(waited)} after the identity, without credentials.",
        evidence,
    )
    known = _registered_judgement(case, clue)
    if known is not None:
        return known
    opened = case.opened_identity
    if opened is not None:
        return undecided(
            (Cause.DEVICE_UNKNOWN, Cause.DEVICE_KEY_CORRUPTION, Cause.SERVER_FAULT),
            Mechanism.IDENTITY_REFUSED,
            clue,
            f"The cloud can read the identity of device {opened.device_id} and refuses it: "
            "it does not know the device, or has another public key on file.",
            "The public key the cloud has on file for this device (`--keys <id>.pub.pem`).",
        )
    split = identity.pieces > 1
    candidates = (Cause.SERVER_FAULT, *OPEN_QUESTION[:3]) if split else OPEN_QUESTION
    if accepted_by_first_hop(case):
        candidates = (Cause.NETWORK_BLOCKED, *candidates)
    if case.keys.ambiguous:
        settles = "Which of the given keys is this cloud's: name it with `--cloud-key FILE`."
    elif case.earlier_session is not None:
        settles = (
            "The private key the cloud holds now (`--keys`): "
            "it worked earlier in this capture, so something on the cloud's side changed."
        )
    else:
        settles = (
            "The cloud's private key (`--keys`), which only its operator has. Without it: "
            "`particle keys server`, then a new capture; if nothing changes, `particle keys doctor`."
        )
    return undecided(
        candidates,
        Mechanism.IDENTITY_REFUSED,
        clue,
        "The network carries the handshake; the cloud gets the device's identity and hangs up. "
        "It cannot read it (server key), does not know the device, or has another key on file.",
        settles,
    )


def _registered_judgement(case: Case, clue: Clue, *, refused: bool = True) -> Judgement | None:
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
    if opened.sent_key_flaw in SENT_KEY_FLAWS:
        return _flawed_key(case, opened, clue, read)
    register = case.keys.register
    if not register:
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


def _flawed_key(case: Case, opened: KeyTest, clue: Clue, read: Clue) -> Judgement:
    flaw = Clue(
        "HP305",
        "The device key inside the identity is "
        f"{SENT_KEY_FLAWS[opened.sent_key_flaw or '']}.",
        (case.connection.id, *frames(opened.frame)),
    )
    return caused(
        Cause.DEVICE_KEY_CORRUPTION,
        Mechanism.REGISTERED_KEY_DIFFERS,
        flaw,
        "The device's own key is damaged: the public key it sends is no RSA key.",
        clue,
        read,
    )


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


def _all_right_yet_refused(case: Case, clue: Clue, read: Clue) -> Judgement:
    connection = case.connection
    identity = connection.identity
    assert identity is not None
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
        others=(Cause.DEVICE_UNKNOWN,),
        assumption="that the given register is the one the cloud uses",
    )


def _capture_ended(case: Case, text: str) -> Judgement:
    connection = case.connection
    return undecided(
        (Cause.HEALTHY, *OPEN_QUESTION, Cause.NETWORK_BLOCKED),
        Mechanism.CAPTURE_TOO_SHORT,
        Clue("HP605", text, (connection.id, *frames(connection.last_frame))),
        "The capture ends while the handshake is running.",
        "A longer capture: at least 30 seconds.",
        capture_ended=True,
    )


def _span(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
