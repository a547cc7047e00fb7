"""Rules on the handshake done in the device's place: with its key, from its network.

The stand-in encrypts with the cloud's own key, so a wrong server key in the device's flash cannot
show here; and it reads its private key as arithmetic does, where the firmware may misread it.
"""

from __future__ import annotations

from handshake_probe.diagnose.judgement import Clue, Judgement, caused, healthy, undecided
from handshake_probe.model.probed import Ending, HandshakeProbed
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism, Stage

CLOUD_LOG = "The cloud's own log of this attempt, or the device's registered public key: `--keys`."


def judge_stand_in(handshake: HandshakeProbed) -> Judgement | None:
    """What the stand-in adds; None when it did not come as far as its identity."""
    if handshake.stage is Stage.SESSION:
        return _complete(handshake)
    if handshake.signature_opens is False:
        return caused(
            Cause.SERVER_KEY_MISMATCH,
            Mechanism.SIGNATURE_BY_ANOTHER_KEY,
            Clue(
                "HP203",
                "The credentials for the stand-in are signed by another key than the cloud's.",
                (handshake.id,),
            ),
            "Whoever answers there is not the cloud whose public key was used: another cloud, or "
            "somebody in its place.",
        )
    if handshake.credentials_open is False:
        proven = handshake.signature_opens is True
        return caused(
            Cause.DEVICE_KEY_CORRUPTION,
            Mechanism.REGISTERED_KEY_DIFFERS,
            Clue(
                "HP301",
                "The cloud's credentials do not open with this device key: they were made for "
                "another one.",
                (handshake.id,),
                Confidence.PROVEN if proven else Confidence.LIKELY,
            ),
            "The cloud has another public key on file for this device than the one given here.",
            others=() if proven else (Cause.SERVER_FAULT,),
        )
    if handshake.stage.reached(Stage.CREDENTIALS_RECEIVED):
        return undecided(
            (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
            Mechanism.NO_SERVER_HELLO,
            Clue(
                "HP510",
                "The credentials open with the device's key, and no Hello of the cloud follows.",
                (handshake.id,),
            ),
            "The keys fit. The cloud, or the path, fails after the credentials.",
            "The cloud's own log of this attempt.",
        )
    if handshake.stage is Stage.IDENTITY_SENT and handshake.ended_by is Ending.CLOSED:
        return undecided(
            (Cause.DEVICE_UNKNOWN, Cause.DEVICE_KEY_CORRUPTION, Cause.SERVER_FAULT),
            Mechanism.IDENTITY_REFUSED,
            Clue(
                "HP405",
                f"The cloud closes {handshake.seconds:.1f} s into the handshake, after the "
                f"identity of {handshake.device_id}.",
                (handshake.id,),
            ),
            "The network carries the handshake, and the cloud refuses this device: it does not "
            "know it, or has another public key on file for it.",
            CLOUD_LOG,
        )
    return None


def _complete(handshake: HandshakeProbed) -> Judgement:
    count = handshake.pings_answered
    pings = f", {count} ping{'s' * (count > 1)} answered" if handshake.pings_answered else ""
    return healthy(
        Clue(
            "HP172",
            f"The handshake in the place of {handshake.device_id} completes in "
            f"{handshake.seconds:.1f} s{pings}.",
            (handshake.id,),
        ),
        "Network, cloud and this device's key pair are good: the handshake passes from here with "
        "the device's own key. What is left is in the device: its server key, its firmware, its "
        "Wi-Fi.",
    )
