"""The ways of taking frames from an interface: all take the same, each alone comes to a verdict."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from handshake_probe.capture import live_dumpcap, live_libpcap
from handshake_probe.capture.live import (
    CannotCapture,
    LiveSource,
    NoDoor,
    live_filters,
    open_live,
)
from handshake_probe.capture.live_dumpcap import DumpcapLive
from handshake_probe.capture.live_libpcap import LibpcapLive
from handshake_probe.capture.live_scapy import ScapyLive
from handshake_probe.errors import UnreadableInput
from handshake_probe.lab import network, staging
from handshake_probe.lab.network import End, Network
from handshake_probe.packets.units import Frame
from test_watch_sources import PORTS, UNWANTED, WANTED
from watch_room import assert_says_what_analyze_says, scenario, watched, watching_beside

LACK = network.missing()
needs_network = pytest.mark.skipif(LACK is not None, reason=f"not run: {LACK}")

FILTERS = live_filters(PORTS)
ENGINES: tuple[Callable[..., LiveSource], ...] = (LibpcapLive, DumpcapLive, ScapyLive)
# Hides what a test names from the program and its children.
HIDES = """
import shutil
real = shutil.which
shutil.which = lambda name, *a, **k: None if name == {hidden!r} else real(name, *a, **k)
"""


def taken(source: LiveSource, count: int) -> list[Frame]:
    frames = source.take()
    deadline = time.monotonic() + 10
    while len(frames) < count and time.monotonic() < deadline:
        time.sleep(0.05)
        frames += source.take()
    return frames + source.finish()


@needs_network
@pytest.mark.parametrize("interface", ["eth0", "lo"])
def test_all_take_the_same(interface: str) -> None:
    """Frames as they were sent, tags and all, once each; none that the filter keeps out."""
    sent = [bytes(packet) for group in (WANTED, UNWANTED) for packet in group.values()]

    def send() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
            sender.bind((interface, 0))
            for data in sent:
                sender.send(data)

    with Network() as built:
        built.add_host("near")
        built.add_host("far")
        built.join(End("near", "eth0", ()), End("far", "eth0", ()))
        sources = built.within("near", lambda: [engine(interface, FILTERS) for engine in ENGINES])
        built.within("near" if interface == "lo" else "far", send)
        came = [taken(source, len(WANTED)) for source in sources]
    for source, frames in zip(sources, came, strict=True):
        assert [frame.data for frame in frames] == sent[: len(WANTED)], source.how
        assert [frame.number for frame in frames] == list(range(1, len(WANTED) + 1))
        assert {frame.link_type for frame in frames} == {1}
        assert not source.dropped
        assert source.damage is None
    for together in zip(*came, strict=True):
        times = [frame.time_ns for frame in together]
        assert max(times) - min(times) < 10_000_000


@needs_network
@pytest.mark.parametrize(("hidden", "stands_in"), [(None, "dumpcap"), ("dumpcap", "scapy")])
def test_another_stands_in(
    hidden: str | None, stands_in: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without cypcap a scenario has the same verdict, and without dumpcap as well."""
    absent = tmp_path / "absent"
    absent.mkdir()
    (absent / "cypcap.py").write_text("raise ImportError\n")
    (absent / "sitecustomize.py").write_text(HIDES.format(hidden=hidden))
    monkeypatch.setenv("PYTHONPATH", f"{absent}:{os.environ.get('PYTHONPATH', '')}")
    folder = tmp_path / "run"
    folder.mkdir()
    with watching_beside():
        recording = asyncio.run(staging.run(scenario("syn-rejected-by-icmp"), folder))
    assert f"through {stands_in}" in (folder / "watch.stderr").read_text()
    seen = watched(folder)
    assert seen.document.verdict.cause == "network_blocked"
    assert_says_what_analyze_says(seen, recording.keys)


def absent(*_: object) -> LiveSource:
    raise NoDoor


@pytest.fixture
def others_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_libpcap, "LibpcapLive", absent)
    monkeypatch.setattr(live_dumpcap, "DumpcapLive", absent)


@needs_network
@pytest.mark.usefixtures("others_absent")
def test_scapy_says_what_is_wrong() -> None:
    with pytest.raises(UnreadableInput, match="there is no such interface"):
        open_live("no-such-interface", FILTERS)
    with pytest.raises(CannotCapture, match=r"scapy: .*syntax error"):
        open_live("lo", ["tcp porty 1"])


@pytest.mark.usefixtures("others_absent")
def test_without_any_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scapy.arch", None)
    with pytest.raises(CannotCapture, match=r"neither libpcap .cypcap., dumpcap nor scapy"):
        open_live("lo", FILTERS)


def test_scapy_is_left_alone_while_another_is_there() -> None:
    """Not even imported, though the others may not capture."""
    code = (
        "import sys\n"
        "from handshake_probe.capture import live, live_dumpcap, live_libpcap\n"
        "def refused(*_):\n"
        "    raise live.CannotCapture('may not')\n"
        "live_libpcap.LibpcapLive = live_dumpcap.DumpcapLive = refused\n"
        "try:\n"
        "    live.open_live('lo', ['tcp'])\n"
        "except live.CannotCapture as error:\n"
        "    assert str(error) == 'may not'\n"
        "assert 'scapy' not in sys.modules\n"
        "import handshake_probe.cli.watch\n"
        "assert 'scapy' not in sys.modules\n"
    )
    subprocess.run((sys.executable, "-c", code), check=True)
