"""The measurement document: it fits its own schema and survives being written down."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from handshake_probe import pipeline
from handshake_probe.keys.keyring import Keyring
from handshake_probe.model.measurement import (
    SCHEMA,
    Measurement,
    json_parts,
    json_schema,
    revised,
    to_json,
)
from handshake_probe.model.observations import ConnectionSeen
from handshake_probe.model.vocabulary import (
    Cause,
    Confidence,
    EndedBy,
    Mechanism,
    Severity,
    Stage,
)
from observed import connection, measured, question

CAPTURES = Path(__file__).parent.parent / "captures"
# Of every kind one: a block, a portal, DNS, keys, sessions, cut and odd captures.
NAMES = (
    "blocked-captive-portal-http-redirect.pcap",
    "blocked-dns-nxdomain.pcap",
    "blocked-icmp-admin-prohibited.pcap",
    "blocked-syn-dropped-internet-down.pcap",
    "healthy-brewskey-device-os-1.0.0.pcap",
    "healthy-capture-starts-mid-session.pcap",
    "healthy-ipv6.pcap",
    "healthy-original-server-device-os-3.3.1.pcapng",
    "healthy-snap-length-96.pcap",
    "unknown-device-brewskey-device-os-1.0.0.pcap",
    "wrong-server-key-even-modulus.pcap",
)
every_capture = pytest.mark.parametrize("name", NAMES)


def analyze(name: str) -> Measurement:
    folder = CAPTURES / name.rsplit(".", 1)[0]
    keyring, _ = pipeline.load_keys([f"{folder}.keys"], [])
    return pipeline.analyze(str(CAPTURES / name), keyring=keyring)


@cache
def document(name: str) -> Measurement:
    return analyze(name)


@cache
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json_schema())


def refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is not JSON")


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@every_capture
def test_a_document_fits_the_schema(name: str) -> None:
    validator().validate(json.loads(to_json(document(name))))


@every_capture
def test_a_document_reads_back_as_it_was(name: str) -> None:
    assert msgspec.json.decode(to_json(document(name)), type=Measurement) == document(name)


@every_capture
def test_the_same_capture_gives_the_same_bytes(name: str) -> None:
    assert to_json(analyze(name)) == to_json(document(name))


@every_capture
def test_a_document_is_one_line_of_plain_json(name: str) -> None:
    data = to_json(document(name))
    assert b"\n" not in data
    told = json.loads(data.decode("utf-8"), parse_constant=refuse)
    assert told["schema"] == SCHEMA
    assert told["kind"] == "capture"


def numbers(value: Any) -> Iterator[float]:
    """Every floating-point number in a document."""
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from numbers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from numbers(inner)


@every_capture
def test_every_number_is_finite(name: str) -> None:
    found = list(numbers(msgspec.to_builtins(document(name))))
    assert found
    assert all(math.isfinite(number) for number in found)


@every_capture
def test_steps_stand_in_the_order_of_the_capture(name: str) -> None:
    for device in document(name).devices:
        for report in device.connections:
            numbers = [entry.frame for entry in report.events]
            assert numbers == sorted(numbers)
            assert all(entry.t >= 0 for entry in report.events)
            assert all(0 < entry.frame <= document(name).source.frames for entry in report.events)


@every_capture
def test_observations_are_numbered_in_order(name: str) -> None:
    ids = [item.id for item in document(name).observations]
    assert ids == [f"o{number}" for number in range(1, len(ids) + 1)]


@every_capture
def test_no_secret_is_written_down(name: str) -> None:
    """Session material and private keys of the recording, as its own endpoints logged them."""
    written = to_json(document(name)).decode()
    truth = json.loads((CAPTURES / "truth.json").read_text("utf-8"))
    (entry,) = [entry for entry in truth if entry["file"] == name]
    secrets = [
        secret[start : start + 32]
        for device in entry["devices"]
        for session in device["sessions"]
        if (secret := session["session"])
        for start in (0, 32)
    ]
    assert not [secret for secret in secrets if secret in written]
    for file in (CAPTURES / entry["keys"]).iterdir():
        if file.suffix == ".der" and file.stat().st_size == 612:
            assert file.read_bytes()[160:224].hex() not in written


def test_the_parts_of_a_document_are_the_document() -> None:
    """Also of one whose lists are longer than a part, and of one whose lists are empty."""
    found = document(NAMES[0])
    many = revised(found, devices=found.devices * 350, observations=found.observations * 99)
    for each in (found, many, revised(found, devices=[], findings=[])):
        parts = list(json_parts(each))
        assert b"".join(parts) == to_json(each)


def test_a_path_of_any_bytes_is_written_down(tmp_path: Path) -> None:
    name = tmp_path / "caf\udce9.pcap"
    shutil.copy(CAPTURES / NAMES[0], name)
    written = to_json(pipeline.analyze(str(name), keyring=Keyring()))
    assert json.loads(written)["source"]["path"].endswith("caf�.pcap")


def test_an_observation_keeps_what_a_later_judge_needs() -> None:
    """A document judged again from its own observations says the same."""
    first = measured(connection().syn(times=3).no_answer(), question(None))
    read = msgspec.json.decode(to_json(first), type=Measurement)
    again = measured(*read.observations)
    assert to_json(again) == to_json(first)


@pytest.mark.parametrize("words", [Cause, Stage, Confidence, Severity, EndedBy, Mechanism])
def test_words_are_words(words: type[Cause]) -> None:
    values = [str(word) for word in words]
    assert len(values) == len(set(values))
    assert all(re.fullmatch("[a-z]+[0-9]*(_[a-z]+[0-9]*)*", value) for value in values)


def test_stages_stand_in_the_order_of_the_handshake() -> None:
    assert [stage.order for stage in Stage] == list(range(len(Stage)))
    assert Stage.HELLO_SENT.reached(Stage.NONCE_RECEIVED)
    assert Stage.SESSION.reached(Stage.SESSION)
    assert not Stage.NONCE_RECEIVED.reached(Stage.IDENTITY_SENT)


def test_one_sided_needs_acknowledgements_or_a_silent_device() -> None:
    told: ConnectionSeen = connection().syn(times=3).seen()
    assert not told.one_sided
    assert connection().connected().path("cloud", packets=0).seen().one_sided
    assert connection().connected().path("device", packets=0).seen().one_sided
