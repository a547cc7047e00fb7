"""The Lua dissector, run by tshark: the same steps as ours, on the same frames."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from handshake_probe import pipeline
from handshake_probe.capture.inputs import open_capture
from handshake_probe.capture.written import pcap
from handshake_probe.keys.keyring import Keyring
from handshake_probe.packets.decode import Decoder
from handshake_probe.packets.units import Frame, Segment
from handshake_probe.protocol import events as ev
from handshake_probe.wireshark.following import Follower
from wireshark_parts import CAPTURES, SOURCE, fields, needs_tshark, tshark

pytestmark = needs_tshark

SYNTHETIC = (
    "synthetic/synthetic-blocked-portal-at-the-first-router.pcap",
    "synthetic/synthetic-healthy-ipv4-fragments.pcap",
    "synthetic/synthetic-healthy-ipv6-extension-headers.pcap",
)
Rows = list[dict[str, str]]

LUA = SOURCE / "handshake_probe" / "wireshark" / "handshake_probe.lua"
TRUTH: list[dict[str, Any]] = json.loads((CAPTURES / "truth.json").read_text())
HEALTHY, TINY = "healthy-brewskey-device-os-1.0.0.pcap", "healthy-tiny-segments-mss-88.pcap"
WRONG = ["nonce_flawed", "nonce_short", "identity_short", "credentials_short", "hello_missing"]
WRONG += ["surplus", "reset", "gap", "framing_lost"]
WHOLE = (ev.NonceReceived, ev.IdentitySent, ev.CredentialsReceived)
SHORT = (ev.NonceShort, ev.IdentityShort, ev.CredentialsShort)


def dissected(home: Path, file: Path, *names: str, more: tuple[str, ...] = ()) -> Rows:
    """The dissector's fields of the frames it has something to say about."""
    columns = ["frame.number", *(f"handshake_probe.{name}" for name in names)]
    return fields(home, file, columns, "-X", f"lua_script:{LUA}", "-Y", "handshake_probe", *more)


def steps_of(rows: Rows) -> Counter[tuple[int, str]]:
    """How often each step is told on each frame."""
    return Counter(
        (int(row["frame.number"]), event)
        for row in rows
        for event in row["handshake_probe.event"].split("|")
        if event and event != "framing_lost"
    )


def ours(file: Path) -> Counter[tuple[int, str]]:
    """The steps our own transcript tells."""
    steps: Counter[tuple[int, str]] = Counter()
    follower = Follower(Keyring(), frozenset({5683}))
    with open_capture(file) as capture:
        told = [item for frame in capture for item in follower.feed(frame)]
    told += follower.finish()
    for _, event in told:
        if isinstance(event, WHOLE) or (isinstance(event, SHORT) and event.received):
            steps[event.frame, event.name] += 1
        elif isinstance(event, ev.RecordSeen):
            steps[event.frame, f"{event.direction.split('_')[0]}_record"] += 1
    return steps


@pytest.mark.parametrize("file", [*sorted({entry["file"] for entry in TRUTH}), *SYNTHETIC])
def test_the_steps_are_those_of_our_own_transcript(file: str, tmp_path: Path) -> None:
    rows = dissected(tmp_path, CAPTURES / file, "event")
    assert steps_of(rows) == ours(CAPTURES / file)


def kinds(steps: Counter[tuple[int, str]]) -> Counter[str]:
    """The steps without their frames: behind a hole a dissector in one pass tells them later."""
    return Counter(event for _, event in steps.elements())


def frames_of(name: str) -> list[Frame]:
    with open_capture(CAPTURES / name) as capture:
        return list(capture)


def rewritten(frames: list[Frame], folder: Path) -> Path:
    """A capture of these frames in this order, a microsecond apart."""
    file = folder / "made.pcap"
    start = frames[0].time_ns
    made = [frame._replace(time_ns=start + 1000 * at) for at, frame in enumerate(frames)]
    file.write_bytes(b"".join(pcap(made)))
    return file


def payload_frames(frames: list[Frame]) -> list[int]:
    """Where TCP segments with payload on the cloud's port are."""
    decoder = Decoder()
    return [
        at
        for at, frame in enumerate(frames)
        if isinstance(segment := decoder.decode(frame), Segment)
        and 5683 in (segment.source.port, segment.destination.port)
        and segment.payload
    ]


def test_credentials_in_many_segments_are_one_step(tmp_path: Path) -> None:
    rows = dissected(
        tmp_path, CAPTURES / TINY, "event", "bytes", "pieces", "signature", "direction"
    )
    found = [row for row in rows if row["handshake_probe.event"] == "credentials_received"]
    assert len(found) == 1
    assert found[0]["handshake_probe.bytes"] == "384"
    assert int(found[0]["handshake_probe.pieces"]) >= 5
    assert len(found[0]["handshake_probe.signature"]) == 512
    assert found[0]["handshake_probe.direction"] == "cloud_to_device"


@pytest.mark.parametrize(
    ("name", "which"),
    [(TINY, 2), (TINY, 7), (HEALTHY, 0), (HEALTHY, 2), (HEALTHY, 4), (HEALTHY, 9)],
)
def test_a_segment_that_was_not_captured_is_a_gap(name: str, which: int, tmp_path: Path) -> None:
    frames = frames_of(name)
    del frames[payload_frames(frames)[which]]
    file = rewritten(frames, tmp_path)
    rows = dissected(tmp_path, file, "event", "missing_bytes", "gap.expert")
    assert any(row["handshake_probe.gap.expert"] for row in rows)
    assert any(row["handshake_probe.missing_bytes"] for row in rows)
    assert kinds(steps_of(rows)) == kinds(ours(file))


def test_what_was_sent_again_counts_once(tmp_path: Path) -> None:
    frames = frames_of(TINY)
    again = payload_frames(frames)[:12]
    for at in reversed(again):
        frames.insert(at + 4, frames[at])
    file = rewritten(frames, tmp_path)
    before = dissected(tmp_path, CAPTURES / TINY, "event", "retransmission.expert")
    rows = dissected(tmp_path, file, "event", "retransmission.expert")
    count = [
        sum(bool(row["handshake_probe.retransmission.expert"]) for row in told)
        for told in (before, rows)
    ]
    assert count[1] - count[0] == len(again)
    assert kinds(steps_of(rows)) == kinds(steps_of(before))


@pytest.mark.parametrize("which", [2, 5, 12])
def test_segments_out_of_order_are_put_in_order(which: int, tmp_path: Path) -> None:
    frames = frames_of(TINY)
    one, other = payload_frames(frames)[which : which + 2]
    frames[one], frames[other] = frames[other], frames[one]
    file = rewritten(frames, tmp_path)
    rows = dissected(tmp_path, file, "event", "missing_bytes")
    assert not any(row["handshake_probe.missing_bytes"] for row in rows)
    assert kinds(steps_of(rows)) == kinds(ours(file))


@pytest.mark.parametrize("first", [8, 11, 24])
def test_a_capture_may_begin_in_the_middle(first: int, tmp_path: Path) -> None:
    file = rewritten(frames_of(HEALTHY)[first:], tmp_path)
    rows = dissected(tmp_path, file, "event", "midstream")
    assert steps_of(rows) == ours(file)
    assert {row["handshake_probe.midstream"] for row in rows} <= (
        {"1"} if first > 7 else {"0", "1"}
    )


def test_both_passes_of_tshark_tell_the_same(tmp_path: Path) -> None:
    for name in (TINY, "healthy-heavy-packet-loss.pcap"):
        names = ("event", "stage", "bytes", "index", "length")
        once = dissected(tmp_path, CAPTURES / name, *names)
        assert dissected(tmp_path, CAPTURES / name, *names, more=("-2",)) == once


@pytest.mark.parametrize(
    ("name", "trouble", "text"),
    [
        ("blocked-captive-portal-http-redirect.pcap", "nonce_flawed", "no nonce"),
        ("blocked-captive-portal-http-redirect.pcap", "surplus", "More than a nonce"),
        ("blocked-identity-reset-by-router.pcap", "reset", "reset"),
        ("blocked-identity-reset-by-router.pcap", "credentials_short", "answered the identity"),
        ("blocked-credentials-dropped.pcap", "credentials_short", "answered the identity"),
        ("blocked-silent-middlebox.pcap", "nonce_short", "nonce did not come whole"),
        ("wrong-device-key-late-close.pcap", "hello_missing", "before a first record"),
        ("healthy-heavy-packet-loss.pcap", "retransmission", "counted once"),
    ],
)
def test_expert_info_says_what_is_wrong(name: str, trouble: str, text: str, tmp_path: Path) -> None:
    field = f"handshake_probe.{trouble}.expert"
    names = ["_ws.expert.message", field]
    rows = fields(tmp_path, CAPTURES / name, names, "-X", f"lua_script:{LUA}", "-Y", field)
    assert rows
    assert all(text in row["_ws.expert.message"] for row in rows)


def test_a_sound_session_has_nothing_wrong(tmp_path: Path) -> None:
    rows = dissected(tmp_path, CAPTURES / HEALTHY, *(f"{name}.expert" for name in WRONG))
    assert rows
    assert not any(row[f"handshake_probe.{name}.expert"] for row in rows for name in WRONG)


def test_fields_have_the_names_and_values_of_our_documents(tmp_path: Path) -> None:
    entry = next(e for e in TRUTH if e["file"] == "blocked-identity-reset-by-router.pcap")
    measurement = pipeline.analyze(str(CAPTURES / entry["file"]), keyring=Keyring())
    names = ("stream", "device", "cloud", "stage", "ended_by")
    rows = dissected(tmp_path, CAPTURES / entry["file"], *names)
    told: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows:
        ends = row["handshake_probe.device"], row["handshake_probe.cloud"]
        told.setdefault(ends, []).append(row)
    connections = [c for device in measurement.devices for c in device.connections]
    assert len(connections) > 3
    for connection in connections:
        theirs = told[connection.device, connection.cloud]
        assert theirs[-1]["handshake_probe.stage"] == connection.stage
        ended = [
            row["handshake_probe.ended_by"] for row in theirs if row["handshake_probe.ended_by"]
        ]
        assert ended == [connection.ended_by]


def test_stock_nonsense_is_gone(tmp_path: Path) -> None:
    coap = ("-Y", "coap && tcp", "-T", "fields", "-e", "frame.number")
    assert tshark(tmp_path, "-r", str(CAPTURES / HEALTHY), *coap)
    script = ("-X", f"lua_script:{LUA}")
    assert not tshark(tmp_path, "-r", str(CAPTURES / HEALTHY), *script, *coap)


def test_other_ports_are_a_preference(tmp_path: Path) -> None:
    moved = []
    for frame in frames_of(HEALTHY):
        data = frame.data
        for at in (34, 36):  # the ports, in Ethernet and IPv4 without options
            if data[12:14] == b"\x08\x00" and data[23] == 6 and data[at : at + 2] == b"\x16\x33":
                data = data[:at] + (8883).to_bytes(2, "big") + data[at + 2 :]
        moved.append(frame._replace(data=data))
    file = rewritten(moved, tmp_path)
    assert not dissected(tmp_path, file, "event")
    rows = dissected(tmp_path, file, "event", more=("-o", "handshake_probe.ports:8883,5683"))
    assert steps_of(rows) == ours(CAPTURES / HEALTHY)
