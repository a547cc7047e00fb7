"""The lab's commands as a user runs them."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import handshake_probe
from handshake_probe.cli import main
from handshake_probe.lab.addresses import host_port, split_host_port
from handshake_probe.lab.entropy import EntropySource
from handshake_probe.lab.faults import FAULTS, LAB_ID
from lab_room import noise

Captured = pytest.CaptureFixture[str]
PROGRAM = [sys.executable, "-m", "handshake_probe", "lab"]


class RunningCloud:
    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port
        self.output = ""

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        self.output, _ = self.process.communicate(timeout=10)
        return self.process.returncode


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [80, 40])
@pytest.mark.parametrize("listing", ["faults", "scenarios"])
def test_lists_fit_a_terminal(
    monkeypatch: pytest.MonkeyPatch, listing: str, columns: int, capsys: Captured
) -> None:
    assert main(["lab", listing]) == 0
    in_a_pipe = capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", screen := Terminal())
    assert main(["lab", listing]) == 0
    assert max(map(len, screen.getvalue().splitlines())) <= columns
    assert screen.getvalue().split() == in_a_pipe.split()


@contextmanager
def cloud(*options: str) -> Iterator[RunningCloud]:
    with running("cloud", "--port", "0", *options) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"listening on 127\.0\.0\.1:(\d+), key sha256:", line)
        assert found, line
        yield RunningCloud(process, int(found[1]))


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(handshake_probe.__file__).parents[1])},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def device(port: int, *options: str) -> int:
    return main(["lab", "device", "--to", f"127.0.0.1:{port}", "--session", "0.2", *options])


def test_a_device_and_a_cloud_with_their_default_keys(capsys: Captured) -> None:
    with cloud("--write", "cloud.jsonl", "--call", "length=abc", "--get", "answer") as peer:
        assert device(peer.port, "--write", "device.jsonl", "--publish", "hi=there") == 0
        assert peer.stop() == 0
    out, err = capsys.readouterr()
    assert "LED: breathing cyan" in out
    assert f"{LAB_ID}.pub.pem" in err
    assert "event hi" in peer.output
    logs = [read_log(name) for name in ("cloud.jsonl", "device.jsonl")]
    ways = ("cloud_to_device", "device_to_cloud")
    for way in ways:
        cloud_said, device_said = (
            [e["hex"] for e in log if e.get("direction") == way] for log in logs
        )
        assert cloud_said
        assert cloud_said == device_said
    assert {entry["connection"] for log in logs for entry in log} == {1}
    assert Path("cloud.jsonl").stat().st_mode & 0o777 == 0o600


def read_log(name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(name).read_text("ascii").splitlines()]


def test_a_failed_handshake_is_exit_code_1(capsys: Captured) -> None:
    with cloud("--fault", "hmac-wrong") as peer:
        assert device(peer.port) == 1
        assert device(peer.port, "--generation", "1.0") == 1
        assert peer.stop(signal.SIGTERM) == 0
    out, _ = capsys.readouterr()
    assert (
        "error 8 AUTHENTICATION_ERROR, logged as -130; LED: fast blinking cyan, then one red" in out
    )
    assert "error 8 AUTHENTICATION_ERROR, logged as 8; LED: fast blinking cyan, then one mag" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cloud_that_served_nobody_was_interrupted(number: signal.Signals) -> None:
    with cloud() as peer:
        assert peer.stop(number) == 130
        assert peer.output == ""


def test_a_cloud_that_is_stopped_closes_what_is_open() -> None:
    with (
        cloud("--fault", "silent") as peer,
        socket.create_connection(("127.0.0.1", peer.port), 5) as sock,
    ):
        sock.settimeout(5)
        wait_for("connects", peer.process)
        assert peer.stop() == 0
        assert sock.recv(1) == b""


def test_a_device_that_is_stopped_in_its_session_says_goodbye() -> None:
    with cloud() as peer:
        target = f"127.0.0.1:{peer.port}"
        with running("device", "--to", target, "--session", "60") as played:
            wait_for("LED: breathing", played)
            played.send_signal(signal.SIGINT)
            assert played.wait(timeout=10) == 0
        time.sleep(0.2)
        peer.stop()
    assert "Goodbye" in peer.output


def test_a_device_that_is_stopped_before_its_session_was_interrupted() -> None:
    with (
        cloud("--fault", "silent") as peer,
        running("device", "--to", f"127.0.0.1:{peer.port}") as played,
    ):
        wait_for("connects", played)
        played.send_signal(signal.SIGINT)
        assert played.wait(timeout=10) == 130


def test_a_device_that_vanished_says_nothing_when_stopped() -> None:
    with cloud() as peer:
        target = f"127.0.0.1:{peer.port}"
        with running("device", "--to", target, "--fault", "vanishes") as played:
            wait_for("fault: vanish", played)
            played.send_signal(signal.SIGINT)
            assert played.wait(timeout=10) == 1
        time.sleep(0.2)
        peer.stop()
    assert "Goodbye" not in peer.output


def wait_for(words: str, process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    while words not in (line := process.stdout.readline()):
        assert line, f"ended without {words}"


def test_nobody_listens(capsys: Captured) -> None:
    with cloud() as peer:
        peer.stop()
    assert device(peer.port) == 4
    assert "cannot connect to 127.0.0.1" in capsys.readouterr().out


def test_a_port_that_is_taken(capsys: Captured) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["lab", "cloud", "--port", str(taken.getsockname()[1])]) == 4
    assert "error: cannot listen on 127.0.0.1:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("device", "missing option '--to'"),
        ("device --to 127.0.0.1:x", "is no HOST or HOST:PORT"),
        ("device --to h --fault no-helo", "a device has no fault 'no-helo'"),
        ("device --to h --fault no-hello", "it is one of a cloud"),
        ("cloud --fault no-helo", "did you mean no-hello?"),
        ("device --to h --id 12", "is no id of 24 hex digits"),
        ("device --to h --claim-code short", "has 63 characters"),
        ("device --to h --attempts 0", "is not in the range"),
        ("device --to h", "a cloud's public key is needed"),
        ("device --to h --server-key nowhere.der", "nowhere.der: no such file"),
        ("cloud --write nowhere/log", "nowhere/log: No such file"),
    ],
)
def test_wrong_usage(capsys: Captured, arguments: str, complaint: str) -> None:
    assert main(["lab", *arguments.split()]) == 2
    assert complaint in capsys.readouterr().err


def test_faults_are_listed_one_a_line(capsys: Captured) -> None:
    assert main(["lab", "faults"]) == 0
    lines = capsys.readouterr().out.splitlines()
    named = [tuple(line.split()[:2]) for line in lines]
    assert named == [(str(role), name) for role in ("cloud", "device") for name in faults(role)]


def faults(side: str) -> list[str]:
    return [name for role, rows in FAULTS.items() if role == side for name in rows]


def test_what_a_peer_sends_cannot_harm_a_terminal(capsys: Captured) -> None:
    with cloud("--publish", "ev\x1b[2Jil") as peer:
        assert device(peer.port) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_a_cloud_outlives_noise() -> None:
    with cloud() as peer:
        for size in (1, 255, 256, 5000):
            with socket.create_connection(("127.0.0.1", peer.port), 5) as sock:
                sock.sendall(noise(size))
        assert device(peer.port) == 0
        assert peer.stop() == 0


def test_a_registered_key_that_cannot_be_used_is_said_and_survived() -> None:
    with cloud() as peer:
        assert device(peer.port) == 0
        public = Path("lab-keys") / f"{LAB_ID}.pub.pem"
        sound = public.read_bytes()
        public.write_bytes(b"no key")
        assert device(peer.port) == 1
        public.write_bytes(sound)
        assert device(peer.port) == 0
        assert peer.stop() == 0


def test_logs_hold_no_keys() -> None:
    with cloud("--write", "log", "--seed", "1") as peer:
        device(peer.port, "--write", "log", "--seed", "1")
        peer.stop()
    written = Path("log").read_text("ascii")
    assert set(json.loads(written.splitlines()[0])) == {
        "time", "connection", "peer", "event", "device_id", "sent_key",
    }  # fmt: skip
    entropy = EntropySource(1, "cloud").of(1)
    nonce, session = entropy(40), entropy(40)
    with cloud("--seed", "1") as peer, socket.create_connection(("127.0.0.1", peer.port)) as sock:
        assert sock.recv(40, socket.MSG_WAITALL) == nonce  # so the other one is the session's
    for secret in (session[:16], session[16:32], session[32:]):
        assert secret.hex() not in written
    assert "PRIVATE" not in written


def test_a_closed_pipe_ends_a_cloud() -> None:
    with cloud() as peer:
        assert peer.process.stdout is not None
        peer.process.stdout.close()
        device(peer.port)
        peer.process.wait(timeout=10)
        assert peer.process.returncode == 4


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("h", ("h", 5683)),
        ("h:1", ("h", 1)),
        ("[::1]:2", ("::1", 2)),
        ("[::1]", ("::1", 5683)),
        ("::1", ("::1", 5683)),
        ("", None),
        (":1", None),
        ("h:", None),
        ("h:0", None),
        ("h:65536", None),
        ("h:²", None),
        ("[::1", None),
        ("[::1]1", None),
        ("[::1]:", None),
    ],
)
def test_addresses(text: str, read: tuple[str, int] | None) -> None:
    assert split_host_port(text, 5683) == read
    if read is not None:
        assert split_host_port(host_port(*read), 1) == read
