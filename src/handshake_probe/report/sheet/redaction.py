"""What a report leaves out of a measurement, done once, before anything is told.

At every level: decrypted messages, keys and tokens, folders of files, and whatever is no address
where an address belongs. A public report tells no host part of an address, no hardware address but
its maker's half, no whole device id, no name of a network, host or file, and no foreign text.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, NamedTuple, cast

import msgspec

from handshake_probe.model.measurement import ASKED, Measurement
from handshake_probe.report.sheet.fields import What, text_fields
from handshake_probe.report.sheet.pseudonyms import Pseudonyms
from handshake_probe.report.sheet.secrets import REMOVED, scrubbed

_LONGEST = 600  # characters of a string; an excerpt of 120 bytes has 480 when all are escaped
_LONGEST_NAME = 253
_NO_NAME = re.compile(r"[^A-Za-z0-9._-]")  # letters that stand in no host name: nobody's command
NO_ENDPOINT = "0.0.0.0:0"
_DEVICE_ID = re.compile(r"[0-9a-f]{24}|[0-9a-f]{4}-[0-9a-f]{4}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


class Level(StrEnum):
    """Whom a report is for."""

    IT = "it"  # the people who run the network: addresses and hardware addresses are told
    PUBLIC = "public"  # a forum, a public ticket


class _Text(NamedTuple):
    """A string of a document, and what it is."""

    what: What | None
    text: str


def redacted(measurements: Sequence[Measurement], level: Level) -> list[Measurement]:
    """The measurements as a report of this level may tell them, with the same stand-ins in all.

    One that was made public before stays as it is.
    """
    pseudonyms = Pseudonyms()
    if level is Level.PUBLIC:
        for measurement in measurements:
            _learn(pseudonyms, measurement)
    return [_redacted(measurement, level, pseudonyms) for measurement in measurements]


def level_of(measurements: Sequence[Measurement]) -> Level:
    """The level of a report over them: public if all of them are."""
    public = all(m.redaction == Level.PUBLIC for m in measurements)
    return Level.PUBLIC if public else Level.IT


def _redacted(measurement: Measurement, level: Level, pseudonyms: Pseudonyms) -> Measurement:
    if measurement.redaction == Level.PUBLIC:
        level = Level.PUBLIC
        pseudonyms = Pseudonyms()  # its stand-ins would get stand-ins of their own
        change = _Change(measurement, level, None)
    else:
        change = _Change(measurement, level, pseudonyms if level is Level.PUBLIC else None)
    changed = cast(Measurement, change.value(measurement, None))
    return msgspec.structs.replace(changed, redaction=str(level))


class _Change:
    """Changes every string of a document by what it is."""

    def __init__(
        self, measurement: Measurement, level: Level, pseudonyms: Pseudonyms | None
    ) -> None:
        self._probe = measurement.kind in ASKED
        self._level = level
        self._pseudonyms = pseudonyms
        self._texts: dict[tuple[str, What | None, str | None], str | None] = {}  # most come again

    def value(self, value: Any, what: What | None, nothing: str | None = None) -> Any:
        if value is None:
            return None
        if what is What.SECRET:
            return [] if isinstance(value, list) else None
        if isinstance(value, str):
            return value if isinstance(value, StrEnum) else self._text(value, what, nothing)
        if isinstance(value, msgspec.Struct):
            return self._struct(value)
        if isinstance(value, list):
            changed = [self.value(item, what) for item in value]
            return [item for item in changed if item is not None]
        if isinstance(value, dict):
            return {self._plain(str(key)): self.value(item, None) for key, item in value.items()}
        return value

    def _struct(self, struct: msgspec.Struct) -> msgspec.Struct:
        changed = {}
        for name, what, nothing in text_fields(type(struct)):
            before = getattr(struct, name)
            after = self.value(before, what, nothing)
            if after is not before:
                changed[name] = after
        return msgspec.structs.replace(struct, **changed) if changed else struct

    def _text(self, text: str, what: What | None, nothing: str | None) -> str | None:
        key = text, what, nothing
        if key not in self._texts:
            self._texts[key] = self._changed(text, what, nothing)
        return self._texts[key]

    def _changed(self, text: str, what: What | None, nothing: str | None) -> str | None:
        match what:
            case What.ENDPOINT:
                return self._plain(text) if is_endpoint(text) else NO_ENDPOINT
            case What.DEVICE_ID:
                return self._plain(text) if _DEVICE_ID.fullmatch(text) else nothing
            case What.ADDRESS:
                return self._plain(text) if is_address(text) else nothing
            case What.NETWORK:
                return self._plain(text) if is_network(text) else nothing
            case What.MAC:
                return self._plain(text) if _MAC.fullmatch(text) else nothing
            case What.HOST_NAME:
                name = _NO_NAME.sub("?", scrubbed(text))[:_LONGEST_NAME]
                return name if self._pseudonyms is None else self._pseudonyms.host_name(name)
            case What.PRIVATE_NAME if self._pseudonyms is not None:
                return None
            case What.FILE:
                return self._file(text)
            case What.JUDGED if self._pseudonyms is not None:
                return ""
            case What.FOREIGN if self._pseudonyms is not None and not _ICMP_NOTE.fullmatch(text):
                return REMOVED
        return self._plain(text)

    def _plain(self, text: str) -> str:
        text = scrubbed(text)
        text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        return text if self._pseudonyms is None else self._pseudonyms.text(text)

    def _file(self, text: str) -> str:
        if self._probe and ":" in text:  # the target of a probe
            return self._plain(text)
        name = PurePosixPath(text.replace("\\", "/")).name or text
        if self._pseudonyms is None:
            return scrubbed(name)
        suffix = "".join(PurePosixPath(name).suffixes[-2:])
        return f"file{suffix}" if re.fullmatch(r"(\.[a-z0-9]{1,6}){1,2}", suffix) else "file"


# The one note that our own ladder writes about an address, and it holds nothing else.
_ICMP_NOTE = re.compile(r"from [0-9A-Fa-f.:]+, type \d+ code \d+|in \d+ segments")


def _learn(pseudonyms: Pseudonyms, measurement: Measurement) -> None:
    """Find the names that may stand in other texts as well."""
    for what, text in _texts(measurement, None):
        if what is What.HOST_NAME:
            pseudonyms.host_name(text)
        elif what is What.PRIVATE_NAME:
            pseudonyms.hide(text, "[name]")
    if measurement.kind in ASKED:
        host = measurement.source.path.rpartition(":")[0].strip("[]")
        if not is_address(host):
            pseudonyms.host_name(host)


def _texts(value: Any, what: What | None) -> Iterator[_Text]:
    if isinstance(value, str):
        yield _Text(what, value)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, what)
    elif isinstance(value, msgspec.Struct):
        for field in text_fields(type(value)):
            yield from _texts(getattr(value, field.name), field.what)


def is_endpoint(text: str) -> bool:
    """Whether a text is `192.0.2.1:5683` or `[2001:db8::1]:5683` and nothing else."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        return False
    bracketed = host.startswith("[") and host.endswith("]")
    return is_address(host.strip("[]")) and bracketed is (":" in host)


def is_address(text: str) -> bool:
    """Whether a text is an IP address and nothing else."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def is_network(text: str) -> bool:
    """Whether a text is an address and a prefix length and nothing else."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return "/" in text and "%" not in text
