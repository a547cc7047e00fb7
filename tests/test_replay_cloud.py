"""The recorded cloud, played to a device of the lab: fresh with its faults, or byte for byte."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from coverage_cases import case
from handshake_probe.capture.written import pcap
from handshake_probe.keys.keyring import Keyring
from handshake_probe.lab.cloud import listen
from handshake_probe.lab.memory.cast import cloud
from handshake_probe.lab.memory.stage import record
from handshake_probe.lab.recorded_cloud import VerbatimCloud, recorded_fault
from handshake_probe.lab.script import START, Delay, Ending
from handshake_probe.packets.recorded_talk import RecordedTalk, Spoken
from handshake_probe.packets.units import Direction
from handshake_probe.pipeline.recorded import recorded
from handshake_probe.protocol.state import Phase
from lab_room import Told, meet, quick

CAPTURES = Path(__file__).parent.parent / "captures"
D, C = Direction.DEVICE_TO_CLOUD, Direction.CLOUD_TO_DEVICE


def talk(
    *said: tuple[Direction, int, float], by: Direction | None = None, later: float = 0.0
) -> RecordedTalk:
    spoken = tuple(Spoken(d, pause, size, b"x" * size, 1) for d, size, pause in said)
    return RecordedTalk(spoken, by, "fin" if by else None, later)


PATH = 0.2  # seconds that the path of a story and its cloud's arithmetic take

NONCE, IDENTITY, CREDENTIALS = (C, 40, 0.0), (D, 256, 0.0), (C, 384, 0.0)
HELLOS = ((D, 18, 0.0), (C, 18, 0.0))


@pytest.mark.parametrize(
    ("said", "at", "ending"),
    [
        (talk(by=C), START, Ending.CLOSE),
        (talk(by=D), START, Ending.SILENCE),
        (talk(NONCE, by=C), "nonce_received", Ending.CLOSE),
        (talk(NONCE, IDENTITY, by=C), "identity_test", Ending.CLOSE),
        (talk(NONCE, IDENTITY, by=D), "identity_test", Ending.SILENCE),
        (talk(NONCE, IDENTITY, CREDENTIALS, by=C), "credentials_received", Ending.CLOSE),
        (talk(NONCE, IDENTITY, CREDENTIALS, (D, 18, 0.0), by=D), "credentials_received",
         Ending.SILENCE),
        (talk(NONCE, IDENTITY, CREDENTIALS, *HELLOS, by=C), "handshake_complete", Ending.CLOSE),
    ],
)  # fmt: skip
def test_where_it_stops(said: RecordedTalk, at: str, ending: Ending) -> None:
    fault = recorded_fault(said)
    assert fault is not None
    assert fault.script.cut is not None
    assert (fault.script.cut.at, fault.script.cut.ending) == (at, ending)


@pytest.mark.parametrize(
    "said",
    [
        talk(NONCE, by=D),  # the device broke off
        talk(NONCE, IDENTITY, CREDENTIALS, by=D),  # it could not accept them
        talk(NONCE, IDENTITY, CREDENTIALS, *HELLOS, by=D),
        talk(NONCE, IDENTITY, CREDENTIALS, *HELLOS, (D, 34, 30.0), by=C),  # a session that ended
    ],
)
def test_a_cloud_that_was_not_to_blame(said: RecordedTalk) -> None:
    fault = recorded_fault(said)
    assert fault is not None
    assert fault.script.cut is None


@pytest.mark.parametrize("said", [talk((C, 20, 0.0)), talk(NONCE, IDENTITY, (C, 128, 0.0))])
def test_what_no_sound_cloud_says(said: RecordedTalk) -> None:
    assert recorded_fault(said) is None


WAITS = (Phase.IDLE, Phase.HANDSHAKE, Phase.HELLO)
SLOW = ((C, 40, 1.5), IDENTITY, (C, 384, 3.0), (D, 18, 0.0), (C, 18, 0.7), (D, 34, 0.2))


def test_how_long_it_takes() -> None:
    fault = recorded_fault(talk(*SLOW))
    assert fault is not None
    assert fault.script.delays == tuple(map(Delay, WAITS, (1.5, 3.0, 0.7)))
    assert "3.0 s for its credentials" in fault.line


@pytest.mark.parametrize(
    ("said", "after"),
    [
        (talk(by=C, later=2.0), 2.0),
        (talk(NONCE, IDENTITY, by=C, later=4.0), 4.0),
        # The identity in two pieces, and a device that says more while the cloud waits.
        (talk(NONCE, (D, 100, 1.0), (D, 156, 1.0), (D, 18, 0.5), by=C, later=4.0), 4.5),
        (talk(*SLOW[:3], (D, 18, 0.5), by=C, later=1.0), 1.5),
    ],
)
def test_when_it_ends(said: RecordedTalk, after: float) -> None:
    for how, ending in (("fin", Ending.CLOSE), ("rst", Ending.RESET)):
        fault = recorded_fault(said._replace(ended_with=how))
        assert fault is not None
        assert fault.script.cut is not None
        assert fault.script.cut.after == pytest.approx(after)
        assert fault.script.cut.ending is ending


@pytest.mark.parametrize(
    "said",
    [
        talk(by=C, later=1.8),
        talk(NONCE, IDENTITY, by=C, later=1.8),
        talk(NONCE, IDENTITY, by=C, later=1.8)._replace(ended_with="rst"),
        talk((C, 40, 0.9), IDENTITY, (C, 384, 1.2), (D, 18, 0.1), by=C, later=1.8),
        talk(*SLOW, by=D),
    ],
)
def test_what_is_played_is_what_was_recorded(said: RecordedTalk, tmp_path: Path) -> None:
    """The cloud that plays it, recorded again, waits as long and ends it alike."""
    fault = recorded_fault(said)
    assert fault is not None
    role = cloud(script=fault.script, settings=fault.settings)
    file = tmp_path / "again.pcap"
    file.write_bytes(b"".join(pcap(record(case(clouds=(role,)).story).frames)))
    again = recorded_fault(recorded(str(file), keyring=Keyring(), stream=0).talk)
    assert again is not None
    assert [delay.phase for delay in again.script.delays] == [d.phase for d in fault.script.delays]
    seconds = [delay.seconds for delay in fault.script.delays]
    assert [d.seconds for d in again.script.delays] == pytest.approx(seconds, abs=PATH)
    one, other = fault.script.cut, again.script.cut
    assert (one is None) is (other is None)
    if one is not None and other is not None:
        assert (other.at, other.ending) == (one.at, one.ending)
        assert other.after == pytest.approx(one.after, abs=PATH)


@pytest.mark.parametrize(
    ("name", "complete"),
    [
        ("healthy-brewskey-device-os-1.0.0.pcap", True),
        ("wrong-server-key-original-server-device-os-3.3.1.pcap", False),
    ],
)
def test_a_recorded_cloud_meets_a_device(name: str, complete: bool) -> None:
    found = recorded(str(CAPTURES / name), keyring=Keyring())
    fault = recorded_fault(found.talk)
    assert fault is not None
    met = meet(cloud_fault=quick(fault))
    assert met.outcome is not None
    assert ("session of device" in met.cloud.text) is complete


def test_byte_for_byte() -> None:
    """The bytes come in recorded pieces, each after as many bytes of the device; then its end."""
    said = RecordedTalk(
        (
            Spoken(C, 0.0, 3, b"abc", 1),
            Spoken(D, 0.0, 4, b"....", 2),
            Spoken(C, 0.0, 2, b"de", 3),
            Spoken(D, 0.0, 1, b".", 4),
        ),
        C,
        "rst",
        0.0,
    )

    async def scene() -> tuple[bytes, bytes, type[Exception] | None]:
        told = Told()
        loop = asyncio.get_running_loop()
        with listen("127.0.0.1", 0) as listener, socket.socket() as sock:
            serving = asyncio.create_task(VerbatimCloud(said, told.journal()).serve(listener))
            sock.setblocking(False)
            await loop.sock_connect(sock, listener.getsockname())
            first = await loop.sock_recv(sock, 100)
            await loop.sock_sendall(sock, b"1234")
            second = await loop.sock_recv(sock, 100)
            await loop.sock_sendall(sock, b"5")
            ending: type[Exception] | None = None
            try:
                await loop.sock_recv(sock, 100)
            except ConnectionResetError as error:
                ending = type(error)
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        return first, second, ending

    assert asyncio.run(scene()) == (b"abc", b"de", ConnectionResetError)
