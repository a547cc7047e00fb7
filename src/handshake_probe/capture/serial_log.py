"""Reads serial logs: text files with the time that the terminal program put before each line.

A stamp is a date with a time (local time where it names no zone), or a time alone. Encodings are
UTF-8 and, as Windows shells write, UTF-16 with a byte order mark.
"""

from __future__ import annotations

import codecs
import hashlib
import io
import re
import stat
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from handshake_probe.capture.looks import describe_content
from handshake_probe.errors import UnreadableInput

_HEAD = 512  # bytes that tell text from captures
_SEARCH = 1 << 20  # bytes searched for the first line of a device
_LIMIT = 256 << 20  # bytes read; days of the most talkative log
_LINE = 4096  # characters of one line kept
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")
_DATED = re.compile(
    r"\W{0,2}(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?)\s?(Z|[+-]\d\d:?\d\d)?\W{0,3}"
)
_TIMED = re.compile(r"\W{0,2}(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6}))?\b\W{0,5}")
_MARKS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class Clock(StrEnum):
    """What the lines of a log are stamped with, beside the device's own uptime."""

    WALL = "wall"
    TIME_OF_DAY = "time_of_day"  # hours, minutes, seconds; no date
    NONE = "none"


class LogLine(NamedTuple):
    """One line."""

    number: int  # from 1
    time: float | None  # seconds since the epoch, or since midnight for TIME_OF_DAY
    text: str


class SerialLog(NamedTuple):
    """A log that was read."""

    path: str
    sha256: str
    clock: Clock
    lines: tuple[LogLine, ...]  # those that say something about the connection
    total: int


def is_serial_log(path: str) -> bool:
    """Whether a file is text with at least one line a device or its tools print."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return False
        with Path(path).open("rb") as stream:
            head = stream.read(_HEAD)
            if _encoding(head) == "utf-8" and describe_content(head) != "plain text":
                return False
            stream.seek(0)
            return any(_is_devices(text) for text in _texts(stream.read(_SEARCH)))
    except (OSError, ValueError):
        return False  # the reader of captures says what is wrong with it


def read_serial_log(path: str) -> SerialLog:
    """Read a log; only lines that say something are kept, so memory stays small.

    Raises:
        UnreadableInput: the file cannot be read, or is too large for a log.
    """
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(_LIMIT + 1)
    except OSError as error:
        raise UnreadableInput(f"{path}: {(error.strerror or 'cannot be read').lower()}") from error
    if len(data) > _LIMIT:
        raise UnreadableInput(f"{path}: too large for a serial log ({_LIMIT >> 20} MiB)")
    kept: list[LogLine] = []
    clock = Clock.NONE
    total = 0
    for total, text in enumerate(_texts(data), 1):
        if not _says(text):
            continue
        found, time = _stamp(text)
        if found is not Clock.NONE:
            clock = found
        kept.append(LogLine(total, time, text))
    if clock is not Clock.NONE:
        kept = [
            line._replace(time=line.time if _stamp(line.text)[0] is clock else None)
            for line in kept
        ]
    return SerialLog(path, hashlib.sha256(data).hexdigest(), clock, tuple(kept), total)


def _says(text: str) -> bool:
    from handshake_probe.protocol.device_log import say, take_apart  # not for captures

    return say(take_apart(text)) is not None


def _is_devices(text: str) -> bool:
    """Whether a line is one that a device or its tools print, and nobody else."""
    from handshake_probe.protocol.device_log import ANYBODYS, say, take_apart

    line = take_apart(text)
    told = say(line)
    return told is not None and (told[0] not in ANYBODYS or line.uptime is not None)


def _encoding(head: bytes) -> str:
    return next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8")


def _texts(data: bytes) -> Iterator[str]:
    """Lines without their ends and without terminal control sequences."""
    raw = io.TextIOWrapper(io.BytesIO(data), encoding=_encoding(data), errors="replace")
    for line in raw:
        yield _ESCAPE.sub("", line.rstrip("\r\n")[:_LINE]).lstrip("\ufeff")


def _stamp(text: str) -> tuple[Clock, float | None]:
    match = _DATED.match(text)
    if match:
        zone = (match[2] or "").replace("Z", "+00:00")
        try:
            moment = datetime.fromisoformat(match[1].replace(",", ".") + zone)
            return Clock.WALL, moment.timestamp()  # without a zone: this machine's
        except (ValueError, OverflowError, OSError):
            return Clock.NONE, None
    match = _TIMED.match(text)
    if match:
        hours, minutes, seconds = (int(match[n]) for n in (1, 2, 3))
        if hours < 24 and minutes < 60 and seconds < 61:
            fraction = float(f"0.{match[4] or 0}")
            return Clock.TIME_OF_DAY, hours * 3600 + minutes * 60 + seconds + fraction
    return Clock.NONE, None
