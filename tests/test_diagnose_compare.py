"""What the difference between two measurements proves, and what it does not."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from handshake_probe.cli import main
from handshake_probe.diagnose.compare import compare
from handshake_probe.model.measurement import Measurement, to_json
from handshake_probe.model.vocabulary import Cause, Confidence
from handshake_probe.pipeline.reporting import write_report
from probed import identity, lookup, measured, vantage
from report_room import DROPPED, probes, recorded
from report_shelf import AT

OFFICE = {"address": "10.20.0.7", "network": "10.20.0.0/24", "gateway": "10.20.0.1"}


def at(measurement: Measurement, clock: str) -> Measurement:
    source = msgspec.structs.replace(measurement.source, first=f"2026-11-22T{clock}Z")
    return msgspec.structs.replace(measurement, source=source)


BLOCKED = at(measured(vantage(**OFFICE), lookup(), DROPPED, DROPPED), "10:00:00")
SOUND = at(measured(vantage(), lookup(), identity("a"), identity("b")), "10:10:00")


def test_the_hotspot_works_the_office_does_not() -> None:
    for pair, name in (((BLOCKED, SOUND), "A's network"), ((SOUND, BLOCKED), "B's network")):
        found = compare(*pair)
        assert found.cause is Cause.NETWORK_BLOCKED
        assert found.confidence is Confidence.LIKELY
        assert name in found.proof
        assert found.caveats == ()


def test_before_and_after_a_change() -> None:
    after = at(measured(vantage(**OFFICE), lookup(), identity("a"), identity("b")), "10:10:00")
    found = compare(BLOCKED, after)
    assert found.cause is Cause.NETWORK_BLOCKED
    assert "two times" in found.proof
    assert found.confidence is Confidence.POSSIBLE


def test_what_weakens_a_proof() -> None:
    late = compare(BLOCKED, at(SOUND, "18:00:00"))
    assert "7.8 hours apart" in late.caveats[0] or "8.0 hours apart" in late.caveats[0]
    unknown = msgspec.structs.replace(SOUND, observations=SOUND.observations[1:])
    assert "not known" in compare(BLOCKED, unknown).caveats[0]
    elsewhere = msgspec.structs.replace(
        SOUND, source=msgspec.structs.replace(SOUND.source, path="cloud.test:5683")
    )
    assert "different clouds" in compare(BLOCKED, elsewhere).caveats[0]
    for weak in (late, compare(BLOCKED, unknown), compare(BLOCKED, elsewhere)):
        assert weak.confidence is Confidence.POSSIBLE


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (BLOCKED, BLOCKED),
        (BLOCKED, probes()["vpn"]),
        (probes()["nothing"], SOUND),
        (recorded("blocked-syn-dropped"), SOUND),
        (recorded("wrong-server-key-even-modulus"), recorded("healthy-ipv6")),
    ],
)
def test_what_proves_nothing(one: Measurement, other: Measurement) -> None:
    for pair in ((one, other), (other, one)):
        assert compare(*pair).cause is None


def test_the_device_in_two_networks() -> None:
    sound, blocked = recorded("healthy-linux-cooked"), recorded("blocked-syn-dropped")
    found = compare(sound, blocked)
    assert found.cause is Cause.NETWORK_BLOCKED
    assert "B's network" in found.proof
    assert any("same device" in caveat for caveat in found.caveats)


def test_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    one, other = tmp_path / "office.html", tmp_path / "hotspot.json"
    write_report([BLOCKED], [one], made=AT)
    other.write_bytes(to_json(SOUND))
    assert main(["compare", str(one), str(other)]) == 1
    text = capfd.readouterr().out
    assert "A's" in text
    assert max(map(len, text.splitlines())) <= 80
    assert main(["compare", str(one), str(other), "--format", "json"]) == 1
    document = json.loads(capfd.readouterr().out)
    assert document["proves"]["cause"] == "network_blocked"
    assert {row["label"] for row in document["differences"] if row["differs"]} >= {"network"}
    assert main(["compare", str(other), str(other)]) == 0
    assert main(["compare", str(one), str(one)]) == 3
    assert main(["compare", str(one), str(tmp_path / "none")]) == 2
