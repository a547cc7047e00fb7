"""`doctor`: what it says about this machine, a bare one, a broken one."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from handshake_probe.cli import main
from handshake_probe.model.equipment import Item
from handshake_probe.probe import equipment, programs, rights

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any tool."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(programs, "_SBIN", ("/nowhere",))
    monkeypatch.setattr(equipment, "_CHROMIUMS", ("chromium",))


def looked() -> dict[str, Item]:
    return {item.name: item for item in equipment.equipment().items}


def told(capsys: Captured, *arguments: str) -> dict[str, Any]:
    assert main(["doctor", "--format", "json", *arguments]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_the_document(capsys: Captured) -> None:
    document = told(capsys)
    assert document["schema"] == "handshake-probe/equipment/1"
    assert document["python"] == ".".join(map(str, sys.version_info[:3]))
    items = {item["name"]: item for item in document["items"]}
    assert len(items) == len(document["items"])
    assert all(item["needed_for"] for item in items.values())
    essential = {name for name, item in items.items() if item["essential"]}
    assert essential == {"cryptography", "dnspython", "msgspec", "rich"}
    assert all(items[name]["works"] and items[name]["detail"] for name in essential)
    for item in items.values():
        assert not (item["works"] and item["add"])


@pytest.mark.usefixtures("bare")
def test_a_machine_without_tools(capsys: Captured) -> None:
    items = {item["name"]: item for item in told(capsys)["items"]}
    for name in ("dumpcap", "tcpdump", "tshark", "chromium"):
        assert items[name]["works"] is False
        assert items[name]["detail"] == "not installed"
        assert items[name]["add"] == f"install {name} with this system's package manager"
    assert items["cryptography"]["works"]


def put(folder: Path, name: str, script: str = "exit 1") -> Path:
    tool = folder / name
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    return tool


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("manager", "tool", "command"),
    [
        ("apt-get", "tshark", "apt-get install tshark"),
        ("apt-get", "dumpcap", "apt-get install wireshark-common"),
        ("brew", "tshark", "brew install wireshark"),
        ("brew", "chromium", "brew install --cask chromium"),
    ],
)
def test_the_command_that_adds_a_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manager: str, tool: str, command: str
) -> None:
    put(tmp_path, manager)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(rights, "is_root", lambda: True)
    assert looked()[tool].add == command
    monkeypatch.setattr(rights, "is_root", lambda: False)
    sudo = "sudo " if manager == "apt-get" else ""
    assert looked()[tool].add == sudo + command


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("script", "works", "detail"),
    [
        ("echo 'TShark (Wireshark) 4.4.2 (Git v4.4.2).'", True, "4.4.2"),
        ("echo 'TShark 3.6.0.'; echo more", True, "3.6.0"),
        ("exit 127", False, "does not tell its version"),
        ("echo hello", False, "does not tell its version"),
        ("echo 'TShark 4.4.2'; exit 1", False, "does not tell its version"),
    ],
)
def test_tshark_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, works: bool, detail: str
) -> None:
    put(tmp_path, "tshark", script)
    monkeypatch.setenv("PATH", str(tmp_path))
    item = looked()["tshark"]
    assert item.works is works
    assert item.detail is not None
    assert detail in item.detail


@pytest.mark.usefixtures("bare")
def test_a_tshark_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "tshark", "exec /bin/sleep 60")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(equipment, "_PATIENCE", 0.1)
    assert looked()["tshark"].works is False


@pytest.mark.usefixtures("bare")
@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux's")
def test_who_may_capture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = put(tmp_path, "dumpcap")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(rights, "holds", lambda bit: False)
    item = looked()["dumpcap"]
    assert (item.works, item.add) == (False, f"sudo setcap cap_net_raw,cap_net_admin+eip {tool}")
    put(tmp_path, "dpkg-reconfigure")
    assert looked()["dumpcap"].add == "sudo dpkg-reconfigure wireshark-common"
    if os.geteuid() == 0:
        tool.chmod(0o755 | stat.S_ISUID)
        assert looked()["dumpcap"].works is True
    monkeypatch.setattr(rights, "holds", lambda bit: True)
    assert looked()["dumpcap"].works is True


@pytest.mark.usefixtures("bare")
@pytest.mark.skipif(sys.platform != "linux", reason="groups of Debian")
def test_a_dumpcap_for_a_group_of_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian lets only the group `wireshark` run it."""
    tool = put(tmp_path, "dumpcap")
    tool.chmod(0o644)  # executable for nobody: the test may be root
    monkeypatch.setenv("PATH", str(tmp_path))
    item = looked()["dumpcap"]
    assert (item.works, item.detail) == (False, f"{tool} is not for this user")


def test_capabilities_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = tmp_path / "status"
    monkeypatch.setattr(rights, "_CAPABILITIES", status)
    monkeypatch.setattr(sys, "platform", "linux")
    status.write_text("Name:\tpython\nCapInh:\t0000003fffffffff\nCapEff:\t0000000000002000\n")
    assert rights.holds(13) is True
    assert rights.holds(12) is False
    status.unlink()
    monkeypatch.setattr(rights, "is_root", lambda: True)
    assert rights.holds(12) is True


def test_something_essential_is_broken(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    broken = ("lost", "no_such_module", "everything")
    monkeypatch.setattr(equipment, "_ESSENTIAL", (broken, *equipment._ESSENTIAL))
    assert main(["doctor"]) == 4
    out = capsys.readouterr().out
    assert "Nothing works without lost." in out
    assert "-m pip install lost" in out


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("columns", [80, 40])
def test_the_text_fits_and_is_told_without_colour(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    commands = {item.add for item in looked().values()}  # are not broken: they are to be copied
    prose = [line for line in out.splitlines() if line.strip() not in commands]
    assert max(map(len, prose)) <= columns
    assert "missing (not installed)" in out.replace("\n                ", " ")
    assert "All that is essential works" in out


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="is unprivileged anyway")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_without_privilege() -> None:
    """As a user without any right: said, with the way to get it."""
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
    code = "from handshake_probe.cli import main; main(['doctor', '--format', 'json'])"
    done = subprocess.run(
        [*nobody, sys.executable, "-c", code],
        check=True,
        capture_output=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    items = {item["name"]: item for item in json.loads(done.stdout)["items"]}
    assert items["raw packets"]["works"] is False
    assert items["raw packets"]["add"] == "sudo handshake-probe probe"
    assert items["namespaces"]["detail"] in ("not root", "Linux only")


@pytest.mark.skipif(sys.platform != "linux", reason="forwarding is looked up on Linux only")
@pytest.mark.parametrize(("setting", "works"), [("1\n", True), ("0\n", False)])
def test_whether_others_pass_through_here(
    setting: str, works: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "ip_forward"
    file.write_text(setting)
    monkeypatch.setattr(equipment, "_FORWARDING", file)
    assert looked()["forwarding"].works is works
