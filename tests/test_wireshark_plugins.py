"""`wireshark install|status|remove`, and the live interface as tshark itself drives it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from handshake_probe import __version__
from handshake_probe.cli import main
from handshake_probe.wireshark import folders
from wireshark_parts import CAPTURES, environment, needs_tshark, probe, tshark

HEALTHY = "healthy-brewskey-device-os-1.0.0"
TRUTH: list[dict[str, Any]] = json.loads((CAPTURES / "truth.json").read_text())
SAID = next(e for e in TRUTH if e["file"] == f"{HEALTHY}.pcap")["devices"][0]["sessions"][0]["coap"]


def _as_somebody() -> list[str] | None:
    """What makes a command run as a user who is not root; None where that cannot be."""
    if os.geteuid() != 0:
        return []
    command = ["unshare", "--user", "--map-user=1000"]
    if shutil.which("unshare") is None:
        return None
    done = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if done.returncode == 0 else None


SOMEBODY = _as_somebody()
needs_a_user = pytest.mark.skipif(SOMEBODY is None, reason="no user namespace to shed root in")


def as_user(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return probe(*arguments, home=home, prefix=SOMEBODY or [])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def installed(home: Path) -> Path:
    done = as_user(home, "wireshark", "install")
    assert done.returncode == 0, done.stderr
    return home


def files(home: Path) -> list[Path]:
    return sorted(path for path in home.rglob("*") if path.is_file())


def states(home: Path) -> dict[str, str]:
    told = as_user(home, "wireshark", "status", "--format", "json").stdout
    return {plugin["what"]: plugin["state"] for plugin in json.loads(told)["plugins"]}


@pytest.mark.skipif(os.geteuid() != 0, reason="the test is not run by root")
@pytest.mark.parametrize("verb", ["install", "remove"])
def test_never_as_root(verb: str, home: Path) -> None:
    done = probe("wireshark", verb, home=home)
    assert done.returncode == 4
    assert "never for root" in done.stderr
    assert files(home) == []


@needs_a_user
def test_install_status_remove(home: Path) -> None:
    assert states(home) == {"dissector": "absent", "interface": "absent"}
    assert as_user(home, "wireshark", "status").returncode == 1
    done = as_user(home, "wireshark", "install")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in files(home)] == ["handshake-probe", "handshake_probe.lua"]
    assert os.access(files(home)[0], os.X_OK)
    assert not os.access(files(home)[1], os.X_OK)
    assert states(home) == {"dissector": "current", "interface": "current"}
    status = as_user(home, "wireshark", "status")
    assert status.returncode == 0
    assert all(str(path) in status.stdout for path in files(home))
    assert as_user(home, "wireshark", "install").returncode == 0
    assert as_user(home, "wireshark", "remove").returncode == 0
    assert files(home) == []
    assert as_user(home, "wireshark", "remove").returncode == 0


@needs_a_user
def test_files_of_another_version_are_replaced(installed: Path) -> None:
    for file in files(installed):
        text = file.read_text()
        assert __version__ in text
        file.write_text(text.replace(f"handshake-probe {__version__},", "handshake-probe 0.0.1,"))
    assert set(states(installed).values()) == {"other"}
    assert "version 0.0.1" in as_user(installed, "wireshark", "status").stdout
    assert as_user(installed, "wireshark", "install").returncode == 0
    assert set(states(installed).values()) == {"current"}


@needs_a_user
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("state", ["changed", "foreign"])
def test_what_is_not_ours_is_left_alone(which: int, state: str, installed: Path) -> None:
    file, other = files(installed)[which], files(installed)[1 - which]
    mine = f"{file.read_text()}\n# mine\n" if state == "changed" else "mine\n"
    file.write_text(mine)
    assert state in states(installed).values()
    refused = as_user(installed, "wireshark", "install")
    assert refused.returncode == 4
    assert str(file) in refused.stderr
    assert as_user(installed, "wireshark", "remove").returncode == 0
    assert file.read_text() == mine
    assert not other.exists()


def test_newer_versions_name_their_extcap_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "tshark"
    fake.write_text(
        "#!/bin/sh\n"
        "printf 'Personal configuration:\\t/home/me/.config/wireshark\\n'\n"
        "printf 'Personal Lua Plugins:\\t/home/me/.local/lib/wireshark/plugins\\n'\n"
        "printf 'Personal Extcap path:\\t/home/me/.local/lib/wireshark/extcap\\n'\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = folders.personal_folders()
    assert found.extcap == Path("/home/me/.local/lib/wireshark/extcap")
    assert found.plugins == Path("/home/me/.local/lib/wireshark/plugins")


def test_without_tshark_the_folders_are_its_defaults(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    found = folders.personal_folders()
    assert found.extcap == tmp_path / ".config/wireshark/extcap"
    assert found.plugins == tmp_path / ".local/lib/wireshark/plugins"


@needs_tshark
@needs_a_user
def test_tshark_finds_both(installed: Path) -> None:
    assert "handshake-probe (Particle handshake, decrypted)" in tshark(installed, "-D")
    steps = tshark(
        installed,
        "-r",
        str(CAPTURES / f"{HEALTHY}.pcap"),
        "-Y",
        "handshake_probe.event",
        "-T",
        "fields",
        "-e",
        "handshake_probe.event",
    )
    assert steps.split()[:3] == ["nonce_received", "identity_sent", "credentials_received"]


def test_the_questions_of_wireshark_are_answered(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["wireshark", "extcap", "--extcap-version=4.0", "--extcap-interface", "handshake-probe"]
    for question, sentence in (
        ("--extcap-interfaces", "interface {value=handshake-probe}"),
        ("--extcap-dlts", "dlt {number=252}"),
        ("--extcap-config", "{call=--source}"),
    ):
        assert main([*asked, question]) == 0
        assert sentence in capsys.readouterr().out


@contextmanager
def poured(data: bytes, fifo: Path) -> Iterator[None]:
    """Somebody writes a capture into a FIFO."""
    os.mkfifo(fifo)
    thread = threading.Thread(target=fifo.write_bytes, args=(data,), daemon=True)
    thread.start()
    yield
    thread.join(10)
    assert not thread.is_alive()


def live(home: Path, source: str, *more: str) -> list[list[str]]:
    columns = ("frame.number", "exported_pdu.exported_pdu", "coap.mid", "exported_pdu.orig_fno")
    told = tshark(
        home,
        "-i",
        "handshake-probe",
        "-o",
        f"extcap.handshake_probe.source:{source}",
        "-o",
        f"extcap.handshake_probe.keys:{CAPTURES / (HEALTHY + '.keys')}",
        *more,
        "-T",
        "fields",
        *(option for name in columns for option in ("-e", name)),
    )
    return [line.split("\t") for line in told.splitlines()]


@needs_tshark
@needs_a_user
def test_tshark_captures_live_frames_and_decrypted_messages(
    installed: Path, tmp_path: Path
) -> None:
    capture, fifo = CAPTURES / f"{HEALTHY}.pcap", tmp_path / "pipe"
    with poured(capture.read_bytes(), fifo):
        rows = live(installed, str(fifo))
    messages = [row for row in rows if row[1]]
    assert len(rows) == 65 + len(messages)
    assert sorted(row[1] for row in messages) == sorted(hexed for _, hexed in SAID)
    assert all(row[2] for row in messages)
    # A message comes right behind the frame that completed it, and names it by its number here.
    originals = {row[0] for row in rows if not row[1]}
    for row in messages:
        assert row[3] in originals
        between = range(int(row[3]) + 1, int(row[0]))
        assert not {str(number) for number in between} & originals


def extcap(*arguments: str, home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "handshake_probe", "wireshark", "extcap", *arguments],
        env=environment(home),
        stderr=subprocess.PIPE,
        text=True,
    )


def read_some(fifo: Path, size: int) -> tuple[bytes, int]:
    descriptor = os.open(fifo, os.O_RDONLY)
    return os.read(descriptor, size), descriptor


@pytest.mark.parametrize("how", ["told", "deaf"])
def test_it_ends_when_told_and_when_nobody_listens(how: str, home: Path, tmp_path: Path) -> None:
    source, sink = tmp_path / "source", tmp_path / "sink"
    os.mkfifo(source)
    os.mkfifo(sink)
    data = (CAPTURES / f"{HEALTHY}.pcap").read_bytes()
    process = extcap("--capture", "--fifo", str(sink), "--source", str(source), home=home)
    begun, listening = read_some(sink, 4)
    assert begun == b"\n\r\r\n"
    with source.open("wb", buffering=0) as writer:
        writer.write(data[:2000])
        if how == "told":
            process.send_signal(signal.SIGTERM)
        else:
            os.close(listening)
            writer.write(data[2000:4000])
        _, said = process.communicate(timeout=20)
    if how == "told":
        os.close(listening)
    assert process.returncode == 0, said
    assert said == ""


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--keys", "nowhere"), "nowhere: No such file"),
        (("--source", "no/where"), "no/where: No such file"),
        (("--source", __file__), "is no FIFO"),
    ],
)
def test_what_cannot_be_captured_is_said(
    options: Sequence[str], complaint: str, home: Path, tmp_path: Path
) -> None:
    sink = tmp_path / "sink"
    os.mkfifo(sink)
    process = extcap("--capture", "--fifo", str(sink), *options, home=home)
    _, listening = read_some(sink, 4)
    _, said = process.communicate(timeout=20)
    os.close(listening)
    assert process.returncode == 2
    assert complaint in said
