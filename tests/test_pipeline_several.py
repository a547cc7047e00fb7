"""Several captures at once: what comes out is what comes out one after another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import pytest

from frames import CAPTURES, pcap
from handshake_probe import pipeline
from handshake_probe.errors import UnreadableInput
from handshake_probe.model.measurement import to_json
from handshake_probe.pipeline.several import Written, analyze_several
from handshake_probe.report.safe import safe_json

SOME = [str(path) for path in CAPTURES[:6]]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "handshake_probe", "analyze", "--format", "json", *arguments]


def test_documents_and_their_order_are_the_same() -> None:
    keyring, _ = pipeline.load_keys([str(CAPTURES[0].with_suffix(".keys"))], [])
    several = analyze_several([*SOME, "/nonexistent"], jobs=3, keyring=keyring)
    for path, result in zip(SOME, several, strict=False):
        assert isinstance(result, Written)
        alone = pipeline.analyze(path, keyring=keyring)
        assert result.cause is alone.verdict.cause
        assert result.read() == alone
        written = BytesIO()
        result.copy_to(written)
        assert written.getvalue() == safe_json(to_json(alone)) + b"\n"
    [missing] = several
    assert isinstance(missing, UnreadableInput)
    assert "no such file" in str(missing)


def test_the_command_line(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("hello")
    arguments = [*SOME[:3], str(text), "-", SOME[3]]
    done = []
    for jobs in ("1", "2"):
        with Path(SOME[4]).open("rb") as stdin:
            run = subprocess.run(
                command(*arguments, "--jobs", jobs), stdin=stdin, capture_output=True, timeout=60
            )
        done.append((run.returncode, run.stdout, run.stderr))
    assert done[0] == done[1]
    assert done[0][0] == 2
    assert done[0][1].count(b"\n") == 5
    assert b"not a capture" in done[0][2]


def running(group: int) -> list[str]:
    """Processes of a process group, by their command line."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and os.getpgid(int(folder.name)) == group:
                found.append((folder / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
@pytest.mark.parametrize(("started", "wait"), [(2, 0.0), (3, 0.0), (3, 0.2)])
def test_ctrl_c_ends_all_processes(tmp_path: Path, started: int, wait: float) -> None:
    endless = tmp_path / "large"
    frame = bytes(60)
    endless.write_bytes(pcap([frame] * 1_000_000))
    process = subprocess.Popen(
        command(*[str(endless)] * 4, "--jobs", "2", "--engine", "own"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while len(running(process.pid)) < started:
        assert process.poll() is None
    time.sleep(wait)
    os.killpg(process.pid, signal.SIGINT)
    out, talk = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, b"")
    assert talk == b"handshake-probe: interrupted\n"
    assert not running(process.pid)
