"""Text on many devices: what is said first, what in full, and what is left out."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from scripts.bench.captures import Timed, dense, write

import documents
import frames
from handshake_probe.cli import main
from handshake_probe.model.measurement import DeviceReport, Measurement
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism, Severity, Stage
from handshake_probe.report.overview import FEW
from handshake_probe.report.terminal import write_text

HOSTILE = b"\x1b]0;owned\x07[red]\xe2\x80\xaegnp"
CAUSES = [
    *[Cause.NETWORK_BLOCKED] * 3,
    Cause.INCONCLUSIVE,
    *[Cause.SERVER_KEY_MISMATCH] * 2,
]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "NO_COLOR", "CLICOLOR_FORCE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)


def told(measurement: Measurement, **options: Any) -> str:
    stream = io.StringIO()
    write_text(measurement, stream, **options)
    return stream.getvalue()


def squeezed(text: str) -> str:
    return " ".join(text.split())


def fleet(causes: Sequence[Cause], **changes: Any) -> list[DeviceReport]:
    return [
        documents.device(
            documents.verdict(cause, **changes), address=f"10.0.0.{n}", device_id=f"{n:024x}"
        )
        for n, cause in enumerate(causes)
    ]


def blocks(text: str) -> list[str]:
    """The addresses of the devices that are told in full."""
    return re.findall(r"^([\w.:]+) · device id", text, re.MULTILINE)


def rows(text: str) -> list[str]:
    """The addresses of the devices in the overview."""
    return re.findall(r"^  [✗?✓!] \D+([\d.]+)", text, re.MULTILINE)


def test_a_handful_is_told_as_ever() -> None:
    text = told(documents.measurement(*fleet([Cause.HEALTHY] * FEW)))
    assert len(blocks(text)) == FEW
    assert "Left out" not in text
    assert text.count("8 devices: 8 healthy") == 1


def test_many_are_an_overview_most_severe_first_then_what_fails() -> None:
    devices = fleet([*CAUSES, *[Cause.HEALTHY] * 54])
    text = told(documents.measurement(*devices))
    counts = "60 devices: 3 network blocked, 2 server key mismatch, 1 inconclusive, 54 healthy"
    assert text.count(counts[:60]) == 2
    assert squeezed(text).endswith(counts)
    lines = text.splitlines()
    assert lines[3] == counts[: len(lines[3])]
    failing = [f"10.0.0.{n}" for n in (0, 1, 2, 4, 5, 3)]
    assert rows(text) == failing + [f"10.0.0.{n}" for n in range(6, 16)]
    assert "  3 network blocked (identity sent)" in lines
    assert f"  ✗ network blocked       likely   10.0.0.0        {0:024x}" in lines
    assert f"  ? inconclusive                   10.0.0.3        {3:024x}" in lines
    assert "    … 44 more" in lines
    assert blocks(text) == failing
    assert (
        "Left out: the details of 54 healthy devices. `analyze --device ADDRESS` tells those of"
        " one; JSON (`--format json`) holds all."
    ) in squeezed(text)


def test_every_kind_of_failure_has_its_example_and_the_rest_is_counted() -> None:
    dropped = fleet([Cause.NETWORK_BLOCKED] * 70, mechanism=Mechanism.SYN_DROPPED)
    reset = documents.verdict(
        Cause.NETWORK_BLOCKED, mechanism=Mechanism.RESET_AFTER_IDENTITY, stage=Stage.IDENTITY_SENT
    )
    unsure = documents.verdict(Cause.INCONCLUSIVE)
    rare = [
        documents.device(reset, address="10.9.9.1"),
        documents.device(unsure, address="10.9.9.2"),
    ]
    text = told(documents.measurement(*dropped, *rare))
    first = [f"10.0.0.{n}" for n in range(6)]
    assert blocks(text) == [*first, "10.9.9.1", "10.9.9.2"]
    assert len(rows(text)) == 50 + 1 + 1
    assert "  70 network blocked: syn dropped (identity sent)" in text
    assert "    … 20 more" in text
    assert "Left out: the details of 64 more that need attention. `" in squeezed(text)


def test_more_kinds_than_blocks_leave_out_the_least_severe() -> None:
    causes = [cause for cause in Cause if cause is not Cause.HEALTHY]
    devices = [
        *fleet(causes, stage=Stage.HELLO_SENT),
        *fleet([Cause.NETWORK_BLOCKED], stage=Stage.DNS),
    ]
    text = told(documents.measurement(*devices))
    assert len(blocks(text)) == FEW
    assert "INCONCLUSIVE" not in text
    assert "? inconclusive" in text


def test_recovered_devices_stand_behind_and_say_so() -> None:
    devices = fleet([Cause.NETWORK_BLOCKED], recovered=True)
    devices += fleet([Cause.NETWORK_BLOCKED] * 9)[1:]
    text = told(documents.measurement(*devices))
    assert rows(text)[-1] == "10.0.0.0"
    assert f"10.0.0.0 {0:024x} · recovered" in squeezed(text)


def test_a_healthy_device_with_a_warning_needs_attention() -> None:
    devices = fleet([Cause.HEALTHY] * 12, confidence=Confidence.PROVEN)
    warning = documents.finding(
        "HP404", "odd", device="10.0.0.7", severity=Severity.WARNING, stream=None
    )
    note = documents.finding("HP530", "fine", device="10.0.0.8", severity=Severity.INFO)
    text = told(documents.measurement(*devices, findings=[warning, note]))
    assert "  1 healthy, with warnings\n" in text
    assert rows(text)[0] == "10.0.0.7"
    assert "HP404" in text.split("11 healthy\n")[0]
    assert blocks(text) == ["10.0.0.7"]
    assert "details of 11 healthy devices." in squeezed(text)


def test_a_neighbour_behind_the_same_address_gives_no_warning() -> None:
    devices = fleet([Cause.HEALTHY] * 12)
    other = documents.finding("HP201", "not its own", device="10.0.0.7", stream=99)
    text = told(documents.measurement(*devices, findings=[other]))
    assert "with warnings" not in text
    assert blocks(text) == []


def test_chosen_devices_are_told_whoever_they_are() -> None:
    devices = fleet([Cause.NETWORK_BLOCKED, *[Cause.HEALTHY] * 20])
    measurement = documents.measurement(*devices)
    text = told(measurement, only=["10.0.0.20", f"{7:024X}", "10.7.7.7\x1b[2J"])
    assert blocks(text) == ["10.0.0.7", "10.0.0.20"]
    assert r"No device here has the address or id 10.7.7.7\x1b[2j." in text
    assert "Left out" not in text
    assert text.splitlines()[-1] == "21 devices: 1 network blocked, 20 healthy"


@pytest.mark.parametrize("columns", ["40", "60", "80", "120"])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_the_overview_keeps_to_the_page(
    monkeypatch: pytest.MonkeyPatch, columns: str, encoding: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    devices = [
        *fleet(CAUSES * 12, recovered=True),
        documents.device(
            documents.verdict(Cause.DEVICE_KEY_CORRUPTION, confidence=Confidence.POSSIBLE),
            address="2001:db8:1111:2222:3333:4444:5555:6666",
            device_id=None,
            name="a name that is longer than any that somebody would give",
        ),
    ]
    stream = io.TextIOWrapper(raw := io.BytesIO(), encoding=encoding)
    write_text(documents.measurement(*devices), stream)
    stream.flush()
    lines = raw.getvalue().decode(encoding).splitlines()
    assert [line for line in lines if len(line) > int(columns)] == []


def test_colour_is_no_carrier_of_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    measurement = documents.measurement(*fleet(CAUSES * 2))
    plain = told(measurement)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    coloured = told(measurement)
    assert "\x1b" not in plain
    assert "  \x1b[1;31m✗ network blocked       \x1b[0mlikely   10.0.0.0 " in coloured
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == plain


# ---------------------------------------------------------------- from a capture


def site() -> Iterator[Timed]:
    """60 devices: every tenth gets no answer to its SYN, number 5 none after its identity."""
    seen = [0] * 60
    for at, frame in dense(60):
        number = next(n for n in range(60) if bytes((10, 16, 0, n)) in (frame[26:30], frame[30:34]))
        seen[number] += 1
        if number % 10 == 0:
            if seen[number] == 1:
                yield from ((at + second * 1_000_000, frame) for second in (0, 1, 3, 7))
        elif number != 5 or seen[number] <= 6:
            again = (0, 1, 3) if (number, seen[number]) == (5, 6) else (0,)
            yield from ((at + second * 1_000_000, _with_mac(frame, number)) for second in again)


def _with_mac(frame: bytes, number: int) -> bytes:
    """The same frame from or to a network card of its own."""
    mac = bytes((2, 0, 0, 0, 1, number))
    if frame[26] == 10:
        return frame[:6] + mac + frame[12:]
    return mac + frame[6:]


def named(number: int, name: bytes) -> bytes:
    """A DHCP request of a device, with its name."""
    mac = bytes((2, 0, 0, 0, 1, number))
    options: list[Any] = [
        ("message-type", "request"),
        ("requested_addr", f"10.16.0.{number}"),
        ("hostname", name),
        "end",
    ]
    return bytes(
        frames.ethernet(src=mac.hex(":"), dst="ff:ff:ff:ff:ff:ff")
        / frames.ipv4(src="0.0.0.0", dst="255.255.255.255")
        / frames.inet.UDP(sport=68, dport=67)
        / frames.dhcp.BOOTP(chaddr=mac)
        / frames.dhcp.DHCP(options=options)
    )


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("site") / "site.pcap"
    write(path, sorted([(0, named(5, HOSTILE)), *site()]))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["analyze", *arguments])
    return code, capsys.readouterr().out


def test_a_capture_of_a_site(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, str(capture))
    as_json, document = run(capsys, str(capture), "--format", "json")
    verdicts = [device["verdict"] for device in json.loads(document)["devices"]]
    assert code == as_json == 1
    assert len(verdicts) == 60
    assert sum(verdict["cause"] == "network_blocked" for verdict in verdicts) == 7
    assert text.splitlines()[-1] == "60 devices: 7 network blocked, 53 healthy"
    assert "  6 network blocked: syn dropped (tried to connect)\n" in text
    assert rows(text)[:7] == [*(f"10.16.0.{n}" for n in range(0, 60, 10)), "10.16.0.5"]
    assert blocks(text)[:6] == [f"10.16.0.{n}" for n in range(0, 60, 10)]
    assert "Left out: the details of 53 healthy devices." in squeezed(text)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert r"10.16.0.5       “\x1b]0;owned\x07[red]\u…”" in text
    assert max(map(len, text.splitlines())) <= 80


def test_one_device_of_a_site(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, str(capture), "--device", "10.16.0.33")
    assert code == 1  # still that of all
    assert blocks(text) == ["10.16.0.33"]
    assert "✓ HEALTHY" in text


def test_a_device_that_is_in_no_capture(capture: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(capture), "--device", "10.16.9.9", "--device", "10.16.0.1"]) == 2
    out, err = capfd.readouterr()
    assert blocks(out) == ["10.16.0.1"]
    assert "error: --device 10.16.9.9: no device has this address or id" in err
    assert "10.16.0.1:" not in err
    assert re.search(r"help: the devices here: 10\.16\.0\.\d+, .* and 52 more", err)


def test_a_device_is_looked_for_in_all_captures(
    capture: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.pcap"
    empty.write_bytes(frames.pcap([]))
    assert main(["analyze", str(empty), str(capture), "--device", "10.16.0.33"]) == 1
    assert "error" not in capfd.readouterr().err
    assert main(["analyze", str(empty), "--device", "10.16.0.33"]) == 2
    assert "the devices here: none" in capfd.readouterr().err


def test_json_holds_every_device(capture: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["analyze", str(capture), "--device", "10.16.9.9", "--format", "json"]
    assert main(arguments) == 1
    out, err = capfd.readouterr()
    assert len(json.loads(out)["devices"]) == 60
    assert "the JSON holds every device" in err
