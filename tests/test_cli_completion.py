"""Shells complete commands, options and names of files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from handshake_probe.cli.front import COMMANDS


def asked(*words: str, **environment: str) -> list[str]:
    told = subprocess.run(
        [sys.executable, "-m", "handshake_probe"],
        env={
            **os.environ,
            "COMP_WORDS": " ".join(("handshake-probe", *words)),
            "COMP_CWORD": str(len(words)),
            "_HANDSHAKE_PROBE_COMPLETE": "bash_complete",
            **environment,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stderr == ""
    return told.stdout.splitlines()


def test_commands_options_and_values() -> None:
    assert asked("an") == ["plain,analyze"]
    assert [line.removeprefix("plain,") for line in asked("")] == list(COMMANDS)
    assert asked("analyze", "--form") == ["plain,--format"]
    assert asked("analyze", "--format", "") == ["plain,text", "plain,json"]
    assert asked("keys", "c") == ["plain,check", "plain,convert"]


@pytest.mark.parametrize(
    "words",
    [
        ("analyze", "ho"),
        ("analyze", "--keys", "ho"),
        ("report", "ho"),
        ("compare", "ho"),
        ("diagnose", "ho"),
        ("keys", "check", "ho"),
        ("replay", "ho"),
        ("wireshark", "export", "ho"),
        ("probe", "--device-key", "ho"),
    ],
)
def test_files(words: tuple[str, ...]) -> None:
    assert asked(*words) == ["file,ho"]


def test_bash_takes_the_script(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    program = tmp_path / "handshake-probe"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m handshake_probe "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(_HANDSHAKE_PROBE_COMPLETE=bash_source handshake-probe)";'
        " COMP_WORDS=(handshake-probe rep); COMP_CWORD=1;"
        " _handshake_probe_completion handshake-probe; echo ${COMPREPLY[@]}"
    )
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    told = subprocess.run(
        [bash, "-c", script], env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert told.stdout.split() == ["report", "replay"]
