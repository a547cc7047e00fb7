"""Everything the tables can explain, found by the words people have: a number, an LED, a remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from handshake_probe.diagnose.judge_symptoms import by_version
from handshake_probe.diagnose.symptoms.advice import ADVICE, Advice
from handshake_probe.diagnose.symptoms.after_failure import AFTER_FAILURE, TRACES
from handshake_probe.diagnose.symptoms.key_error import KEY_ERROR_BITS, key_errors
from handshake_probe.diagnose.symptoms.led_reading import ROWS, SUMMARIES, read_led
from handshake_probe.diagnose.symptoms.stages import STAGE_ROWS, StageRow
from handshake_probe.protocol.device_errors import (
    ERRORS,
    DeviceError,
    Numbering,
    SystemCode,
    error_of,
    errors_logged_as,
    numbering_of,
)
from handshake_probe.protocol.led_phrase import PhraseError, parse_phrase

_NUMBER = re.compile(
    r"(?:cloud handshake failed,? ?)?(?:code|error|protocol error)? ?=? ?(-?\d{1,6})"
)
_KEY_ERROR = re.compile(r"(?:spark/device/)?key[/ ]error ?=? ?(\d{1,3})?")
_STAGE = re.compile(r"stage ([a-z])")
_TEST = ("internet test", "ntp", "8.8.8.8")


class Topic(NamedTuple):
    """One explanation."""

    heading: str
    paragraphs: list[tuple[str, str]]  # label, text
    steps: list[str]


class Listed(NamedTuple):
    """One thing that can be asked for."""

    section: str
    name: str
    title: str


def find_topic(text: str) -> Topic | None:
    """The explanation of a number, a signal, a stage or a remedy; None for other words."""
    words = " ".join(text.lower().replace("_", " ").split())
    if match := _NUMBER.fullmatch(words):
        return _number(int(match[1]))
    if match := _KEY_ERROR.fullmatch(words):
        return _key_error(int(match[1]) if match[1] else None)
    if match := _STAGE.fullmatch(words):
        rows = [row for row in STAGE_ROWS if row.letter == match[1].upper()]
        return _stage(rows[0]) if rows else None
    for error in DeviceError:
        if words in (error.name.lower().replace("_", " "), error.name.lower()):
            return _number(error.value)
    for advice in ADVICE:
        if words == advice.name or words in advice.also:
            return _advice(advice)
    if words in _TEST or words in dict(AFTER_FAILURE):
        return _after("internet test" if words in _TEST else words)
    return _led(text)


def list_topics() -> Iterator[Listed]:
    """All of them, table by table."""
    for error, row in ERRORS.items():
        yield Listed("error numbers", f"code={error.value}", f"{error.name}: {row.means}")
    for code in SystemCode:
        behind = ", ".join(str(error.value) for error in errors_logged_as(code) if code)
        if behind:
            yield Listed(
                "error numbers since 2.0", f"code={code.value}", f"{code.name}: errors {behind}"
            )
    for shown, key in dict.fromkeys((row.shown, row.key) for row in ROWS):
        yield Listed("LED", shown, SUMMARIES[key])
    for stage in STAGE_ROWS:
        yield Listed("how far an attempt came", f"stage {stage.letter}", stage.reached)
    for name, does in AFTER_FAILURE:
        yield Listed("after a failure", name, does.split(". ", 1)[0])
    for bit, means in KEY_ERROR_BITS.items():
        yield Listed("spark/device/key/error", f"key/error {bit}", means)
    for advice in ADVICE:
        yield Listed("remedies and messages", advice.name, advice.does.split(". ", 1)[0])


def _number(code: int) -> Topic | None:
    numbering = numbering_of(code)
    if numbering is Numbering.SOCKET:
        return _socket_result(code)
    if numbering is Numbering.SYSTEM:
        return _system_error(code)
    error = error_of(code)
    if error is None:
        return None
    row = ERRORS[error]
    system = "not known"
    if row.system_error is not None:
        system = f"{row.system_error.value} ({row.system_error.name})"
    return Topic(
        f"code={code}: {error.name}, a protocol error",
        [
            ("what it means", _sentence(row.means)),
            ("where it stands", _WHERE_PROTOCOL),
            ("since Device OS 2.0", f"Logged as {system}; the LED flashes red for every error."),
            ("LED from 0.8 to 1.5", f"One {row.flash} flash."),
        ],
        list(_STEPS.get(error, ())),
    )


def _system_error(code: int) -> Topic | None:
    errors = errors_logged_as(code)
    if not errors:
        return None
    told = [(f"{error.value} {error.name}", _sentence(ERRORS[error].means)) for error in errors]
    more = (
        "Several errors share this number: the lines before it (comm.lightssl.handshake, or "
        '"handshake failed with code N") tell which.'
        if len(errors) > 1
        else "Only one error is logged with this number."
    )
    return Topic(
        f"code={code}: {SystemCode(code).name}, a system error (Device OS 2.0 and later)",
        [("what it means", more), *told],
        ["Judge the whole log: `handshake-probe analyze serial.log`"],
    )


def _socket_result(code: int) -> Topic:
    paragraphs = [
        (
            "what it means",
            f"{code} is no system error: those begin at -100. Classic firmware (Photon up to 0.7, "
            "Core always) logs the result of its socket like that: sending or receiving failed. "
            "The last line before it tells at which step.",
        )
    ]
    error = error_of(-code)
    if error is not None and error.value > 1:
        paragraphs.append(
            (
                "without the sign",
                f"Protocol error {error.value}, {error.name}: {ERRORS[error].means}.",
            )
        )
    return Topic(
        f"code={code}: a result of the socket",
        paragraphs,
        ["Judge the whole log: `handshake-probe analyze serial.log`"],
    )


_WHERE_PROTOCOL = (
    'As "Cloud handshake failed, code=N" from Device OS 0.8 to 1.5, and as "handshake failed with '
    'code N" of comm.protocol in every later version. 0.4.0 counts otherwise: 1 is decryption, 2 '
    "the signature."
)
_STEPS = {
    DeviceError.DECRYPTION_ERROR: (
        "Give the device a new key pair (blinking yellow first): "
        "`particle keys doctor <device id>`",
    ),
    DeviceError.ENCRYPTION_ERROR: (
        "Write the server key again (blinking yellow first): `particle keys server`",
    ),
    DeviceError.AUTHENTICATION_ERROR: (
        "Write the server key again (blinking yellow first): `particle keys server`",
    ),
    DeviceError.LIGHTSSL_HANDSHAKE_NONCE: (
        "Check with a phone hotspot: if the device connects there, this network is the cause.",
    ),
    DeviceError.LIGHTSSL_HANDSHAKE_RECV_KEY: (
        "Record one attempt: `handshake-probe analyze home.pcap serial.log`",
    ),
}


def _key_error(mask: int | None) -> Topic | None:
    if mask is None:
        told = [(str(bit), f"{words}.") for bit, words in KEY_ERROR_BITS.items()]
        return Topic("spark/device/key/error: a sum of", told, [])
    words = key_errors(mask)
    if not words:
        return None
    return Topic(
        f"spark/device/key/error {mask}",
        [
            ("what it means", f"Found at boot: {', '.join(words)}."),
            ("blank", "The first byte is FF, nothing more; other damage is not noticed."),
        ],
        ["Write key and address again (blinking yellow first): `particle keys server`"],
    )


def _stage(row: StageRow) -> Topic:
    return Topic(
        f"stage {row.letter}: {row.reached}",
        [
            ("LED", _sentence(row.led)),
            ("capture", _sentence(row.capture)),
            ("because", _sentence(row.because)),
        ],
        ["See where yours ends: `handshake-probe analyze home.pcap`"],
    )


def _after(name: str) -> Topic:
    told = [("what the device does", dict(AFTER_FAILURE)[name])]
    if name == "internet test":
        told += [(f"in a capture: {trace.seen}", _sentence(trace.tells)) for trace in TRACES]
    return Topic(f"after a failure: {name}", told, [])


def _advice(advice: Advice) -> Topic:
    return Topic(
        advice.name,
        [
            ("what it does", advice.does),
            ("where it helps", _sentence(advice.applies)),
            ("where it does not", _sentence(advice.not_for)),
        ],
        list(advice.instead),
    )


def _led(text: str) -> Topic | None:
    try:
        reading = read_led(parse_phrase(text))
    except PhraseError:
        return None
    told = []
    for versions, row in by_version(reading):
        parts = [_sentence(row.says), f"Proves: {row.proves}."]
        if row.excludes:
            parts.append(f"Rules out: {row.excludes}.")
        told.append((versions.removesuffix(": ") or "what it says", " ".join(parts)))
    return Topic(
        f"LED: {reading.phrase}. {reading.summary}",
        told,
        [reading.filled(step) for step in reading.newest.steps],
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."
