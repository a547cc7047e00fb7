"""`watch` on a terminal: ten devices, keys, windows of all sizes, every way to end."""

from __future__ import annotations

import signal
import struct
import time
from collections.abc import Iterator
from functools import cache

import pytest

from frames import CAPTURES
from handshake_probe import pipeline
from handshake_probe.capture.inputs import open_capture
from handshake_probe.capture.written import pcap
from handshake_probe.keys.keyring import Keyring
from handshake_probe.packets.units import Frame
from watch_terminal import TerminalRun

# Each becomes one device of the ten.
RECORDED = (
    "healthy-brewskey-device-os-1.0.0",
    "healthy-brewskey-device-os-2.3.1",
    "healthy-safe-mode",
    "blocked-syn-dropped",
    "blocked-icmp-admin-prohibited",
    "blocked-identity-dropped",
    "blocked-credentials-dropped",
    "blocked-syn-reset-by-router",
    "blocked-captive-portal-http-redirect",
    "server-fault-connection-refused",
)
SIZES = ((80, 24), (200, 60))
_HEAD = 24  # bytes of a pcap file before its first record


@cache
def ten_devices() -> bytes:
    """A capture of ten devices, each an old recording with an address of its own, ending now."""
    frames = [frame for number in range(len(RECORDED)) for frame in device(number)]
    frames.sort(key=lambda frame: frame.time_ns)
    return b"".join(pcap(frames))


def device(number: int) -> list[Frame]:
    """The frames of one device, the last of them now."""
    path = next(file for file in CAPTURES if file.stem == RECORDED[number])
    report = pipeline.analyze(str(path), keyring=Keyring()).devices[0]
    old = bytes(map(int, report.address.split(".")))
    with open_capture(path) as capture:
        frames = list(capture)
    later = time.time_ns() - frames[-1].time_ns
    own = address(number)
    return [
        frame._replace(
            time_ns=frame.time_ns + later,
            data=frame.data.replace(old, bytes(map(int, own.split(".")))),
        )
        for frame in frames
    ]


def address(number: int) -> str:
    return f"192.168.77.{number + 11}"


ADDRESSES = [address(number) for number in range(len(RECORDED))]


@pytest.fixture
def run() -> Iterator[TerminalRun]:
    with TerminalRun(("watch", "-"), 80, 24) as started:
        started.send(ten_devices())
        started.until(lambda: started.shows(*ADDRESSES))
        yield started


def assert_sound(run: TerminalRun) -> None:
    """As soon as a drawing is whole, `is_sound` holds."""
    run.until(lambda: is_sound(run))


def is_sound(run: TerminalRun) -> bool:
    """Nothing is wrapped, left over or missing: title above, keys at the bottom, ten rows."""
    lines = run.screen.display
    own = [sum(line[1:].startswith(f"{address} ") for line in lines) for address in ADDRESSES]
    return (
        lines[0].startswith("watching standard input · 10 devices")
        and lines[-1].startswith("↑↓ device")
        and own == [1] * len(ADDRESSES)
        and sum("verdict so far" in line for line in lines) == 1
        and sum(line.startswith("── 192.168.77.") for line in lines) == 1
    )


def test_ten_devices_at_once(run: TerminalRun) -> None:
    run.until(lambda: run.shows("network blocked", "healthy"))
    assert_sound(run)
    assert "✓ healthy" in run.row(ADDRESSES[0])
    assert "✗ network blocked" in run.row(ADDRESSES[4])
    assert "2×1s" in run.row(ADDRESSES[6])
    assert run.shows("device 192.168.77.", "cloud")  # the ladder


def test_the_window_may_change(run: TerminalRun) -> None:
    for columns, lines in (*SIZES, (60, 16), (20, 5), (120, 40), *SIZES):
        run.resize(columns, lines)
        run.until(lambda: run.screen.display[-1].startswith("↑↓ device"))
        run.read(0.3)
        if lines >= 24:
            assert_sound(run)
        assert run.process.poll() is None
    run.until(lambda: run.shows("likely"))  # there is room for it
    run.resize(62, 24)
    run.until(lambda: run.shows("✗ network blo") and not run.shows("LED"))


def test_keys_choose_and_turn(run: TerminalRun) -> None:
    def chosen() -> str:
        return run.row("▶").removeprefix("▶").split()[0]

    order = [line[1:].split()[0] for line in run.screen.display if line[1:8] == "192.168"]
    assert chosen() == order[0]
    run.press("\x1b[B\x1b[B")
    run.until(lambda: chosen() == order[2])
    run.until(lambda: run.row("──").startswith(f"── {order[2]}"))
    run.press("k")
    run.until(lambda: chosen() == order[1])
    run.press("\x1b[A" * 5)
    run.until(lambda: chosen() == order[0])
    run.press("v")
    run.until(lambda: run.shows("got as far as"))
    run.press("v")
    run.until(lambda: not run.shows("got as far as"))
    run.press("j" * 20)
    run.until(lambda: chosen() == order[-1])
    assert_sound(run)


def test_a_capture_that_goes_on_has_not_ended(run: TerminalRun) -> None:
    """What is open is said to be open, for how long it has been quiet, and never to be cut off."""
    order = [line[1:].split()[0] for line in run.screen.display if line[1:8] == "192.168"]
    run.press("j" * order.index(ADDRESSES[6]))
    run.until(lambda: run.row("──").startswith(f"── {ADDRESSES[6]}"))
    run.until(lambda: run.shows("still open, no packet for "))
    assert not run.shows("capture ends")


def test_a_verdict_is_read_whole(run: TerminalRun) -> None:
    """At 80×24 the table makes room for it; on a tall screen it stands below the steps."""
    run.press("v")
    run.until(lambda: run.shows("device 1-"))
    assert sum(line[1:8] == "192.168" for line in run.screen.display) < len(ADDRESSES)
    run.until(lambda: run.shows("Leave the device's keys alone"))
    run.press("v")
    run.resize(200, 60)
    run.until(lambda: run.shows("│── connects") and run.shows("Leave the device's keys alone"))


def test_nothing_flickers(run: TerminalRun) -> None:
    run.read(0.5)
    run.written = b""
    run.press("jjkv")
    run.read(2.5)
    assert run.written
    for erase in (b"\x1b[2J", b"\x1b[J", b"\x1b[0J", b"\x1b[3J"):
        assert erase not in run.written


@pytest.mark.parametrize("ending", ["q", "ctrl-c", "sigterm", "end of stream"])
def test_the_terminal_is_as_it_was(run: TerminalRun, ending: str) -> None:
    run.until(lambda: run.mode != run.before)
    if ending == "q":
        run.press("q")
    elif ending == "ctrl-c":
        run.press("\x03")
    elif ending == "sigterm":
        run.process.send_signal(signal.SIGTERM)
    else:
        run.input.close()
    assert run.ended() == 1
    assert run.mode == run.before
    screen, _, report = run.written.rpartition(b"\x1b[?1049l")
    assert b"\x1b[?1049h" in screen
    assert screen.count(b"\x1b[?25l") == 1
    assert b"\x1b[?25h" in screen + report
    assert "10 devices: " in report.decode()
    assert report.count(b"192.168.77.") >= 10


def test_a_device_that_is_silent_is_shown() -> None:
    mac = bytes.fromhex("e04f43010203")
    arp = b"\xff" * 6 + mac + b"\x08\x06\0\1\x08\0\6\4\0\1" + mac + bytes((192, 168, 77, 9))
    arp += bytes(6) + bytes((192, 168, 77, 1)) + bytes(18)
    other = arp.replace(mac, b"\2\0\0\0\0\7").replace(bytes((77, 9)), bytes((77, 8)))
    now = time.time_ns()
    frames = [Frame(n, now, 1, 0, data, len(data)) for n, data in enumerate((arp, other), 1)]
    with TerminalRun(("watch", "-"), 80, 24) as run:
        run.send(b"".join(pcap(frames)))
        run.until(lambda: run.shows("192.168.77.9"))
        assert "silent" in run.row("192.168.77.9")
        assert run.shows("1 device", "1 other host")
        assert not run.shows("192.168.77.8")
        assert run.stop() == 3


def test_silence_is_noticed_without_frames() -> None:
    """SYNs that nobody answers, and then nothing: the verdict comes by time alone."""
    first, *again = [frame for frame in device(3) if is_syn(frame)]
    same = [frame for frame in again if frame.data[34:36] == first.data[34:36]]
    assert same
    later = time.time_ns() - same[-1].time_ns
    syns = [frame._replace(time_ns=frame.time_ns + later) for frame in (first, *same)]
    with TerminalRun(("watch", "-"), 80, 24) as run:
        run.send(b"".join(pcap(syns)))
        run.until(lambda: run.shows("✗ network blocked"))
        assert run.stop() == 1


def is_syn(frame: Frame) -> bool:
    data = frame.data
    if data[12:14] != b"\x08\0" or data[23] != 6 or len(data) < 48:
        return False
    return data[47] == 2 and struct.unpack(">H", data[36:38])[0] == 5683
