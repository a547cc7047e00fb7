"""A cloud and a device of the lab on one loopback, with clocks that tick faster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import shake_128
from pathlib import Path
from typing import Any

import vectors
from handshake_probe.keys.firmware import read_device_slot
from handshake_probe.keys.keyring import RegisteredKey
from handshake_probe.lab import damage
from handshake_probe.lab.cloud import Cloud, cloud_settings, listen
from handshake_probe.lab.device import Device, Outcome, device_settings
from handshake_probe.lab.faults import LAB_ID, SOUND, Fault
from handshake_probe.lab.journal import Journal
from handshake_probe.lab.play import Act
from handshake_probe.protocol.settings import Generation, Manner, Patience
from handshake_probe.protocol.state import Role

# Seconds; in the order and with the distances of the real ones.
QUICK_DEVICE: dict[str, Any] = {
    "read_timeout": 1.2,
    "hello_wait": 0.8,
    "ping_interval": 0.5,
    "ping_timeout": 0.5,
    "goodbye_wait": 1.0,
}
QUICK_CLOUD = Patience(identity=None, hello=None, handshake=0.8, idle=1.6, describe=0.9)
LATE, HELD = 1.6, 2.0

SOUND_CLOUD, SOUND_DEVICE = SOUND[Role.CLOUD], SOUND[Role.DEVICE]
SLOT = damage.slot_of(vectors.DEVICE_NUMBERS)


def quick(fault: Fault) -> Fault:
    """The same fault with shorter waits."""
    script = fault.script
    delays = tuple(d._replace(seconds=min(d.seconds, LATE)) for d in script.delays)
    script = script._replace(delays=delays)
    if script.cut is not None:
        script = script._replace(cut=script.cut._replace(hold=HELD))
    return replace(fault, script=script)


@cache
def made_slot(make: Callable[[], bytes]) -> bytes:
    return SLOT if make is damage.sound_slot else make()


def register_of(slot: bytes) -> Callable[[str], RegisteredKey | None]:
    numbers = read_device_slot(slot)
    key = vectors.registered_key(numbers)
    return lambda device_id: None if device_id.startswith("0bad") else key


@dataclass
class Told:
    """What one side told."""

    lines: list[str] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)

    def journal(self) -> Journal:
        return Journal(self.lines.append, lambda line: self.log.append(json.loads(line)))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def said(self) -> list[tuple[str, str, str]]:
        """Direction, plaintext and summary of every message, one direction after the other."""
        said = [
            (entry["direction"], entry["hex"], entry["summary"])
            for entry in self.log
            if entry["event"] == "message"
        ]
        return sorted(said, key=lambda entry: entry[0])

    def ends(self) -> list[tuple[str, int | None]]:
        return [(e["reason"], e["error"]) for e in self.log if e["event"] == "closed"]


@dataclass
class Meeting:
    outcome: Outcome | None
    device: Told
    cloud: Told
    served: int


def meet(
    cloud_fault: Fault = SOUND_CLOUD,
    device_fault: Fault = SOUND_DEVICE,
    *,
    generation: Generation = Generation.V3_3,
    manner: Manner = Manner.COMPARES,
    session: float | None = 0.2,
    attempts: int = 1,
    claim_code: bytes = b"",
    confirms_claims: bool = False,
    cloud_acts: tuple[Act, ...] = (),
    device_acts: tuple[Act, ...] = (),
    seed: int | None = 1,
) -> Meeting:
    """Let a device connect to a cloud on real sockets."""
    slot = made_slot(device_fault.makes_slot)
    device_settings_ = device_settings(
        LAB_ID,
        slot,
        vectors.CLOUD_NUMBERS.n,
        generation=generation,
        claim_code=claim_code,
        fault=device_fault,
    )
    changes = QUICK_DEVICE | dict(device_fault.settings)
    cloud_settings_ = cloud_settings(vectors.cloud_key(), register_of(slot), manner)
    idle = QUICK_CLOUD.idle if manner is Manner.COMPARES else None
    told = Meeting(None, Told(), Told(), 0)

    async def run() -> None:
        with listen("127.0.0.1", 0) as listener:
            cloud = Cloud(
                replace(cloud_settings_, patience=QUICK_CLOUD._replace(idle=idle)),
                told.cloud.journal(),
                fault=quick(cloud_fault),
                acts=cloud_acts,
                confirms_claims=confirms_claims,
                seed=seed,
            )
            device = Device(
                replace(device_settings_, **changes),
                told.device.journal(),
                fault=quick(device_fault),
                acts=device_acts,
                session=session,
                seed=seed,
            )
            serving = asyncio.create_task(cloud.serve(listener))
            async with asyncio.timeout(20):
                await device.run("127.0.0.1", listener.getsockname()[1], attempts)
                await until(lambda: len(told.cloud.ends()) >= cloud.served, 0.3)
            told.outcome, told.served = device.outcome, cloud.served
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving

    asyncio.run(run())
    return told


async def until(true: Callable[[], bool], seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.01)


def tree(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def noise(length: int) -> bytes:
    return shake_128(b"noise").digest(length)
