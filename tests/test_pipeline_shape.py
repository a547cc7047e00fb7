"""Captures as they come: another port, two devices behind one address, a file cut in the middle."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handshake_probe.errors import UnreadableInput
from handshake_probe.keys.keyring import Keyring
from handshake_probe.model.measurement import Measurement
from handshake_probe.model.observations import CaptureSeen
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism, Stage
from handshake_probe.pipeline import analyze, load_keys

CAPTURES = Path(__file__).parent.parent / "captures"
HEALTHY = CAPTURES / "healthy-brewskey-device-os-1.0.0.pcap"
OTHER_DEVICE = CAPTURES / "wrong-device-key-original-server-device-os-1.0.0.pcap"
REFUSED = CAPTURES / "wrong-server-key-original-server-device-os-3.3.1.pcap"
FILE_HEADER, RECORD_HEADER = 24, 16
ETHERTYPE, PROTOCOL = 12, 23  # offsets in an Ethernet frame with IPv4
Record = tuple[bytes, bytes]  # header, frame


def read(path: Path) -> tuple[bytes, list[Record]]:
    """The header and the records of a little-endian pcap."""
    data = path.read_bytes()
    assert data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")

    def records() -> Iterator[Record]:
        at = FILE_HEADER
        while at < len(data):
            (size,) = struct.unpack_from("<I", data, at + 8)
            start = at + RECORD_HEADER
            yield data[at:start], data[start : start + size]
            at = start + size

    return data[:FILE_HEADER], list(records())


def write(path: Path, header: bytes, records: list[Record]) -> str:
    path.write_bytes(header + b"".join(head + frame for head, frame in records))
    return str(path)


def is_tcp(frame: bytes) -> bool:
    return frame[ETHERTYPE : ETHERTYPE + 2] == b"\x08\x00" and frame[PROTOCOL] == 6


def with_ports(frame: bytes, change: Callable[[int], int]) -> bytes:
    """Change both TCP ports; nothing here looks at checksums."""
    if not is_tcp(frame):
        return frame
    at = 14 + (frame[14] & 15) * 4
    source, destination = struct.unpack_from(">HH", frame, at)
    ports = struct.pack(">HH", change(source), change(destination))
    return frame[:at] + ports + frame[at + 4 :]


def later(head: bytes, seconds: int) -> bytes:
    return struct.pack("<I", struct.unpack_from("<I", head)[0] + seconds) + head[4:]


def capture_seen(measurement: Measurement) -> CaptureSeen:
    (found,) = [o for o in measurement.observations if isinstance(o, CaptureSeen)]
    return found


@pytest.fixture
def moved(tmp_path: Path) -> str:
    """A healthy handshake on port 8080."""
    header, records = read(HEALTHY)
    changed = [(h, with_ports(f, lambda port: 8080 if port == 5683 else port)) for h, f in records]
    return write(tmp_path / "moved.pcap", header, changed)


def test_a_handshake_on_another_port_is_found_by_its_shape(moved: str) -> None:
    found = analyze(moved, keyring=Keyring())
    assert found.verdict.cause is Cause.HEALTHY
    assert found.verdict.stage is Stage.SESSION
    assert "HP608" in found.verdict.findings
    assert capture_seen(found).other_port == 8080
    assert found.devices[0].connections[0].cloud.endswith(":8080")


def test_a_port_that_was_named_needs_no_search(moved: str) -> None:
    found = analyze(moved, keyring=Keyring(), ports=frozenset({8080}))
    assert found.verdict.cause is Cause.HEALTHY
    assert "HP608" not in found.verdict.findings
    assert capture_seen(found).other_port is None


def test_other_conversations_are_no_handshake(tmp_path: Path) -> None:
    header, records = read(HEALTHY)
    silent = [
        (h, with_ports(f, lambda port: 8080 if port == 5683 else port))
        for h, f in records
        if not is_tcp(f) or len(f) < 200
    ]
    found = analyze(write(tmp_path / "other.pcap", header, silent), keyring=Keyring())
    assert capture_seen(found).other_port is None
    assert Cause.HEALTHY is not found.verdict.cause


def test_two_devices_behind_one_address_are_told_apart_by_the_clouds_key(tmp_path: Path) -> None:
    """A router's address hides two devices: one is well, the other holds a damaged key."""
    header, records = read(HEALTHY)
    _, others = read(OTHER_DEVICE)
    at = 14 + 12  # both IPv4 addresses
    first = next(f for _, f in records if is_tcp(f))
    other = next(f for _, f in others if is_tcp(f))
    (device, cloud) = (first[at : at + 4], first[at + 4 : at + 8])
    (its_device, its_cloud) = (other[at : at + 4], other[at + 4 : at + 8])
    start = struct.unpack_from("<I", records[-1][0])[0] + 1
    shift = start - struct.unpack_from("<I", others[0][0])[0]
    both = records + [
        (later(h, shift), f[:at] + addresses + f[at + 8 :])
        for h, f in others
        if is_tcp(f)
        for addresses in [f[at : at + 8].replace(its_device, device).replace(its_cloud, cloud)]
    ]
    path = write(tmp_path / "both.pcap", header, both)

    alone = analyze(path, keyring=Keyring())
    assert [device.device_id for device in alone.devices] == [None]

    keyring, _ = load_keys([str(OTHER_DEVICE.with_suffix(".keys"))], [])
    found = analyze(path, keyring=keyring)
    assert len({device.address for device in found.devices}) == 1
    told = {d.device_id: d.verdict.cause for d in found.devices}
    assert told == {
        "ed48b8a5fa820999bbc072f9": Cause.HEALTHY,
        "0f10940f66f3bcbe7f1abe6a": Cause.DEVICE_KEY_CORRUPTION,
    }
    assert found.verdict.counts == {"healthy": 1, "device_key_corruption": 1}


@pytest.mark.parametrize("kept", [0.25, 0.5, 0.75])
def test_a_file_cut_in_the_middle_is_judged_up_to_the_damage(tmp_path: Path, kept: float) -> None:
    _, records = read(HEALTHY)
    whole = FILE_HEADER
    for head, frame in records[: int(len(records) * kept)]:
        whole += len(head) + len(frame)
    path = tmp_path / "cut.pcap"
    path.write_bytes(HEALTHY.read_bytes()[: whole + RECORD_HEADER + 5])
    found = analyze(str(path), keyring=Keyring())
    assert "HP601" in found.verdict.findings
    assert found.source.truncated
    assert found.verdict.cause in (Cause.HEALTHY, Cause.INCONCLUSIVE)
    assert found.source.frames >= int(len(records) * kept)


def test_every_way_to_stop_a_healthy_capture_early_is_no_failure(tmp_path: Path) -> None:
    header, records = read(HEALTHY)
    for count in range(len(records)):
        path = write(tmp_path / "early.pcap", header, records[:count])
        told = analyze(path, keyring=Keyring()).verdict
        assert told.cause in (Cause.HEALTHY, Cause.INCONCLUSIVE), (count, told.summary)
        assert told.confidence is not Confidence.PROVEN or told.cause is Cause.HEALTHY


@given(st.permutations(range(10)))
@example([3, 1, 2, 7, 4, 0, 6, 5, 8, 9])  # the identity after the end that acknowledges it
def test_frames_in_any_order_are_judged(order: list[int]) -> None:
    """Several interfaces or a careless merge: times and order need not fit."""
    header, records = read(REFUSED)
    frames = [record for record in records if is_tcp(record[1])]
    mixed = [(frames[at][0], frames[index][1]) for at, index in enumerate(order)]
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "mixed.pcap", header, mixed + frames[10:])
        assert len(analyze(path, keyring=Keyring()).devices) == 1


def test_a_capture_without_frames(tmp_path: Path) -> None:
    header, _ = read(HEALTHY)
    found = analyze(write(tmp_path / "empty.pcap", header, []), keyring=Keyring())
    assert found.verdict.mechanism is Mechanism.NO_TRAFFIC
    assert found.devices == []
    assert found.source.first is None


@pytest.mark.parametrize("content", [b"", b"not a capture, but long enough to be one" * 4])
def test_what_is_no_capture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.pcap"
    path.write_bytes(content)
    with pytest.raises(UnreadableInput):
        analyze(str(path), keyring=Keyring())


def test_a_missing_capture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match=r"(?i)no such file"):
        analyze(str(tmp_path / "nothing.pcap"), keyring=Keyring())


def test_progress_is_told_while_frames_are_read(tmp_path: Path) -> None:
    header, records = read(HEALTHY)
    path = write(tmp_path / "many.pcap", header, [records[0]] * 60_000)
    calls: list[tuple[int, int | None]] = []
    analyze(path, keyring=Keyring(), progress=lambda done, whole: calls.append((done, whole)))
    done = [position for position, _ in calls]
    assert len(done) > 1
    assert done == sorted(done)
    assert all(whole is None or position <= whole for position, whole in calls)
