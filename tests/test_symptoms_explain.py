"""Every table of what a device says is reached by `explain`."""

from __future__ import annotations

import pytest

from handshake_probe.cli import main
from handshake_probe.diagnose.catalogue import CATALOGUE
from handshake_probe.diagnose.symptoms.advice import ADVICE
from handshake_probe.diagnose.symptoms.key_error import KEY_ERROR_BITS, key_errors
from handshake_probe.diagnose.symptoms.stages import STAGE_ROWS
from handshake_probe.diagnose.symptoms.topics import find_topic, list_topics
from handshake_probe.protocol.device_errors import ERRORS, errors_logged_as
from handshake_probe.protocol.led_phrase import Colour, parse_phrase

Captured = pytest.CaptureFixture[str]


def explained(capsys: Captured, *words: str) -> str:
    assert main(["explain", *words]) == 0
    out = capsys.readouterr().out
    wrapped = [line for line in out.splitlines() if "handshake-probe analyze" not in line]
    assert max(map(len, wrapped)) <= 80  # a command to copy stays in one line
    return " ".join(out.split())


@pytest.mark.parametrize("listed", list(list_topics()), ids=lambda listed: listed.name)
def test_everything_listed_is_explained(capsys: Captured, listed: tuple[str, str, str]) -> None:
    assert explained(capsys, listed[1])


def test_the_list_names_every_table(capsys: Captured) -> None:
    told = explained(capsys)
    for name in [
        *CATALOGUE,
        *(f"code={error.value}" for error in ERRORS),
        *(f"stage {row.letter}" for row in STAGE_ROWS),
        *(f"key/error {bit}" for bit in KEY_ERROR_BITS),
        *(advice.name for advice in ADVICE),
        "code=-220",
        "one red flash",
        "internet test",
    ]:
        assert name in told


@pytest.mark.parametrize(
    "words",
    ["code=7", "7", "error 7", "code 7", "ENCRYPTION_ERROR", "Cloud handshake failed, code=7"],
)
def test_a_number_is_asked_for_in_many_ways(capsys: Captured, words: str) -> None:
    assert "ENCRYPTION_ERROR" in explained(capsys, *words.split())


@pytest.mark.parametrize(
    ("words", "tells"),
    [
        ("-26", "no system error: those begin at -100"),
        ("-26", "LIGHTSSL_HANDSHAKE_RECV_KEY"),
        ("-220", "LIGHTSSL_HANDSHAKE_NONCE"),
        ("code=-130", "AUTHENTICATION_ERROR"),
        ("6", "One orange flash"),
        ("26", "Logged as -220"),
        ("red flash", "the cloud's port is not simply closed"),
        ("orange x3", "8.8.8.8"),
        ("factory reset", "A Photon or P1 has none"),
        ("keys doctor", "no new pair helps there"),
        ("particle keys doctor", "no new pair helps there"),
        ("tinker", "Replaces the application"),
        ("network not ready", "it is connected"),
        ("Invalid DFU suffix signature", "it is harmless"),
        ("stage f", "without 384"),
        ("key/error 5", "server key blank, server address blank"),
        ("spark/device/key/error", "device private key corrupted"),
        ("ntp", "UDP port 123"),
        ("hp201", "cannot read the identity"),
    ],
)
def test_what_people_ask(capsys: Captured, words: str, tells: str) -> None:
    assert tells in explained(capsys, *words.split())


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("bananas", "'handshake-probe explain' lists what there is"),
        ("factory rest", "did you mean 'factory reset'?"),
        ("code=4711", "nothing explains 'code=4711'"),
        ("-999", "lists what there is"),
        ("stage z", "did you mean 'stage "),
        ("key/error 256", "did you mean 'key/error "),
        ("HP9999", "no such finding"),
    ],
)
def test_what_nothing_explains(capsys: Captured, words: str, hint: str) -> None:
    assert main(["explain", words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert hint in captured.err


def test_help_is_still_an_option(capsys: Captured) -> None:
    assert main(["explain", "--help"]) == 0
    assert "Explain a finding" in capsys.readouterr().out


def test_masks_are_sums() -> None:
    assert key_errors(sum(KEY_ERROR_BITS)) == list(KEY_ERROR_BITS.values())
    assert key_errors(0) == []


def test_system_errors_name_their_protocol_errors() -> None:
    for error, row in ERRORS.items():
        if row.system_error:
            assert error in errors_logged_as(row.system_error)


def test_flashes_named_in_the_table_of_errors_are_colours() -> None:
    assert {Colour(row.flash) for row in ERRORS.values()} == {
        Colour.RED,
        Colour.ORANGE,
        Colour.MAGENTA,
    }


def test_leds_of_the_stage_table_are_phrases() -> None:
    for row in STAGE_ROWS:
        words = row.led.split(" (")[0].replace("by turns", "").replace(" for up to 20 s", "")
        words = words.replace(" after 20 s", "").replace(" after 4 s", "")
        assert parse_phrase(words).signals


def test_an_explanation_ends_each_paragraph() -> None:
    for listed in list_topics():
        topic = find_topic(listed.name)
        assert topic is not None
        for _, text in topic.paragraphs:
            assert text.endswith(".")
            assert ".." not in text
