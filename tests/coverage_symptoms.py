"""The stories of HP8xx: what the device shows itself, alone and beside captures.

Logs are told as their lines; captures are played on the in-memory path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from coverage_cases import Case, analyzed, differences, until
from coverage_network import SYN_DROPPED
from coverage_parts import ANEW, HEALTHY, C, M
from handshake_probe.model.measurement import Measurement
from handshake_probe.model.vocabulary import Cause, Mechanism
from handshake_probe.pipeline.symptoms import Led, judge_together, read_log
from handshake_probe.protocol.device_os import device_os
from handshake_probe.protocol.led_phrase import parse_phrase


@dataclass(frozen=True, kw_only=True)
class Given:
    """What somebody has: captures, a log line by line, words about an LED and its firmware."""

    captures: tuple[Case, ...] = ()
    log: tuple[str, ...] = ()
    led: str | None = None
    version: str | None = None


@dataclass(frozen=True)
class SymptomTold:
    """The three stories of one code, and the verdict of the first."""

    cause: Cause
    mechanism: Mechanism | None
    reached: Given
    near: Given  # differs in one fact; of a log, in one line
    thin: Given


def judged(given: Given, scratch: Path) -> list[Measurement]:
    """What `analyze` makes of all of it together."""
    captures = [analyzed(capture, scratch) for capture in given.captures]
    logs = []
    if given.log:
        path = scratch / "serial.log"
        path.write_text("".join(f"{line}\n" for line in given.log))
        logs.append(read_log(str(path)))
    led = None
    if given.led is not None:
        led = Led(parse_phrase(given.led), device_os(given.version or ""))
    return judge_together(captures, logs, led)


def facts_between(one: Given, other: Given) -> int:
    """How many facts differ; each line of a log is one."""
    lines = sum(
        max(end - start, other_end - other_start)
        for tag, start, end, other_start, other_end in SequenceMatcher(
            None, one.log, other.log
        ).get_opcodes()
        if tag != "equal"
    )
    return lines + differences(replace(one, log=()), replace(other, log=()))


def log(*lines: str) -> tuple[str, ...]:
    """Lines as Device OS writes them, 0.1 s apart; those with a category bring their own."""
    return tuple(
        f"{5000 + 100 * number:010d} {line if line.startswith('[') else f'[system] INFO: {line}'}"
        for number, line in enumerate(lines)
    )


HANDSHAKE = "[comm.lightssl.handshake]"
NAMED = ("Cloud: connecting", "Resolved host device.spark.io to 52.10.20.30")
CONNECTED = (*NAMED, "Cloud socket connected")
STARTED = (*CONNECTED, f"{HANDSHAKE} INFO: Started, receive nonce")
NONCE = (*STARTED, f"{HANDSHAKE} INFO: Encrypting nonce")
SENT = (*NONCE, f"{HANDSHAKE} INFO: Sending encrypted nonce")
ANSWERED = (*SENT, f"{HANDSHAKE} INFO: Setting key")
GREETED = (*ANSWERED, f"{HANDSHAKE} INFO: Completed")
SESSION = (*GREETED, "Cloud connected")
SOCKET_FAILED = "Cloud socket connection failed: -1"
NOT_DECRYPTED = "[comm.lightssl] WARN: decryption failed with code -16640"


def end(
    cause: Cause, mechanism: Mechanism | None, steps: Sequence[str], last: str, instead: str
) -> SymptomTold:
    """An attempt that ends with one line, with another one instead, and with none yet."""
    return SymptomTold(
        cause,
        mechanism,
        Given(log=log(*steps, last)),
        Given(log=log(*steps, instead)),
        Given(log=log(*steps)),
    )


def note(said: str, otherwise: str, cut_off: str) -> SymptomTold:
    """A line beside all attempts, one that says something else, and its beginning alone."""
    return SymptomTold(
        C.INCONCLUSIVE,
        M.NO_TRAFFIC,
        *(Given(log=("Platform: photon", line)) for line in (said, otherwise, cut_off)),
    )


def beside(*captures: Case, **more: Any) -> Given:
    return Given(captures=captures, **more)


ONE_RED, ONE_ORANGE, THREE_ORANGE = (
    f"cyan, {flashes}" for flashes in ("one red flash", "one orange flash", "3 orange flashes")
)
BELOW, SINCE = "1.5.2", "2.3.1"  # Device OS 2.0
TOO_SHORT = until(ANEW, 0.71)
UNFINISHED = log(*ANSWERED)
UNCONNECTED = log(*NAMED, SOCKET_FAILED)
KEYS_RENEWED = "particle keys doctor 5e0000000000000000000000"
REFUSED = "Error: Permission Denied"

LED = {
    "HP800": SymptomTold(
        C.NETWORK_BLOCKED,
        M.CONNECT_FAILED,
        Given(log=UNCONNECTED, led=THREE_ORANGE),
        Given(log=UNCONNECTED),
        beside(HEALTHY, ANEW, led=THREE_ORANGE),
    ),
    "HP801": SymptomTold(
        C.NETWORK_BLOCKED,
        M.SYN_DROPPED,
        beside(SYN_DROPPED, led=ONE_RED),
        beside(SYN_DROPPED, led=THREE_ORANGE),
        Given(led=ONE_RED),
    ),
    "HP802": SymptomTold(
        C.INCONCLUSIVE,
        None,
        Given(led=ONE_ORANGE, version=SINCE),
        Given(led=ONE_ORANGE, version=BELOW),
        Given(led=ONE_ORANGE),
    ),
    "HP803": SymptomTold(
        C.DEVICE_KEY_CORRUPTION,
        M.CREDENTIALS_REFUSED,
        beside(ANEW, led=ONE_ORANGE, version=BELOW),
        beside(ANEW, led=ONE_ORANGE, version=SINCE),
        beside(TOO_SHORT, led=ONE_ORANGE, version=BELOW),
    ),
    "HP804": SymptomTold(
        C.HEALTHY,
        None,
        beside(HEALTHY, ANEW, led=ONE_RED),
        beside(HEALTHY, led=ONE_RED),
        beside(HEALTHY, until(HEALTHY, 0.1), led=ONE_RED),
    ),
}

LOG = {
    "HP811": end(
        C.NETWORK_BLOCKED,
        M.DNS_NO_ADDRESS,
        NAMED[:1],
        "[system] ERROR: Cloud: unable to resolve IP for device.spark.io",
        NAMED[1],
    ),
    "HP812": end(
        C.NETWORK_BLOCKED, M.CONNECT_FAILED, NAMED, SOCKET_FAILED, "Cloud socket connected"
    ),
    "HP813": end(
        C.INCONCLUSIVE,
        M.NO_NONCE,
        STARTED,
        f"{HANDSHAKE} ERROR: Could not receive nonce: -1",
        f"{HANDSHAKE} INFO: Encrypting nonce",
    ),
    "HP814": end(
        C.SERVER_KEY_MISMATCH,
        M.IDENTITY_NOT_SENT,
        NONCE,
        f"{HANDSHAKE} ERROR: RSA encrypt error -1",
        f"{HANDSHAKE} INFO: Sending encrypted nonce",
    ),
    "HP815": end(
        C.INCONCLUSIVE,
        M.IDENTITY_REFUSED,
        SENT,
        f"{HANDSHAKE} ERROR: Unable to receive key -1",
        f"{HANDSHAKE} INFO: Setting key",
    ),
    "HP816": end(
        C.DEVICE_KEY_CORRUPTION,
        M.CREDENTIALS_REFUSED,
        ANSWERED,
        NOT_DECRYPTED,
        f"{HANDSHAKE} INFO: Completed",
    ),
    "HP817": end(
        C.SERVER_KEY_MISMATCH,
        M.SIGNATURE_BY_ANOTHER_KEY,
        ANSWERED,
        "[comm.lightssl] WARN: signature validation failed with code -17280",
        f"{HANDSHAKE} INFO: Completed",
    ),
    "HP818": end(
        C.INCONCLUSIVE,
        M.NO_SERVER_HELLO,
        GREETED,
        "[comm.protocol.handshake] ERROR: Handshake: could not receive hello response 10",
        "Cloud connected",
    ),
    "HP819": end(
        C.INCONCLUSIVE,
        M.PING_UNANSWERED,
        SESSION,
        "[comm.protocol] ERROR: Event loop error 1",
        "Cloud: disconnecting",
    ),
    "HP820": end(C.HEALTHY, None, GREETED, "Cloud connected", "Cloud handshake failed, code=10"),
    "HP821": end(
        C.INCONCLUSIVE,
        M.HANDSHAKE_FAILED,
        CONNECTED,
        "Cloud handshake failed, code=-220",
        "Cloud handshake failed, code=-130",
    ),
    "HP822": SymptomTold(
        C.INCONCLUSIVE,
        M.CAPTURE_TOO_SHORT,
        Given(log=log(*GREETED)),
        Given(log=log(*SESSION)),
        Given(log=log("Platform: photon")),
    ),
    "HP823": SymptomTold(
        C.INCONCLUSIVE,
        M.NO_TRAFFIC,
        Given(log=log("Platform: photon")),
        Given(log=log("Platform: photon", NAMED[0])),
        Given(log=log(NAMED[0])),
    ),
    "HP842": SymptomTold(
        C.NETWORK_BLOCKED,
        M.CONNECT_FAILED,
        Given(log=log(KEYS_RENEWED, *NAMED, SOCKET_FAILED)),
        Given(log=log(KEYS_RENEWED, *NAMED, "Cloud socket connected")),
        Given(log=log(KEYS_RENEWED)),
    ),
    "HP843": SymptomTold(
        C.INCONCLUSIVE,
        M.NO_TRAFFIC,
        Given(log=(KEYS_RENEWED, REFUSED)),
        Given(log=(KEYS_RENEWED, "Okay!")),
        Given(log=(REFUSED,)),
    ),
    "HP840": note("dfu-util: Invalid DFU suffix signature", "dfu-util: Download done.", "dfu-util"),
    "HP841": note("Network not ready", "Network ready", "Network not"),
    "HP844": note("particle flash --usb tinker", "particle flash --usb app.bin", "particle flash"),
    "HP845": note(
        "Read Server Address = type:255", "Read Server Address = type:1", "Read Server Address"
    ),
    "HP846": note(
        *(f"0000005000 [comm.{category}] WARN: unable" for category in ("dtls", "coap", "dt"))
    ),
    "HP847": note(
        "could not connect to device server", "connected to the access point", "could not connect"
    ),
    "HP848": note("Panic, HardFault", "No need to panic", "Pan"),
}

TOGETHER = {
    "HP810": SymptomTold(
        C.INCONCLUSIVE,
        M.CREDENTIALS_REFUSED,
        beside(ANEW, log=UNFINISHED),
        beside(ANEW, HEALTHY, log=UNFINISHED),
        Given(log=UNFINISHED),
    ),
    "HP830": SymptomTold(
        C.INCONCLUSIVE,
        M.CREDENTIALS_REFUSED,
        beside(ANEW, log=log(*ANSWERED, SOCKET_FAILED)[-1:]),
        beside(ANEW, log=log(*ANSWERED, NOT_DECRYPTED)[-1:]),
        beside(ANEW, log=UNFINISHED),
    ),
    "HP831": SymptomTold(
        C.DEVICE_KEY_CORRUPTION,
        M.CREDENTIALS_REFUSED,
        beside(ANEW, log=log(*ANSWERED, NOT_DECRYPTED)),
        beside(ANEW, log=log(*ANSWERED, "Cloud handshake failed, code=-19")),
        beside(ANEW, log=UNFINISHED),
    ),
    "HP832": SymptomTold(
        C.INCONCLUSIVE,
        M.CREDENTIALS_REFUSED,
        beside(ANEW, HEALTHY, log=UNFINISHED),
        beside(ANEW, log=UNFINISHED),
        Given(log=UNFINISHED),
    ),
}

SYMPTOMS: dict[str, SymptomTold] = LED | LOG | TOGETHER
