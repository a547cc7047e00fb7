"""What each field of a document holds: what a redaction does with it follows from that."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin

import msgspec

from handshake_probe.model.measurement import (
    ConnectionReport,
    DeviceReport,
    EventEntry,
    Finding,
    KeyUsed,
    Source,
    Verdict,
)
from handshake_probe.model.observations import (
    ConnectionSeen,
    CredentialsSeen,
    DirectionSeen,
    DnsSeen,
    HostSeen,
    IcmpSeen,
    InternetTestSeen,
    KeyTest,
    NonceSeen,
    PresenceSeen,
    SessionSeen,
)
from handshake_probe.model.probed import (
    DnsProbed,
    FirstBytes,
    HandshakeProbed,
    HopProbed,
    IcmpAnswer,
    IdleProbed,
    PacketsRecorded,
    ReplayProbed,
    TcpProbed,
    UdpProbed,
    VantageSeen,
)
from handshake_probe.model.symptoms import DeviceLogSeen, LedSeen, LogAttempt


class What(StrEnum):
    """What a field of a document holds, where that decides what becomes of it."""

    SECRET = "secret"  # never told
    ENDPOINT = "endpoint"
    ADDRESS = "address"
    NETWORK = "network"
    MAC = "hardware address"
    DEVICE_ID = "device id"
    HOST_NAME = "host name"
    PRIVATE_NAME = "private name"  # of a person's own network or device
    FILE = "file"
    FOREIGN = "foreign text"  # as it came over the wire
    JUDGED = "judged"  # prose of an earlier judgement, which the next one writes anew


_FIELDS: dict[tuple[type, str], What] = {
    (EventEntry, "message"): What.SECRET,
    (ConnectionReport, "messages"): What.SECRET,
    (SessionSeen, "hello_seed"): What.SECRET,
    (ConnectionReport, "device"): What.ENDPOINT,
    (ConnectionReport, "cloud"): What.ENDPOINT,
    (ConnectionSeen, "device"): What.ENDPOINT,
    (ConnectionSeen, "cloud"): What.ENDPOINT,
    (TcpProbed, "target"): What.ENDPOINT,
    (HopProbed, "target"): What.ENDPOINT,
    (UdpProbed, "target"): What.ENDPOINT,
    (IdleProbed, "target"): What.ENDPOINT,
    (HandshakeProbed, "target"): What.ENDPOINT,
    (ReplayProbed, "target"): What.ENDPOINT,
    (DeviceLogSeen, "address"): What.ADDRESS,
    (DeviceLogSeen, "device"): What.ADDRESS,
    (DeviceLogSeen, "device_id"): What.DEVICE_ID,
    (DeviceLogSeen, "path"): What.FILE,
    (DnsProbed, "addresses"): What.ADDRESS,
    (DnsProbed, "resolver"): What.ADDRESS,
    (DnsProbed, "second_answer"): What.ADDRESS,
    (DnsSeen, "addresses"): What.ADDRESS,
    (DnsSeen, "host"): What.ADDRESS,
    (DnsSeen, "server"): What.ADDRESS,
    (HostSeen, "address"): What.ADDRESS,
    (IcmpAnswer, "source"): What.ADDRESS,
    (IcmpSeen, "source"): What.ADDRESS,
    (InternetTestSeen, "host"): What.ADDRESS,
    (LedSeen, "device"): What.ADDRESS,
    (LogAttempt, "cloud"): What.ADDRESS,
    (PresenceSeen, "host"): What.ADDRESS,
    (VantageSeen, "address"): What.ADDRESS,
    (VantageSeen, "device"): What.ADDRESS,
    (VantageSeen, "gateway"): What.ADDRESS,
    (VantageSeen, "network"): What.NETWORK,
    (VantageSeen, "resolver_stub"): What.ADDRESS,
    (VantageSeen, "resolvers"): What.ADDRESS,
    (DirectionSeen, "link_source"): What.MAC,
    (HostSeen, "mac"): What.MAC,
    (DeviceReport, "device_id"): What.DEVICE_ID,
    (KeyUsed, "device_id"): What.DEVICE_ID,
    (KeyTest, "device_id"): What.DEVICE_ID,
    (PresenceSeen, "device_id"): What.DEVICE_ID,
    (HandshakeProbed, "device_id"): What.DEVICE_ID,
    (DnsSeen, "name"): What.HOST_NAME,
    (DnsSeen, "aliases"): What.HOST_NAME,
    (DnsProbed, "name"): What.HOST_NAME,
    (DnsProbed, "aliases"): What.HOST_NAME,
    (DeviceReport, "name"): What.PRIVATE_NAME,
    (HostSeen, "name"): What.PRIVATE_NAME,
    (VantageSeen, "wifi"): What.PRIVATE_NAME,
    (Source, "path"): What.FILE,
    (KeyUsed, "source"): What.FILE,
    (PacketsRecorded, "file"): What.FILE,
    (NonceSeen, "excerpt"): What.FOREIGN,
    (CredentialsSeen, "excerpt"): What.FOREIGN,
    (FirstBytes, "excerpt"): What.FOREIGN,
    (EventEntry, "note"): What.FOREIGN,
    (Finding, "text"): What.JUDGED,
    (Verdict, "summary"): What.JUDGED,
    (Verdict, "next_steps"): What.JUDGED,
    (Verdict, "settles"): What.JUDGED,
    (Verdict, "assumption"): What.JUDGED,
}
# What stands in required fields for a value that is none.
_NOTHING = {
    (PresenceSeen, "device_id"): "unknown",
    (HandshakeProbed, "device_id"): "unknown",
    (DnsSeen, "host"): "0.0.0.0",
    (DnsSeen, "server"): "0.0.0.0",
    (IcmpAnswer, "source"): "0.0.0.0",
    (IcmpSeen, "source"): "0.0.0.0",
    (InternetTestSeen, "host"): "0.0.0.0",
    (PresenceSeen, "host"): "0.0.0.0",
}


class Field(NamedTuple):
    """A field of a struct that may hold text, at any depth."""

    name: str
    what: What | None
    nothing: str | None


@cache
def text_fields(kind: type[msgspec.Struct]) -> tuple[Field, ...]:
    """The fields that a redaction looks at: all but numbers and words of our own vocabulary."""
    return tuple(
        Field(field.name, _FIELDS.get((kind, field.name)), _NOTHING.get((kind, field.name)))
        for field in msgspec.structs.fields(kind)
        if _may_hold_text(field.type)
    )


def _may_hold_text(annotation: Any) -> bool:
    arguments = get_args(annotation)
    if arguments and get_origin(annotation) is not Literal:
        return any(map(_may_hold_text, arguments))
    return not (
        isinstance(annotation, type)
        and issubclass(annotation, (int, float, StrEnum, NoneType))  # bool is an int
    )
