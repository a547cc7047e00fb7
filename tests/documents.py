"""Hand-made measurement documents for tests of what is printed."""

from __future__ import annotations

from typing import Any

import msgspec

from handshake_probe.model.measurement import (
    SCHEMA,
    ConnectionReport,
    DeviceReport,
    EventEntry,
    Finding,
    Measurement,
    MessageEntry,
    Software,
    Source,
    Verdict,
)
from handshake_probe.model.vocabulary import (
    SEVERITY_ORDER,
    Cause,
    Confidence,
    EndedBy,
    Mechanism,
    Severity,
    Stage,
)

ADDRESS = "192.168.10.2"
LONG_COMMAND = (
    "particle keys server --host device.spark.io --port 5683 a/very/long/path/to/cloud.der"
)

EVENTS = [
    EventEntry(event="syn", frame=1, t=0.0),
    EventEntry(event="nonce_received", frame=4, t=0.012, bytes=40),
    EventEntry(event="identity_sent", frame=6, t=0.031, bytes=256),
]


def connection(cause: Cause, **changes: Any) -> ConnectionReport:
    plain = ConnectionReport(
        stream=0,
        device=f"{ADDRESS}:41224",
        cloud="10.99.10.2:5683",
        started="2026-11-22T10:49:01.123456Z",
        stage=Stage.IDENTITY_SENT,
        ended_by=EndedBy.CLOUD_FIN,
        cause=cause,
        confidence=Confidence.LIKELY,
        mechanism=None,
        candidates=[cause],
        events=EVENTS,
        messages=[],
    )
    return msgspec.structs.replace(plain, **changes)


def verdict(cause: Cause, **changes: Any) -> Verdict:
    plain = Verdict(
        cause=cause,
        mechanism=None,
        stage=Stage.IDENTITY_SENT,
        confidence=Confidence.LIKELY,
        candidates=[cause],
        recovered=False,
        findings=[],
        ruled_out=[],
        summary="One sentence that says it.",
        next_steps=[],
    )
    return msgspec.structs.replace(plain, **changes)


def device(device_verdict: Verdict, **changes: Any) -> DeviceReport:
    plain = DeviceReport(
        address=ADDRESS,
        device_id="ed48b8a5fa820999bbc072f9",
        mac="94:94:4a:00:11:22",
        vendor="Particle",
        name=None,
        verdict=device_verdict,
        connections=[connection(device_verdict.cause)],
    )
    return msgspec.structs.replace(plain, **changes)


def finding(code: str, text: str, **changes: Any) -> Finding:
    plain = Finding(
        code=code,
        severity=Severity.ERROR,
        confidence=Confidence.LIKELY,
        evidence=["o3", "frame 6"],
        text=text,
        device=ADDRESS,
        stream=0,
    )
    return msgspec.structs.replace(plain, **changes)


def measurement(*devices: DeviceReport, **changes: Any) -> Measurement:
    causes = [each.verdict.cause for each in devices] or [Cause.INCONCLUSIVE]
    worst = min(causes, key=SEVERITY_ORDER.index)
    plain = Measurement(
        schema=SCHEMA,
        kind="capture",
        source=Source(
            path="home.pcapng", sha256="0" * 64, frames=9, truncated=False, format="pcap"
        ),
        software=Software(name="handshake-probe", version="0"),
        keys=[],
        verdict=verdict(worst, counts={str(cause): causes.count(cause) for cause in causes}),
        devices=list(devices),
        observations=[],
        findings=[],
    )
    return msgspec.structs.replace(plain, **changes)


def healthy() -> Measurement:
    greetings = [
        MessageEntry(
            direction="device_to_cloud", frame=9, t=0.25, hex="5002", summary="Hello product=6"
        ),
        MessageEntry(direction="cloud_to_device", frame=11, t=0.5, hex="5102", summary="Hello"),
    ]
    spoken = connection(
        Cause.HEALTHY,
        stage=Stage.SESSION,
        ended_by=EndedBy.CAPTURE_END,
        messages=greetings,
        events=[*EVENTS, EventEntry(event="message", frame=9, t=0.250, bytes=18)],
    )
    sound = verdict(Cause.HEALTHY, stage=Stage.SESSION, confidence=Confidence.PROVEN)
    return measurement(device(sound, connections=[spoken]))


def blocked() -> Measurement:
    told = verdict(
        Cause.NETWORK_BLOCKED,
        mechanism=Mechanism.SYN_DROPPED,
        stage=Stage.TCP_SYN,
        findings=["HP101"],
        ruled_out=[Cause.SERVER_KEY_MISMATCH],
        assumption="the cloud was up",
        next_steps=["Allow TCP port 5683 outbound for 192.168.10.2.", "Try a phone's hotspot."],
    )
    tries = [
        connection(Cause.NETWORK_BLOCKED, stream=n, stage=Stage.TCP_SYN, ended_by=EndedBy.SILENCE)
        for n in range(12)
    ]
    found = [
        finding("HP101", f"try {n} was not answered", stream=n, evidence=[f"frame {n + 1}"])
        for n in range(12)
    ]
    return measurement(device(told, device_id=None, connections=tries), findings=found)


def inconclusive() -> Measurement:
    told = verdict(
        Cause.INCONCLUSIVE,
        confidence=Confidence.POSSIBLE,
        candidates=[Cause.SERVER_KEY_MISMATCH, Cause.DEVICE_UNKNOWN],
        settles="the cloud's private key",
    )
    return measurement(device(told))


def key_mismatch() -> Measurement:
    told = verdict(
        Cause.SERVER_KEY_MISMATCH,
        mechanism=Mechanism.IDENTITY_NOT_DECRYPTABLE,
        confidence=Confidence.PROVEN,
        findings=["HP201"],
        ruled_out=[Cause.NETWORK_BLOCKED, Cause.DEVICE_KEY_CORRUPTION],
        next_steps=[f"Write the cloud's key to the device: `{LONG_COMMAND}`. Then try again."],
    )
    found = [finding("HP201", "the identity opens with no key of the cloud")]
    return measurement(device(told), findings=found)


def all_kinds() -> list[Measurement]:
    return [healthy(), blocked(), inconclusive(), key_mismatch(), measurement()]
