"""Plain words for the document's fixed vocabulary, as tables."""

from __future__ import annotations

from typing import NamedTuple

from handshake_probe.model.measurement import Verdict
from handshake_probe.model.vocabulary import Cause, Confidence, EndedBy, Stage


class CauseWords(NamedTuple):
    """How a cause is told."""

    symbol: str  # a field of `page.Glyphs`: "good", "bad", "warning", "unknown"
    reading: str  # completes "it could be that …" and "ruled out: …"


CAUSES: dict[Cause, CauseWords] = {
    Cause.HEALTHY: CauseWords("good", "nothing is wrong"),
    Cause.NETWORK_BLOCKED: CauseWords("bad", "the network does not carry the handshake"),
    Cause.SERVER_KEY_MISMATCH: CauseWords("bad", "the device holds another server key"),
    Cause.DEVICE_KEY_CORRUPTION: CauseWords(
        "bad", "the device's own key is damaged or not the one the cloud has on file"
    ),
    Cause.DEVICE_UNKNOWN: CauseWords("bad", "the cloud does not know this device"),
    Cause.SERVER_FAULT: CauseWords("bad", "the cloud is at fault"),
    Cause.DEVICE_FAULT: CauseWords("bad", "the device's firmware is at fault"),
    Cause.UNCLAIMED: CauseWords("warning", "the device belongs to nobody yet (unclaimed)"),
    Cause.INCONCLUSIVE: CauseWords("unknown", "not enough data"),
}

# The colours behind the symbols; never the only carrier of meaning.
STYLES = {"good": "bold green", "bad": "bold red", "warning": "bold yellow", "unknown": "bold cyan"}


class StageWords(NamedTuple):
    """How the furthest step is told."""

    short: str
    told: str  # for somebody who only knows the LED


# Blinking, fast blinking and breathing cyan are the default colours of every Device OS version.
STAGES: dict[Stage, StageWords] = {
    Stage.NONE: StageWords("nothing", "no step of a handshake was seen"),
    Stage.DNS: StageWords(
        "asked for address", "the device asked for the cloud's address (LED: blinking cyan)"
    ),
    Stage.TCP_SYN: StageWords(
        "tried to connect", "the device tried to connect (LED: blinking cyan)"
    ),
    Stage.TCP_ESTABLISHED: StageWords(
        "connected", "the connection opened, no greeting came (LED: fast blinking cyan)"
    ),
    Stage.NONCE_RECEIVED: StageWords(
        "nonce received",
        "the cloud's greeting arrived: 40 random bytes, the nonce (LED: fast blinking cyan)",
    ),
    Stage.IDENTITY_SENT: StageWords(
        "identity sent",
        "the device sent who it is: 256 bytes, locked with its copy of the cloud's key"
        " (LED: fast blinking cyan)",
    ),
    Stage.CREDENTIALS_RECEIVED: StageWords(
        "credentials received",
        "the cloud answered: 384 bytes, the session key and a signature (LED: fast blinking cyan)",
    ),
    Stage.HELLO_SENT: StageWords(
        "Hello sent",
        "the device said its first encrypted word, Hello (LED: fast blinking cyan)",
    ),
    Stage.SESSION: StageWords("session", "a session: both sides said Hello (LED: breathing cyan)"),
}

ENDINGS: dict[EndedBy, str] = {
    EndedBy.DEVICE_FIN: "the device closed the connection",
    EndedBy.DEVICE_RST: "the device reset the connection",
    EndedBy.CLOUD_FIN: "closed from the cloud's side",
    # A middlebox can forge it: the address is all that is known.
    EndedBy.CLOUD_RST: "a reset came, with the cloud's address on it",
    EndedBy.ICMP: "an ICMP error refused the connection",
    EndedBy.SILENCE: "silence: no answer came any more",
    EndedBy.CAPTURE_END: "the capture ends here, still connected",
}

SHORT_ENDINGS: dict[EndedBy, str] = {
    EndedBy.DEVICE_FIN: "device closed",
    EndedBy.DEVICE_RST: "device reset",
    EndedBy.CLOUD_FIN: "cloud closed",
    EndedBy.CLOUD_RST: "reset",
    EndedBy.ICMP: "ICMP error",
    EndedBy.SILENCE: "silence",
    EndedBy.CAPTURE_END: "still open",
}


def sureness(verdict: Verdict) -> str:
    """How sure a verdict is; empty where saying it adds nothing."""
    if verdict.cause is Cause.INCONCLUSIVE:
        return ""
    if verdict.cause is Cause.HEALTHY and verdict.confidence is Confidence.PROVEN:
        return ""
    return str(verdict.confidence)


def spaced(word: str) -> str:
    """A word of the vocabulary as English: `network_blocked` is "network blocked"."""
    return word.replace("_", " ")


def counted(number: int, thing: str) -> str:
    """A number and its thing: 1 device, 3 devices."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
