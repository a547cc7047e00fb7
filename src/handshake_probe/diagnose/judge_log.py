"""Rules for a serial log: what each way for an attempt to end says about the cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from handshake_probe.diagnose.judgement import Clue, Judgement
from handshake_probe.diagnose.symptoms.led_row import KEY_OR_REGISTER, OPEN
from handshake_probe.model.symptoms import AttemptEnd, DeviceLogSeen, LogAttempt
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism, Stage
from handshake_probe.protocol.device_errors import SystemCode, error_of, errors_logged_as
from handshake_probe.protocol.device_log import Said
from handshake_probe.protocol.device_os import SYSTEM_ERRORS, device_os

DEVICE_READS = 19.0  # seconds; a device that waited longer gave up by itself
_PASSED = (AttemptEnd.CONNECTED, AttemptEnd.UNFINISHED)
_NOT_NETWORK = (Cause.NETWORK_BLOCKED, Cause.DEVICE_UNKNOWN)


@dataclass(frozen=True, slots=True)
class EndRule:
    """What one end says."""

    code: str
    mechanism: Mechanism | None
    candidates: tuple[Cause, ...]  # most likely first
    summary: str
    likely: bool = False
    exact: bool = False  # the device names the cause itself
    rules_out: tuple[Cause, ...] = ()
    settles: str | None = None
    assumption: str | None = None


_CAPTURE = "A capture of one attempt, judged together with this log."

RULES: dict[AttemptEnd, EndRule] = {
    AttemptEnd.NOT_RESOLVED: EndRule(
        "HP811",
        Mechanism.DNS_NO_ADDRESS,
        (Cause.NETWORK_BLOCKED, Cause.DEVICE_FAULT),
        "The device finds no address for the cloud's name: DNS does not answer it, or refuses.",
        likely=True,
        rules_out=KEY_OR_REGISTER,
        assumption="that the device holds a right DNS server and the cloud's right name",
    ),
    AttemptEnd.CONNECT_FAILED: EndRule(
        "HP812",
        Mechanism.CONNECT_FAILED,
        (Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT),
        "The device has the cloud's address and gets no TCP connection to it.",
        likely=True,
        rules_out=KEY_OR_REGISTER,
        assumption="that the cloud is up; a private cloud that is switched off looks the same",
    ),
    AttemptEnd.NO_NONCE: EndRule(
        "HP813",
        Mechanism.NO_NONCE,
        (Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT),
        "The connection comes up, and the cloud's first message never reaches the device.",
        settles="The same from a phone hotspot: if it works there this network is to blame.",
    ),
    AttemptEnd.NO_IDENTITY: EndRule(
        "HP814",
        Mechanism.IDENTITY_NOT_SENT,
        (Cause.SERVER_KEY_MISMATCH, Cause.DEVICE_FAULT),
        "The device cannot encrypt its identity: the server key in its flash is unusable.",
        likely=True,
        exact=True,
        rules_out=_NOT_NETWORK,
        assumption="that the device is not short of memory",
    ),
    AttemptEnd.NO_CREDENTIALS: EndRule(
        "HP815",
        Mechanism.IDENTITY_REFUSED,
        (*KEY_OR_REGISTER, Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
        "The network carries the handshake as far as the device's identity, and no answer to it "
        "comes.",
        settles=_CAPTURE,
    ),
    AttemptEnd.DECRYPTION_FAILED: EndRule(
        "HP816",
        Mechanism.CREDENTIALS_REFUSED,
        (Cause.DEVICE_KEY_CORRUPTION, Cause.SERVER_FAULT),
        "The cloud answered the identity, and the device's own private key does not open the "
        "answer.",
        likely=True,
        exact=True,
        rules_out=(*_NOT_NETWORK, Cause.SERVER_KEY_MISMATCH),
        assumption="that the cloud encrypts its answer properly",
    ),
    AttemptEnd.SIGNATURE_REFUSED: EndRule(
        "HP817",
        Mechanism.SIGNATURE_BY_ANOTHER_KEY,
        (Cause.SERVER_KEY_MISMATCH, Cause.SERVER_FAULT),
        "The device opened the cloud's answer, and its signature is not by the server key the "
        "device holds.",
        likely=True,
        exact=True,
        rules_out=(*_NOT_NETWORK, Cause.DEVICE_KEY_CORRUPTION),
        assumption="that the cloud signs in the form devices expect",
    ),
    AttemptEnd.NO_SERVER_HELLO: EndRule(
        "HP818",
        Mechanism.NO_SERVER_HELLO,
        (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED),
        "Both keys fit, the device said Hello, and the cloud's Hello did not come.",
        rules_out=KEY_OR_REGISTER,
        settles="The cloud's own log of that time, or a capture.",
    ),
    AttemptEnd.HANDSHAKE_FAILED: EndRule(
        "HP821",
        Mechanism.HANDSHAKE_FAILED,
        OPEN,
        "The TCP connection comes up and the handshake fails; this log does not say where.",
        settles=_CAPTURE,
    ),
    AttemptEnd.LOST: EndRule(
        "HP819",
        Mechanism.PING_UNANSWERED,
        (Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT),
        "The handshake passes, and the running session is lost again.",
        rules_out=KEY_OR_REGISTER,
        settles="A capture of a session until it is lost.",
    ),
    AttemptEnd.CONNECTED: EndRule(
        "HP820",
        None,
        (Cause.HEALTHY, Cause.UNCLAIMED),
        "The device itself says that it is connected: network and keys are right.",
        likely=True,
        rules_out=(Cause.NETWORK_BLOCKED, *KEY_OR_REGISTER),
        assumption="that the device belongs to the account that looks for it",
    ),
    AttemptEnd.UNFINISHED: EndRule(
        "HP822",
        Mechanism.CAPTURE_TOO_SHORT,
        (Cause.HEALTHY, *OPEN),
        "The log ends before an attempt does.",
        settles="A longer log: at least a minute.",
    ),
}

# A number that several errors share still excludes the others.
_BY_CODE: dict[int | None, tuple[Cause, ...]] = {
    -240: (Cause.DEVICE_KEY_CORRUPTION, Cause.SERVER_KEY_MISMATCH, Cause.SERVER_FAULT),
}


@dataclass(frozen=True, slots=True)
class LogVerdict:
    """The judgement over all attempts of a log."""

    judgement: Judgement
    rule: EndRule | None
    stage: Stage
    recovered: bool


def judge_log(log: DeviceLogSeen) -> LogVerdict:
    """The most frequent failure, the later one on a tie; connected only if none failed."""
    if Said.DTLS in log.notes:
        return LogVerdict(_udp(log), None, Stage.NONE, False)
    failed = [attempt for attempt in log.attempts if attempt.end not in _PASSED]
    passed = [attempt for attempt in log.attempts if attempt.end is AttemptEnd.CONNECTED]
    attempts = failed or passed or log.attempts
    if not attempts:
        return LogVerdict(_nothing(log), None, Stage.NONE, False)
    counts = Counter(attempt.end for attempt in attempts)
    last = {attempt.end: index for index, attempt in enumerate(attempts)}
    end = max(counts, key=lambda end: (counts[end], last[end]))
    chosen = attempts[last[end]]
    rule = RULES[end]
    clues = [_clue(log, chosen, counts[end])]
    for other in counts:
        if other is not end:
            clues.append(_clue(log, attempts[last[other]], counts[other]))
    recovered = bool(failed) and any(attempt.line > failed[-1].line for attempt in passed)
    judgement = Judgement(
        cause=rule.candidates[0] if rule.likely else Cause.INCONCLUSIVE,
        mechanism=_mechanism(rule, chosen),
        confidence=Confidence.LIKELY if rule.likely else Confidence.POSSIBLE,
        candidates=_candidates(rule, chosen),
        clues=tuple(clues),
        summary=rule.summary,
        settles=rule.settles,
        assumption=rule.assumption,
    )
    return LogVerdict(judgement, rule, chosen.stage, recovered)


def _mechanism(rule: EndRule, attempt: LogAttempt) -> Mechanism | None:
    if rule.mechanism is Mechanism.IDENTITY_REFUSED and _gave_up(attempt):
        return Mechanism.IDENTITY_UNANSWERED
    return rule.mechanism


def _candidates(rule: EndRule, attempt: LogAttempt) -> tuple[Cause, ...]:
    """The rule's, as far as waiting and number leave them.

    A device that waited in vain was not refused: keys move behind cloud and network.
    """
    if attempt.end is AttemptEnd.HANDSHAKE_FAILED:
        return _BY_CODE.get(attempt.code, rule.candidates)
    if rule.mechanism is Mechanism.IDENTITY_REFUSED and _gave_up(attempt):
        first = (Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED)
        return (*first, *(cause for cause in rule.candidates if cause not in first))
    return rule.candidates


def _gave_up(attempt: LogAttempt) -> bool:
    return attempt.waited is not None and attempt.waited >= DEVICE_READS


def _clue(log: DeviceLogSeen, attempt: LogAttempt, times: int) -> Clue:
    where = [f"line {attempt.line}"]
    if times > 1:
        whole = log.attempts_total <= len(log.attempts)
        of = "times in all" if whole else f"of the last {len(log.attempts)} attempts"
        where.append(f"{times} {of}")
    return Clue(
        RULES[attempt.end].code,
        f"{' '.join(_sentences(log, attempt))} ({', '.join(where)})",
        (log.id,),
        Confidence.LIKELY,
    )


def _sentences(log: DeviceLogSeen, attempt: LogAttempt) -> Iterator[str]:
    ends = {
        AttemptEnd.NOT_RESOLVED: "No address for the cloud's name.",
        AttemptEnd.CONNECT_FAILED: f"No connection to {attempt.cloud or 'the cloud'}.",
        AttemptEnd.NO_NONCE: "Connected, and the nonce does not come.",
        AttemptEnd.NO_IDENTITY: "The nonce comes, and the identity cannot be encrypted.",
        AttemptEnd.NO_CREDENTIALS: "The identity is sent, and the 384 bytes do not come.",
        AttemptEnd.DECRYPTION_FAILED: "The 384 bytes come and do not decrypt.",
        AttemptEnd.SIGNATURE_REFUSED: "The 384 bytes decrypt, and their signature is refused.",
        AttemptEnd.NO_SERVER_HELLO: "The device says Hello and gets none.",
        AttemptEnd.HANDSHAKE_FAILED: "The handshake fails.",
        AttemptEnd.CONNECTED: "The handshake passes.",
        AttemptEnd.LOST: "The session is lost.",
        AttemptEnd.UNFINISHED: f"An attempt without an end, last at {attempt.stage}.",
    }
    yield ends[attempt.end]
    if (error := error_of(attempt.error)) is not None:
        yield f"That is error {error.value}, {error.name}."
    elif attempt.code is not None and attempt.stage.reached(Stage.TCP_ESTABLISHED):
        yield f"Logged as {number_words(attempt.code)}."
    if attempt.waited is not None and attempt.end in (
        AttemptEnd.NO_NONCE,
        AttemptEnd.NO_CREDENTIALS,
    ):
        how = "the device's own patience" if _gave_up(attempt) else "somebody hung up"
        yield f"After {attempt.waited:.1f} s: {how}."
    if attempt.internet is not None and attempt.end in (
        AttemptEnd.NOT_RESOLVED,
        AttemptEnd.CONNECT_FAILED,
    ):
        how = "passes" if attempt.internet else "fails"
        yield f"The device's internet test ({internet_test(log)}) {how}."


def number_words(code: int) -> str:
    """The number of a "Cloud handshake failed" line, of classic firmware or since 2.0."""
    errors = errors_logged_as(code) if code < 0 else ()
    if not errors:
        return f"code {code}, a result of classic firmware's own"
    name = SystemCode(code).name
    if len(errors) == 1:
        return f"code {code}, system error {name}: {errors[0].name}"
    return f"code {code}, system error {name}, which {len(errors)} errors share"


def internet_test(log: DeviceLogSeen) -> str:
    """What the device's internet test asks, by the version the log shows."""
    version = device_os(log.device_os or "")
    if log.at_least == str(SYSTEM_ERRORS) or (version and version >= SYSTEM_ERRORS):
        return "DNS and NTP to pool.ntp.org"
    if log.below == str(SYSTEM_ERRORS) or version:
        return "TCP to 8.8.8.8, port 53"
    return "TCP to 8.8.8.8, port 53, below 2.0; DNS and NTP since"


def _udp(log: DeviceLogSeen) -> Judgement:
    return Judgement(
        cause=Cause.INCONCLUSIVE,
        mechanism=Mechanism.NO_TRAFFIC,
        confidence=Confidence.POSSIBLE,
        candidates=(Cause.NETWORK_BLOCKED, Cause.SERVER_KEY_MISMATCH, Cause.DEVICE_KEY_CORRUPTION),
        clues=(
            Clue(
                "HP846",
                f"Lines of DTLS, from line {log.notes[Said.DTLS]} on.",
                (log.id,),
            ),
        ),
        summary="The device speaks DTLS over UDP 5684; only the TCP handshake can be judged here.",
        settles="Whether UDP port 5684 and its answers pass: a phone hotspot tells.",
    )


def _nothing(log: DeviceLogSeen) -> Judgement:
    return Judgement(
        cause=Cause.INCONCLUSIVE,
        mechanism=Mechanism.NO_TRAFFIC,
        confidence=Confidence.POSSIBLE,
        candidates=(Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED, Cause.HEALTHY),
        clues=(Clue("HP823", "No line of a connection to the cloud.", (log.id,)),),
        summary="The log tells of no attempt to reach the cloud.",
        settles="A log that holds one attempt: restart the device while the monitor runs.",
    )
