"""One report made by hand, in every form, as it was looked at. GOLDENS=write writes it anew."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from handshake_probe.report.sheet.content import (
    Attached,
    Case,
    Example,
    Fact,
    FindingText,
    Hop,
    Kind,
    Ladder,
    Mark,
    Matter,
    Overview,
    Report,
    Rule,
    Rung,
    Step,
    Timeline,
    Try,
    Verdict,
)
from handshake_probe.report.sheet.content import Path as Way
from handshake_probe.report.sheet.content import Test as Tried
from handshake_probe.report.sheet.html import html
from handshake_probe.report.sheet.markdown import markdown
from handshake_probe.report.sheet.text import text

GOLDENS = Path(__file__).with_name("goldens")

LADDER = Ladder(
    title="Connection 3, one of 4, 2026-11-22 10:49:01 UTC",
    device="device 192.168.10.2:41224",
    cloud="cloud [2001:db8:aaaa:bbbb:cccc:dddd:eeee:1]:5683",
    rungs=(
        Rung("to_cloud", "connects", "", "+0.000 s", "frame 1"),
        Rung("to_device", "accepts", "", "+0.012 s", "frame 2"),
        Rung("to_device", "greeting (nonce) · 40 bytes", "", "+0.020 s", "frame 4"),
        Rung("to_cloud", "identity (who it is) · 256 bytes", "in 3 segments", "+1.5 s", "frame 6"),
        Rung("", "… 9 more steps …", "", "", ""),
    ),
    ending="silence: no answer came any more",
    mark=Mark.BAD,
)
WAY = Way(
    port="port 5683",
    control="port 443",
    hops=(
        Hop("hop 1", "192.168.10.1", "192.168.10.1", Mark.GOOD, Mark.GOOD, stop=False),
        Hop("hop 2", "10.66.0.2", "10.66.0.2", Mark.GOOD, Mark.GOOD, stop=True),
        Hop("hop 3", "no answer", "accepted", Mark.BAD, Mark.GOOD, stop=False),
        Hop("hop 4", "no answer", "", Mark.BAD, Mark.NEUTRAL, stop=False),
    ),
    told="Stopped by: 10.66.0.2 (second hop, inside your network) or right behind it.",
)
TIMELINE = Timeline(
    title="The device's connections, one after the other",
    tries=tuple(
        Try(f"10:49:{n:02}  identity sent, silence", 20.0 * n, 20.0 * n + 8, mark)
        for n, mark in enumerate((Mark.BAD, Mark.BAD, Mark.GOOD, Mark.NEUTRAL, Mark.BAD))
    ),
    folded=7,
    seconds=88.0,
)
OVERVIEW = Overview(
    stages=("tried to connect", "identity sent", "session"),
    endings=("no connection", "silence", "still open"),
    counts=((2, 9, 0), (0, 1, 0), (0, 0, 30)),
    devices=(("192.168.10.2", "ed48b8a5fa820999bbc072f9", "session", "healthy, proven"),),
    folded="41 healthy",
)
CASE = Case(
    title="Device 192.168.10.2",
    facts=(Fact("Tested", "capture home.pcapng, 120 frames"),),
    cause="network blocked",
    sentence="What the device sends is dropped.",
    sure="likely",
    tests=(
        Tried("10:49:01", "connection", "TCP 10.0.0.1:5683", "silence", Mark.BAD, 4, control=False),
        Tried(
            "10:49:02", "control: port", "TCP 10.0.0.1:443", "accepts", Mark.GOOD, 1, control=True
        ),
        Tried("", "the LED", "seen", "shows cyan", Mark.NEUTRAL, 1, control=False),
    ),
    ladder=LADDER,
    timeline=TIMELINE,
    path=WAY,
    findings=(
        FindingText("HP123", "Dropped", "error", "It is sent 5 times.", "m", "A dead host."),
    ),
)
REPORT = Report(
    matter=Matter.REQUEST,
    title="Request to the network team",
    lead="A device cannot reach its cloud.",
    made="2027-01-15 08:00:00 UTC",
    version="1.0",
    redaction="it",
    redaction_name="copy for the network team",
    redaction_told="for the network team",
    head=(Fact("Asked by", "Jane Doe"), Fact("When", "2026-11-22 10:49:01 UTC")),
    verdict=Verdict("What the device sends is dropped.", Mark.BAD, (Fact("How sure", "likely"),)),
    request="Please allow outbound TCP port 5683.",
    rules=(Rule("TCP to the cloud", (Fact("Action", "allow"), Fact("Port", "5683"))),),
    cases=(CASE, replace(CASE, title="Probe of device.spark.io:5683", ladder=None, timeline=None)),
    overview=OVERVIEW,
    verify=(
        Step((("On a computer: ", Kind.PROSE), ("handshake-probe probe", Kind.COMMAND))),
        Step((("See ", Kind.PROSE), ("nc -v a.test 5683", Kind.WORD), (" as well.", Kind.PROSE))),
    ),
    examples=(Example("Any firewall", "its log", ("deny", "5683"), "rules", "allow tcp\n  5683"),),
    examples_note="The examples name the first device.",
    owner=(Step((("Send this report.", Kind.PROSE),)),),
    owner_lead="One thing at a time.",
    attached=(Attached("home.pcapng", "capture", "0" * 64),),
)
FORMS = {
    "html": html(REPORT, '{"schema":"x","text":"</script><b>"}\n'),
    "md": markdown(REPORT),
    "txt": text(REPORT),
}


@pytest.mark.parametrize("form", FORMS)
def test_it_looks_as_it_was_looked_at(form: str) -> None:
    kept = GOLDENS / f"report.{form}"
    if os.environ.get("GOLDENS") == "write":
        kept.write_text(FORMS[form], "utf-8")
    assert FORMS[form] == kept.read_text("utf-8")


def test_every_picture_is_told_in_words() -> None:
    page = FORMS["html"]
    assert page.count("<svg") == page.count("<title id=") == page.count("<desc id=") == 5
    for told in (
        "to the cloud: identity (who it is) · 256 bytes (in 3 segments) +1.5 s frame 6",
        "hop 2: 10.66.0.2 on port 5683, 10.66.0.2 on port 443, it stops here or right behind",
        "20 s to 28 s: 10:49:01  identity sent, silence",
        "7 more are left out",
        "tried to connect, silence: 9",
    ):
        assert told in page
