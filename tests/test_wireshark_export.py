"""`wireshark export`: stock tshark reads what was decrypted, beside the frames as they were."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from handshake_probe import pipeline
from handshake_probe.capture.inputs import open_capture
from handshake_probe.cli import main
from handshake_probe.errors import UnreadableInput
from handshake_probe.keys.keyring import Keyring
from handshake_probe.protocol.coap import CoapMessage, Option, encode, parse
from handshake_probe.wireshark.export import Exported, export
from handshake_probe.wireshark.masking import masked
from wireshark_parts import CAPTURES, fields, needs_tshark, tshark

TRUTH: list[dict[str, Any]] = json.loads((CAPTURES / "truth.json").read_text())
HEALTHY = [entry for entry in TRUTH if entry["file"].startswith("healthy-")]
UNDECRYPTABLE = ("healthy-capture-starts-mid-session.pcap", "healthy-snap-length-96.pcap")
CLAIMS = next(e for e in TRUTH if e["file"].startswith("unclaimed-"))
SECRET = b"x7kGq2mPz0yTsecret"


def exported(entry: dict[str, Any], target: Path) -> Exported:
    keyring, _ = pipeline.load_keys([str(CAPTURES / entry["keys"])], [])
    return export(str(CAPTURES / entry["file"]), str(target), keyring=keyring)


def said(entry: dict[str, Any], letter: str) -> list[str]:
    return [
        hexed
        for device in entry["devices"]
        for session in device["sessions"]
        for who, hexed in session["coap"]
        if who == letter
    ]


@needs_tshark
@pytest.mark.parametrize("entry", HEALTHY, ids=lambda entry: entry["file"])
def test_stock_tshark_dissects_every_message_as_coap(entry: dict[str, Any], tmp_path: Path) -> None:
    target = tmp_path / "out.pcapng"
    done = exported(entry, target)
    names = ["exported_pdu.exported_pdu", "_ws.col.Source", "coap.type", "coap.code", "coap.mid"]
    names += ["coap.token", "coap.opt.uri_path", "coap.payload_length", "exported_pdu.orig_fno"]
    names += ["frame.time_epoch", "_ws.malformed", "exported_pdu.dst_port"]
    rows = fields(tmp_path, target, names, "-Y", "exported_pdu")
    assert len(rows) == done.messages
    assert bool(rows) == (entry["file"] not in UNDECRYPTABLE)
    with open_capture(CAPTURES / entry["file"]) as capture:
        times = {frame.number: frame.time_ns for frame in capture}
    addresses = {device["ip"] for device in entry["devices"]}
    for letter in ("d", "s"):
        ours = [row for row in rows if (row["_ws.col.Source"] in addresses) == (letter == "d")]
        told = said(entry, letter)
        # The endpoints log a little more than the capture's end shows, never less.
        assert [row["exported_pdu.exported_pdu"] for row in ours] == told[: len(ours)]
        assert len(told) - len(ours) <= 2 or not rows
        for row, hexed in zip(ours, told, strict=False):
            message = parse(bytes.fromhex(hexed))
            assert isinstance(message, CoapMessage)
            assert row["coap.type"] == str(int(message.type))
            assert row["coap.code"] == str(message.code)
            assert row["coap.mid"] == str(message.message_id)
            path = [value.decode() for value in message.values(Option.URI_PATH)]
            assert row["coap.opt.uri_path"] == "|".join(path)
            if message.code:  # tshark reads no token of an empty message
                assert row["coap.token"] == message.token.hex()
                assert int(row["coap.payload_length"] or 0) == len(message.payload)
            unknown_to_tshark = message.values(Option.NO_RESPONSE)  # as of 4.0; RFC 7967
            assert bool(row["_ws.malformed"]) == bool(unknown_to_tshark)
            seconds, _, fraction = row["frame.time_epoch"].partition(".")
            assert int(seconds + fraction) == times[int(row["exported_pdu.orig_fno"])]


@pytest.mark.parametrize("entry", HEALTHY, ids=lambda entry: entry["file"])
def test_the_frames_stand_beside_as_they_were(entry: dict[str, Any], tmp_path: Path) -> None:
    target = tmp_path / "out.pcapng"
    done = exported(entry, target)
    with open_capture(CAPTURES / entry["file"]) as capture:
        before = list(capture)
        snaps = [interface.snap_length for interface in capture.interfaces]
    with open_capture(target) as capture:
        after = list(capture)
        assert capture.damage is None
        assert [interface.snap_length for interface in capture.interfaces[1:]] == snaps
    assert [
        frame._replace(interface=frame.interface - 1) for frame in after[: done.frames]
    ] == before
    assert {frame.link_type for frame in after[done.frames :]} <= {252}


@needs_tshark
def test_comments_say_what_was_found(tmp_path: Path) -> None:
    entry = next(e for e in TRUTH if e["file"] == "blocked-identity-reset-by-router.pcap")
    target = tmp_path / "out.pcapng"
    done = exported(entry, target)
    rows = fields(tmp_path, target, ["frame.number", "frame.comment"], "-Y", "frame.comment")
    comments = {int(row["frame.number"]): row["frame.comment"] for row in rows}
    assert max(comments) <= done.frames
    measurement = pipeline.analyze(str(CAPTURES / entry["file"]), keyring=Keyring())
    placed = 0
    for finding in measurement.findings:
        for evidence in finding.evidence:
            if evidence.startswith("frame "):
                assert f"{finding.code} ({finding.severity}" in comments[int(evidence[6:])]
                placed += 1
    assert placed
    first = measurement.devices[0].connections[0]
    nonce = next(event for event in first.events if event.event == "nonce_received")
    assert comments[nonce.frame].startswith("nonce received, 40 bytes")


def test_no_claim_code_and_no_key_is_written(tmp_path: Path) -> None:
    target = tmp_path / "out.pcapng"
    done = exported(CLAIMS, target)
    assert done.messages
    data = target.read_bytes()
    codes = [
        message.payload
        for hexed in said(CLAIMS, "d")
        if isinstance(message := parse(bytes.fromhex(hexed)), CoapMessage)
        and message.values(Option.URI_PATH)[1:] == [b"spark/device/claim/code"]
    ]
    assert codes
    for code in codes:
        assert code not in data
        assert b"spark/device/claim/code\xff" + b"*" * len(code) in data
    assert b"the claim code is masked" in data
    assert b"PRIVATE" not in data
    for device in CLAIMS["devices"]:
        for session in device["sessions"]:
            assert bytes.fromhex(session["session"][:32]) not in data


@pytest.mark.parametrize(
    "path",
    [
        [b"E", b"spark/device/claim/code"],
        [b"e", b"spark", b"device", b"claim", b"code"],
        [b"E", b"spark/device/claim/other"],
    ],
)
@pytest.mark.parametrize("cut", [0, 16])
def test_a_code_is_masked_however_its_event_came(path: list[bytes], cut: int) -> None:
    options = tuple((int(Option.URI_PATH), segment) for segment in path)
    event = parse(bytes.fromhex("50020001"))
    assert isinstance(event, CoapMessage)
    whole = encode(event._replace(options=options, payload=SECRET))
    if cut and path[-1].endswith(b"other"):
        pytest.skip("the firmware has no such event; torn, nothing is known of it")
    shown, hidden = masked(whole[cut:])
    assert hidden
    assert SECRET not in shown
    assert SECRET[4:8] not in shown
    assert len(shown) == len(whole) - cut


def test_other_messages_stay_as_they_are() -> None:
    for entry in HEALTHY:
        for hexed in said(entry, "d") + said(entry, "s"):
            assert masked(bytes.fromhex(hexed)) == (bytes.fromhex(hexed), False)


def test_nothing_is_overwritten_and_nothing_half_written_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture, target = str(CAPTURES / HEALTHY[0]["file"]), tmp_path / "out.pcapng"
    target.write_bytes(b"mine")
    assert main(["wireshark", "export", capture, "-o", str(target)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert target.read_bytes() == b"mine"
    assert main(["wireshark", "export", "-", "-o", str(tmp_path / "new")]) == 2
    assert main(["wireshark", "export", str(target), "-o", str(tmp_path / "new")]) == 2
    assert main(["wireshark", "export", capture, "-o", str(tmp_path / "none" / "new")]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out.pcapng"]
    with pytest.raises(UnreadableInput):
        export(capture, capture, keyring=Keyring())


def test_without_keys_the_comments_are_all_there_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture, target = str(CAPTURES / HEALTHY[0]["file"]), tmp_path / "out.pcapng"
    assert main(["wireshark", "export", capture, "-o", str(target)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{target}: 65 frames, 0 decrypted messages\n"
    assert "device's private key" in err
    assert stat.S_IMODE(os.stat(target).st_mode) == 0o600


@needs_tshark
def test_a_decrypted_session_on_ipv6_has_its_addresses(tmp_path: Path) -> None:
    entry = next(e for e in HEALTHY if "ipv6" in e["file"])
    target = tmp_path / "out.pcapng"
    exported(entry, target)
    told = tshark(
        tmp_path, "-r", str(target), "-Y", "exported_pdu", "-T", "fields", "-e", "_ws.col.Source"
    )
    assert set(told.split()) > {entry["devices"][0]["ip"]}
