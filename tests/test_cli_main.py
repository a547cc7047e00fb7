from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest

import documents
from handshake_probe import __version__, pipeline
from handshake_probe.cli import main
from handshake_probe.cli.analyze import _CAPTURE_HELP
from handshake_probe.cli.exits import ExitCode, exit_code_of, merged
from handshake_probe.cli.front import COMMANDS, HELP, PROGRAM
from handshake_probe.cli.progress import progress_of
from handshake_probe.diagnose.catalogue import CATALOGUE
from handshake_probe.errors import HandshakeProbeError, KeyFileError, UnreadableInput
from handshake_probe.keys.keyring import Keyring
from handshake_probe.model.measurement import Measurement
from handshake_probe.model.vocabulary import Cause

Captured = pytest.CaptureFixture[str]

KINDS: dict[str, Callable[[], Measurement]] = {
    "healthy.pcap": documents.healthy,
    "blocked.pcap": documents.blocked,
    "inconclusive.pcap": documents.inconclusive,
    "mismatch.pcap": documents.key_mismatch,
}
FAILURES: dict[str, BaseException] = {
    "unreadable.pcap": UnreadableInput("unreadable.pcap: no capture"),
    "surprise.pcap": ZeroDivisionError("a mistake of ours"),
    "unable.pcap": HandshakeProbeError("no such tool"),
    "interrupted.pcap": KeyboardInterrupt(),
}


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A pipeline that answers by file name, and what it was asked."""
    asked: list[dict[str, Any]] = []

    def analyze(path: str, **options: Any) -> Measurement:
        asked.append({"path": path, **options})
        if path in FAILURES:
            raise FAILURES[path]
        return KINDS[path]()

    def load_keys(paths: Sequence[str], cloud_keys: Sequence[str]) -> tuple[Keyring, list[str]]:
        asked.append({"keys": tuple(paths), "cloud_keys": tuple(cloud_keys)})
        if "bad.pem" in paths:
            raise KeyFileError("bad.pem: an EC key")
        return Keyring(), [f"{path}: no key in it\x1b[2J" for path in paths if path == "folder"]

    monkeypatch.setattr(pipeline, "analyze", analyze)
    monkeypatch.setattr(pipeline, "load_keys", load_keys)
    monkeypatch.delenv("HANDSHAKE_PROBE_DEBUG", raising=False)
    return asked


@pytest.mark.parametrize(
    ("captures", "code"),
    [
        ("healthy.pcap", 0),
        ("blocked.pcap", 1),
        ("mismatch.pcap", 1),
        ("unreadable.pcap", 2),
        ("inconclusive.pcap", 3),
        ("surprise.pcap", 4),
        ("unable.pcap", 4),
        ("interrupted.pcap", 130),
        ("healthy.pcap inconclusive.pcap", 3),
        ("inconclusive.pcap blocked.pcap healthy.pcap", 1),
        ("unreadable.pcap blocked.pcap", 2),
        ("blocked.pcap surprise.pcap unreadable.pcap", 4),
        ("surprise.pcap interrupted.pcap", 130),
    ],
)
def test_exit_codes(captures: str, code: int) -> None:
    assert main(["analyze", *captures.split()]) == code


def test_the_gravest_code_wins() -> None:
    gravest_first = [130, 4, 2, 1, 3, 0]
    for index, code in enumerate(gravest_first):
        assert merged(ExitCode(other) for other in reversed(gravest_first[index:])) == code
    assert merged([]) == 0


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_an_exit_code(cause: Cause) -> None:
    special = {Cause.HEALTHY: 0, Cause.INCONCLUSIVE: 3}
    assert exit_code_of(cause) == special.get(cause, 1)


def test_one_unreadable_capture_does_not_lose_the_others(capsys: Captured) -> None:
    main(["analyze", "healthy.pcap", "unreadable.pcap", "surprise.pcap", "blocked.pcap"])
    out, err = capsys.readouterr()
    assert "✓ HEALTHY" in out
    assert "✗ NETWORK BLOCKED" in out
    assert err.splitlines() == [
        "handshake-probe: error: unreadable.pcap: no capture",
        f"help: {_CAPTURE_HELP}",
        "handshake-probe: error: internal error while reading surprise.pcap: "
        "ZeroDivisionError: a mistake of ours",
        "help: please report it, with what HANDSHAKE_PROBE_DEBUG=1 shows",
    ]


def test_results_before_an_interrupt_are_kept(capsys: Captured) -> None:
    assert main(["analyze", "healthy.pcap", "interrupted.pcap", "blocked.pcap"]) == 130
    out, err = capsys.readouterr()
    assert "✓ HEALTHY" in out
    assert "BLOCKED" not in out
    assert err == "handshake-probe: interrupted\n"


def test_a_traceback_is_shown_only_on_request(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["analyze", "surprise.pcap"])
    assert "Traceback" not in capsys.readouterr().err
    monkeypatch.setenv("HANDSHAKE_PROBE_DEBUG", "1")
    assert main(["analyze", "surprise.pcap"]) == 4
    assert "Traceback" in capsys.readouterr().err


def test_json_is_one_valid_document_per_line_and_nothing_else(capsys: Captured) -> None:
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    code = main(["analyze", "--format", "json", "--keys", "folder", *KINDS, "unreadable.pcap"])
    out, err = capsys.readouterr()
    assert code == 2
    lines = out.splitlines()
    assert [json.loads(line)["verdict"]["cause"] for line in lines] == [
        "healthy",
        "network_blocked",
        "inconclusive",
        "server_key_mismatch",
    ]
    for line in lines:
        jsonschema.validate(json.loads(line), schema)
    assert len(err.splitlines()) == 3  # one note, one error, one help


def test_notes_about_key_files_go_to_stderr_unharmful(capsys: Captured) -> None:
    main(["analyze", "healthy.pcap", "--keys", "folder"])
    out, err = capsys.readouterr()
    assert err == "handshake-probe: note: folder: no key in it\\x1b[2J\n"
    assert "no key in it" not in out


def test_a_bad_key_file_is_an_error_before_any_capture_is_read(
    capsys: Captured, calls: list[dict[str, Any]]
) -> None:
    assert main(["analyze", "healthy.pcap", "--keys", "bad.pem"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "handshake-probe: error: bad.pem: an EC key",
        "help: --keys takes DER and PEM files, slot images, and folders of them",
    ]
    assert len(calls) == 1


def test_options_reach_the_pipeline(calls: list[dict[str, Any]]) -> None:
    line = "analyze healthy.pcap --keys a --keys b --cloud-key c --port 8883 --port 5684"
    main(line.split())
    assert calls[0] == {"keys": ("a", "b"), "cloud_keys": ("c",)}
    assert calls[1]["path"] == "healthy.pcap"
    assert calls[1]["ports"] == frozenset({8883, 5684})
    assert calls[1]["keyring"] == Keyring()


def test_messages_are_shown_on_request(capsys: Captured) -> None:
    main(["analyze", "healthy.pcap"])
    assert "Hello product=6" not in capsys.readouterr().out
    main(["analyze", "healthy.pcap", "--messages"])
    assert "Hello product=6" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "error", "help_line"),
    [
        ("analyse x.pcap", "no such command 'analyse'; did you mean 'analyze'?", PROGRAM),
        ("frobnicate", "no such command 'frobnicate'", PROGRAM),
        ("--frob", "no such option", PROGRAM),
        ("analyze", "missing argument 'CAPTURE...'", f"{PROGRAM} analyze"),
        ("analyze --keys keys/", "missing argument 'CAPTURE...'", f"{PROGRAM} analyze"),
        ("analyze x --keyz k", "did you mean '--keys'?", f"{PROGRAM} analyze"),
        ("analyze x --port 0", "invalid value for '--port'", f"{PROGRAM} analyze"),
        ("analyze x --format xml", "invalid value for '--format'", f"{PROGRAM} analyze"),
        ("explain HP9999x", "no such finding 'HP9999x'", f"{PROGRAM} explain"),
        ("schema now", "invalid value for", f"{PROGRAM} schema"),
    ],
)
def test_usage_errors_are_one_line_and_one_line_of_help(
    capsys: Captured, line: str, error: str, help_line: str
) -> None:
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert first.startswith("handshake-probe: error: ")
    assert error.casefold() in first.casefold()
    assert second == f"help: {help_line} --help"


def test_without_a_command_the_help_goes_to_stderr(capsys: Captured) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == HELP


def test_the_version(capsys: Captured) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"handshake-probe {__version__}\n"


def test_the_first_screen_of_help_fits_a_terminal(capsys: Captured) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) <= 24
    assert max(map(len, out.splitlines())) <= 80
    assert all(f"  {name} " in out for name in COMMANDS)


def command(name: str) -> click.Command:
    found: click.Command = import_module(f"handshake_probe.cli.{name}").command
    return found


def below(name: str) -> list[tuple[str, ...]]:
    """A command, and the commands of its own."""
    found = command(name)
    return [(name,), *((name, one) for one in getattr(found, "commands", {}))]


PAGES = [words for name in COMMANDS for words in below(name)]


def examples() -> Iterator[str]:
    for page in [HELP, *(command(name).epilog or "" for name in COMMANDS)]:
        lines = [line.strip() for line in page.partition("Examples:")[2].splitlines()]
        yield from (line for line in lines if line)


@pytest.mark.parametrize("example", list(examples()))
def test_every_example_can_be_parsed(example: str) -> None:
    name, *arguments = shlex.split(example.partition(" > ")[0].rpartition(" | handshake")[2])[1:]
    command(name).make_context(name, arguments)  # raises when it cannot


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_every_command_has_help_that_ends_with_examples(
    capsys: Captured, words: tuple[str, ...]
) -> None:
    if command(words[0]).hidden or words[-1] == "extcap":
        return  # for Wireshark
    assert main([*words, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"handshake-probe {words[0]}" in out.splitlines()[-1]
    assert max(map(len, out.splitlines())) <= 80
    assert "\\" not in out


def test_explain_lists_all_findings(capsys: Captured) -> None:
    assert main(["explain"]) == 0
    out = capsys.readouterr().out
    assert all(code in out for code in CATALOGUE)


@pytest.mark.parametrize("code", list(CATALOGUE))
def test_explain_tells_everything_about_a_finding(capsys: Captured, code: str) -> None:
    assert main(["explain", code.lower()]) == 0
    told = " ".join(capsys.readouterr().out.split())
    entry = CATALOGUE[code]
    for text in (entry.title, entry.meaning, entry.detection, entry.doubt):
        assert " ".join(text.split()) in told
    if entry.remedy:
        assert f"{len(entry.remedy)}. " in told
    assert "{" not in told


def test_explain_knows_what_was_probably_meant(capsys: Captured) -> None:
    code = next(iter(CATALOGUE))
    assert main(["explain", code[:-1]]) == 2
    assert "did you mean HP" in capsys.readouterr().err


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def test_it_runs_as_a_module() -> None:
    done = run("-m", "handshake_probe", "--version")
    assert (done.returncode, done.stdout) == (0, f"handshake-probe {__version__}\n")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(option: str) -> None:
    done = run("-X", "importtime", "-m", "handshake_probe", option)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "handshake_probe.cli.front" in loaded
    heavy = {"click", "rich", "cryptography", "msgspec", "dns", "handshake_probe.pipeline"}
    assert loaded.isdisjoint(heavy)


def test_usage_errors_load_no_command() -> None:
    done = run("-X", "importtime", "-m", "handshake_probe", "analyse")
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in loaded
    assert loaded.isdisjoint({"rich", "cryptography", "msgspec", "dns"})


def test_a_capture_is_read_without_the_heavy_libraries(captures_dir: Path) -> None:
    script = (
        "import sys\n"
        "from handshake_probe.cli import main\n"
        "code = main(sys.argv[1:])\n"
        "heavy = {'scapy', 'pyshark', 'aiocoap', 'pytest', 'hypothesis'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else code)\n"
    )
    capture = captures_dir / "healthy-brewskey-device-os-2.3.1.pcap"
    done = run("-c", script, "analyze", str(capture))
    assert "loaded" not in done.stderr
    assert done.returncode == 0, done.stderr
    assert "HEALTHY" in done.stdout


def test_json_is_written_without_the_terminal_library(captures_dir: Path) -> None:
    capture = captures_dir / "healthy-brewskey-device-os-2.3.1.pcap"
    done = run(
        "-X", "importtime", "-m", "handshake_probe", "analyze", str(capture), "--format", "json"
    )
    assert json.loads(done.stdout)["verdict"]["cause"] == "healthy"
    assert "rich" not in {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def run_into(stdout: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "handshake_probe", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", ["schema", "explain", "--help", "--version"])
def test_a_full_disk_is_an_error_and_not_a_verdict(command: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = run_into(full.fileno(), command)
    assert done.returncode == 4
    assert done.stderr.startswith("handshake-probe: error: cannot write: ")
    assert "report it" not in done.stderr
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("command", ["schema", "explain", "--help", "--version"])
def test_a_closed_pipe_is_quiet(command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run_into(writer, command)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (4, "")


class Terminal:
    """A stderr that is a terminal."""

    def __init__(self) -> None:
        self.written = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.written += text

    def flush(self) -> None:
        pass


def test_progress_is_for_terminals_and_big_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    big, small = tmp_path / "big\x1b[2J.pcap", tmp_path / "small.pcap"
    small.write_bytes(b"")
    with big.open("wb") as file:
        file.truncate(20_000_001)
    with progress_of(str(big)) as progress:
        assert progress is None  # pytest's stderr is no terminal
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_of(str(small)) as progress:
        assert progress is None
    monkeypatch.chdir(tmp_path)
    clock = iter([0.0, 0.1, 1.0, 2.0, 9.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    with progress_of(big.name) as progress:
        assert progress is not None
        progress(5_000_000, None)  # too early to say anything
        progress(20_000_000, None)
        progress(30_000_000, 3_000_000_000)
        progress(20_000_000, 30_000_000)  # a second pass
    assert "\rreading" not in terminal.written  # the old line is erased first
    assert ": 5 MB" not in terminal.written
    assert "reading big\\x1b[2J.pcap: 20 MB, 20 MB/s\r" in terminal.written
    assert ": 1 % of 3,000 MB, 15 MB/s, 3 min 18 s left\r" in terminal.written
    assert ": 66 % of 30 MB, " in terminal.written
    assert terminal.written.endswith("\r\x1b[K")
