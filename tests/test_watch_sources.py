"""Where a watch takes its frames from, what it lets in, keeps, and gives up."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from frames import CAPTURES, ethernet, inet, inet6, ipv4, ipv6, l2, ntp, tcp
from handshake_probe import pipeline
from handshake_probe.capture.inputs import open_capture
from handshake_probe.capture.live import live_filter
from handshake_probe.capture.live_record import Recorder
from handshake_probe.cli import main
from handshake_probe.errors import UnreadableInput
from handshake_probe.keys.keyring import Keyring
from handshake_probe.lab import network, staging
from handshake_probe.lab.scenario import Device, Laptop, Rule, Scenario, Truth
from handshake_probe.model.measurement import Measurement, from_json
from handshake_probe.model.observations import CaptureSeen
from handshake_probe.packets.units import Frame
from handshake_probe.pipeline.watching import Watcher

cypcap = pytest.importorskip("cypcap", reason="cypcap has no wheel here")
LACK = network.missing()
needs_network = pytest.mark.skipif(LACK is not None, reason=f"not run: {LACK}")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="not run: not root")

HEALTHY = next(path for path in CAPTURES if path.stem == "healthy-brewskey-device-os-2.3.1")
DROPPED = next(path for path in CAPTURES if path.stem == "blocked-syn-dropped")
PORTS = frozenset({5683, 8883})
COMMAND = (sys.executable, "-m", "handshake_probe", "watch")


def frames_of(path: Path) -> list[Frame]:
    with open_capture(path) as capture:
        return list(capture)


def passes(packet: Any) -> bool:
    data = bytes(packet)
    with cypcap.open_dead(cypcap.DatalinkType.EN10MB, 262_144) as dead:
        program = dead.compile(live_filter(PORTS), netmask=cypcap.NETMASK_UNKNOWN)
    return bool(program.offline_filter(cypcap.Pkthdr(0.0, len(data), len(data)), data))


UDP = inet.UDP
WANTED = {
    "handshake": ethernet() / ipv4() / tcp(),
    "another port of a cloud": ethernet() / ipv4() / tcp(sport=8883, dport=40_000),
    "handshake over IPv6": ethernet() / ipv6() / tcp(),
    "handshake in a VLAN": ethernet() / l2.Dot1Q(vlan=7) / ipv4() / tcp(),
    "later fragment": ethernet() / ipv4(frag=100, proto=6) / (b"x" * 40),
    "fragment over IPv6": ethernet() / ipv6(nh=44) / inet6.IPv6ExtHdrFragment(nh=6) / (b"x" * 40),
    "behind an extension header": ethernet() / ipv6() / inet6.IPv6ExtHdrDestOpt() / tcp(),
    "DNS": ethernet() / ipv4() / UDP(sport=40_000, dport=53) / b"q",
    "DNS over TCP": ethernet() / ipv4() / tcp(dport=53),
    "DHCP": ethernet() / ipv4() / UDP(sport=68, dport=67) / b"d",
    "ARP": ethernet() / l2.ARP(),
    "ICMP": ethernet() / ipv4() / inet.ICMP(type=3, code=13),
    "ICMPv6": ethernet() / ipv6() / inet6.ICMPv6DestUnreach(),
    "NTP": ethernet() / ipv4() / UDP(sport=123, dport=123) / ntp.NTP(),
    "presence": ethernet() / ipv4(dst="224.0.1.187") / UDP(sport=5683, dport=5683) / b"p",
    "DTLS": ethernet() / ipv4() / UDP(sport=5684, dport=5684) / b"d",
}
UNWANTED = {
    "HTTPS": ethernet() / ipv4() / tcp(dport=443),
    "HTTPS over IPv6": ethernet() / ipv6() / tcp(dport=443),
    "HTTPS in a VLAN": ethernet() / l2.Dot1Q(vlan=7) / ipv4() / tcp(dport=443),
    "QUIC": ethernet() / ipv4() / UDP(sport=40_000, dport=443) / b"q",
    "fragment of a video": ethernet() / ipv4(frag=100, proto=17) / (b"x" * 40),
}


@pytest.mark.parametrize("name", WANTED)
def test_the_filter_lets_in(name: str) -> None:
    assert passes(WANTED[name])


@pytest.mark.parametrize("name", UNWANTED)
def test_the_filter_keeps_out(name: str) -> None:
    assert not passes(UNWANTED[name])


@pytest.mark.parametrize("link", ["RAW", "NULL_", "PPP"])
def test_the_filter_fits_links_without_tags(link: str) -> None:
    """Some links have no tags to filter; the expression must compile all the same."""
    with cypcap.open_dead(cypcap.DatalinkType[link], 262_144) as dead:
        dead.compile(live_filter(PORTS, tags=False), netmask=cypcap.NETMASK_UNKNOWN)


def test_what_is_kept_is_what_came(tmp_path: Path) -> None:
    came = frames_of(HEALTHY)
    half = len(came) // 2
    kept = tmp_path / "kept.pcapng"
    recorder = Recorder(str(kept), "wlan0")
    recorder.write(came[:half])
    assert frames_of(kept) == came[:half]  # on the disk already
    recorder.write(came[half:])
    end_ns = came[-1].time_ns + 40 * 10**9
    recorder.close(end_ns, 17)
    assert frames_of(kept) == came
    assert kept.stat().st_mode & 0o077 == 0
    measured = pipeline.analyze(str(kept), keyring=Keyring())
    seen = measured.observations[0]
    assert isinstance(seen, CaptureSeen)
    assert (seen.drops, seen.interfaces) == (17, ["wlan0"])
    assert seen.last == pytest.approx(end_ns / 1e9)


def test_recorded_silence_is_evidence(tmp_path: Path) -> None:
    """Where the last frame is a SYN, only the time after it says that nobody answered."""
    syns = [frame for frame in frames_of(DROPPED) if frame.data[23] == 6][:2]
    verdicts = []
    for name, seconds in (("at once", 0.0), ("later", 10.0)):
        kept = tmp_path / name
        recorder = Recorder(str(kept), "wlan0")
        recorder.write(syns)
        recorder.close(syns[-1].time_ns + round(seconds * 1e9), 0)
        verdicts.append(pipeline.analyze(str(kept), keyring=Keyring()).verdict.cause)
    assert verdicts == ["inconclusive", "network_blocked"]


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    with pytest.raises(UnreadableInput, match="exists already"):
        Recorder(str(there), "wlan0")
    assert there.read_text() == "mine"


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_judging_in_between_changes_nothing(path: Path) -> None:
    """Whatever was asked in between, the end is what `analyze` says of the whole."""
    frames = frames_of(path)
    watcher = Watcher("replayed", Keyring())
    step = max(1, len(frames) // 7)
    for start in range(0, len(frames), step):
        part = frames[start : start + step]
        watcher.feed(part)
        watcher.measurement(part[-1].time_ns)
    now = watcher.measurement(max(frame.time_ns for frame in frames))
    assert told(now) == told(pipeline.analyze(str(path), keyring=Keyring()))


def told(measurement: Measurement) -> list[object]:
    return [(d.address, d.device_id, d.verdict, d.connections) for d in measurement.devices]


def test_lost_frames_lower_confidence() -> None:
    frames = frames_of(DROPPED)
    watcher = Watcher("wlan0", Keyring())
    watcher.feed(frames)
    end_ns = frames[-1].time_ns
    assert "HP604" not in watcher.measurement(end_ns, 0).verdict.findings
    lossy = watcher.measurement(end_ns, 3)
    assert "HP604" in lossy.verdict.findings


def piped(data: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run((*COMMAND, "-", *options), input=data, capture_output=True, check=False)


def test_a_stream_to_its_end() -> None:
    """A finished capture through the pipe: the report that `analyze` gives."""
    done = piped(HEALTHY.read_bytes(), "--format", "json")
    *lines, last = done.stdout.splitlines()
    assert done.returncode == 0
    assert told(from_json(last)) == told(pipeline.analyze(str(HEALTHY), keyring=Keyring()))
    events = [json.loads(line) for line in lines]
    assert {event["event"] for event in events} == {"step", "verdict"}
    text = piped(HEALTHY.read_bytes())
    assert b"verdict: healthy" in text.stdout
    assert b"HEALTHY" in text.stdout
    assert b"\x1b" not in text.stdout


def test_a_stream_that_is_no_capture() -> None:
    done = piped(b"hello, world" * 100)
    assert done.returncode == 2
    assert b"standard input: not a capture" in done.stderr
    assert done.stdout == b""


def test_a_watch_ends_after_its_time(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with open(reading, "rb") as stream, open(writing, "wb", buffering=0) as router:
        router.write(HEALTHY.read_bytes()[:24])
        begun = time.monotonic()
        options = ("--duration", "1", "--write", str(tmp_path / "kept"))
        done = subprocess.run((*COMMAND, "-", *options), stdin=stream, capture_output=True)
        assert time.monotonic() - begun >= 1
    assert done.returncode == 3
    assert b"Nothing in this capture" in done.stdout


def test_a_watch_ends_with_the_verdict() -> None:
    reading, writing = os.pipe()
    with open(reading, "rb") as stream, open(writing, "wb", buffering=0) as router:
        router.write(HEALTHY.read_bytes())
        done = subprocess.run(
            (*COMMAND, "-", "--until", "verdict"), stdin=stream, capture_output=True, timeout=60
        )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "give an interface with -i, or -"),
        (("-i", "lo", "-"), "give an interface with -i, or -"),
        (("-i", "no-such-interface"), "there is no such interface"),
    ],
)
def test_a_call_that_cannot_be(
    arguments: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", *arguments]) == 2
    assert complaint in capsys.readouterr().err


def test_interfaces_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    loopback = next(line for line in lines if line.startswith("lo "))
    assert "127.0.0.1" in loopback


@needs_root
def test_without_rights_it_says_what_helps() -> None:
    code = (
        "import sys\n"
        "from handshake_probe.capture.live_privilege import _shed_capabilities\n"
        "from handshake_probe.cli import main\n"
        "assert _shed_capabilities()\n"
        "sys.exit(main(['watch', '-i', 'lo']))\n"
    )
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True)
    assert done.returncode == 4
    assert "no permission to capture" in done.stderr
    assert "sudo" in done.stderr


@needs_network
def test_root_is_given_up(tmp_path: Path) -> None:
    kept = tmp_path / "kept.pcapng"
    command = (*COMMAND, "-i", "lo", "--write", str(kept))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"watching lo through libpcap" in process.stderr.readline()
        status = Path(f"/proc/{process.pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        process.terminate()
        process.communicate()
    for kind in ("CapEff", "CapPrm", "CapInh"):
        assert int(fields[kind], 16) == 0
    assert fields["NoNewPrivs"] == "1" or fields["Uid"].split()[0] != "0"
    assert kept.stat().st_uid != 0


@needs_network
def test_a_probe_beside_the_first_failure(tmp_path: Path) -> None:
    """The router's tcpdump tells a laptop of a device whose address is blocked.

    The laptop's own is not: only both together say so.
    """
    blocked = Scenario(
        name="blocked-by-address",
        what="The router drops what one device sends to the cloud.",
        truth=Truth(cause="network_blocked", stage="tcp_syn"),
        devices=(Device(arguments=("--generation", "2.3", "--attempts", "3")),),
        rules=(Rule(on="router1", rule="ip saddr 192.168.1.2 tcp dport 5683 drop"),),
        laptop=Laptop(),
        seconds=60.0,
    )
    router = f"ip netns exec $(ip netns list | grep -o 'probe-{os.getpid()}-[0-9]*-router1')"
    tcpdump = "timeout 24 tcpdump -i lan1 -U --immediate-mode -w -"
    key = tmp_path / "keys" / "cloud_public.der"
    options = f"--probe --cloud-key {shlex.quote(str(key))} --duration 20 --format json"
    watch = f"{shlex.join(COMMAND)} - {options}"
    laptop = ("sh", "-c", f"{router} {tcpdump} | {watch}")
    asyncio.run(staging.run(blocked, tmp_path, laptop=laptop))
    said = (tmp_path / "laptop.stderr").read_text()
    assert "probing, because 192.168.1.2 fails" in said
    *_, probed, last = map(json.loads, (tmp_path / "laptop.stdout").read_text().splitlines())
    assert probed["kind"] == "probe"
    assert probed["verdict"]["cause"] == "healthy", probed["verdict"]["summary"]
    [device] = last["devices"]  # this machine's own connections are none of a device
    assert device["address"] == "192.168.1.2"
    assert device["verdict"]["mechanism"] == "device_singled_out"
    assert "HP180" in device["verdict"]["findings"]
