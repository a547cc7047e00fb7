from __future__ import annotations

import io
import re
from typing import Any

import msgspec
import pytest

import documents
from handshake_probe.model.measurement import (
    Blocker,
    EventEntry,
    KeyUsed,
    Measurement,
    MessageEntry,
)
from handshake_probe.model.vocabulary import Cause, EndedBy, Severity, Stage
from handshake_probe.report.connections import connection_table
from handshake_probe.report.device import most_telling
from handshake_probe.report.page import Page
from handshake_probe.report.terminal import write_text

HOSTILE = (
    "\x1b]0;owned\x07\x1b[2J\x9b31m\r\n\x00\x7f[link=http://evil.example]click[/link] [red]"
    "\u202egnp.exe\u2066\u200b\u2028"
)
KINDS = ["healthy", "blocked", "inconclusive", "key_mismatch"]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "NO_COLOR", "CLICOLOR_FORCE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told(measurement: Measurement, **options: Any) -> str:
    stream = io.StringIO()
    write_text(measurement, stream, **options)
    return stream.getvalue()


def squeezed(text: str) -> str:
    return " ".join(text.split())


def hostile(size: int = 1) -> Measurement:
    """Every string that may come from the wire, or from a file's name, is an attack."""
    evil = HOSTILE * size
    spoken = documents.connection(
        Cause.NETWORK_BLOCKED,
        device=evil,
        cloud=evil,
        started=evil,
        events=[EventEntry(event=evil, frame=1, t=0.0, note=evil)],
        messages=[MessageEntry(direction="device_to_cloud", frame=1, t=0.0, hex="", summary=evil)],
    )
    judged = documents.verdict(
        Cause.NETWORK_BLOCKED,
        summary=evil,
        settles=evil,
        assumption=evil,
        next_steps=[evil, f"`run {evil}`"],
    )
    seen = documents.device(
        judged,
        address=evil,
        name=evil,
        mac=evil,
        vendor=evil,
        device_id=evil,
        connections=[spoken, spoken],
    )
    plain = documents.measurement(seen)
    found = [
        documents.finding("HP101", evil, device=evil, evidence=[f"frame {evil}"]),
        documents.finding("HP901", evil, device=None),
    ]
    source = msgspec.structs.replace(plain.source, path=evil, first=evil)
    return msgspec.structs.replace(plain, source=source, findings=found)


@pytest.mark.parametrize("columns", ["40", "80", "120"])
@pytest.mark.parametrize("size", [1, 200])
def test_hostile_strings_never_reach_the_terminal_raw(
    monkeypatch: pytest.MonkeyPatch, columns: str, size: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    text = told(hostile(size), messages=True)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u2028\u202e\u2066]", text)
    assert r"\x1b]0;owned\x07" in text
    assert "[link=http" in text  # markup is text, not obeyed
    assert len(text) < 60_000


def test_hostile_strings_make_no_escape_sequences_in_colour() -> None:
    stream = Terminal()
    write_text(hostile(), stream, messages=True)
    text = re.sub("\x1b\\[[0-9;]*m", "", stream.getvalue())  # rich's own colours
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
@pytest.mark.parametrize("measurement", documents.all_kinds())
def test_no_line_is_wider_than_the_page_except_commands(
    monkeypatch: pytest.MonkeyPatch, columns: int, measurement: Measurement
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = told(measurement, messages=True).splitlines()
    wide = [line for line in lines if len(line) > columns]
    assert [line for line in wide if line.strip() != documents.LONG_COMMAND] == []
    assert not [line for line in lines if line != line.rstrip() and "│" not in line]


def test_a_command_stays_on_one_line_and_its_step_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = [line.strip() for line in told(documents.key_mismatch()).splitlines()]
    assert documents.LONG_COMMAND in lines
    assert lines[lines.index(documents.LONG_COMMAND) + 1] == "Then try again."


@pytest.mark.parametrize(
    ("step", "lines"),
    [
        ("Just prose.", ["1. Just prose."]),
        ("Do it: `run that`.", ["1. Do it:", "  run that"]),
        (
            "Do: `run a` for one, `run b` for two.",
            ["1. Do:", "  run a", "for one,", "  run b", "for two."],
        ),
        ("If `run that now` fails.", ["1. If `run that now` fails."]),
        (
            "In the middle of a sentence, with `run that now` kept whole.",
            ["1. In the middle of a sentence, with", "`run that now` kept whole."],
        ),
        ("Name it with `--port`.", ["1. Name it with `--port`."]),
        ("`run that`", ["1. `run that`"]),
        ("`run " + "x" * 60 + "`", ["1. run " + "x" * 60]),
        ("See " + "`run " + "x" * 60 + "` now.", ["1. See", "  run " + "x" * 60, "now."]),
    ],
)
def test_commands_in_steps_can_be_copied(
    monkeypatch: pytest.MonkeyPatch, step: str, lines: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "42")
    stream = io.StringIO()
    Page(stream).step("1. ", step, indent=0)
    assert [line.removeprefix("   ") for line in stream.getvalue().splitlines()] == lines


def test_a_pipe_is_80_columns_wide() -> None:
    lines = told(documents.key_mismatch()).splitlines()
    assert 60 < max(len(line) for line in lines if documents.LONG_COMMAND not in line) <= 80


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("healthy", "✓ HEALTHY"),
        ("blocked", "✗ NETWORK BLOCKED — likely"),
        ("inconclusive", "? INCONCLUSIVE"),
        ("key_mismatch", "✗ SERVER KEY MISMATCH — proven"),
    ],
)
def test_the_verdict_is_symbol_and_word(kind: str, title: str) -> None:
    lines = told(getattr(documents, kind)()).splitlines()
    assert title in lines
    assert lines[lines.index(title) + 1] == "  One sentence that says it."


@pytest.mark.parametrize("kind", KINDS)
def test_colour_is_no_carrier_of_meaning(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    coloured = Terminal()
    write_text(getattr(documents, kind)(), coloured)
    assert "\x1b[" in coloured.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    write_text(getattr(documents, kind)(), plain)
    assert "\x1b" not in plain.getvalue()
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured.getvalue()) == plain.getvalue()


def test_colour_can_be_forced_into_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    assert "\x1b[" in told(documents.healthy())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in told(documents.healthy())


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_consoles_that_cannot_show_our_symbols_get_others(encoding: str) -> None:
    for measurement in [*documents.all_kinds(), hostile()]:
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)  # strict: may raise
        write_text(measurement, stream, messages=True)
        stream.flush()
    stream = io.TextIOWrapper(raw := io.BytesIO(), encoding=encoding)
    write_text(documents.blocked(), stream)
    stream.flush()
    text = raw.getvalue().decode(encoding)
    assert "[x] NETWORK BLOCKED - likely" in text
    assert "|-- connects --" in text


def test_the_ladder_shows_steps_bytes_times_frames_and_who_stopped() -> None:
    lines = told(documents.key_mismatch()).splitlines()
    start = next(index for index, line in enumerate(lines) if "10.99.10.2:5683 cloud" in line)
    assert "device 192.168.10.2:41224" in lines[start]
    assert re.search(r"│── connects ─+▶│ +\+0\.000 s  frame 1$", lines[start + 1])
    assert re.search(
        r"│◀─ greeting \(nonce\) · 40 bytes ─+│ +\+0\.012 s  frame 4$", lines[start + 2]
    )
    assert re.search(
        r"│── identity \(who it is\) · 256 bytes ─+▶│ +\+0\.031 s  frame 6$", lines[start + 3]
    )
    assert re.search(r"│ ✗ closed from the cloud's side +│$", lines[start + 4])


def test_a_long_ladder_is_folded() -> None:
    many = [EventEntry(event="something_new", frame=n, t=n / 10) for n in range(1, 201)]
    many[100] = EventEntry(event="records_unlisted", frame=101, t=10.1, records=1000)
    seen = documents.connection(Cause.INCONCLUSIVE, events=many)
    judged = documents.verdict(Cause.INCONCLUSIVE)
    text = told(documents.measurement(documents.device(judged, connections=[seen])))
    assert text.count("something new") == 13
    assert "… 1186 more steps …" in text
    assert "frame 200" in text


def test_unlisted_records_are_counted_in_words() -> None:
    few = [EventEntry(event="records_unlisted", frame=7, t=0.5, records=32)]
    seen = documents.connection(Cause.INCONCLUSIVE, events=few)
    judged = documents.verdict(Cause.INCONCLUSIVE)
    text = told(documents.measurement(documents.device(judged, connections=[seen])))
    assert re.search(r"│ 32 more encrypted messages +│ +\+0\.500 s  frame 7$", text, re.MULTILINE)


def test_a_healthy_connection_is_not_marked_as_stopped() -> None:
    ladder = [line for line in told(documents.healthy()).splitlines() if "│" in line]
    assert "the capture ends here" in ladder[-1]
    assert not any("✗" in line for line in ladder)


def test_long_addresses_go_above_the_ladder() -> None:
    long = "[2001:db8:1111:2222:3333:4444:5555:6666]"
    seen = documents.connection(Cause.HEALTHY, device=f"{long}:49152", cloud=f"{long}:5683")
    judged = documents.verdict(Cause.HEALTHY)
    text = told(documents.measurement(documents.device(judged, connections=[seen])))
    assert f"device {long}:49152" in text
    assert f"cloud  {long}:5683" in text


def test_the_telling_connection_is_the_last_with_the_reported_cause() -> None:
    causes = [Cause.NETWORK_BLOCKED, Cause.NETWORK_BLOCKED, Cause.HEALTHY]
    seen = [documents.connection(cause, stream=n) for n, cause in enumerate(causes)]
    chosen = most_telling(seen, Cause.NETWORK_BLOCKED)
    assert chosen is not None
    assert chosen.stream == 1
    chosen = most_telling(seen, Cause.UNCLAIMED)
    assert chosen is not None
    assert chosen.stream == 2
    assert most_telling([], Cause.HEALTHY) is None


@pytest.mark.parametrize(("number", "rows"), [(8, 8), (9, 6)])
def test_many_connections_are_counted_in_the_middle(number: int, rows: int) -> None:
    seen = [
        documents.connection(Cause.UNCLAIMED if n == 4 else Cause.NETWORK_BLOCKED, stream=n)
        for n in range(number)
    ]
    stream = io.StringIO()
    connection_table(Page(stream), seen)
    lines = stream.getvalue().splitlines()
    assert sum("cloud closed" in line for line in lines) == rows
    folded = [line.strip() for line in lines if "more:" in line]
    assert folded == ([] if rows == number else ["… 3 more: 2 network blocked, 1 unclaimed"])


def test_one_finding_on_many_connections_is_told_once() -> None:
    text = told(documents.blocked())
    assert text.count("HP101") == 1
    assert "try 11 was not answered (frame 12; on 12 connections)" in text


def test_findings_of_the_verdict_come_first() -> None:
    judged = documents.verdict(Cause.NETWORK_BLOCKED, findings=["HP300"])
    found = [
        documents.finding("HP100", "small", severity=Severity.INFO),
        documents.finding("HP200", "grave", severity=Severity.ERROR),
        documents.finding("HP300", "decisive", severity=Severity.INFO),
    ]
    text = told(documents.measurement(documents.device(judged), findings=found))
    assert re.findall("HP[0-9]+", text) == ["HP300", "HP200", "HP100"]


def test_findings_stay_with_their_device_and_the_captures_come_last() -> None:
    judged = documents.verdict(Cause.HEALTHY)
    here, there = documents.device(judged), documents.device(judged, address="192.168.10.3")
    found = [
        documents.finding("HP901", "of the capture", device=None),
        documents.finding("HP200", "of the other", device="192.168.10.3"),
        documents.finding("HP100", "of the first"),
    ]
    text = told(documents.measurement(here, there, findings=found))
    order = ["192.168.10.2", "of the first", "192.168.10.3", "of the other", "of the capture"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)


def test_what_remains_open_is_told() -> None:
    text = squeezed(told(documents.inconclusive()))
    assert (
        "could be the device holds another server key, or the cloud does not know this device"
        in text
    )
    assert "would settle it the cloud's private key" in text
    assert "less likely" not in text


def test_a_step_that_settles_is_said_once() -> None:
    judged = documents.verdict(
        Cause.INCONCLUSIVE, settles="Do this.", next_steps=["Do this.", "Then that."]
    )
    text = told(documents.measurement(documents.device(judged)))
    assert text.count("Do this.") == 1
    assert "next, the first step would settle it" in text


def test_notes_stand_beside_their_step_or_below_it() -> None:
    long = "a note that is much too long to stand beside its step"
    steps = [
        EventEntry(event="icmp", frame=1, t=0.0, note="from 10.0.0.1"),
        EventEntry(event="nonce_received", frame=2, t=0.0, bytes=40, note=long),
    ]
    seen = documents.connection(Cause.NETWORK_BLOCKED, events=steps)
    judged = documents.verdict(Cause.NETWORK_BLOCKED)
    text = told(documents.measurement(documents.device(judged, connections=[seen])))
    assert "│◀─ ICMP error, from 10.0.0.1 ─" in text
    assert re.search("│ a note that is .*│$", text, re.MULTILINE)


def test_the_keys_are_named() -> None:
    names = ["a.pem", "b.der", "a.pem", "c.pem", "d.pem", "e.pem", "f.pem"]
    keys = [KeyUsed(fingerprint="", role="cloud_public", source=name) for name in names]
    assert "keys: a.pem · b.der · c.pem · d.pem and 2 more\n" in told(
        documents.measurement(keys=keys)
    )
    assert "keys: none\n" in told(documents.measurement())


def test_several_devices_are_counted_at_the_end() -> None:
    sound = documents.device(documents.verdict(Cause.HEALTHY))
    stopped = documents.device(documents.verdict(Cause.NETWORK_BLOCKED), address="192.168.10.3")
    text = told(documents.measurement(sound, stopped, sound))
    assert text.splitlines()[-1] == "3 devices: 1 network blocked, 2 healthy"
    assert "devices:" not in told(documents.measurement(sound))


def test_messages_are_shown_when_asked_for() -> None:
    quiet, talking = told(documents.healthy()), told(documents.healthy(), messages=True)
    assert "Hello product=6" not in quiet
    assert re.search(r"\+0\.250 s  ─▶  frame 9 +Hello product=6", talking)
    assert re.search(r"◀─  frame 11 +Hello", talking)
    assert "none to show" not in talking
    assert "none to show" in told(documents.blocked(), messages=True)


def test_everything_the_verdict_says_is_told() -> None:
    judged = documents.verdict(
        Cause.NETWORK_BLOCKED,
        recovered=True,
        candidates=[Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT],
        ruled_out=[Cause.DEVICE_UNKNOWN],
        assumption="nobody unplugged it",
        settles="a second capture",
        blocker=Blocker(address="10.77.1.2", hop=2),
    )
    text = squeezed(told(documents.measurement(documents.device(judged))))
    for part in (
        "recovered a later connection reached a session",
        "less likely the cloud is at fault",
        "stopped by 10.77.1.2, hop 2",
        "ruled out the cloud does not know this device",
        "assuming nobody unplugged it",
        "would settle it a second capture",
    ):
        assert part in text


@pytest.mark.parametrize("word", [*Cause, *Stage, *EndedBy])
def test_every_word_of_the_vocabulary_can_be_told(word: Any) -> None:
    cause = word if isinstance(word, Cause) else Cause.INCONCLUSIVE
    stage = word if isinstance(word, Stage) else Stage.NONE
    ended = word if isinstance(word, EndedBy) else EndedBy.SILENCE
    seen = documents.connection(cause, stage=stage, ended_by=ended)
    judged = documents.verdict(cause, stage=stage, candidates=list(Cause))
    assert told(documents.measurement(documents.device(judged, connections=[seen, seen])))


def test_an_option_in_backticks_is_no_command() -> None:
    stream = io.StringIO()
    page = Page(stream, {"COLUMNS": "80"})
    page.step(
        "1. ", "The cloud's key (`--keys`), which its operator has. Without it: `particle keys x`"
    )
    lines = stream.getvalue().splitlines()
    assert "key (`--keys`), which its operator has." in lines[0]
    assert lines[-1].strip() == "particle keys x"
