"""`lab scenario` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from handshake_probe.cli import main
from handshake_probe.lab import network
from handshake_probe.lab.scenario_files import all_scenarios

Captured = pytest.CaptureFixture[str]
LACK = network.missing()
needs_network = pytest.mark.skipif(LACK is not None, reason=f"not run: {LACK}")


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "handshake_probe", "lab", "scenario", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_network
def test_a_command_on_the_laptop(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    script = "id -u; cat /etc/resolv.conf; echo told >&2; exit 7"
    done = ran(
        "healthy-local-cloud", "--keep", str(kept), "--unprivileged", "--", "sh", "-c", script
    )
    assert done.returncode == 7, done.stderr
    assert done.stdout.splitlines()[:2] == ["65534", "nameserver 192.168.1.1"]
    assert "told" in done.stderr
    [device] = json.loads((kept / "truth.json").read_text())["devices"]
    assert device["cause"] == "healthy"
    assert (kept / "capture.pcap").stat().st_size > 1000


@needs_network
def test_without_a_command_the_scenario_is_kept(tmp_path: Path) -> None:
    done = ran("healthy-local-cloud", "--keep", str(tmp_path / "kept"))
    assert (done.returncode, done.stdout) == (0, "")
    assert main(["analyze", str(tmp_path / "kept" / "capture.pcap")]) == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["syn-dropped"], "give --keep, a command, or both"),
        (["syn-droped", "--keep", "kept"], "did you mean syn-dropped?"),
        (["/nowhere", "--keep", "kept"], "'lab scenarios' lists them all"),
        (["syn-dropped", "--keep", "."], ".: File exists"),
    ],
)
def test_what_cannot_be_run(
    arguments: list[str],
    complaint: str,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(network, "missing", lambda: None)
    monkeypatch.chdir(tmp_path)
    assert main(["lab", "scenario", *arguments]) == 2
    assert complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_means_it_says_which(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(network, "missing", lambda: "nft not installed")
    assert main(["lab", "scenario", "syn-dropped", "--keep", str(tmp_path / "kept")]) == 4
    assert "nft not installed" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_all_are_listed(capsys: Captured) -> None:
    assert main(["lab", "scenarios"]) == 0
    listed = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert [name for name, _ in listed] == [path.stem for path in all_scenarios()]
    assert all(what.endswith(".") for _, what in listed)
