"""Judges a device's capture beside a probe from the same network: each knows what the other lacks.

The capture shows what became of the device's own packets, the probe what the network does with
another machine's and, with the device's key, what the cloud does with the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from handshake_probe.diagnose.catalogue import CATALOGUE
from handshake_probe.diagnose.remedies import filled
from handshake_probe.model.measurement import DeviceReport, Finding, Measurement, Verdict
from handshake_probe.model.probed import HandshakeProbed
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism, Stage

SAME_TIME = 3600.0  # seconds between capture and probe; networks change
_BEFORE_IDENTITY = (Stage.DNS, Stage.TCP_SYN, Stage.TCP_ESTABLISHED, Stage.NONCE_RECEIVED)


@dataclass(frozen=True)
class _Change:
    """What the probe makes of a device's verdict."""

    code: str
    text: str
    verdict: Verdict


def judge_jointly(capture: Measurement, probe: Measurement) -> tuple[Measurement, list[Finding]]:
    """The capture's measurement with every device judged beside the probe, and what was added."""
    devices: list[DeviceReport] = []
    added: list[Finding] = []
    for device in capture.devices:
        change = _weigh(device, capture, probe)
        if change is None:
            devices.append(device)
            continue
        finding = Finding(
            code=change.code,
            severity=CATALOGUE[change.code].severity,
            confidence=change.verdict.confidence,
            evidence=[],
            text=change.text,
            device=device.address,
        )
        added.append(finding)
        devices.append(msgspec.structs.replace(device, verdict=_told(device, change)))
    return msgspec.structs.replace(capture, devices=devices), added


def _told(device: DeviceReport, change: _Change) -> Verdict:
    """The verdict, its new finding first and its remedy before the others."""
    verdict = change.verdict
    fill = {
        "{id}": device.device_id or "<device id>",
        "{device}": device.address or "the device",
        "{cloud}": "the cloud",
        "{port}": "5683",
    }
    steps = [filled(step, fill) for step in CATALOGUE[change.code].remedy]
    steps += [verdict.settles] if verdict.settles else []
    changed = verdict.cause is not device.verdict.cause
    steps += [] if changed else device.verdict.next_steps
    return msgspec.structs.replace(
        verdict,
        findings=[change.code, *verdict.findings],
        next_steps=list(dict.fromkeys(steps)),
    )


def _weigh(device: DeviceReport, capture: Measurement, probe: Measurement) -> _Change | None:
    if probe.verdict.mechanism is Mechanism.OTHER_PATH or device.verdict.recovered:
        return None
    change = _by_stand_in(device, probe)
    if change is not None:
        return change
    if probe.verdict.cause is Cause.HEALTHY:
        if _fails_in_network(device.verdict):
            return _singled_out(device.verdict, _gap(capture, probe))
        return _not_the_network(device.verdict)
    if probe.verdict.cause is Cause.NETWORK_BLOCKED and _fails_in_network(device.verdict):
        return _both_blocked(device.verdict, probe)
    return None


def _fails_in_network(verdict: Verdict) -> bool:
    if verdict.cause is Cause.NETWORK_BLOCKED:
        return True
    undecided = verdict.cause is Cause.INCONCLUSIVE and Cause.NETWORK_BLOCKED in verdict.candidates
    return undecided and verdict.stage in _BEFORE_IDENTITY


def _singled_out(verdict: Verdict, gap: float) -> _Change:
    if gap > SAME_TIME:
        return _Change(
            "HP181",
            f"A probe {gap / 3600:.1f} hours away in time passes: the fault may have gone since.",
            verdict,
        )
    summary = (
        "The network carries the handshake for the machine that probed, and not for this device: "
        "a rule treats the device otherwise (by its address, its group, or its Wi-Fi)."
    )
    return _Change(
        "HP180",
        "The probe from the same network passes, and the device's own connections fail.",
        msgspec.structs.replace(
            verdict,
            cause=Cause.NETWORK_BLOCKED,
            mechanism=Mechanism.DEVICE_SINGLED_OUT,
            confidence=Confidence.LIKELY,
            candidates=[Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT],
            summary=summary,
            settles=None,
            assumption="that the machine that probed is in the same network as the device, and "
            "the cloud did not fail in between",
        ),
    )


def _not_the_network(verdict: Verdict) -> _Change | None:
    """The device got as far as its identity, and the network is known to carry one."""
    if verdict.cause is not Cause.INCONCLUSIVE or Cause.NETWORK_BLOCKED not in verdict.candidates:
        return None
    left = [cause for cause in verdict.candidates if cause is not Cause.NETWORK_BLOCKED]
    if not left:
        return None
    decided = len(left) == 1 and left[0] is not Cause.HEALTHY
    changed = msgspec.structs.replace(
        verdict, candidates=left, ruled_out=[*verdict.ruled_out, Cause.NETWORK_BLOCKED]
    )
    if decided:
        changed = msgspec.structs.replace(
            changed,
            cause=left[0],
            confidence=Confidence.LIKELY,
            candidates=[left[0], Cause.NETWORK_BLOCKED],
            ruled_out=verdict.ruled_out,
            settles=None,
            assumption="that the network treats the device as it treats the machine that probed",
        )
    elif len(left) == 1:
        return None
    return _Change("HP183", "The probe shows that the network carries the handshake.", changed)


def _both_blocked(verdict: Verdict, probe: Measurement) -> _Change:
    other = probe.verdict
    candidates = [Cause.NETWORK_BLOCKED]
    if Cause.SERVER_FAULT in other.candidates:
        candidates.append(Cause.SERVER_FAULT)
    sure = other.confidence is Confidence.PROVEN and verdict.mechanism is other.mechanism
    return _Change(
        "HP182",
        f"The probe is stopped as well ({str(other.mechanism).replace('_', ' ')}).",
        msgspec.structs.replace(
            verdict,
            cause=Cause.NETWORK_BLOCKED,
            mechanism=other.mechanism if verdict.cause is Cause.INCONCLUSIVE else verdict.mechanism,
            confidence=Confidence.PROVEN if sure else Confidence.LIKELY,
            candidates=candidates,
            summary=other.summary if verdict.cause is Cause.INCONCLUSIVE else verdict.summary,
            blocker=verdict.blocker or other.blocker,
            settles=None,
            assumption=None if sure else verdict.assumption or other.assumption,
        ),
    )


def _by_stand_in(device: DeviceReport, probe: Measurement) -> _Change | None:
    """The handshake passes with the device's key, and not when the device does it itself."""
    passed = next(
        (
            o
            for o in probe.observations
            if isinstance(o, HandshakeProbed)
            and o.stage is Stage.SESSION
            and device.device_id in (None, o.device_id)
        ),
        None,
    )
    verdict = device.verdict
    if passed is None or verdict.cause in (Cause.HEALTHY, Cause.UNCLAIMED):
        return None
    text = f"The handshake with the key of {passed.device_id} passes from the probing machine."
    key_file = "that the key file holds what is in the device's flash now"
    if verdict.stage is Stage.IDENTITY_SENT and verdict.cause is not Cause.NETWORK_BLOCKED:
        return _Change(
            "HP184",
            text,
            msgspec.structs.replace(
                verdict,
                cause=Cause.SERVER_KEY_MISMATCH,
                mechanism=Mechanism.IDENTITY_NOT_DECRYPTABLE,
                confidence=Confidence.LIKELY,
                candidates=[Cause.SERVER_KEY_MISMATCH, Cause.DEVICE_KEY_CORRUPTION],
                summary="The cloud knows this device and accepts its key, yet refuses what the "
                "device itself sends: the device encrypts with another server key.",
                settles=None,
                assumption=key_file,
            ),
        )
    if verdict.stage is Stage.CREDENTIALS_RECEIVED and verdict.cause is not Cause.NETWORK_BLOCKED:
        return _Change(
            "HP184",
            text,
            msgspec.structs.replace(
                verdict,
                cause=Cause.DEVICE_KEY_CORRUPTION,
                mechanism=Mechanism.CREDENTIALS_REFUSED,
                confidence=Confidence.LIKELY,
                candidates=[Cause.DEVICE_KEY_CORRUPTION, Cause.DEVICE_FAULT],
                summary="The key file opens what the cloud sends, the device does not: the key in "
                "its flash is damaged, or its firmware misreads it.",
                settles=None,
                assumption=key_file,
            ),
        )
    return None


def _gap(capture: Measurement, probe: Measurement) -> float:
    """Seconds between the end of one and the beginning of the other; 0 when they overlap."""
    spans = [_span(capture), _span(probe)]
    if None in spans:
        return 0.0
    (first, last), (begin, end) = spans  # type: ignore[misc]
    return max(0.0, begin - last, first - end)


def _span(measurement: Measurement) -> tuple[float, float] | None:
    source = measurement.source
    if source.first is None or source.last is None:
        return None
    return _seconds(source.first), _seconds(source.last)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def nearest(capture: Measurement, probes: Sequence[Measurement]) -> Measurement:
    """The probe to hold beside a capture: a decided one, the nearest in time."""
    return min(
        probes, key=lambda probe: (probe.verdict.cause is Cause.INCONCLUSIVE, _gap(capture, probe))
    )
