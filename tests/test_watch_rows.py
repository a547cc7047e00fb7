"""The rows of a watch: retries, LED, and who is shown."""

from __future__ import annotations

from io import StringIO

import pytest

from frames import CAPTURES
from handshake_probe import pipeline
from handshake_probe.capture.inputs import open_capture
from handshake_probe.keys.keyring import Keyring
from handshake_probe.model.measurement import Measurement
from handshake_probe.model.observations import CaptureSeen
from handshake_probe.pipeline.watching import Watcher
from handshake_probe.report.watch_lines import LineView
from handshake_probe.report.watch_rows import Row, back_off, rows
from observed import START, connection
from observed import measured as together


def measured(name: str) -> Measurement:
    path = next(file for file in CAPTURES if file.stem == name)
    return pipeline.analyze(str(path), keyring=Keyring())


def rows_at_end(measurement: Measurement, later: float = 0.0) -> list[Row]:
    [seen] = [o for o in measurement.observations if isinstance(o, CaptureSeen)]
    assert seen.last is not None
    return rows(measurement, seen.last + later)


def test_the_back_off_of_the_firmware() -> None:
    waits = [back_off(failures) for failures in range(1, 51)]
    assert waits[:10] == [1] * 5 + [2] * 5
    assert waits[30:40] == [64] * 5 + [128] * 5
    assert waits[40:] == [128] * 10


@pytest.mark.parametrize(
    ("name", "step", "led", "failing"),
    [
        ("blocked-icmp-admin-prohibited", "no connection", "blinking cyan", True),
        ("blocked-identity-dropped", "ended at identity", "blinking cyan", True),
        ("blocked-dns-nxdomain", "got no address", "blinking cyan", False),
        ("healthy-brewskey-device-os-2.3.1", "session ended", "blinking cyan", False),
    ],
)
def test_where_a_device_is(name: str, step: str, led: str, failing: bool) -> None:
    [row] = rows_at_end(measured(name), later=1.0)
    assert (row.step, row.led) == (step, led)
    assert (row.failures > 0) is failing
    assert (row.wait is not None) is failing
    assert row.retry == (f"{row.failures}×{row.wait}s" if failing else "")


def test_too_early_to_tell_is_no_end() -> None:
    """While a handshake runs no verdict says that the capture ends; when it has ended, it does."""
    path = next(file for file in CAPTURES if file.stem == "healthy-brewskey-device-os-2.3.1")
    watcher = Watcher("wlan0", Keyring())
    with open_capture(path) as capture:
        for frame in capture:
            watcher.feed([frame])
            measured = watcher.measurement(frame.time_ns)
            told = [row.verdict for row in rows(measured, frame.time_ns / 1e9)]
            if any(v and v.mechanism == "capture_too_short" for v in told):
                break
    assert [v.summary for v in told if v] == ["It is still under way: too early to tell."]
    [row] = rows(measured, frame.time_ns / 1e9, over=True)
    assert row.verdict is not None
    assert "The capture ends" in row.verdict.summary


def test_a_failed_handshake_flashes_red_for_a_moment() -> None:
    document = measured("blocked-identity-dropped")
    [row] = rows_at_end(document)
    assert row.since is not None
    [at_once] = rows(document, row.since + 0.1)
    [later] = rows(document, row.since + 1.0)
    assert (at_once.led, later.led) == ("one red flash", "blinking cyan")


def test_devices_of_one_address_have_rows_of_their_own() -> None:
    """Written as lines, each is told of once, however often they are shown."""
    talks = connection(1).handshake().answered_hello().record("device")
    talks.frame = 500
    refused = connection(2).connected().nonce().identity().cloud_fin()
    document = together(talks.record("device"), refused)
    written = StringIO()
    lines = LineView(written, json=True)
    for _ in range(3):
        told = rows_at_end(document)
        lines.show(told, START, None)
    assert [row.key[2] for row in told] == [0, 1]
    assert len(written.getvalue().splitlines()) == 4  # of both, where it is and its verdict
