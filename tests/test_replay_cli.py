"""`replay` as a user meets it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from handshake_probe.cli import main
from handshake_probe.cli.exits import ExitCode

CAPTURES = Path(__file__).parent.parent / "captures"
HEALTHY = str(CAPTURES / "healthy-brewskey-device-os-1.0.0.pcap")
KEYS = str(CAPTURES / "healthy-brewskey-device-os-1.0.0.keys")
PORTAL = str(CAPTURES / "blocked-captive-portal-http-redirect.pcap")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["replay", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "say one of"),
        (("--offline", "--as-cloud"), "say one of"),
        (("--to", "127.0.0.1", "--compare", "--control", "random"), "includes"),
        (("--to", "127.0.0.1", "--verbatim", "--device-key", "x"), "needs no"),
        (("--offline", "--fault", "silent"), "belongs to --as-cloud"),
        (("--offline", "--stream", "77"), "no connection 77"),
    ],
)
def test_what_cannot_be_meant(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    code, out, err = run(capsys, HEALTHY, *arguments)
    assert (code, out) == (ExitCode.UNUSABLE, "")
    assert told in err


def test_a_capture_on_which_no_device_spoke(capsys: pytest.CaptureFixture[str]) -> None:
    silent = str(CAPTURES / "blocked-syn-dropped.pcap")
    code, _, err = run(capsys, silent, "--to", "127.0.0.1")
    assert code == ExitCode.UNUSABLE
    assert "nothing that the device said" in err


def test_a_devices_key_is_not_used_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    key = str(next(Path(KEYS).glob("*.der")))
    device = "--device-id", "ed48b8a5fa820999bbc072f9"
    code, out, err = run(capsys, HEALTHY, "--to", "127.0.0.1:1", "--device-key", key, *device)
    assert (code, out) == (ExitCode.COULD_NOT_RUN, "")
    assert "takes the place of device ed48b8a5fa820999bbc072f9" in err


def test_nothing_listens(capsys: pytest.CaptureFixture[str]) -> None:
    """Refused twice, and no control: nothing is concluded."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    code, out, err = run(capsys, HEALTHY, "--to", f"127.0.0.1:{port}")
    assert code == ExitCode.INCONCLUSIVE
    assert "HP190" in out
    assert "the recorded bytes are sent as they were" in err
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("keys", [True, False])
def test_step_by_step(capsys: pytest.CaptureFixture[str], keys: bool) -> None:
    code, out, _ = run(capsys, HEALTHY, "--offline", *(("--keys", KEYS) if keys else ()))
    assert code == ExitCode.HEALTHY
    assert max(map(len, out.splitlines())) <= 80
    titles = re.findall(r"^\d+/\d+  (.+)$", out, re.MULTILINE)
    assert titles[:3] == ["nonce, 40 bytes", "identity, 256 bytes", "credentials, 384 bytes"]
    assert titles[3:5] == (["hello", "hello"] if keys else ["encrypted record"] * 2)
    assert ("device id" in out) is keys
    # The session key of this recording, as its truth names it.
    assert "0e6261fe527df6d6" not in out.replace(" ", "")


def test_every_recording_can_be_stepped_through(capsys: pytest.CaptureFixture[str]) -> None:
    for path in sorted(CAPTURES.glob("*.pcap*")):
        keys = path.with_suffix(".keys")
        code = main(["replay", str(path), "--offline", "--keys", str(keys)])
        out, err = capsys.readouterr()
        assert code == ExitCode.HEALTHY or "holds no connection" in err, (path.name, err)
        assert "PRIVATE" not in out


def test_a_claim_code_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    shown = 0
    for path in sorted(CAPTURES.glob("*unclaimed*.pcap*")):
        main(["replay", str(path), "--offline", "--keys", str(path.with_suffix(".keys"))])
        out = capsys.readouterr().out
        shown += len(re.findall(r"decrypted +not shown", out))
        assert b"spark/device/claim/code".hex() not in re.sub(r"\s", "", out)
    assert shown


def test_as_a_portal() -> None:
    """What no cloud says is said byte for byte, until Ctrl-C."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
    command = (sys.executable, "-m", "handshake_probe", "replay", PORTAL, "--as-cloud")
    process = subprocess.Popen(
        (*command, "--listen", where), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stderr is not None
        while where not in (line := process.stderr.readline()):
            assert line, "it ended"
        host, _, port = where.partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as sock:
            assert sock.recv(200).startswith(b"HTTP/1.")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == ExitCode.HEALTHY
    assert "recorded bytes" in out
