"""The measurement document, schema `handshake-probe/measurement/1`: msgspec Structs for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from handshake_probe.errors import UnreadableInput
from handshake_probe.model.observations import AnyObservation
from handshake_probe.model.vocabulary import (
    Cause,
    Confidence,
    EndedBy,
    Mechanism,
    Severity,
    Stage,
)

SCHEMA = "handshake-probe/measurement/1"
_ITEMS = 100  # devices or observations in one part of the JSON
ASKED = ("probe", "replay")  # kinds of a document that tells what was asked from a machine


class Finding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A rule that fired: evidence names observations ("o3") and frames ("frame 9")."""

    code: str
    severity: Severity
    confidence: Confidence
    evidence: list[str]
    text: str  # one sentence with the facts of this case
    device: str | None = None  # address, None for findings about the capture
    stream: int | None = None


class Blocker(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who stops the handshake, filled only from evidence about the sender."""

    address: str | None = None
    hop: int | None = None
    who: str | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Cause, how far it went, how sure that is, and what to do next."""

    cause: Cause
    mechanism: Mechanism | None
    stage: Stage
    confidence: Confidence
    candidates: list[Cause]  # causes that remain, most likely first
    recovered: bool
    findings: list[str]  # codes
    ruled_out: list[Cause]
    summary: str
    next_steps: list[str]
    settles: str | None = None  # the one further thing that would settle an inconclusive verdict
    assumption: str | None = None  # what a `likely` verdict takes for granted
    blocker: Blocker | None = None
    counts: dict[str, int] | None = None  # devices per cause, in the document's verdict only


class EventEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One step of a connection; `t` is seconds since the connection's first frame."""

    event: str
    frame: int
    t: float
    bytes: int | None = None
    records: int | None = None  # how many it stands for, where not every record is listed
    note: str | None = None
    message: str | None = None  # what a decrypted record says


class MessageEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One decrypted CoAP message; `hex` is the plaintext without padding."""

    direction: str
    frame: int
    t: float  # seconds since the connection's first frame
    hex: str
    summary: str
    partial: bool = False  # its first 16 bytes could not be decrypted


class ConnectionReport(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One connection of a device."""

    stream: int
    device: str
    cloud: str
    started: str  # RFC 3339, UTC, microseconds
    stage: Stage
    ended_by: EndedBy
    cause: Cause
    confidence: Confidence
    mechanism: Mechanism | None
    candidates: list[Cause]
    events: list[EventEntry]
    messages: list[MessageEntry]


class DeviceReport(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One device and its verdict."""

    address: str  # empty where a log or an LED names none
    device_id: str | None
    mac: str | None
    vendor: str | None  # a hint from the MAC's prefix, never proof
    name: str | None  # DHCP host name
    verdict: Verdict
    connections: list[ConnectionReport]


class Source(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where the frames came from."""

    path: str
    sha256: str
    frames: int
    truncated: bool
    format: str
    first: str | None = None
    last: str | None = None


class KeyUsed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A key this run had, by fingerprint; never key material."""

    fingerprint: str
    role: str  # "cloud_private", "cloud_public", "device_private", "registered"
    source: str
    device_id: str | None = None
    named: bool = False  # named with --cloud-key as the cloud's key
    share: float | None = None  # the modulus in units of 2^2048 (a cloud's) or 2^1024 (a device's)


class Software(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What wrote the document."""

    name: str
    version: str


class Measurement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One capture or one run."""

    schema: str
    kind: str  # "capture", "probe", "replay", "log" (a serial log alone), "led" (seen, alone)
    source: Source
    software: Software
    keys: list[KeyUsed]
    verdict: Verdict
    devices: list[DeviceReport]
    observations: list[AnyObservation]
    findings: list[Finding]
    redaction: str | None = None  # "it" or "public": what a report took out; None: nothing


def revised(
    measurement: Measurement,
    *,
    verdict: Verdict | None = None,
    devices: list[DeviceReport] | None = None,
    observations: list[AnyObservation] | None = None,
    findings: list[Finding] | None = None,
) -> Measurement:
    """The same document with these parts in place of its own."""
    parts = {
        "verdict": verdict,
        "devices": devices,
        "observations": observations,
        "findings": findings,
    }
    changed = {name: part for name, part in parts.items() if part is not None}
    return msgspec.structs.replace(measurement, **changed)


def judged_anew(device: DeviceReport, verdict: Verdict) -> DeviceReport:
    """The same device with another verdict."""
    return msgspec.structs.replace(device, verdict=verdict)


def naming(verdict: Verdict, findings: Iterable[Finding]) -> Verdict:
    """The same verdict, naming these findings as well."""
    codes = [*verdict.findings, *(finding.code for finding in findings)]
    return msgspec.structs.replace(verdict, findings=list(dict.fromkeys(codes)))


def to_json(measurement: Measurement) -> bytes:
    """The document as one line of UTF-8 JSON, without a line end."""
    return msgspec.json.encode(measurement)


def json_parts(measurement: Measurement) -> Iterator[bytes]:
    """What `to_json` returns, in parts: that of a large capture has hundreds of megabytes."""
    encode = msgspec.json.encode
    before = b"{"
    for name in measurement.__struct_fields__:
        yield before + encode(name) + b":"
        before = b","
        value = getattr(measurement, name)
        if not isinstance(value, list):
            yield encode(value)
            continue
        yield b"["
        for start in range(0, len(value), _ITEMS):
            items = encode(value[start : start + _ITEMS])[1:-1]
            yield b"," + items if start else items
        yield b"]"
    yield b"}"


def from_json(data: bytes) -> Measurement:
    """A document as `to_json` wrote it.

    Raises:
        UnreadableInput: not JSON, another kind of document, or one of a later version.
    """
    try:
        found = msgspec.json.decode(data, type=Measurement)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # ValidationError is one
        raise UnreadableInput(f"no measurement document ({error})") from error
    if found.schema != SCHEMA:
        raise UnreadableInput(f"schema {found.schema!r}, and this version reads {SCHEMA!r}")
    return found


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the measurement document."""
    return msgspec.json.schema(Measurement)
