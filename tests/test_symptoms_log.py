"""Serial logs: their lines in every form and numbering, the attempts in them, and the verdicts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_probe.capture.serial_log import Clock, is_serial_log, read_serial_log
from handshake_probe.cli import main
from handshake_probe.diagnose.judge_log import RULES, judge_log
from handshake_probe.diagnose.observe_log import ATTEMPTS_KEPT, LogReader
from handshake_probe.model.symptoms import AttemptEnd, DeviceLogSeen
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism, Stage
from handshake_probe.protocol.device_errors import (
    ERRORS,
    DeviceError,
    Numbering,
    errors_logged_as,
    numbering_of,
)
from handshake_probe.protocol.device_log import Said, say, take_apart

Captured = pytest.CaptureFixture[str]

CONNECT = ["Cloud: connecting", "Resolved host device.spark.io to 52.10.20.30"]
SOCKET = [*CONNECT, "Cloud socket connected", "Starting handshake: presense_announce=1"]
NONCE = "[comm.lightssl.handshake] INFO: Started, receive nonce"
SENT = [
    NONCE,
    "[comm.lightssl.handshake] INFO: Encrypting nonce",
    "[comm.lightssl.handshake] INFO: Sending encrypted nonce",
    "[comm.lightssl.handshake] INFO: Receive key",
]
GOT = [*SENT, "[comm.lightssl.handshake] INFO: Setting key"]


def log(*lines: str, step: float = 0.1) -> DeviceLogSeen:
    """A log of these lines, a step apart; those without a category get one."""
    reader = LogReader()
    for number, line in enumerate(lines, 1):
        head = f"{int(5000 + number * step * 1000):010d}"
        said = line if line.startswith("[") else f"[system] INFO: {line}"
        reader.feed(number, None, f"{head} {said}")
    return reader.observation("o1", path="serial.log", sha256="", lines=len(lines), clock="none")


def end_of(*lines: str) -> AttemptEnd:
    attempts = log(*lines).attempts
    assert len(attempts) == 1
    return attempts[0].end


@pytest.mark.parametrize(
    ("lines", "end", "cause"),
    [
        (
            ["Cloud: connecting", "ERROR: Cloud: unable to resolve IP for device.spark.io",
             "Cloud socket connection failed: -1", "Internet Test Failed!"],
            AttemptEnd.NOT_RESOLVED,
            Cause.NETWORK_BLOCKED,
        ),
        (
            [*CONNECT, "Cloud socket connection failed: -230",
             "Internet available, Cloud not reachable!"],
            AttemptEnd.CONNECT_FAILED,
            Cause.NETWORK_BLOCKED,
        ),
        (
            [*SOCKET, NONCE, "[comm.lightssl.handshake] ERROR: Could not receive nonce: -1"],
            AttemptEnd.NO_NONCE,
            Cause.INCONCLUSIVE,
        ),
        ([*SOCKET, *SENT[:2], "RSA encrypt error -1"], AttemptEnd.NO_IDENTITY,
         Cause.SERVER_KEY_MISMATCH),
        ([*SOCKET, *SENT, "Unable to receive key -1"], AttemptEnd.NO_CREDENTIALS,
         Cause.INCONCLUSIVE),
        ([*SOCKET, *GOT, "decryption failed with code -16640"], AttemptEnd.DECRYPTION_FAILED,
         Cause.DEVICE_KEY_CORRUPTION),
        ([*SOCKET, *GOT, "signature validation failed with code -17280"],
         AttemptEnd.SIGNATURE_REFUSED, Cause.SERVER_KEY_MISMATCH),
        ([*SOCKET, *GOT, "[comm.lightssl.handshake] INFO: Completed",
          "Handshake: could not receive hello response 10"], AttemptEnd.NO_SERVER_HELLO,
         Cause.INCONCLUSIVE),
        ([*SOCKET, *GOT, "Hanshake: completed", "Cloud connected"], AttemptEnd.CONNECTED,
         Cause.HEALTHY),
        (["Cloud connected", "[comm.protocol] ERROR: Event loop error 1"], AttemptEnd.LOST,
         Cause.INCONCLUSIVE),
        (SOCKET, AttemptEnd.UNFINISHED, Cause.INCONCLUSIVE),
    ],
)  # fmt: skip
def test_lines_tell_where_an_attempt_ends(lines: list[str], end: AttemptEnd, cause: Cause) -> None:
    seen = log(*lines)
    assert [attempt.end for attempt in seen.attempts] == [end]
    judgement = judge_log(seen).judgement
    assert judgement.cause is cause
    assert judgement.confidence is not Confidence.PROVEN
    assert judgement.clues[0].code == RULES[end].code


@pytest.mark.parametrize(
    ("code", "end"),
    [
        (6, AttemptEnd.DECRYPTION_FAILED),
        (7, AttemptEnd.NO_IDENTITY),
        (8, AttemptEnd.SIGNATURE_REFUSED),
        (10, AttemptEnd.NO_SERVER_HELLO),
        (25, AttemptEnd.NO_NONCE),
        (26, AttemptEnd.NO_CREDENTIALS),
        (22, AttemptEnd.HANDSHAKE_FAILED),
        (-130, AttemptEnd.SIGNATURE_REFUSED),  # one error alone is logged so
        (-160, AttemptEnd.NO_SERVER_HELLO),
        (-220, AttemptEnd.HANDSHAKE_FAILED),
        (-240, AttemptEnd.HANDSHAKE_FAILED),
        (-19, AttemptEnd.HANDSHAKE_FAILED),
        (1, AttemptEnd.HANDSHAKE_FAILED),
    ],
)
def test_a_bare_number_says_what_its_numbering_lets_it(code: int, end: AttemptEnd) -> None:
    assert end_of(f"WARN: Cloud handshake failed, code={code}") is end


@pytest.mark.parametrize(
    ("steps", "code", "end"),
    [
        ([NONCE], -220, AttemptEnd.NO_NONCE),
        (SENT[:2], -240, AttemptEnd.NO_IDENTITY),
        (SENT, -220, AttemptEnd.NO_CREDENTIALS),
        (SENT, -19, AttemptEnd.NO_CREDENTIALS),
        (GOT, -240, AttemptEnd.DECRYPTION_FAILED),
    ],
)
def test_the_step_before_tells_errors_apart_that_share_a_number(
    steps: list[str], code: int, end: AttemptEnd
) -> None:
    assert end_of(*SOCKET, *steps, f"Cloud handshake failed, code={code}") is end


def test_the_protocols_own_line_names_the_error_in_every_version() -> None:
    seen = log(
        *SOCKET,
        "[comm.protocol.handshake] ERROR: Handshake failed: 26",
        "Internet available, Cloud not reachable!",
        "Cloud handshake failed, code=-220",
    )
    (attempt,) = seen.attempts
    assert (attempt.end, attempt.error, attempt.code) == (AttemptEnd.NO_CREDENTIALS, 26, -220)
    assert attempt.internet is True
    assert (seen.numbering, seen.at_least) == ("system_error", "2.0.0")


def test_0_4_0_counts_decryption_and_signature_from_one() -> None:
    classic = "[comm.sparkprotocol.handshake] INFO: Setting key"
    for code, end in ((1, AttemptEnd.DECRYPTION_FAILED), (2, AttemptEnd.SIGNATURE_REFUSED)):
        assert end_of(*SOCKET, classic, f"Cloud handshake failed, code={code}") is end


@pytest.mark.parametrize(
    ("waited", "mechanism", "first"),
    [
        (0.3, Mechanism.IDENTITY_REFUSED, Cause.SERVER_KEY_MISMATCH),
        (20.1, Mechanism.IDENTITY_UNANSWERED, Cause.SERVER_FAULT),
    ],
)
def test_a_device_that_waited_in_vain_was_not_refused(
    waited: float, mechanism: Mechanism, first: Cause
) -> None:
    reader = LogReader()
    lines = [(0.0, text) for text in (*SOCKET, *SENT)]
    lines.append((waited, "Unable to receive key -1"))
    for number, (time, text) in enumerate(lines, 1):
        reader.feed(number, 1000.0 + time, text.removeprefix("[comm.lightssl.handshake] INFO: "))
    seen = reader.observation("o1", path="", sha256="", lines=0, clock="wall")
    judgement = judge_log(seen).judgement
    assert judgement.mechanism is mechanism
    assert judgement.candidates[0] is first


def test_each_attempt_is_its_own_and_doubled_lines_are_one() -> None:
    once = [*SOCKET, *SENT, "Unable to receive key -1", "Cloud handshake failed, code=26"]
    twice = [line for line in once for _ in range(2)]
    assert log(*twice).attempts_total == 1
    assert log(*once, "Cloud: disconnected", *once).attempts_total == 2
    alone = "Cloud handshake failed, code=26"
    assert log(alone, "Cloud: disconnecting", alone, alone).attempts_total == 2


def test_the_most_frequent_failure_counts_and_a_later_session_is_recovery() -> None:
    refused = [*SOCKET, *GOT, "decryption failed with code -1"]
    dead = [*CONNECT, "Cloud socket connection failed: -1"]
    told = judge_log(log(*refused, *dead, *refused, *SOCKET, "Cloud connected"))
    assert told.judgement.cause is Cause.DEVICE_KEY_CORRUPTION
    assert told.recovered
    assert [clue.code for clue in told.judgement.clues] == ["HP816", "HP812"]


def test_a_log_of_a_udp_device_is_not_judged() -> None:
    seen = log("[comm.dtls] WARN: unable to parse", "Cloud handshake failed, code=16")
    assert judge_log(seen).judgement.clues[0].code == "HP846"
    assert judge_log(seen).judgement.cause is Cause.INCONCLUSIVE


def test_only_the_last_attempts_are_kept() -> None:
    seen = log(*([*CONNECT, "Cloud socket connection failed: -1"] * (ATTEMPTS_KEPT + 3)))
    assert len(seen.attempts) == ATTEMPTS_KEPT
    assert seen.attempts_total == ATTEMPTS_KEPT + 3
    [clue, *_] = judge_log(seen).judgement.clues
    assert f"{ATTEMPTS_KEPT} of the last {ATTEMPTS_KEPT} attempts" in clue.text
    few = log(*([*CONNECT, "Cloud socket connection failed: -1"] * 3))
    assert "3 times in all" in judge_log(few).judgement.clues[0].text


@pytest.mark.parametrize(
    ("line", "uptime", "category", "said"),
    [
        ("0000012345 [system] INFO: Cloud: connecting", 12.345, "system", Said.CONNECTING),
        ("> 0000012345 [system] WARN: Internet Test Failed!", 12.345, "system", Said.NO_INTERNET),
        (
            "2026-11-22 10:00:00.000 0000000007 [comm.lightssl.handshake] INFO: Completed",
            0.007, "comm.lightssl.handshake", Said.HELLO,
        ),
        (
            "0000000007 [comm.sparkprotocol.handshake] INFO: Completed",
            0.007, "comm.sparkprotocol.handshake", Said.COMPLETED,
        ),
        (
            "0000011502:INFO : int SparkProtocol::handshake() (123):Hanshake: completed",
            11.502, "int SparkProtocol::handshake()", Said.COMPLETED,
        ),
        ("Cloud handshake failed, code=-220", None, "", Said.FAILED),
        ("dfu-util: Invalid DFU suffix signature", None, "", Said.DFU_SUFFIX),
        ("Warning: File has no DFU suffix", None, "", Said.DFU_SUFFIX),
        ("! Network not ready", None, "", Said.NOT_READY),
        ("hello world", None, "", None),
    ],
)  # fmt: skip
def test_lines_of_every_age_are_taken_apart(
    line: str, uptime: float | None, category: str, said: Said | None
) -> None:
    parts = take_apart(line)
    assert (parts.uptime, parts.category) == (uptime, category)
    told = say(parts)
    assert (told and told[0]) == said


@given(st.lists(st.text(max_size=120), max_size=12))
def test_any_lines_make_an_observation_and_a_verdict(lines: list[str]) -> None:
    seen = log(*lines)
    assert judge_log(seen).judgement.summary


_PIECES = [*SOCKET, *GOT, "Cloud connected", "Cloud: disconnecting", "Internet Test Failed!",
           "Cloud handshake failed, code=-220", "Cloud handshake failed, code=6",
           "Cloud socket connection failed: -1", "unable to resolve IP", "Event loop error 1",
           "Handshake failed: 25", "Unable to receive key -1"]  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES), max_size=25))
def test_lines_in_any_order_keep_attempts_in_order(lines: list[str]) -> None:
    attempts = log(*lines).attempts
    numbers = [number for attempt in attempts for number in (attempt.line, attempt.last_line)]
    assert numbers == sorted(numbers)
    judgement = judge_log(log(*lines)).judgement
    assert judgement.cause in (*judgement.candidates, Cause.INCONCLUSIVE)


def test_numberings() -> None:
    assert numbering_of(26) is Numbering.PROTOCOL
    assert numbering_of(-19) is Numbering.SOCKET
    assert numbering_of(-220) is Numbering.SYSTEM
    assert set(errors_logged_as(-220)) >= {
        DeviceError.LIGHTSSL_HANDSHAKE_NONCE,
        DeviceError.LIGHTSSL_HANDSHAKE_RECV_KEY,
    }
    assert errors_logged_as(-130) == (DeviceError.AUTHENTICATION_ERROR,)
    assert errors_logged_as(-19) == ()
    assert set(ERRORS) == set(DeviceError)


CLOUD_DEBUG = """\
Serial monitor opened successfully:
> 0000015205 [app] INFO: Starting Tests!
0000015205 [app] INFO: Platform: Photon
0000015205 [app] INFO: System version: 2.3.0
0000015206 [app] INFO: Device ID: 290028000a47343337373739
0000015300 [app] INFO: ping addr 8.8.8.8=1
0000015400 [app] INFO: device.spark.io=52.10.20.30
0000015500 [app] INFO: connected to device server CoAP (testing connection only)
0000015600 [system] INFO: Cloud: connecting
0000015700 [system] INFO: Cloud socket connected
0000015701 [comm.lightssl.handshake] INFO: Started, receive nonce
0000015801 [comm.lightssl.handshake] INFO: Encrypting nonce
0000015901 [comm.lightssl.handshake] INFO: Sending encrypted nonce
0000015902 [comm.lightssl.handshake] INFO: Receive key
0000016002 [comm.lightssl.handshake] ERROR: Unable to receive key -220
0000016003 [comm.protocol.handshake] ERROR: handshake failed with code 26
0000016300 [system] WARN: Cloud handshake failed, code=-220
"""


def written(folder: Path, text: str | bytes, name: str = "serial.log") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_a_debug_firmwares_log_is_a_document(tmp_path: Path, capsys: Captured) -> None:
    path = written(tmp_path, CLOUD_DEBUG)
    assert main(["analyze", path, "--format", "json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert (document["kind"], document["source"]["format"]) == ("log", "serial-log")
    (device,) = document["devices"]
    assert device["device_id"] == "290028000a47343337373739"
    assert device["verdict"]["stage"] == Stage.IDENTITY_SENT
    assert device["verdict"]["mechanism"] == "identity_refused"
    (seen,) = document["observations"]
    assert (seen["device_os"], seen["platform"]) == ("2.3.0", "photon")
    assert [f["code"] for f in document["findings"]] == ["HP815", "HP847"]
    assert main(["analyze", path]) == 3
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_harmless_warnings_and_advice_that_does_not_apply_are_named(
    tmp_path: Path, capsys: Captured
) -> None:
    text = "\n".join(
        [
            "$ particle flash --usb tinker",
            "dfu-util: Invalid DFU suffix signature",
            "$ particle keys doctor 290028000a47343337373739",
            "Error: Permission Denied",
            "Okay! New keys in place",
            *[f"0000005000 [system] INFO: {line}" for line in CONNECT],
            "0000005001 [system] WARN: Cloud socket connection failed: -1",
            "Network not ready",
        ]
    )
    assert main(["analyze", written(tmp_path, text), "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    codes = [finding["code"] for finding in document["findings"]]
    assert codes == ["HP812", "HP840", "HP841", "HP842", "HP843", "HP844"]
    assert "keys" not in " ".join(document["verdict"]["next_steps"]).replace(
        "Leave the keys alone", ""
    )


def test_a_log_of_tools_alone_tells_of_no_attempt(tmp_path: Path, capsys: Captured) -> None:
    path = written(tmp_path, "dfu-util: Invalid DFU suffix signature\n")
    assert main(["analyze", path, "--format", "json"]) == 3
    assert json.loads(capsys.readouterr().out)["verdict"]["findings"] == ["HP823", "HP840"]


@pytest.mark.parametrize(
    "text",
    ["dear diary\n", "Sender IP address: 192.168.1.2\nplatform: linux\nPermission denied\n"],
)
def test_text_that_no_device_prints_is_no_log(tmp_path: Path, capsys: Captured, text: str) -> None:
    path = written(tmp_path, text)
    assert not is_serial_log(path)
    assert main(["analyze", path]) == 2
    assert "not a capture: looks like plain text" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_ends_and_colours_of_terminals(tmp_path: Path, encoding: str, end: str) -> None:
    text = f"\x1b[32m0000000001 [system] INFO: Cloud: connecting\x1b[0m{end}x{end}"
    path = written(tmp_path, text.encode(encoding))
    assert is_serial_log(path)
    log_read = read_serial_log(path)
    assert [line.number for line in log_read.lines] == [1]
    assert log_read.total == 2


@pytest.mark.parametrize(
    ("stamp", "clock", "time"),
    [
        ("2026-11-22T10:00:00.250Z ", Clock.WALL, 1795341600.25),
        ("[2026-11-22 11:00:00,250+01:00] ", Clock.WALL, 1795341600.25),
        ("10:00:00.250 -> ", Clock.TIME_OF_DAY, 36000.25),
        ("", Clock.NONE, None),
        ("99:00:00 ", Clock.NONE, None),
        ("2026-13-22 10:00:00 ", Clock.NONE, None),
    ],
)
def test_stamps_of_terminal_programs(
    tmp_path: Path, stamp: str, clock: Clock, time: float | None
) -> None:
    path = written(tmp_path, f"{stamp}0000000001 [system] INFO: Cloud: connecting\n")
    log_read = read_serial_log(path)
    assert (log_read.clock, log_read.lines[0].time) == (clock, time)


@given(data=st.binary(max_size=2000))
def test_any_bytes_are_a_log_or_none(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = written(tmp_path_factory.mktemp("log"), data)
    if is_serial_log(path):
        read_serial_log(path)


def test_only_addresses_are_taken_for_addresses() -> None:
    for text in ("localIP=192.168.1.5", "IP address: 192.168.1.5"):
        assert log(f"[app] INFO: {text}").address == "192.168.1.5"
    for text in ("localIP=300.168.1.5", "localIP=0.0.0.0", "localIP=1.2.3.4.5"):
        assert log(f"[app] INFO: {text}").address is None


def test_a_name_that_is_no_text(tmp_path: Path, capsys: Captured) -> None:
    path = written(tmp_path, CLOUD_DEBUG, "serial\udcff.log")
    assert main(["analyze", path, "--format", "json"]) == 3
    assert json.loads(capsys.readouterr().out)["source"]["path"].endswith("serial\ufffd.log")


def test_what_cannot_be_a_log(tmp_path: Path) -> None:
    assert not is_serial_log(str(tmp_path))
    assert not is_serial_log(str(tmp_path / "missing"))
    assert not is_serial_log("-")
    assert not is_serial_log("a\0b")


def test_nothing_of_a_log_is_quoted(tmp_path: Path, capsys: Captured) -> None:
    secret = "ssid=MyHome password=hunter2"
    path = written(tmp_path, f"{CLOUD_DEBUG}0000000009 [app] INFO: {secret}\n{secret}\n")
    for form in ("text", "json"):
        main(["analyze", path, "--format", form])
        captured = capsys.readouterr()
        assert "hunter2" not in captured.out + captured.err
