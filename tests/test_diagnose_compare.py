"""What the difference between two measurements proves, and what it does not."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

import documents
from handshake_probe.cli import main
from handshake_probe.diagnose.compare import compare
from handshake_probe.model.measurement import DeviceReport, Measurement, to_json
from handshake_probe.model.vocabulary import Cause, Confidence, Stage
from handshake_probe.pipeline.reporting import write_report
from handshake_probe.report.compare import write_comparison
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


def fleet(*causes: Cause, **changes: Any) -> Measurement:
    """A capture of devices that are told apart by their ids."""
    stages = {Cause.NETWORK_BLOCKED: Stage.TCP_SYN, Cause.HEALTHY: Stage.SESSION}
    return documents.measurement(
        *(
            documents.device(
                documents.verdict(cause, stage=stages.get(cause, Stage.IDENTITY_SENT)),
                address=f"10.0.0.{number}",
                device_id=f"{number:024x}",
                **changes,
            )
            for number, cause in enumerate(causes)
        )
    )


B, H, K, Q = (
    Cause.NETWORK_BLOCKED,
    Cause.HEALTHY,
    Cause.SERVER_KEY_MISMATCH,
    Cause.INCONCLUSIVE,
)


@pytest.mark.parametrize(
    ("one", "other", "cause", "told"),
    [
        ([B, B, H, K], [H, H, H, K], B, "4 devices are in both captures: 2 are stopped by A's"),
        ([B, B, H, K], [H, H, H, K], B, "1 fails alike in both"),
        ([H, H], [B, H], B, "What stops them is B's network"),
        ([B, H], [H, B], None, "each network stops devices that the other carries"),
        ([H, H, H], [H, H], H, "2 devices are in both captures: 2 connect in both"),
        ([K, K], [K, K], K, "moves with the devices"),
        ([K, B], [K, B], None, "no device connects in one network"),
        ([B, B], [B, B], None, "2 tell nothing of the networks"),
        ([Q, B], [Q, H], B, "1 tells nothing of the networks"),
    ],
)
def test_each_device_of_a_fleet_is_compared_with_itself(
    one: list[Cause], other: list[Cause], cause: Cause | None, told: str
) -> None:
    found = compare(fleet(*one), fleet(*other))
    assert found.cause is cause
    assert told in found.proof
    assert "The device " not in found.proof
    assert not any("same device" in caveat for caveat in found.caveats)


def test_devices_that_are_not_in_both_prove_nothing() -> None:
    nameless = {"device_id": None, "mac": "02:00:00:00:00:01"}  # their router's
    one = msgspec.structs.replace(fleet(B, B), devices=with_names(fleet(B, B), **nameless))
    there = with_names(fleet(H, H), **nameless)
    other = msgspec.structs.replace(fleet(H, H), devices=there)
    found = compare(one, other)
    assert found.cause is B  # one site, before and after
    assert found.confidence is Confidence.POSSIBLE
    assert "by their addresses alone" in found.caveats[0]
    moved = [msgspec.structs.replace(d, address=f"172.16.0.{n}") for n, d in enumerate(there)]
    found = compare(one, msgspec.structs.replace(other, devices=moved))
    assert found.cause is None
    assert "no device of A is shown to be in B" in found.proof


def test_devices_behind_one_address_are_not_taken_for_each_other() -> None:
    behind: dict[str, str | None] = {"device_id": None, "mac": None, "address": "203.0.113.5"}
    one = msgspec.structs.replace(fleet(H, B), devices=with_names(fleet(H, B), **behind))
    other = msgspec.structs.replace(fleet(B, H), devices=with_names(fleet(B, H), **behind))
    assert compare(one, other).cause is None


def with_names(measurement: Measurement, **names: str | None) -> list[DeviceReport]:
    return [msgspec.structs.replace(device, **names) for device in measurement.devices]


def test_a_fleet_is_counted_and_each_device_that_changed_is_told() -> None:
    rows = {row.label: row for row in compare(fleet(B, H, K), fleet(H, H, K)).differences}
    assert rows["verdicts"].one == "1 network_blocked, 1 server_key_mismatch, 1 healthy"
    assert rows["0" * 24].one == "network_blocked"
    assert rows["0" * 24].other == "healthy"
    assert {"how", "confidence", "got as far as"}.isdisjoint(rows)


def test_a_long_comparison_is_cut_in_text(capfd: pytest.CaptureFixture[str]) -> None:
    rows = [(f"{number:024x}", "network_blocked", "healthy") for number in range(40)]
    write_comparison(sys.stdout, names=("a", "b"), proof="p", sure="", caveats=(), rows=rows)
    told = capfd.readouterr().out
    assert told.count("A: network blocked") == 24
    assert "16 more: --format json tells all" in told
    assert max(map(len, told.splitlines())) <= 80


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


def test_captures_are_compared_as_they_are(capfd: pytest.CaptureFixture[str]) -> None:
    captures = Path(__file__).resolve().parent.parent / "captures"
    sound = str(captures / "healthy-linux-cooked.pcap")
    (blocked,) = map(str, captures.glob("blocked-syn-dropped.pcap*"))
    assert main(["compare", sound, blocked]) == 1
    assert "B's network" in " ".join(capfd.readouterr().out.split())
    assert main(["diagnose", blocked]) == 1
    assert "NETWORK BLOCKED" in capfd.readouterr().out
    assert main(["compare", sound, __file__]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "not a capture" in err
    assert "or captures" in err
