"""One row of the table of LED patterns, and the words that several share."""

from __future__ import annotations

from dataclasses import dataclass

from handshake_probe.model.vocabulary import Cause, Mechanism, Stage
from handshake_probe.protocol.device_os import DeviceOs
from handshake_probe.protocol.led_phrase import Colour, Pattern

KEY_OR_REGISTER = (Cause.SERVER_KEY_MISMATCH, Cause.DEVICE_KEY_CORRUPTION, Cause.DEVICE_UNKNOWN)
OPEN = (*KEY_OR_REGISTER, Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED, Cause.DEVICE_FAULT)
NETWORK_FIRST = (
    Cause.NETWORK_BLOCKED,
    *KEY_OR_REGISTER,
    Cause.SERVER_FAULT,
    Cause.DEVICE_FAULT,
)

CAPTURE_IT = (
    "Record one attempt and judge it together with the LED: "
    '`handshake-probe analyze home.pcap --led "{phrase}"`'
)
PROBE_IT = (
    "Ask the network from a computer on the same Wi-Fi whether it carries the handshake: "
    "`handshake-probe probe`"
)
READ_LOG = (
    "Or save its serial log (`particle serial monitor --follow`): "
    "`handshake-probe analyze serial.log`"
)
ONE_ATTEMPT = "A capture of one attempt: it shows after which message the handshake ends."
HOTSPOT = "Try a phone hotspot: if the device connects there, this network is the cause."
KEEP_KEYS = "Leave the keys alone: no key was used yet, so no key can be the reason."
CLAIM = (
    "Missing in the console? Then it is not claimed, or belongs to another account: "
    "`particle device add <device id>`"
)


# Stages a connection can have reached, the least and the most.
BEFORE_CLOUD = (Stage.NONE, Stage.NONE)
CONNECTING = (Stage.NONE, Stage.TCP_SYN)
HANDSHAKE = (Stage.TCP_ESTABLISHED, Stage.HELLO_SENT)
SESSION = (Stage.SESSION, Stage.SESSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedRow:
    """One pattern, in the versions where it says this."""

    key: str
    shown: str  # a phrase of the grammar
    colour: Colour
    patterns: tuple[Pattern | None, ...]
    counts: tuple[int | None, ...] = ()  # of flashes; empty: any
    beside: Colour | None = None  # seen in the same phrase
    since: DeviceOs | None = None
    before: DeviceOs | None = None
    says: str
    proves: str
    excludes: str | None = None
    stages: tuple[Stage, Stage]  # the least and the most
    candidates: tuple[Cause, ...]  # most likely first
    likely: bool = False  # the first stands out
    exact: bool = False  # the device names the step itself: it decides between open candidates
    mechanism: Mechanism | None = None
    rules_out: tuple[Cause, ...] = ()
    impossible: bool = False  # this firmware never shows it
    settles: str | None = None
    assumption: str | None = None
    steps: tuple[str, ...] = ()

    def holds_for(self, version: DeviceOs) -> bool:
        """Whether the row is about this version."""
        return (self.since is None or version >= self.since) and (
            self.before is None or version < self.before
        )
