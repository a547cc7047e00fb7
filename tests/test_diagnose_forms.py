"""Captures as people send them: real recordings, filtered, doubled, seen from a router."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from frames import SYN, enhanced, interface, section
from handshake_probe import pipeline
from handshake_probe.capture.inputs import CaptureInput
from handshake_probe.keys.keyring import Keyring
from handshake_probe.model.measurement import Measurement
from handshake_probe.packets.decode import Decoder
from handshake_probe.packets.units import Frame, Segment, TcpFlags

CAPTURES = Path(__file__).parent.parent / "captures"
CLOUD_PORT = 5683
FIRST_HOP, BEYOND = bytes.fromhex("020000000077"), bytes.fromhex("020000000078")
LATER_NS = 1_000

Packet = tuple[Frame, Segment | None]
Form = Callable[[Sequence[Packet]], Iterator[Frame]]
NO_KEYS = Keyring()
KEY_CAUSES = {"server_key_mismatch", "device_unknown", "device_key_corruption"}


def recorded(name: str) -> list[Packet]:
    """The frames of a recording, each with the handshake's segment in it, if any."""
    decoder = Decoder()
    packets: list[Packet] = []
    with CaptureInput(str(CAPTURES / name)) as given, given.open(None) as capture:
        for frame in capture:
            packet = decoder.decode(frame)
            ours = isinstance(packet, Segment) and CLOUD_PORT in (
                packet.source.port,
                packet.destination.port,
            )
            packets.append((frame, packet if ours and isinstance(packet, Segment) else None))
    return packets


def analyzed(form: Form, name: str, scratch: Path, keyring: Keyring = NO_KEYS) -> Measurement:
    frames = sorted(form(recorded(name)), key=lambda frame: frame.time_ns)
    blocks = [enhanced(frame.data, frame.time_ns // 1000, frame.interface) for frame in frames]
    path = scratch / "form.pcapng"
    path.write_bytes(section() + interface() + interface() + b"".join(blocks))
    return pipeline.analyze(str(path), keyring=keyring)


def frames_with(wanted: Callable[[Segment], bool]) -> Form:
    """The frames of the handshake's connections that a filter lets pass, and no others."""

    def form(packets: Sequence[Packet]) -> Iterator[Frame]:
        for frame, segment in packets:
            if segment is not None and wanted(segment):
                yield frame

    return form


with_payload = frames_with(lambda segment: segment.payload_length > 0)
with_flags = frames_with(
    lambda segment: bool(segment.flags & (TcpFlags.SYN | TcpFlags.FIN | TcpFlags.RST))
)
from_cloud = frames_with(lambda segment: segment.source.port == CLOUD_PORT)


def on_both_sides_of_the_router(packets: Sequence[Packet]) -> Iterator[Frame]:
    """What `tcpdump -i any` sees on a router that translates no addresses: a hop more or less."""
    for frame, segment in packets:
        yield frame
        if segment is not None:
            up = segment.destination.port == CLOUD_PORT
            data, time_ns = bytearray(frame.data), frame.time_ns + (LATER_NS if up else -LATER_NS)
            data[6:12] = FIRST_HOP if up else BEYOND
            data[22] += -1 if up else 1
            yield frame._replace(data=bytes(data), time_ns=time_ns, interface=1)


def snapped(packets: Sequence[Packet]) -> Iterator[Frame]:
    """What the old `tcpdump -s 68` keeps."""
    for frame, _ in packets:
        yield frame._replace(data=frame.data[:68])


def keys_of(name: str, *files: str) -> Keyring:
    keyring, _ = pipeline.load_keys([str(CAPTURES / name / file) for file in files or ("",)], [])
    return keyring


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("wrong-server-key-brewskey-device-os-1.0.0", "server_key_mismatch"),
        ("wrong-device-key-brewskey-device-os-1.0.0", "device_key_corruption"),
        ("unknown-device-brewskey-device-os-3.3.1", "device_unknown"),
    ],
)
def test_a_filter_on_payload_accuses_no_network(name: str, cause: str, tmp_path: Path) -> None:
    told = analyzed(with_payload, f"{name}.pcap", tmp_path)
    assert told.verdict.cause == "inconclusive"
    assert set(told.verdict.candidates) >= KEY_CAUSES
    assert "HP616" in {finding.code for finding in told.findings}
    known = analyzed(with_payload, f"{name}.pcap", tmp_path, keys_of(f"{name}.keys"))
    assert (known.verdict.cause, known.verdict.stage) == (cause, "identity_sent")


def test_a_filter_on_flags_does_not_say_that_the_device_sent_nothing(tmp_path: Path) -> None:
    told = analyzed(with_flags, "blocked-credentials-dropped.pcap", tmp_path)
    assert told.verdict.cause == "inconclusive"
    assert "network_blocked" in told.verdict.candidates
    assert "HP204" not in {finding.code for finding in told.findings}


def test_a_router_s_two_views_of_a_refusal_prove_no_box(tmp_path: Path) -> None:
    """The reset still has its first TTL on the router's far side: the cloud made it."""
    refused = "server-fault-connection-refused.pcap"
    told = analyzed(on_both_sides_of_the_router, refused, tmp_path)
    assert told.verdict.cause in ("server_fault", "inconclusive")
    assert "server_fault" in told.verdict.candidates


def test_a_silent_end_seen_from_one_side_is_not_healthy(tmp_path: Path) -> None:
    dead = "blocked-live-flow-went-dead-device-os-1.0.0.pcap"
    told = analyzed(from_cloud, dead, tmp_path)
    assert told.verdict.cause == "inconclusive"
    assert "network_blocked" in told.verdict.candidates


def test_a_refusal_by_the_dns_server_itself_may_be_a_redirect(tmp_path: Path) -> None:
    told = analyzed(snapped, "blocked-dns-answers-gateway.pcap", tmp_path)
    assert told.verdict.cause == "inconclusive"
    assert "network_blocked" in told.verdict.candidates


def test_a_refused_describe_explains_no_end_when_a_goodbye_may_be_lost(tmp_path: Path) -> None:
    """The ping before it is lost: with it the start of the Goodbye. So is the device's FIN."""

    def without_last_words(packets: Sequence[Packet]) -> Iterator[Frame]:
        spoken = [
            frame.number
            for frame, segment in packets
            if segment and segment.destination.port == CLOUD_PORT
            if segment.payload_length or segment.flags & TcpFlags.FIN
        ]
        ping, _, closing = spoken[-3:]
        return (frame for frame, _ in packets if frame.number not in (ping, closing))

    name = "healthy-original-server-device-os-3.3.1"
    told = analyzed(without_last_words, f"{name}.pcapng", tmp_path, keys_of(f"{name}.keys"))
    assert told.verdict.cause == "healthy"
    assert told.devices[0].connections[0].ended_by == "device_fin"


@pytest.mark.parametrize("late", ["device", "cloud"])
@pytest.mark.parametrize("shift", [2, 300])
def test_clocks_that_differ_change_no_verdict(late: str, shift: int, tmp_path: Path) -> None:
    """Each direction from a network card of its own, merged by time; `shift` in milliseconds."""

    def skewed(packets: Sequence[Packet]) -> Iterator[Frame]:
        for frame, segment in packets:
            up = segment is not None and segment.destination.port == CLOUD_PORT
            moved = segment is not None and up is (late == "device")
            yield frame._replace(time_ns=frame.time_ns + moved * shift * 1_000_000)

    for name, cause in (
        ("wrong-server-key-brewskey-device-os-1.0.0", "server_key_mismatch"),
        ("wrong-device-key-original-server-device-os-1.0.0", "device_key_corruption"),
        ("blocked-syn-reset-by-router", "network_blocked"),
        ("blocked-session-reset-by-router-recovered", "network_blocked"),
        ("healthy-brewskey-device-os-2.3.1", "healthy"),
    ):
        told = analyzed(skewed, f"{name}.pcap", tmp_path, keys_of(f"{name}.keys"))
        assert [device.verdict.cause for device in told.devices] == [cause], name


def test_clocks_far_apart_are_told_and_no_loss_is(tmp_path: Path) -> None:
    def skewed(packets: Sequence[Packet]) -> Iterator[Frame]:
        for frame, segment in packets:
            up = segment is not None and segment.destination.port == CLOUD_PORT
            yield frame._replace(time_ns=frame.time_ns + up * 3600 * 10**9)

    told = analyzed(skewed, "wrong-server-key-brewskey-device-os-1.0.0.pcap", tmp_path)
    assert told.verdict.cause == "inconclusive"
    [text] = [finding.text for finding in told.findings if finding.code == "HP604"]
    assert "out of order" in text


def test_recordings_joined_to_one_file_are_one_capture(tmp_path: Path) -> None:
    names = ("healthy-brewskey-device-os-1.0.0.pcap", "healthy-vlan-tagged.pcap")
    joined = tmp_path / "joined.pcap"
    joined.write_bytes(b"".join((CAPTURES / name).read_bytes() for name in names))
    told = pipeline.analyze(str(joined), keyring=NO_KEYS)
    assert [device.verdict.cause for device in told.devices] == ["healthy", "healthy"]
    assert not told.source.truncated


def test_a_capture_that_pauses_behind_a_syn_accuses_no_network(tmp_path: Path) -> None:
    """Two captures merged, an hour apart: the first ends when the device tries again."""

    def paused(packets: Sequence[Packet]) -> Iterator[Frame]:
        begun = [frame.number for frame, segment in packets if segment and segment.flags == SYN]
        for frame, _ in packets:
            if frame.number <= begun[1]:
                yield frame
        yield packets[0][0]._replace(time_ns=packets[-1][0].time_ns + 3600 * 10**9)

    told = analyzed(paused, "wrong-server-key-brewskey-device-os-1.0.0.pcap", tmp_path)
    assert told.verdict.cause == "inconclusive"
    assert set(told.verdict.candidates) >= KEY_CAUSES


def test_a_filter_on_syns_leaves_everything_open(tmp_path: Path) -> None:
    with_syns = frames_with(lambda segment: bool(segment.flags & TcpFlags.SYN))
    told = analyzed(with_syns, "wrong-server-key-brewskey-device-os-1.0.0.pcap", tmp_path)
    assert told.verdict.cause == "inconclusive"
    assert set(told.verdict.candidates) >= KEY_CAUSES
    assert "HP616" in {finding.code for finding in told.findings}
