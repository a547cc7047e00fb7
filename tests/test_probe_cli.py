"""The command `probe` as people and programs call it, against a cloud on the loopback."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from handshake_probe.model.measurement import from_json

PROGRAM = (sys.executable, "-m", "handshake_probe")
QUIET = ("--no-public-resolvers",)


class Lab(NamedTuple):
    port: int
    keys: Path

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def device_id(self) -> str:
        return next(path.stem for path in self.keys.glob("*.der") if len(path.stem) == 24)

    @property
    def stand_in(self) -> tuple[str, ...]:
        key = self.keys / f"{self.device_id}.der"
        return ("--device-key", str(key), "--device-id", self.device_id)

    @property
    def cloud_key(self) -> tuple[str, ...]:
        return ("--cloud-key", str(self.keys / "cloud_public.der"))


def free_port() -> int:
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    keys = tmp_path_factory.mktemp("lab") / "keys"
    lab = Lab(free_port(), keys)
    command = (*PROGRAM, "lab", "cloud", "--port", str(lab.port), "--keys", str(keys))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as cloud:
        try:
            device = ("lab", "device", "--to", lab.target, "--keys", str(keys), "--session", "0.1")
            for _ in range(40):
                done = subprocess.run((*PROGRAM, *device), capture_output=True, check=False)
                if done.returncode == 0:
                    break
                time.sleep(0.25)
            assert done.returncode == 0, done.stderr
            yield lab
        finally:
            cloud.terminate()


def probe(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        (*PROGRAM, "probe", *arguments),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert done.returncode == code, done.stderr + done.stdout
    return done


def document(done: subprocess.CompletedProcess[str]) -> Any:
    [line] = done.stdout.splitlines()
    from_json(line.encode())
    return json.loads(line)


def test_a_cloud_that_answers(lab: Lab) -> None:
    done = probe(lab.target, *lab.cloud_key, *QUIET)
    assert "HEALTHY" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert re.search(r"^cloud's port: +1 of 1 addresses carry the handshake$", done.stderr, re.M)


def test_a_document(lab: Lab) -> None:
    found = document(probe(lab.target, *lab.cloud_key, *QUIET, "--format", "json"))
    assert found["kind"] == "probe"
    assert found["source"]["path"] == lab.target
    sent = [o.get("sent") for o in found["observations"] if o["kind"] == "tcp_probe"]
    assert sent.count("identity") == 1
    assert [o for o in found["observations"] if o["kind"] == "dns_probe"] == []


def test_without_identity(lab: Lab) -> None:
    found = document(probe(lab.target, "--no-identity", *QUIET, "--format", "json"))
    assert found["verdict"]["stage"] == "nonce_received"
    assert not any(o.get("sent") == "identity" for o in found["observations"])


def test_a_port_where_nobody_listens() -> None:
    found = document(probe(f"127.0.0.1:{free_port()}", *QUIET, "--format", "json", code=3))
    assert found["verdict"]["mechanism"] == "connection_refused"
    assert found["verdict"]["settles"]


def test_the_stand_in(lab: Lab) -> None:
    arguments = (lab.target, *lab.cloud_key, *lab.stand_in, "--yes", *QUIET, "--format", "json")
    found = document(probe(*arguments))
    assert (found["verdict"]["stage"], found["verdict"]["confidence"]) == ("session", "proven")
    roles = {key["role"] for key in found["keys"]}
    assert roles == {"cloud_public", "device_private"}


def test_nobody_stands_in_unasked(lab: Lab) -> None:
    done = probe(lab.target, *lab.cloud_key, *lab.stand_in, *QUIET, code=4)
    assert "--yes" in done.stderr
    assert done.stdout == ""


def test_a_device_key_of_another_cloud(lab: Lab, tmp_path: Path) -> None:
    """The cloud has another public key on file than the one that goes with this file."""
    subprocess.run(
        (*PROGRAM, "lab", "device", "--to", f"127.0.0.1:{free_port()}", "--keys", str(tmp_path)),
        capture_output=True,
        check=False,
        timeout=30,
    )
    other = next(path for path in tmp_path.glob("*.der") if len(path.stem) == 24)
    stand_in = ("--device-key", str(other), "--device-id", lab.device_id, "--yes")
    arguments = (lab.target, *lab.cloud_key, *stand_in, *QUIET, "--format", "json")
    found = document(probe(*arguments, code=3))
    assert found["verdict"]["mechanism"] == "identity_refused"
    assert set(found["verdict"]["candidates"]) >= {"device_unknown", "device_key_corruption"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("a b",), "is no host"),
        (("host:99999",), "the port must be"),
        (("--device", "here"), "is no IP address"),
        (("--device-key", "x.der"), "belong together"),
        (("--public-resolver", "9.9.9.9", "--no-public-resolvers"), "exclude each other"),
        (("--device-key", "nothing.der", "--device-id", "ab" * 12), "nothing.der"),
        (("--cloud-key", "nothing.der"), "nothing.der"),
        (("--led", "polka dots"), "polka"),
        (("--idle", "3"), "--idle"),
    ],
)
def test_what_cannot_be_done(arguments: tuple[str, ...], complaint: str) -> None:
    done = probe(*arguments, code=2)
    assert complaint in done.stderr
    assert done.stdout == ""


def test_an_existing_capture_is_kept(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "own.pcap"
    file.write_text("mine")
    done = probe(lab.target, "--capture", str(file), *QUIET, code=2)
    assert "exists already" in done.stderr
    assert file.read_text() == "mine"


def test_the_plan_sends_nothing(lab: Lab) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(0.2)
        target = f"127.0.0.1:{listener.getsockname()[1]}"
        done = probe(target, "--plan", "--control", lab.target, "--idle", "30")
        with pytest.raises(TimeoutError):
            listener.accept()
    assert "nothing was sent" in done.stdout
    assert target in done.stdout
    assert lab.target in done.stdout
    assert "64 SYNs" in done.stdout


def test_an_interrupt_tells_what_is_known() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:  # accepts, and is silent
        target = f"127.0.0.1:{listener.getsockname()[1]}"
        command = (*PROGRAM, "probe", target, *QUIET, "--format", "json")
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            process.stderr.readline()  # the first step is over
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted" in err
    assert json.loads(out)["source"]["truncated"] is True


def test_an_led_beside_the_probe(lab: Lab) -> None:
    arguments = (*lab.cloud_key, *QUIET, "--led", "cyan, orange x3", "--device-os", "1.5.2")
    done = probe(lab.target, *arguments, "--format", "json", code=1)
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert first["verdict"]["cause"] == "healthy"
    assert second["verdict"]["mechanism"] == "device_singled_out"


def test_the_list_on_a_terminal(lab: Lab) -> None:
    main, child = pty.openpty()
    with subprocess.Popen(
        (*PROGRAM, "probe", lab.target, *lab.cloud_key, *QUIET),
        stdout=subprocess.PIPE,
        stderr=child,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    ) as process:
        os.close(child)
        shown = b""
        while True:
            try:
                shown += os.read(main, 4096)
            except OSError:  # the other end is closed
                break
        process.communicate(timeout=20)
    os.close(main)
    assert process.returncode == 0
    assert "running" in shown.decode()
    assert "carry the handshake" in shown.decode()


def test_saved_measurements_are_judged_again(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "probe.json"
    done = probe(lab.target, *lab.cloud_key, *QUIET, "--format", "json")
    file.write_text(done.stdout)
    command = (*PROGRAM, "diagnose", str(file), "--format", "json")
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout == done.stdout
