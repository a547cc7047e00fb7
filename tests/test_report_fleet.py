"""A report over many devices: how many, which changes for whom, and a case of each kind."""

from __future__ import annotations

import io
from typing import Any

import msgspec

import documents
from handshake_probe.diagnose.advice import against
from handshake_probe.model.measurement import DeviceReport
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism, Stage
from handshake_probe.report.page import Page
from handshake_probe.report.sheet.compose import compose
from handshake_probe.report.sheet.content import Overview, Report
from handshake_probe.report.sheet.html import html
from handshake_probe.report.sheet.pictures import overview_picture
from handshake_probe.report.sheet.shapes import WIDTH, Label
from handshake_probe.report.sheet.text import text
from handshake_probe.report.terminal import write_text
from handshake_probe.report.words import SHORT_ENDINGS

NETWORK = Cause.NETWORK_BLOCKED
REFUSED = {"mechanism": Mechanism.ICMP_PROHIBITED, "confidence": Confidence.PROVEN}
NO_NAME = {"mechanism": Mechanism.DNS_REFUSED, "confidence": Confidence.LIKELY}
FORGOTTEN = {"mechanism": Mechanism.IDLE_TIMEOUT, "confidence": Confidence.LIKELY}


def devices(number: int, subnet: int, cause: Cause, **changes: Any) -> list[DeviceReport]:
    verdict = documents.verdict(cause, **changes)
    return [
        documents.device(verdict, address=f"10.0.{subnet}.{n}", device_id=None)
        for n in range(1, number + 1)
    ]


def composed(*told: list[DeviceReport]) -> Report:
    measurement = documents.measurement(*(device for group in told for device in group))
    return compose([measurement], {}, made=1.8e9, by=None)


def test_how_many_of_how_many_are_stopped_is_said_first() -> None:
    report = composed(devices(3, 1, NETWORK, **REFUSED), devices(97, 2, Cause.HEALTHY))
    assert report.lead.startswith("3 of 100 Particle devices cannot reach their cloud from this")
    assert "asks for one change," in report.lead
    assert report.verdict.facts[0].text == "100 devices: 3 network blocked, 97 healthy"
    alone = composed(devices(1, 1, NETWORK, **REFUSED))
    assert alone.lead.startswith("A Particle device cannot reach its cloud")
    assert not any("devices" in fact.text for fact in alone.verdict.facts)


def test_each_way_of_stopping_has_its_own_change() -> None:
    report = composed(
        devices(20, 1, NETWORK, **REFUSED),
        devices(4, 2, NETWORK, stage=Stage.DNS, **NO_NAME),
        devices(1, 3, NETWORK, **FORGOTTEN),
    )
    assert "asks for 3 changes," in report.lead
    for wish in ("5683 from 20 devices to", "let 4 devices look up", "connections from 10.0.3.1"):
        assert wish in report.request
    titles = [rule.title for rule in report.rules]
    assert titles == [
        "TCP to the cloud, 20 devices",
        "DNS for the cloud's names, 4 devices",
        "TCP to the cloud (needed next), 4 devices",
        "TCP to the cloud, 10.0.3.1",
    ]
    sources = [
        next(row.text for row in rule.rows if row.label == "Source") for rule in report.rules
    ]
    assert sources[0].startswith("20 devices: 20 in 10.0.1.0/24;")
    assert "10.0.2.4" in sources[1]
    assert "10.0.1." not in "".join(sources[1:])


def test_a_case_of_each_kind_is_told_before_a_second_of_one() -> None:
    report = composed(
        devices(5, 1, NETWORK, **REFUSED),
        devices(5, 2, NETWORK, **FORGOTTEN),
        devices(5, 3, Cause.SERVER_KEY_MISMATCH),
        devices(5, 4, Cause.HEALTHY),
    )
    assert [case.title for case in report.cases] == [
        "Device 10.0.1.1",
        "Device 10.0.2.1",
        "Device 10.0.3.1",
    ]
    few = composed(devices(2, 1, NETWORK, **REFUSED), devices(9, 4, Cause.HEALTHY))
    assert [case.title for case in few.cases][:2] == ["Device 10.0.1.1", "Device 10.0.1.2"]


def test_what_needs_attention_is_listed_and_the_rest_counted() -> None:
    report = composed(
        devices(200, 1, Cause.HEALTHY),
        devices(30, 2, NETWORK, **REFUSED),
        devices(2, 3, Cause.SERVER_KEY_MISMATCH),
    )
    assert report.overview is not None
    listed = [row[0] for row in report.overview.devices]
    assert {"10.0.3.1", "10.0.3.2"} < set(listed)
    assert sum(address.startswith("10.0.2.") for address in listed) == 25
    assert sum(address.startswith("10.0.1.") for address in listed) == 5
    assert report.overview.folded == "5 network blocked, 195 healthy"
    assert "Not listed: 5 network blocked, 195 healthy;" in text(report)
    few = composed(devices(30, 1, Cause.HEALTHY), devices(30, 2, NETWORK, **REFUSED))
    assert few.overview is not None
    assert (len(few.overview.devices), few.overview.folded) == (60, "")


def test_devices_of_many_networks_are_counted_by_network() -> None:
    many = [devices(2, subnet, NETWORK, **REFUSED) for subnet in range(20)]
    report = composed(*many)
    (source,) = (row.text for row in report.rules[0].rows if row.label == "Source")
    assert source.startswith("40 devices: 2 in 10.0.0.0/24, 2 in 10.0.1.0/24,")
    assert "and others in 4 more networks" in source


def test_what_is_not_decided_may_still_clear_the_network() -> None:
    cleared = composed(devices(1, 1, Cause.INCONCLUSIVE, ruled_out=[NETWORK]))
    assert cleared.title.startswith("Not the network, and not decided further")
    assert cleared.lead.startswith("The network carries")
    open_ = composed(devices(1, 1, Cause.INCONCLUSIVE))
    assert open_.title.startswith("Not decided")
    assert "does not tell the network from another cause" in open_.lead


def test_no_line_of_a_step_begins_with_what_ends_a_sentence() -> None:
    told = "The key (`--keys`). Without it: `particle keys server`, then a capture. Or: `a b`."
    report = composed(devices(1, 1, Cause.INCONCLUSIVE, next_steps=[told]))
    lines = text(report).splitlines()
    assert "1. The key (--keys). Without it:" in lines
    assert "   then a capture. Or:" in lines
    page = html(report, "{}")
    assert '<code class="command">particle keys server</code>then a capture. Or:' in page
    assert '<code class="command">a b</code></li>' in page
    assert '(<code class="word">--keys</code>)' in page


def test_keys_are_to_be_left_alone_once_and_no_command_stands_out() -> None:
    (advice,) = against(NETWORK)
    report = composed(devices(1, 1, NETWORK, next_steps=["Try a hotspot.", advice], **REFUSED))
    told = text(report)
    assert told.count("eave the ") == 1
    assert "doctor" not in told
    stream = io.StringIO()
    Page(stream).step("1. ", advice)
    assert "\n    particle keys doctor\n" not in stream.getvalue()
    assert "(`particle keys doctor`)" in stream.getvalue().replace("\n     ", " ")


def test_another_capture_is_told_once_however_many_devices_it_holds() -> None:
    lead = documents.measurement(*devices(2, 1, NETWORK, **REFUSED))
    other = documents.measurement(*devices(9, 2, Cause.HEALTHY), *devices(3, 3, NETWORK))
    one = documents.measurement(*devices(1, 4, Cause.HEALTHY))
    report = compose([lead, other, one], {}, made=1.8e9, by=None)
    (compared,) = (fact.text for fact in report.verdict.facts if fact.label == "Compared")
    assert compared == (
        "a capture (home.pcapng): 12 devices: 3 network blocked, 9 healthy; "
        "a capture (home.pcapng): healthy"
    )


def test_headings_of_many_endings_are_whole_and_within_the_picture() -> None:
    endings = tuple(SHORT_ENDINGS.values())
    drawn = overview_picture("all", Overview(("session",), endings, ((1,) * len(endings),), (), ""))
    headings = [shape for shape in drawn.shapes if isinstance(shape, Label) and shape.y < 40]
    assert [heading.text for heading in headings[: len(endings)]] == list(endings)
    for heading in headings[: len(endings)]:
        half = len(heading.text) * 6.1
        right = heading.x if heading.anchor == "end" else heading.x + half / 2
        assert right <= WIDTH


def test_a_count_that_memory_limited_is_said_to_be_one() -> None:
    many = documents.measurement(*devices(20, 1, NETWORK, **REFUSED))
    found = documents.finding("HP610", "more than are kept", device=None, stream=None)
    cut = msgspec.structs.replace(many, findings=[found])
    report = compose([cut], {}, made=1.8e9, by=None)
    assert report.lead.startswith("At least 20 Particle devices cannot reach")
    assert report.verdict.facts[0].text == "at least 20 devices: 20 network blocked"
    for measurement, lines in ((cut, 2), (many, 0)):
        stream = io.StringIO()
        write_text(measurement, stream)
        assert stream.getvalue().count("at least 20 devices") == lines
        assert ("devices may be missing" in " ".join(stream.getvalue().split())) is bool(lines)
