"""LEDs and logs beside captures: what is joined, what decides, what contradicts; and a story."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from handshake_probe.cli import main

Captured = pytest.CaptureFixture[str]
CAPTURES = Path(__file__).parent.parent / "captures"
REFUSED = "wrong-device-key-original-server-device-os-1.0.0"
HANGS_UP = "wrong-device-key-brewskey-device-os-1.0.0"
OTHER_SIGNATURE = "wrong-server-key-signature-by-another-key"
BLOCKED = "blocked-syn-dropped"
HEALTHY = "healthy-brewskey-device-os-3.3.1"
UNCLAIMED = "unclaimed-claim-code-never-confirmed"

STEPS = [
    "[system] INFO: Cloud: connecting",
    "[system] INFO: Cloud socket connected",
    "[comm.lightssl.handshake] INFO: Started, receive nonce",
    "[comm.lightssl.handshake] INFO: Encrypting nonce",
    "[comm.lightssl.handshake] INFO: Sending encrypted nonce",
    "[comm.lightssl.handshake] INFO: Receive key",
]
NOT_DECRYPTED = [
    *STEPS,
    "[comm.lightssl.handshake] INFO: Setting key",
    "[comm.lightssl] WARN: decryption failed with code -16640",
    "[system] WARN: Cloud handshake failed, code=6",
]
NOT_CONNECTED = [STEPS[0], "[system] WARN: Cloud socket connection failed: -1"]


def capture(name: str) -> str:
    return next(str(path) for path in CAPTURES.glob(f"{name}.pcap*"))


def written(folder: Path, lines: list[str], stamp: str = "", name: str = "serial.log") -> str:
    path = folder / name
    path.write_text(
        "".join(f"{stamp}{number:010d} {line}\n" for number, line in enumerate(lines, 5000))
    )
    return str(path)


def analysed(capsys: Captured, *arguments: str) -> list[dict[str, Any]]:
    main(["analyze", *arguments, "--format", "json"])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def one(capsys: Captured, *arguments: str) -> dict[str, Any]:
    (document,) = analysed(capsys, *arguments)
    return document


def codes(document: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in document["findings"]]


def start_of(capsys: Captured, name: str) -> datetime:
    return datetime.fromisoformat(one(capsys, capture(name))["source"]["first"])


@pytest.mark.parametrize(
    ("name", "colour", "cause"),
    [
        (REFUSED, "orange", "device_key_corruption"),
        (OTHER_SIGNATURE, "magenta", "server_key_mismatch"),
    ],
)
def test_a_flash_that_names_the_step_decides_what_the_capture_left_open(
    capsys: Captured, name: str, colour: str, cause: str
) -> None:
    led = ["--led", f"cyan, one {colour} flash"]
    assert one(capsys, capture(name))["verdict"]["cause"] == "inconclusive"
    document = one(capsys, capture(name), *led, "--device-os", "1.0.0")
    verdict = document["devices"][0]["verdict"]
    assert (verdict["cause"], verdict["confidence"]) == (cause, "likely")
    assert document["verdict"]["cause"] == cause
    assert verdict["candidates"][0] == cause
    assert verdict["findings"][0] == "HP803"
    assert verdict["assumption"]
    # Firmware from 2.0 on never shows it: then it decides nothing, and that is said.
    newer = one(capsys, capture(name), *led, "--device-os", "2.3.1")
    assert newer["verdict"]["cause"] == "inconclusive"
    assert "HP802" in codes(newer)


def test_a_flash_leaves_a_proven_verdict_alone(capsys: Captured) -> None:
    keys = ["--keys", str(CAPTURES / f"{HANGS_UP}.keys")]
    bare = one(capsys, capture(HANGS_UP), *keys)["devices"][0]["verdict"]
    assert bare["confidence"] == "proven"
    judged = one(capsys, capture(HANGS_UP), *keys, "--led", "cyan, one red flash")
    verdict = judged["devices"][0]["verdict"]
    assert {**verdict, "findings": None} == {**bare, "findings": None}
    assert verdict["findings"] == [*bare["findings"], "HP800"]


@pytest.mark.parametrize(
    ("name", "led"),
    [
        (BLOCKED, "cyan, one red flash"),  # red needs a connection
        (HANGS_UP, "cyan, 3 orange flashes"),  # below 2.0 that is no connection
        (HANGS_UP, "breathing cyan"),
        (HEALTHY, "one red flash"),
        (REFUSED, "blinking green"),
    ],
)
def test_an_led_that_contradicts_the_wire_is_a_question_and_changes_nothing(
    capsys: Captured, name: str, led: str
) -> None:
    bare = one(capsys, capture(name))["devices"][0]["verdict"]
    document = one(capsys, capture(name), "--led", led, "--device-os", "1.5.2")
    (asked,) = [finding for finding in document["findings"] if finding["code"] == "HP801"]
    assert asked["text"].endswith("Is it the same device, at the same time?")
    assert document["devices"][0]["verdict"]["cause"] == bare["cause"]
    assert document["devices"][0]["verdict"]["candidates"] == bare["candidates"]


@pytest.mark.parametrize(
    ("name", "led"),
    [
        (BLOCKED, "cyan, 3 orange flashes"),
        (BLOCKED, "blinking cyan, orange twice"),
        (HANGS_UP, "fast cyan, one red flash"),
        (HEALTHY, "breathing cyan"),
    ],
)
def test_an_led_that_fits_is_only_told(capsys: Captured, name: str, led: str) -> None:
    added = set(codes(one(capsys, capture(name), "--led", led)))
    assert added - set(codes(one(capsys, capture(name)))) == {"HP800"}


def test_the_version_is_read_from_the_internet_test_in_the_capture(capsys: Captured) -> None:
    newer = "wrong-device-key-original-server-device-os-3.3.1"  # it asks NTP
    document = one(capsys, capture(newer), "--led", "one orange flash")
    assert "HP802" in codes(document)


def test_an_led_beside_several_devices_is_not_weighed(capsys: Captured) -> None:
    documents = analysed(capsys, capture(BLOCKED), capture(HEALTHY), "--led", "one red flash")
    assert [document["findings"][-1]["code"] for document in documents] == ["HP804", "HP804"]


@pytest.mark.parametrize("stamped", [True, False])
def test_a_log_of_the_same_minutes_is_judged_with_the_capture(
    capsys: Captured, tmp_path: Path, stamped: bool
) -> None:
    stamp = f"{start_of(capsys, REFUSED).isoformat()} " if stamped else ""
    path = written(tmp_path, NOT_DECRYPTED, stamp)
    document = one(capsys, capture(REFUSED), path)
    assert document["kind"] == "capture"
    verdict = document["devices"][0]["verdict"]
    assert (verdict["cause"], verdict["confidence"]) == ("device_key_corruption", "likely")
    assert {"HP831", "HP810"} <= set(codes(document))
    (seen,) = [o for o in document["observations"] if o["kind"] == "device_log"]
    assert seen["joined"] == ("same_minutes" if stamped else "only_device")
    assert seen["device"] == document["devices"][0]["address"]
    ids = [observation["id"] for observation in document["observations"]]
    assert len(set(ids)) == len(ids)


def test_a_log_with_times_of_day_takes_the_captures_day(capsys: Captured, tmp_path: Path) -> None:
    local = start_of(capsys, REFUSED).astimezone()
    path = written(tmp_path, NOT_DECRYPTED, f"{local:%H:%M:%S} ")
    (seen,) = [
        o for o in one(capsys, capture(REFUSED), path)["observations"] if o["kind"] == "device_log"
    ]
    assert (seen["joined"], seen["clock"]) == ("same_minutes", "wall")
    assert abs(seen["first"] - local.timestamp()) < 1


def test_a_log_of_another_day_stands_alone(capsys: Captured, tmp_path: Path) -> None:
    later = start_of(capsys, REFUSED) + timedelta(days=1)
    path = written(tmp_path, NOT_DECRYPTED, f"{later.isoformat()} ")
    captured, alone = analysed(capsys, capture(REFUSED), path)
    assert captured["verdict"]["cause"] == "inconclusive"
    assert alone["kind"] == "log"
    assert "HP832" in codes(alone)
    assert "another time" in alone["findings"][-1]["text"]


def test_a_log_without_a_clock_is_not_guessed_into_one_of_two_captures(
    capsys: Captured, tmp_path: Path
) -> None:
    path = written(tmp_path, NOT_DECRYPTED)
    documents = analysed(capsys, capture(REFUSED), capture(HEALTHY), path)
    assert [document["kind"] for document in documents] == ["capture", "capture", "log"]
    assert "HP832" in codes(documents[2])


def test_a_device_id_in_the_log_binds_it(capsys: Captured, tmp_path: Path) -> None:
    keys = ["--keys", str(CAPTURES / f"{UNCLAIMED}.keys")]
    (device,) = one(capsys, capture(UNCLAIMED), *keys)["devices"]
    named = f"[app] INFO: Device ID: {device['device_id']}"
    connected = [*STEPS[:2], "[system] INFO: Cloud connected"]
    path = written(tmp_path, [named, *connected])
    first, second = analysed(capsys, capture(UNCLAIMED), capture(REFUSED), path, *keys)
    (seen,) = [o for o in first["observations"] if o["kind"] == "device_log"]
    assert seen["joined"] == "device_id"
    assert not [o for o in second["observations"] if o["kind"] == "device_log"]
    other = written(tmp_path, ["[app] INFO: Device ID: 0123456789abcdef01234567", *connected])
    documents = analysed(capsys, capture(UNCLAIMED), other, *keys)
    assert [document["kind"] for document in documents] == ["capture", "log"]


def test_a_log_that_contradicts_the_wire_is_a_question(capsys: Captured, tmp_path: Path) -> None:
    path = written(tmp_path, NOT_CONNECTED)
    bare = one(capsys, capture(REFUSED))["devices"][0]["verdict"]
    document = one(capsys, capture(REFUSED), path)
    assert "HP830" in codes(document)
    assert document["devices"][0]["verdict"]["cause"] == bare["cause"]


def test_a_log_that_names_another_cause_than_the_wire_is_a_question(
    capsys: Captured, tmp_path: Path
) -> None:
    keys = ["--keys", str(CAPTURES / f"{OTHER_SIGNATURE}.keys")]
    document = one(capsys, capture(OTHER_SIGNATURE), written(tmp_path, NOT_DECRYPTED), *keys)
    assert document["verdict"]["cause"] == "server_key_mismatch"
    assert "HP830" in codes(document)


def test_an_led_and_a_log_are_weighed_without_a_capture(capsys: Captured, tmp_path: Path) -> None:
    path = written(tmp_path, NOT_CONNECTED)
    fits = one(capsys, path, "--led", "cyan, 3 orange flashes")
    assert (fits["kind"], codes(fits)) == ("log", ["HP812", "HP800"])
    odd = one(capsys, path, "--led", "cyan, one red flash")
    assert "HP801" in codes(odd)


@pytest.mark.parametrize(
    "led", [[], ["--led", "cyan, one orange flash", "--device-os", "1.5.2"]], ids=["", "led"]
)
@pytest.mark.parametrize("names", [[], [REFUSED]], ids=["log", "capture-and-log"])
def test_a_saved_document_is_judged_again_alike(
    capsys: Captured, tmp_path: Path, names: list[str], led: list[str]
) -> None:
    path = written(tmp_path, NOT_DECRYPTED)
    first = one(capsys, *map(capture, names), path, *led)
    saved = tmp_path / "saved.json"
    saved.write_text(json.dumps(first))
    main(["diagnose", str(saved), "--format", "json"])
    again = json.loads(capsys.readouterr().out)
    assert again["verdict"] == first["verdict"]
    assert sorted(codes(again)) == sorted(codes(first))
    assert len(again["observations"]) == len(first["observations"])


def test_a_saved_led_is_judged_again_alike(capsys: Captured, tmp_path: Path) -> None:
    main(["led", "cyan, one orange flash", "--device-os", "1.5.2", "--format", "json"])
    first = capsys.readouterr().out
    saved = tmp_path / "saved.json"
    saved.write_text(first)
    main(["diagnose", str(saved), "--format", "json"])
    assert capsys.readouterr().out == first
    main(["diagnose", str(saved)])
    assert capsys.readouterr().out.startswith("LED: cyan, one orange flash\n")


def test_exit_codes_are_those_of_what_is_shown(capsys: Captured, tmp_path: Path) -> None:
    path = written(tmp_path, NOT_DECRYPTED)
    assert main(["analyze", capture(REFUSED)]) == 3
    assert main(["analyze", capture(REFUSED), path]) == 1
    assert main(["analyze", capture(REFUSED), "missing.pcap", path]) == 2
    capsys.readouterr()


def test_the_story_of_one_red_flash(capsys: Captured, tmp_path: Path) -> None:
    """A Photon flashes red once; keys are renewed; it breathes cyan and is in nobody's console."""
    # The LED alone: not a closed port, no cause, and how to go on.
    assert main(["led", "cyan, one red flash"]) == 3
    told = " ".join(capsys.readouterr().out.split())
    assert "the cloud's port is not simply closed" in told
    assert 'handshake-probe analyze home.pcap --led "cyan, one red flash"' in told

    # A capture: the network is fine, the cloud hangs up; which key cannot be told without keys.
    led = ["--led", "cyan, one red flash"]
    document = one(capsys, capture(HANGS_UP), *led)
    verdict = document["devices"][0]["verdict"]
    assert (verdict["cause"], verdict["stage"]) == ("inconclusive", "identity_sent")
    assert "device_key_corruption" in verdict["candidates"]
    assert "network_blocked" in verdict["ruled_out"]

    # The operator of the cloud has the keys: it is the device's own.
    keys = tmp_path / "keys"
    shutil.copytree(CAPTURES / f"{HANGS_UP}.keys", keys)
    verdict = one(capsys, capture(HANGS_UP), *led, "--keys", str(keys))["devices"][0]["verdict"]
    assert (verdict["cause"], verdict["confidence"]) == ("device_key_corruption", "proven")
    assert any("particle keys doctor" in step for step in verdict["next_steps"])

    # After the new key it breathes cyan; setup says “Network not ready” all the same.
    assert main(["led", "breathing cyan"]) == 0
    assert "particle device add <device id>" in capsys.readouterr().out
    setup = written(tmp_path, [*STEPS[:2], "[system] INFO: Cloud connected", "Network not ready"])
    document = one(capsys, setup)
    assert document["verdict"]["cause"] == "healthy"
    assert "HP841" in codes(document)

    # A capture with the device's key shows the claim code that nobody confirms.
    document = one(
        capsys, capture(UNCLAIMED), "--keys", str(CAPTURES / f"{UNCLAIMED}.keys"),
        "--led", "breathing cyan",
    )  # fmt: skip
    verdict = document["devices"][0]["verdict"]
    assert verdict["cause"] == "unclaimed"
    assert "HP801" not in codes(document)
    assert any("particle device add" in step for step in verdict["next_steps"])
