"""Serial logs and LEDs beside captures: which belong together, and documents of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from handshake_probe import __version__
from handshake_probe.capture.serial_log import Clock, read_serial_log
from handshake_probe.diagnose.document import rfc3339
from handshake_probe.diagnose.observe_log import LogReader
from handshake_probe.diagnose.symptom_document import (
    alone_beside_captures,
    led_document,
    led_seen,
    led_unweighed,
    log_document,
    next_id,
    with_led,
    with_log,
)
from handshake_probe.diagnose.symptoms.led_reading import LedReading, read_led
from handshake_probe.model.measurement import DeviceReport, Measurement, Software, Source
from handshake_probe.model.observations import ConnectionSeen, InternetTestSeen
from handshake_probe.model.symptoms import DeviceLogSeen, LedSeen
from handshake_probe.protocol.device_os import SYSTEM_ERRORS, DeviceOs, device_os
from handshake_probe.protocol.led_phrase import Phrase, parse_phrase

SAME_MINUTES = 60.0  # seconds that two clocks may differ
_LAST_OLD = DeviceOs(1, 5)  # stands for every version below 2.0
_SOFTWARE = Software(name="handshake-probe", version=__version__)


class Led(NamedTuple):
    """What somebody saw, and the version they gave."""

    phrase: Phrase
    version: DeviceOs | None = None


class Place(NamedTuple):
    """A device of a document, by position."""

    document: int
    device: DeviceReport


def read_log(path: str) -> DeviceLogSeen:
    """What a serial log says.

    Raises:
        UnreadableInput: it cannot be read, or is too large for a log.
    """
    log = read_serial_log(path)
    reader = LogReader()
    for line in log.lines:
        reader.feed(line.number, line.time, line.text)
    # Any bytes are a file name; the document is UTF-8.
    name = os.fsencode(path).decode("utf-8", "replace")
    return reader.observation(
        "o1", path=name, sha256=log.sha256, lines=log.total, clock=str(log.clock)
    )


def judge_led(led: Led) -> Measurement:
    """A document of an LED alone."""
    reading = read_led(led.phrase, led.version)
    seen = led_seen("o1", led.phrase, str(led.version) if led.version else None)
    return led_document(seen, reading, _SOFTWARE)


def judge_log_alone(seen: DeviceLogSeen) -> Measurement:
    """A document of a serial log alone."""
    dated = seen.clock == Clock.WALL
    source = Source(
        path=seen.path,
        sha256=seen.sha256,
        frames=0,
        truncated=False,
        format="serial-log",
        first=rfc3339(seen.first) if dated and seen.first is not None else None,
        last=rfc3339(seen.last) if dated and seen.last is not None else None,
    )
    return log_document(seen, source, _SOFTWARE)


def judge_together(
    captures: Sequence[Measurement], logs: Sequence[DeviceLogSeen], led: Led | None
) -> list[Measurement]:
    """The captures' documents with logs and LED weighed, then those of logs that fit none.

    A log joins the one device whose id or address it names, the only device of the only capture of
    the same minutes, or, without a time of day, the only device of the only capture. An LED joins
    the only device of all. Nothing is joined by a guess, and each document says what was joined.
    """
    documents = list(captures)
    for seen in logs:
        joined = _joined(seen, captures, documents)
        if joined is not None:
            place, log = joined
            documents[place.document] = with_log(documents[place.document], place.device, log)
            continue
        alone = judge_log_alone(seen)
        if captures:
            alone = alone_beside_captures(alone, seen, _why_alone(seen, captures))
        documents.append(alone)
    return documents if led is None else _with_led(documents, led)


def judge_again(measurement: Measurement) -> Measurement | None:
    """A document of a log or an LED alone, judged anew; None for other kinds.

    Raises:
        UnreadableInput: its words about an LED are none.
    """
    leds = [seen for seen in measurement.observations if isinstance(seen, LedSeen)]
    if measurement.kind == "led" and leds:
        return led_document(leds[0], _reading(leds[0], None), measurement.software)
    logs = [seen for seen in measurement.observations if isinstance(seen, DeviceLogSeen)]
    if measurement.kind != "log" or not logs:
        return None
    again = log_document(logs[0], measurement.source, measurement.software)
    for seen in leds:
        reading = _reading(seen, _version_shown(again, again.devices[0]))
        again = with_led(again, again.devices[0], seen, reading)
    return again


def weigh_again(measurement: Measurement) -> Measurement:
    """The logs and LEDs that a document holds, weighed for the devices they were joined with.

    Raises:
        UnreadableInput: its words about an LED are none.
    """
    for seen in measurement.observations:
        if not isinstance(seen, (DeviceLogSeen, LedSeen)):
            continue
        device = next((d for d in measurement.devices if d.address == seen.device), None)
        if device is None:
            continue
        if isinstance(seen, DeviceLogSeen):
            measurement = with_log(measurement, device, seen)
        else:
            version = _version_shown(measurement, device)
            measurement = with_led(measurement, device, seen, _reading(seen, version))
    return measurement


def _reading(seen: LedSeen, version: DeviceOs | None) -> LedReading:
    given = device_os(seen.device_os or "")
    return read_led(parse_phrase(seen.phrase), given or version)


def _joined(
    seen: DeviceLogSeen, captures: Sequence[Measurement], documents: Sequence[Measurement]
) -> tuple[Place, DeviceLogSeen] | None:
    for why, places in _ways(seen, captures, documents):
        if len(places) == 1:
            place = places[0]
            free = next_id(documents[place.document].observations)
            log = _dated(seen, captures[place.document])
            return place, log.judged_with(free, place.device.address, why)
    return None


def _ways(
    seen: DeviceLogSeen, captures: Sequence[Measurement], documents: Sequence[Measurement]
) -> Iterator[tuple[str, list[Place]]]:
    """Reasons to join, the firmest first, each with the devices it holds for."""
    dated = [_dated(seen, capture) for capture in captures]
    timed = any(log.clock == Clock.WALL for log in dated)
    places = [
        Place(number, device)
        for number, capture in enumerate(captures)
        if dated[number].clock != Clock.WALL or _same_minutes(dated[number], capture)
        for device in documents[number].devices
    ]
    yield "device_id", [p for p in places if _equal(p.device.device_id, seen.device_id)]
    yield "address", [p for p in places if _equal(p.device.address, seen.address)]
    if timed:
        yield "same_minutes", places if all(_may_be(seen, p.device) for p in places) else []
    elif len(captures) == 1:
        yield "only_device", places if all(_may_be(seen, p.device) for p in places) else []


def _equal(one: str | None, other: str | None) -> bool:
    return bool(one) and one == other


def _may_be(seen: DeviceLogSeen, device: DeviceReport) -> bool:
    """Nothing says that they are two devices."""
    ids, addresses = {seen.device_id, device.device_id}, {seen.address, device.address}
    return (len(ids) == 1 or None in ids) and (len(addresses) == 1 or None in addresses)


def _dated(seen: DeviceLogSeen, capture: Measurement) -> DeviceLogSeen:
    """A log with times of day, on the day the capture began; others as they are."""
    began = capture.source.first
    if seen.clock != Clock.TIME_OF_DAY or began is None or seen.first is None:
        return seen
    local = datetime.fromisoformat(began).astimezone()
    return seen.on_day(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())


def _same_minutes(log: DeviceLogSeen, capture: Measurement) -> bool:
    source = capture.source
    if log.clock != Clock.WALL or log.first is None or log.last is None:
        return False
    if source.first is None or source.last is None:
        return False
    first, last = (datetime.fromisoformat(t).timestamp() for t in (source.first, source.last))
    return log.first <= last + SAME_MINUTES and log.last >= first - SAME_MINUTES


def _why_alone(seen: DeviceLogSeen, captures: Sequence[Measurement]) -> str:
    devices = sum(len(capture.devices) for capture in captures)
    if not devices:
        return "they show none"
    if seen.clock == Clock.WALL and not any(_same_minutes(seen, c) for c in captures):
        return "it is of another time (stamps without a zone are read as this machine's time)"
    if seen.device_id and all(d.device_id for c in captures for d in c.devices):
        return "it names another device id"
    return f"{devices} devices to choose from, and it names no id or address of theirs"


def _with_led(documents: list[Measurement], led: Led) -> list[Measurement]:
    places = [
        Place(number, device)
        for number, document in enumerate(documents)
        for device in document.devices
    ]
    if not places:
        return [*documents, judge_led(led)]
    if len(places) > 1:
        return [led_unweighed(document, led.phrase, len(places)) for document in documents]
    document, device = documents[places[0].document], places[0].device
    version = led.version or _version_shown(document, device)
    seen = led_seen(
        next_id(document.observations),
        led.phrase,
        str(led.version) if led.version else None,
        device.address,
    )
    documents[places[0].document] = with_led(document, device, seen, read_led(led.phrase, version))
    return documents


def _version_shown(document: Measurement, device: DeviceReport) -> DeviceOs | None:
    """Device OS as the document itself shows it, or a version that stands for its kind."""
    for observation in document.observations:
        if isinstance(observation, DeviceLogSeen):
            told = observation.device_os or observation.at_least
            if observation.below == str(SYSTEM_ERRORS):
                return _LAST_OLD
            if told is not None and (observation.device_os or told == str(SYSTEM_ERRORS)):
                return device_os(told)
    streams = {connection.stream for connection in device.connections}
    for observation in document.observations:
        if isinstance(observation, ConnectionSeen) and observation.stream in streams:
            said = observation.session.device_os if observation.session else None
            if said is not None and (version := device_os(said)) is not None:
                return version
        if isinstance(observation, InternetTestSeen) and observation.host == device.address:
            return SYSTEM_ERRORS if observation.test == "ntp" else _LAST_OLD
    return None
