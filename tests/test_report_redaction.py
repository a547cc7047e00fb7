"""What a report leaves out, and that what is left is judged as before."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import documents
from handshake_probe import pipeline
from handshake_probe.keys.keyring import Keyring
from handshake_probe.model.measurement import KeyUsed, Measurement, from_json, to_json
from handshake_probe.model.observations import HostSeen, KeyTest
from handshake_probe.model.probed import FirstBytes, TcpProbed
from handshake_probe.model.vocabulary import Cause
from handshake_probe.pipeline.rejudging import judge_again
from handshake_probe.report.sheet import secrets
from handshake_probe.report.sheet.pseudonyms import Pseudonyms
from handshake_probe.report.sheet.redaction import Level, is_endpoint, redacted
from probed import hop, lookup, measured, nonce, rejected, tcp, vantage, walk

CAPTURES = Path(__file__).resolve().parent.parent / "captures"
RECORDINGS = sorted(CAPTURES.glob("*.pcap*"))
ID = "ed48b8a5fa820999bbc072f9"
TOKEN = "0123456789abcdef0123456789abcdef01234567"


def measured_with_keys(recording: Path) -> Measurement:
    keys = recording.with_suffix(".keys")
    keyring = pipeline.load_keys([str(keys)], [])[0] if keys.exists() else Keyring()
    return pipeline.analyze(str(recording), keyring=keyring)


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_no_level_changes_the_verdict(recording: Path) -> None:
    measurement = measured_with_keys(recording)
    expected = judge_again(measurement)
    for level in Level:
        (kept,) = redacted([measurement], level)
        assert kept.redaction == level
        found = judge_again(from_json(to_json(kept)))
        assert found.redaction == level
        told = [(d.verdict.cause, d.verdict.mechanism, d.verdict.stage) for d in found.devices]
        assert told == [
            (d.verdict.cause, d.verdict.mechanism, d.verdict.stage) for d in expected.devices
        ]
        for name in ("cause", "mechanism", "stage", "confidence", "candidates", "findings"):
            assert getattr(found.verdict, name) == getattr(expected.verdict, name)
        for one, other in zip(found.devices, expected.devices, strict=True):
            blockers = one.verdict.blocker, other.verdict.blocker
            assert [b and (b.hop, b.who) for b in blockers[:1]] == [
                b and (b.hop, b.who) for b in blockers[1:]
            ]
        text = to_json(kept).decode()
        assert '"hex"' not in text  # of decrypted messages
        if level is Level.PUBLIC:
            secrets.inspect(text, public=True)
            for device in measurement.devices:
                assert f'"{device.address}"' not in text or device.address.endswith((".1", ".2"))
                assert not device.mac or device.mac not in text


PROBES: dict[str, Measurement] = {
    "dropped": measured(
        vantage(wifi="Office Guest"),
        lookup(),
        tcp(outcome="timeout", seconds=8.0),  # type: ignore[arg-type]
        walk(["192.168.1.1", "100.64.0.1"], ["192.168.1.1", "100.64.0.1", "203.0.113.254"]),
    ),
    "rejected": measured(vantage(), rejected("192.168.1.1", 13), hop(1, "192.168.1.1")),
    "healthy": measured(vantage(), nonce("aa"), nonce("bb")),
}


@pytest.mark.parametrize("name", PROBES)
def test_no_level_changes_the_verdict_of_a_probe(name: str) -> None:
    before = PROBES[name].verdict
    for level in Level:
        after = judge_again(redacted([PROBES[name]], level)[0]).verdict
        assert (after.cause, after.mechanism, after.confidence, after.stage) == (
            before.cause,
            before.mechanism,
            before.confidence,
            before.stage,
        )
        assert (after.blocker and after.blocker.hop) == (before.blocker and before.blocker.hop)


def test_a_public_copy_hides_who_and_where() -> None:
    private = measured(
        vantage(wifi="Office Guest", address="192.168.1.77", device="192.168.1.88"),
        lookup(name="cloud.factory.test"),
        tcp(
            first=FirstBytes(
                seconds=0.1, received=60, flaws=["printable"], excerpt="Welcome to Factory"
            )
        ),
        HostSeen(
            id="",
            frame=1,
            time=0.0,
            address="192.168.1.88",
            mac="94:94:4a:12:34:56",
            name="joes-photon",
        ),
    )
    private = msgspec.structs.replace(
        private,
        source=msgspec.structs.replace(private.source, path="cloud.factory.test:5683"),
        keys=[
            KeyUsed(
                fingerprint="sha256:00",
                role="device_private",
                source=f"/home/joe/{ID}.der",
                device_id=ID,
            )
        ],
    )
    told = {level: to_json(redacted([private], level)[0]).decode() for level in Level}
    for word in ("Office Guest", "192.168.1.77", "factory.test", "Factory", "joes", "12:34:56", ID):
        assert word not in told[Level.PUBLIC], word
    assert "/home/joe" not in told[Level.IT]
    for word in ("Office Guest", "192.168.1.77", "factory.test", "joes-photon", "12:34:56", ID):
        assert word in told[Level.IT]
    assert "94:94:4a:00:00:01" in told[Level.PUBLIC]
    assert "host1.example:5683" in told[Level.PUBLIC]


def test_a_public_copy_stays_as_it_is() -> None:
    once = redacted([PROBES["dropped"]], Level.PUBLIC)
    for level in Level:
        assert redacted(once, level) == once


def test_every_address_keeps_its_network_and_its_equals() -> None:
    hide = Pseudonyms()
    one, other = hide.address("10.1.2.200"), hide.address("10.1.2.17")
    assert (one, other) == ("10.1.2.1", "10.1.2.2")
    assert hide.text("from 10.1.2.200:99 to [2001:db8:1:7::99]:5683") == (
        "from 10.1.2.1:99 to [2001:db8:1:1::1]:5683"
    )
    assert hide.address("2001:db8:1:7::42") == "2001:db8:1:1::2"
    assert hide.address("2001:db8:1:8::42") == "2001:db8:1:2::1"
    assert hide.address("fe80::9694:4aff:fe12:3456") == "fe80::1"
    assert hide.text("10.1.2.0/25, 0.0.0.0, 127.0.0.1, 8.8.8.8, 224.0.1.187") == (
        "10.1.2.0/24, 0.0.0.0, 127.0.0.1, 8.8.8.8, 224.0.1.187"
    )
    untouched = "at 10:49:01, version 1.2.3, a 1.5.0-rc.2, sha256:ab, 2026-11-22T10:49:01Z"
    assert hide.text(untouched) == untouched


@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_different_addresses_stay_different(one: Any, other: Any) -> None:
    hide = Pseudonyms()
    told = hide.address(str(one)), hide.address(str(other))
    assert (told[0] == told[1]) is (one == other)
    assert hide.address(str(one)) == told[0]


SECRETS = {
    "pem": "x -----BEGIN RSA PRIVATE KEY-----\nMIICXAIBAAKBgQ",
    "der": "308202" + "5c02010002818100" * 4,
    "base64": "MIICXQIBAAKBgQDLets8+7M+iAQAqN/5BVyCIjhTQ4cmXulL+gm3v0oGMWzLupUS",
    "escaped": r"0\x82\x02]\x02\x01\x00\x02\x81\x81\x00",
    "token": TOKEN,
    "session key": "00112233445566778899aabbccddeeff",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc_def-1",
    "claim code": "Ab1/" * 15 + "Ab1",
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_found_and_taken_out(name: str) -> None:
    text = f"before {SECRETS[name]} after"
    with pytest.raises(secrets.SecretFound):
        secrets.inspect(text, public=False)
    clean = secrets.scrubbed(text)
    secrets.inspect(clean, public=True)
    assert clean.startswith("before ")
    assert secrets.REMOVED in clean


@pytest.mark.parametrize(
    "text",
    ["access_token=abcdef123", "password: hunter22", "Bearer abcdefgh", "http://x/?user=joe&p=1"],
)
def test_a_named_secret_is_taken_out(text: str) -> None:
    assert secrets.scrubbed(text).endswith(secrets.REMOVED)


PIECES = [*SECRETS.values(), ID, "0" * 64, "a1", "/", "+", "G", "é", "\u017f", " ", "=", ".", "_"]
PIECES += ['"', "\\", "Token", "sessionid", "SID", "api_key", "bearer", "http://x/", "?q=1"]


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_the_quick_search_takes_out_what_every_pattern_finds(text: str) -> None:
    clean = text
    for pattern in (*secrets._SECRETS.values(), *secrets._IN_RUNS.values()):
        clean = pattern.sub(secrets.REMOVED, clean)
    found = clean != text
    clean = secrets._QUERY.sub(rf"\1?{secrets.REMOVED}", clean)
    clean = secrets._NAMED.sub(rf"\1{secrets.REMOVED}", clean)
    assert secrets.scrubbed(text) == clean
    if found:
        with pytest.raises(secrets.SecretFound):
            secrets.inspect(text, public=False)
    else:
        secrets.inspect(text, public=False)


def test_what_is_no_secret_stays() -> None:
    text = f"{'0' * 64} sha256:6e55ada3668b8e18 a session: both sides; token ring; {ID}"
    assert secrets.scrubbed(text) == text
    secrets.inspect(text, public=False)
    with pytest.raises(secrets.SecretFound):
        secrets.inspect(text, public=True)


def test_secrets_in_any_field_are_taken_out() -> None:
    for name, secret in SECRETS.items():
        plain = documents.key_mismatch()
        dirty = msgspec.structs.replace(
            plain,
            source=msgspec.structs.replace(plain.source, path=secret, format=secret),
            devices=[msgspec.structs.replace(plain.devices[0], name=secret, vendor=secret)],
            findings=[documents.finding("HP201", f"a {secret} b")],
        )
        for level in Level:
            text = to_json(redacted([dirty], level)[0]).decode()
            secrets.inspect(text, public=False)
            assert secret not in json.loads(text)["source"]["path"], name


def filled(annotation: Any) -> Any:
    """A value of this type in which every string is a token."""
    if annotation is str:
        return TOKEN
    arguments = [a for a in get_args(annotation) if a is not NoneType]
    match get_origin(annotation):
        case None if issubclass(annotation, msgspec.Struct):
            fields = msgspec.structs.fields(annotation)
            return annotation(**{field.name: filled(field.type) for field in fields})
        case None:
            return next(iter(annotation)) if issubclass(annotation, StrEnum) else annotation(1)
        case kind if kind is list:
            return [filled(item) for item in unions(arguments[0])]
        case kind if kind is dict:
            return {TOKEN: filled(arguments[1])}
    return filled(next((a for a in arguments if a is str), arguments[0]))


def unions(annotation: Any) -> list[Any]:
    """All types of a list's items: every kind of observation."""
    return list(get_args(annotation)) if get_origin(annotation) is UnionType else [annotation]


@pytest.mark.parametrize("level", Level)
def test_no_string_of_any_kind_is_passed_over(level: Level) -> None:
    dirty = filled(Measurement)
    assert to_json(dirty).count(TOKEN.encode()) > 150  # strings are everywhere in it
    dirty = msgspec.structs.replace(dirty, redaction=None)
    assert TOKEN not in to_json(redacted([dirty], level)[0]).decode()


NAMES = st.lists(
    st.lists(st.sampled_from(["a", "B", "-", ".", " ", "'", "é", "[", "İ"]), max_size=5).map(
        "".join
    )
)


@given(NAMES, st.lists(st.sampled_from([*"aBb-. 'é[İ,"]), max_size=30).map("".join))
def test_every_name_is_found_as_if_each_were_looked_for(names: list[str], text: str) -> None:
    hide = Pseudonyms()
    expected = text
    for name in names:
        hide.hide(name, "#")
    for name in sorted(
        {name.lower() for name in names if len(name) > 2}, key=lambda n: (-len(n), n)
    ):
        if name in text.lower():
            whole = rf"(?i)(?<![\w-]){re.escape(name)}(?![\w-])"
            expected = re.sub(whole, "#", expected)
    assert hide.text(text) == expected


def test_the_names_of_a_fleet_are_not_looked_for_one_by_one() -> None:
    hide = Pseudonyms()
    for number in range(3000):
        hide.hide(f"photon of room {number}", f"[{number}]")
    assert hide.text("photon of room 1234, photon of room 12") == "[1234], [12]"
    assert max(map(len, hide._by_word.values())) < 10


@pytest.mark.parametrize(
    "text", ["1.2.3.4:5; reboot", "1.2.3.4", "x:1", ":1", "[1.2.3.4]:5", "::1:5"]
)
def test_what_is_no_endpoint(text: str) -> None:
    assert not is_endpoint(text)


def test_values_of_another_form_do_not_pass() -> None:
    evil = "1.2.3.4; reboot"
    made = measured(vantage(device=evil, gateway=evil), tcp(target="192.0.2.7:5683; reboot"))
    test = KeyTest(
        frame=1,
        block="identity",
        key="k",
        role="cloud",
        private=True,
        state="opened",
        device_id=evil,
    )
    (kept,) = redacted([made], Level.IT)
    seen, attempt = kept.observations
    assert (seen.device, seen.gateway) == (None, None)  # type: ignore[union-attr]
    assert isinstance(attempt, TcpProbed)
    assert attempt.target == "0.0.0.0:0"
    hidden = documents.measurement(
        documents.device(documents.verdict(Cause.HEALTHY), device_id=evil)
    )
    assert redacted([hidden], Level.IT)[0].devices[0].device_id is None
    assert test.device_id == evil  # what a document may say
