"""What was tried or seen, and what came of it, with the controls beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from handshake_probe.model.measurement import ConnectionReport, DeviceReport, Measurement
from handshake_probe.model.observation import Observation
from handshake_probe.model.observations import ConnectionSeen, DnsSeen, InternetTestSeen
from handshake_probe.model.probed import (
    Connect,
    DnsProbed,
    HandshakeProbed,
    IdleProbed,
    ReplayProbed,
    TcpProbed,
    UdpProbed,
)
from handshake_probe.model.symptoms import AttemptEnd, DeviceLogSeen, LedSeen, LogAttempt
from handshake_probe.model.vocabulary import Cause, Stage
from handshake_probe.report.probe import PURPOSES, UDP_TESTS, Row, dns_rows, tcp_result, udp_result
from handshake_probe.report.replay import replay_name, replay_result
from handshake_probe.report.sheet.content import Mark, Test
from handshake_probe.report.sheet.times import clock, seconds_of
from handshake_probe.report.words import ENDINGS, STAGES, counted, spaced

_TOOK = re.compile(r" (after|within) \d+ m?s")
_NAMED = 4  # addresses of one DNS answer
_SYSTEM = "this computer's own look-up"
_INTERNET_TESTS = {"ntp": "time server (NTP)", "tcp_8.8.8.8_53": "8.8.8.8, TCP port 53"}


def mark_of(good: bool | None) -> Mark:
    """Good, bad, or neither."""
    return {True: Mark.GOOD, False: Mark.BAD, None: Mark.NEUTRAL}[good]


def probe_tests(measurement: Measurement) -> tuple[Test, ...]:
    """The tests of a probe or a replay: the cloud's port first, then what stands beside it."""
    observations: Sequence[Observation] = measurement.observations
    tests: list[Test] = []
    order = {purpose: place for place, purpose in enumerate(PURPOSES)}
    attempts = [o for o in observations if isinstance(o, TcpProbed)]
    for attempt in sorted(
        attempts, key=lambda a: (order.get(a.purpose, len(order)), a.target, a.time)
    ):
        tests.append(_attempt(attempt))
    tests += [_replay(o) for o in observations if isinstance(o, ReplayProbed)]
    tests += _lookups([o for o in observations if isinstance(o, DnsProbed)])
    tests += _others(observations)
    return _grouped(tests)


def _attempt(attempt: TcpProbed) -> Test:
    result, good = tcp_result(attempt)
    if attempt.outcome is Connect.CONNECTED:
        good = {"unused_address": False}.get(attempt.purpose, True if good is None else good)
    control = attempt.purpose != "cloud"
    return Test(
        when=clock(attempt.time),
        what=PURPOSES.get(attempt.purpose, attempt.purpose) if control else "the cloud's port",
        where=f"TCP {attempt.target}",
        result=result,
        mark=mark_of(good),
        times=1,
        control=control,
    )


def _replay(run: ReplayProbed) -> Test:
    result, good = replay_result(run)
    return Test(
        when=clock(run.time),
        what=replay_name(run),
        where=f"TCP {run.target}",
        result=result,
        mark=mark_of(good),
        times=1,
        control=run.purpose != "replay",
    )


def _lookups(asked: Sequence[DnsProbed]) -> list[Test]:
    """A line for each question and answer, with everybody who answers so."""
    alike: dict[tuple[str, str, bool | None], list[Row]] = {}
    for row in dns_rows(asked):
        alike.setdefault((row.test, row.result, row.good), []).append(row)
    return [
        Test(
            when=clock(rows[0].time),
            what=test,
            where="asked: "
            + ", ".join(_SYSTEM if r.where == "the system" else r.where for r in rows),
            result=result,
            mark=mark_of(good),
            times=1,
            control=good is None,
        )
        for (test, result, good), rows in alike.items()
    ]


def device_tests(measurement: Measurement, device: DeviceReport) -> tuple[Test, ...]:
    """What a capture shows of a device: its connections, then what else it tried."""
    observations: Sequence[Observation] = measurement.observations
    seen = {o.stream: o for o in observations if isinstance(o, ConnectionSeen)}
    tests = [_connection(c, seen.get(c.stream)) for c in device.connections]
    for item in observations:
        if isinstance(item, DnsSeen) and item.host == device.address:
            tests.append(_question(item))
        elif isinstance(item, InternetTestSeen) and item.host == device.address:
            tests.append(
                Test(
                    when=clock(item.time),
                    what="the device's own internet test",
                    where=_INTERNET_TESTS.get(item.test, item.test),
                    result="answered" if item.answered else "no answer",
                    mark=mark_of(item.answered or None),
                    times=1,
                    control=True,
                )
            )
    return (*_grouped(tests), *shown_tests(measurement, device.address))


def shown_tests(measurement: Measurement, address: str | None) -> tuple[Test, ...]:
    """What a device itself shows: its LED, and the attempts in its serial log."""
    tests = []
    for item in measurement.observations:
        if isinstance(item, LedSeen) and (item.device or "") == (address or ""):
            said = f"shows {item.phrase}"
            tests.append(Test("", "the device's LED", "seen", said, Mark.NEUTRAL, 1, control=False))
        elif isinstance(item, DeviceLogSeen) and (item.device or "") == (address or ""):
            tests += [_logged(item, attempt) for attempt in item.attempts]
    return _grouped(tests)


def _logged(log: DeviceLogSeen, attempt: LogAttempt) -> Test:
    time = attempt.time if log.clock == "wall" else None
    said = f"{STAGES[attempt.stage].short}; {spaced(attempt.end)}"
    return Test(
        when=clock(time) if time is not None else "",
        what="the device's own log",
        where=f"to {attempt.cloud}" if attempt.cloud else "serial log",
        result=said if attempt.code is None else f"{said}, number {attempt.code}",
        mark=Mark.GOOD if attempt.end is AttemptEnd.CONNECTED else Mark.NEUTRAL,
        times=1,
        control=False,
    )


def _connection(connection: ConnectionReport, seen: ConnectionSeen | None) -> Test:
    sound = connection.cause in (Cause.HEALTHY, Cause.UNCLAIMED)
    result = f"{STAGES[connection.stage].short}; {ENDINGS[connection.ended_by]}"
    if seen is not None and seen.icmp:
        first = seen.icmp[0]
        result += f": {first.source} says ICMP type {first.type} code {first.code}"
    started = seconds_of(connection.started)
    return Test(
        when=clock(started) if started is not None else "",
        what="the device's connection",
        where=f"TCP {connection.cloud}",
        result=result,
        mark=mark_of(True if sound else None if connection.cause is Cause.INCONCLUSIVE else False),
        times=1,
        control=False,
    )


def _question(question: DnsSeen) -> Test:
    if question.addresses:
        more = len(question.addresses) - _NAMED
        result = ", ".join(question.addresses[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    elif question.rcode is None:
        result = f"no answer to {counted(question.attempts, 'question')}"
    else:
        result = f"{question.rcode}, no address"
    return Test(
        when=clock(question.time),
        what=f"DNS: {question.name} ({question.type})",
        where=f"asked: {question.server}",
        result=result,
        mark=mark_of(bool(question.addresses) if question.type == "A" else None),
        times=1,
        control=bool(question.addresses),
    )


def _others(observations: Iterable[Observation]) -> Iterable[Test]:
    for item in observations:
        if isinstance(item, UdpProbed):
            result, good = udp_result(item)
            what = UDP_TESTS.get(item.test, item.test)
            where = f"UDP {item.target}"
            yield Test(clock(item.time), what, where, result, mark_of(good), 1, control=True)
        elif isinstance(item, HandshakeProbed):
            good = item.stage is Stage.SESSION
            result = f"reached: {spaced(item.stage)}"
            what = "handshake in the device's place"
            where = f"TCP {item.target}"
            yield Test(clock(item.time), what, where, result, mark_of(good), 1, control=False)
        elif isinstance(item, IdleProbed):
            kept = {True: "still works", False: "is dead", None: "could not be told"}[item.kept]
            result = f"silent for {item.silence:.0f} s: {kept}"
            where = f"TCP {item.target}"
            mark = mark_of(item.kept)
            yield Test(clock(item.time), "idle time", where, result, mark, 1, control=False)


def _grouped(tests: Iterable[Test]) -> tuple[Test, ...]:
    """The same test with the same result is told once, with its number."""
    groups: dict[tuple[str, str, str, Mark], Test] = {}
    for test in tests:
        key = (test.what, test.where, _without_time(test.result), test.mark)
        first = groups.get(key)
        groups[key] = test if first is None else replace(first, times=first.times + 1)
    return tuple(groups.values())


def _without_time(result: str) -> str:
    """A result without the time it took, which differs each time."""
    return _TOOK.sub("", result)
