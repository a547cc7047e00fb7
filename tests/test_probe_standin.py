"""The handshake in a device's place: against the lab's cloud, and against a real server."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

import vectors
from handshake_probe.keys.files import read_key
from handshake_probe.keys.keyring import RegisteredKey, build_keyring
from handshake_probe.lab import keystore, network
from handshake_probe.lab.cloud import Cloud, cloud_settings, listen
from handshake_probe.lab.faults import FAULTS, LAB_ID, SOUND, Fault
from handshake_probe.lab.network import Network
from handshake_probe.model.probed import Delivery, Ending, HandshakeProbed, TcpProbed
from handshake_probe.model.vocabulary import Stage
from handshake_probe.probe.attempt import attempt
from handshake_probe.probe.endpoint import Endpoint, endpoint_of
from handshake_probe.probe.seat import seat_settings
from handshake_probe.probe.stand_in import stand_in
from handshake_probe.protocol.settings import TRAITS, DeviceSettings, Generation, Manner
from handshake_probe.protocol.state import Role
from lab_room import QUICK_CLOUD, QUICK_DEVICE, SLOT, Told, quick
from probe_town import ids

PORT = 5683
SOUND_CLOUD = SOUND[Role.CLOUD]
UNKNOWN_ID = "0bad00000000000000000001"
LIMIT = 1.0


def settings(device_id: str = LAB_ID, generation: Generation = Generation.V2_3) -> DeviceSettings:
    found = seat_settings(device_id, vectors.device_key(), vectors.CLOUD_NUMBERS.n)
    return replace(found, generation=generation, **QUICK_DEVICE)


def register(device_id: str) -> RegisteredKey | None:
    return None if device_id == UNKNOWN_ID else vectors.registered_key()


async def meet(
    device: DeviceSettings,
    fault: Fault = SOUND_CLOUD,
    pings: int = 1,
    manner: Manner = Manner.COMPARES,
) -> tuple[HandshakeProbed, Told]:
    """Stand in for a device at a cloud of the lab."""
    told = Told()
    sound = cloud_settings(vectors.cloud_key(), register, manner)
    patience = QUICK_CLOUD._replace(describe=3.0)  # the device's patience ends first
    cloud = Cloud(replace(sound, patience=patience), told.journal(), fault=quick(fault), seed=1)
    with listen("127.0.0.1", 0) as listener:
        serving = asyncio.create_task(cloud.serve(listener))
        target = endpoint_of(listener.getsockname())
        seen = await stand_in(target, device, next_id=ids(), pings=pings, limit=LIMIT)
        await asyncio.sleep(0.1)
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
    return seen, told


def summary(seen: HandshakeProbed) -> tuple[Stage, Ending, str | None, bool | None, bool | None]:
    return seen.stage, seen.ended_by, seen.failure, seen.credentials_open, seen.signature_opens


@pytest.mark.parametrize("generation", list(Generation))
def test_all_is_well(generation: Generation) -> None:
    # A Core does not send its key.
    manner = Manner.TRUSTS_REGISTER if generation is Generation.CORE else Manner.COMPARES
    seen, told = asyncio.run(meet(settings(generation=generation), pings=2, manner=manner))
    assert summary(seen) == (Stage.SESSION, Ending.OURSELVES, None, True, True)
    assert (seen.pings_answered, seen.server_hello, seen.product_id) == (2, True, 6)
    said = [line for direction, _, line in told.said() if direction == "device_to_cloud"]
    assert any("Goodbye" in line for line in said) is TRAITS[generation].describes_itself
    assert not [line for line in said if "event" in line]  # it does not tell about itself
    assert told.ends() == [("peer_ended", None)]


# Of the lab's clouds: how far a stand-in comes, what ends it, its failure, and what opened.
FAULTY: dict[str, tuple[Stage, Ending, str | None, bool | None, bool | None]] = {
    "silent": (
        Stage.TCP_ESTABLISHED,
        Ending.SILENCE,
        "lightssl_handshake_nonce",
        None,
        None,
    ),
    "closes-at-once": (
        Stage.TCP_ESTABLISHED,
        Ending.CLOSED,
        "lightssl_handshake_nonce",
        None,
        None,
    ),
    "closes-after-identity": (
        Stage.IDENTITY_SENT,
        Ending.CLOSED,
        "lightssl_handshake_recv_key",
        None,
        None,
    ),
    "credentials-other-key": (
        Stage.CREDENTIALS_RECEIVED,
        Ending.OURSELVES,
        "decryption_error",
        False,
        True,
    ),
    "signature-other-key": (
        Stage.CREDENTIALS_RECEIVED,
        Ending.OURSELVES,
        "authentication_error",
        True,
        False,
    ),
    "no-hello": (Stage.HELLO_SENT, Ending.SILENCE, "message_timeout", True, True),
    "stuck-in-session": (Stage.SESSION, Ending.SILENCE, "ping_timeout", True, True),
    "closes-after-hello": (Stage.SESSION, Ending.CLOSED, "lightssl_receive", True, True),
}


def test_faulty_clouds() -> None:
    async def meet_all() -> list[tuple[HandshakeProbed, Told]]:
        faults = [FAULTS[Role.CLOUD][name] for name in FAULTY]
        return await asyncio.gather(*(meet(settings(), fault) for fault in faults))

    met = asyncio.run(meet_all())
    for name, (seen, _) in zip(FAULTY, met, strict=True):
        assert summary(seen) == FAULTY[name], name


def test_a_device_the_cloud_does_not_know() -> None:
    seen, _ = asyncio.run(meet(settings(UNKNOWN_ID)))
    assert seen.stage is Stage.IDENTITY_SENT
    assert seen.ended_by is Ending.CLOSED


def test_nobody_there() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        target = endpoint_of(closed.getsockname())
    seen = asyncio.run(stand_in(target, settings(), next_id=ids(), limit=LIMIT))
    assert summary(seen) == (Stage.TCP_SYN, Ending.RESET, "connection_refused", None, None)


def test_no_key_is_written_down() -> None:
    seen, _ = asyncio.run(meet(settings()))
    written = msgspec.json.encode(seen).decode().lower()
    numbers = vectors.DEVICE_NUMBERS
    for secret in (numbers.d, numbers.p, numbers.q, numbers.dp, numbers.dq, numbers.qinv):
        assert f"{secret:x}"[:32] not in written
        assert str(secret)[:32] not in written


SERVER = Path(__file__).with_name("interop") / "server.js"


def lack() -> str | None:
    if shutil.which("node") is None:
        return "node not installed"
    if not (SERVER.parent / "node_modules" / "installed").exists():
        return "the server is not installed, scripts/need-interop does it"
    return network.missing()


@contextmanager
def real_server(folder: Path) -> Iterator[tuple[Network, Path]]:
    """Run the server in a namespace of its own; its keys are in the folder that is given back."""
    keys = folder / "keys"
    keystore.cloud_key(keys)
    keystore.device_slot(keys / f"{LAB_ID}.der", lambda: SLOT)
    with Network() as net, (folder / "stdout").open("wb") as out:
        net.add_host("cloud")
        command = ("node", str(SERVER), str(keys), str(folder / "server"), str(PORT))
        process = subprocess.Popen(net.command("cloud", *command), stdout=out)
        try:
            yield net, keys
        finally:
            process.terminate()
            process.wait(10)


async def until_it_listens(target: Endpoint) -> None:
    async with asyncio.timeout(20):
        while (await attempt(target, next_id=ids(), listen=False)).failure is not None:
            await asyncio.sleep(0.1)


def complaints(folder: Path) -> list[str]:
    told = [json.loads(line) for line in (folder / "stdout").read_text().splitlines()]
    return [line["err"]["message"] for line in told if line.get("msg") == "Handshake failed"]


@pytest.mark.skipif(lack() is not None, reason=f"real server not asked: {lack()}")
def test_a_real_server(tmp_path: Path) -> None:
    """It lets the device in, and refuses one that does not exist in its own words."""
    target = Endpoint("127.0.0.1", PORT)
    with real_server(tmp_path) as (net, keys):
        file = read_key(f"{LAB_ID}.der", (keys / f"{LAB_ID}.der").read_bytes())
        [key] = build_keyring([file]).devices
        modulus = keystore.cloud_key(keys).n
        device = seat_settings(LAB_ID, key, modulus)

        async def ask() -> tuple[HandshakeProbed, TcpProbed]:
            await until_it_listens(target)
            seen = await stand_in(target, device, next_id=ids(), pings=2)
            return seen, await attempt(target, next_id=ids(), server_modulus=modulus)

        seen, made_up = net.within("cloud", lambda: asyncio.run(ask()))
    assert summary(seen) == (Stage.SESSION, Ending.OURSELVES, None, True, True)
    assert seen.pings_answered == 2
    assert made_up.first is not None
    assert made_up.first.is_nonce
    assert (made_up.sent, made_up.delivery) == ("identity", Delivery.ACKNOWLEDGED)
    assert made_up.ended_by is Ending.CLOSED
    refused = [line for line in complaints(tmp_path) if "no public key found" in line]
    assert len(refused) == 1
    assert refused[0].split(": ")[-1].startswith("ff")
