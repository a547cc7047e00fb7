"""What somebody says about an LED: the grammar, and what each version of Device OS means by it."""

from __future__ import annotations

import json
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_probe.cli import main
from handshake_probe.diagnose.symptoms.led_reading import ROWS, SUMMARIES, read_led
from handshake_probe.diagnose.symptoms.led_row import KEY_OR_REGISTER
from handshake_probe.diagnose.symptoms.led_states import OTHER
from handshake_probe.model.vocabulary import Cause, Stage
from handshake_probe.protocol.device_os import DeviceOs, device_os
from handshake_probe.protocol.led_phrase import (
    COUNT_LIMIT,
    PHRASE_LIMIT,
    Colour,
    Pattern,
    Phrase,
    PhraseError,
    Signal,
    parse_phrase,
)

Captured = pytest.CaptureFixture[str]

OLD, NEW = DeviceOs(1, 5, 2), DeviceOs(2, 0)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("cyan, one red flash", "cyan, one red flash"),
        ("blinking cyan then 1 red", "blinking cyan, one red flash"),
        ("cyan, red flash x1", "cyan, one red flash"),
        ("cyan; red x 1", "cyan, one red flash"),
        ("slow breathing cyan", "breathing cyan"),
        ("Breathing Cyan!", "breathing cyan"),
        ("rapid green", "fast blinking green"),
        ("orange x3", "3 orange flashes"),
        ("3x orange", "3 orange flashes"),
        ("orange ×3", "3 orange flashes"),
        ("2 orange blinks", "2 orange flashes"),
        ("blinking orange twice", "2 orange flashes"),
        ("cyan flashing, then a single short red blink", "blinking cyan, one red flash"),
        ("cyan flashes quickly then flashes red once", "fast blinking cyan, one red flash"),
        ("fast cyan red flash", "fast blinking cyan, one red flash"),
        ("3 orange blinks 1 red", "3 orange flashes, one red flash"),
        ("red alternating with three orange", "red, 3 orange flashes"),
        ("light blue blinking rapidly", "fast blinking cyan"),
        ("the LED is off", "off"),
        ("red SOS, 10 blinks", "red SOS 10"),
        ("SOS red then 10 red flashes", "red SOS 10"),
        ("purple pulsing", "breathing magenta"),
        ("cyan, some orange bursts", "cyan, some orange flashes"),
        ("cyan, blinking, then red", "blinking cyan, red"),
        ("orange x3, never red", "3 orange flashes"),
        ("orange x3 without any red flash", "3 orange flashes"),
        ("no red, blinking cyan", "blinking cyan"),
    ],
)
def test_people_say_it_in_many_ways(said: str, read: str) -> None:
    assert str(parse_phrase(said)) == read


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ("", "nothing said"),
        ("  ", "nothing said"),
        ("one flash", "no colour"),
        ("SOS", "no colour"),
        ("not red", "no colour"),
        ("cyan, never", "no colour"),
        ("orange three bananas", "'bananas' is not understood"),
        ("cyan § red", "'§' is not understood"),
        ("breathing blinking cyan", "both breathing and blinking"),
        ("2 red 3 flashes", "counted twice"),
        ("red 0 times", "0 flashes"),
        ("red 99 times", "99 flashes"),
        ("cyan " * 60, "longer than"),
    ],
)
def test_words_outside_the_grammar_are_named(said: str, complaint: str) -> None:
    with pytest.raises(PhraseError, match=complaint):
        parse_phrase(said)


def _signals() -> st.SearchStrategy[Signal]:
    counts = st.integers(1, COUNT_LIMIT)
    plain = [None, Pattern.BLINKING, Pattern.FAST, Pattern.BREATHING, Pattern.SOLID]
    lit = st.sampled_from([colour for colour in Colour if colour is not Colour.OFF])
    return st.one_of(
        st.just(Signal(Colour.OFF)),
        st.builds(Signal, lit, st.sampled_from(plain)),
        st.builds(
            Signal,
            lit,
            st.sampled_from([Pattern.FLASHES, Pattern.SOS]),
            st.one_of(st.none(), counts),
        ),
    )


@given(st.lists(_signals(), min_size=1, max_size=4, unique_by=lambda s: s.colour))
def test_what_is_written_is_read_back(signals: list[Signal]) -> None:
    phrase = Phrase(tuple(signals))
    assert parse_phrase(str(phrase)) == phrase


@given(st.text(max_size=PHRASE_LIMIT + 10))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        phrase = parse_phrase(text)
    except PhraseError:
        return
    assert phrase.signals
    assert read_led(phrase).candidates


_WORDS = [
    "cyan", "red", "orange", "flash", "flashes", "blinking", "fast", "breathing", "one", "3", "x2",
    "then", ",", "with", "some", "SOS", "solid", "off", "alternating", "no",
]  # fmt: skip


@given(st.lists(st.sampled_from(_WORDS), max_size=9))
def test_reading_twice_changes_nothing(words: list[str]) -> None:
    try:
        phrase = parse_phrase(" ".join(words))
    except PhraseError:
        return
    assert parse_phrase(str(phrase)) == phrase


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.key}-{row.since or row.before or ''}")
def test_every_pattern_is_reached_by_a_natural_phrase(row: object) -> None:
    assert row in read_led(parse_phrase(row.shown)).rows  # type: ignore[attr-defined]


def test_every_pattern_has_its_words_and_its_versions() -> None:
    assert {row.key for row in (*ROWS, OTHER)} == set(SUMMARIES)
    for key, version in product(SUMMARIES, (DeviceOs(0, 4), DeviceOs(0, 7), OLD, NEW)):
        rows = [row for row in (*ROWS, OTHER) if row.key == key and row.holds_for(version)]
        assert len({row.colour for row in rows}) == len(rows) == 1
        row = rows[0]
        assert row.stages[0].order <= row.stages[1].order
        assert row.likely or row.settles
        assert not set(row.rules_out) & set(row.candidates)
        assert row.steps


@pytest.mark.parametrize("colour", ["orange", "magenta"])
def test_one_orange_or_magenta_flash_ended_with_2_0(colour: str) -> None:
    phrase = parse_phrase(f"cyan, one {colour} flash")
    old, new, unknown = (read_led(phrase, version) for version in (OLD, NEW, None))
    assert old.likely
    assert old.exact
    assert old.stages == (Stage.CREDENTIALS_RECEIVED, Stage.CREDENTIALS_RECEIVED)
    assert new.impossible
    assert not new.likely
    assert not unknown.impossible  # an older version may show it
    assert not unknown.likely
    assert not unknown.exact
    assert unknown.candidates[0] is old.candidates[0]


def test_error_6_is_the_devices_key_and_error_8_the_clouds() -> None:
    assert read_led(parse_phrase("orange flash"), OLD).candidates[0] is Cause.DEVICE_KEY_CORRUPTION
    assert read_led(parse_phrase("magenta flash"), OLD).candidates[0] is Cause.SERVER_KEY_MISMATCH


@pytest.mark.parametrize("version", [OLD, NEW, None])
def test_one_red_flash_rules_out_a_closed_port_and_proves_no_cause(
    version: DeviceOs | None,
) -> None:
    reading = read_led(parse_phrase("cyan, one red flash"), version)
    assert not reading.likely
    assert reading.stages[0] is Stage.TCP_ESTABLISHED
    assert {*KEY_OR_REGISTER, Cause.NETWORK_BLOCKED} <= set(reading.candidates)


def test_red_beside_orange_is_one_failure_since_2_0_and_two_before() -> None:
    phrase = parse_phrase("one red flash alternating with 3 orange")
    assert read_led(phrase, NEW).stages[0] is Stage.TCP_ESTABLISHED
    assert read_led(phrase, OLD).stages[0] is Stage.NONE


@pytest.mark.parametrize(("flashes", "test"), [(2, "failed"), (3, "passed")])
def test_what_the_internet_test_asks_depends_on_the_version(flashes: int, test: str) -> None:
    phrase = parse_phrase(f"cyan, orange x{flashes}")
    old, new = read_led(phrase, OLD), read_led(phrase, NEW)
    assert "8.8.8.8" in old.newest.says
    assert "pool.ntp.org" in new.newest.says
    assert old.candidates[0] is new.candidates[0] is Cause.NETWORK_BLOCKED
    assert set(KEY_OR_REGISTER) <= set(old.rules_out)
    assert not new.rules_out  # a red flash may have been missed


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.5.2", (1, 5, 2)),
        ("v2.3", (2, 3, 0)),
        ("3.0.0-rc.1", (3, 0, 0)),
        ("0.8.0-rc.10", (0, 8, 0)),
    ],
)
def test_versions(text: str, version: tuple[int, int, int]) -> None:
    assert device_os(text) == version


@pytest.mark.parametrize("text", ["", "x", "1", "1.2.3.4", "-1.2", "1.5.2 foo"])
def test_what_is_no_version(text: str) -> None:
    assert device_os(text) is None


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["breathing cyan"], 0),
        (["cyan, orange x3"], 1),
        (["cyan, one red flash"], 3),
        (["one orange flash", "--device-os", "2.3.1"], 3),
        (["one orange flash", "--device-os", "1.5.2"], 1),
        (["cyan", "one", "red", "flash"], 3),
    ],
)
def test_the_command_ends_with_the_code_of_its_verdict(
    capsys: Captured, arguments: list[str], code: int
) -> None:
    assert main(["led", *arguments]) == code
    out = capsys.readouterr().out
    assert out.startswith("LED: ")
    assert max(map(len, out.splitlines())) <= 80
    assert main(["led", *arguments, "--format", "json"]) == code
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "led"
    assert document["observations"][0]["kind"] == "led"
    assert document["verdict"]["confidence"] in ("likely", "possible")  # an LED never proves


def test_what_is_not_understood_gets_the_grammar(capsys: Captured) -> None:
    for arguments in (["led", "orange three bananas"], ["analyze", "x.pcap", "--led", "bananas"]):
        assert main(arguments) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "'bananas' is not understood" in captured.err
        assert "colours" in captured.err
    assert main(["led", "cyan", "--device-os", "new"]) == 2
    assert "no version of Device OS" in capsys.readouterr().err


def test_a_pattern_this_version_never_shows_is_a_finding(capsys: Captured) -> None:
    main(["led", "cyan, one magenta flash", "--device-os", "3.3.1", "--format", "json"])
    document = json.loads(capsys.readouterr().out)
    assert [finding["code"] for finding in document["findings"]] == ["HP800", "HP802"]


def test_breathing_cyan_leads_to_the_claim(capsys: Captured) -> None:
    main(["led", "breathing cyan"])
    assert "particle device add" in capsys.readouterr().out
