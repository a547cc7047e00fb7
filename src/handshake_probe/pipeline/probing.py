"""`probe`: from a plan to a measurement."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import msgspec

from handshake_probe import __version__
from handshake_probe.capture.recorder import Recording, record
from handshake_probe.diagnose.active.document import build_probe_measurement
from handshake_probe.diagnose.document import rfc3339
from handshake_probe.errors import KeyFileError, UnreadableInput
from handshake_probe.keys.keyring import Keyring
from handshake_probe.model.measurement import KeyUsed, Measurement, Software, Source
from handshake_probe.model.observation import Observation
from handshake_probe.model.observations import AnyObservation, ConnectionSeen, HostSeen, PathTtlSeen
from handshake_probe.model.probed import PacketsRecorded, TcpProbed
from handshake_probe.pipeline.analysis import Interrupted, analyze
from handshake_probe.pipeline.keyfiles import load_keys
from handshake_probe.probe.plan import Plan
from handshake_probe.probe.progress import Progress
from handshake_probe.probe.run import Run
from handshake_probe.probe.seat import seat_settings
from handshake_probe.protocol.settings import DeviceSettings


def probe(
    plan: Plan,
    *,
    tell: Callable[[Progress], None],
    keys: Sequence[KeyUsed] = (),
    capture: Path | None = None,
) -> Measurement:
    """Ask the network, and judge what it says.

    Args:
        plan: What to do.
        tell: Called as steps begin and end.
        keys: The keys the plan rests on, for the document.
        capture: Where to record the probe's own packets; a file that must not exist.

    Raises:
        Interrupted: Ctrl-C; it holds the measurement of what was known by then.
        UnreadableInput: the capture's file exists already.
    """
    if capture is not None and capture.exists():
        raise UnreadableInput(f"{capture}: exists already, and is not overwritten")
    started = time.time()
    observations, interrupted = asyncio.run(_probe(plan, tell, capture))
    measurement = build_probe_measurement(
        source=Source(
            path=plan.target,
            sha256="",
            frames=0,
            truncated=interrupted,
            format="probe",
            first=rfc3339(started),
            last=rfc3339(time.time()),
        ),
        software=Software(name="handshake-probe", version=__version__),
        keys=keys,
        observations=observations,
    )
    if interrupted:
        raise Interrupted(measurement)
    return measurement


def stand_in_settings(
    device_key: str, device_id: str, keyring: Keyring
) -> tuple[DeviceSettings, Keyring, list[str]]:
    """The device to stand in for, the keys of the run with its own, and notes for the user.

    Raises:
        UnreadableInput: no such file, or no private key of a device in it.
        KeyFileError: the id is none.
    """
    found, _ = load_keys((device_key,), ())
    if len(found.devices) != 1:
        raise KeyFileError(f"{device_key}: holds no private key of a device (RSA, 1024 bits)")
    if len(device_id) != 24 or not set(device_id.lower()) <= set("0123456789abcdef"):
        raise KeyFileError(f"{device_id!r} is no device id: 24 hex digits")
    key = dataclasses.replace(found.devices[0], device_id=device_id.lower())
    notes = []
    if not key.firmware_agrees:
        notes.append(
            f"{key.source}: the firmware reads this key otherwise than it is: a device that holds "
            "it fails even where this program passes"
        )
    # As arithmetic reads it: what the firmware makes of it is another question.
    settings = seat_settings(
        key.device_id or "", dataclasses.replace(key, firmware=None), keyring.cloud[0].n
    )
    return settings, dataclasses.replace(keyring, devices=(key,)), notes


async def _probe(
    plan: Plan, tell: Callable[[Progress], None], capture: Path | None
) -> tuple[list[AnyObservation], bool]:
    recording: Recording | None = None
    async with AsyncExitStack() as stack:

        async def ready(interface: str | None) -> None:
            nonlocal recording
            if capture is not None:
                ports = [plan.port]
                recording = await stack.enter_async_context(record(capture, interface, ports))

        run = Run(plan, tell, ready)
        task = asyncio.create_task(run.go())
        with stopped_by_interrupt(task):
            try:
                await task
                interrupted = False
            except asyncio.CancelledError:
                interrupted = True
    seen = run.seen
    if recording is not None:
        seen = [*seen, *_recorded(recording, seen)]
    return numbered(seen), interrupted


@contextlib.contextmanager
def stopped_by_interrupt(task: asyncio.Task[None]) -> Iterator[None]:
    """Ctrl-C ends the task and leaves what it has seen."""
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(signal.SIGINT, task.cancel)
    except (NotImplementedError, RuntimeError):  # Windows; another thread than the main one
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _recorded(recording: Recording, seen: Sequence[Observation]) -> list[Observation]:
    """What our own packets show of our own connections."""
    file = str(recording.file)
    if recording.refused is not None:
        return [PacketsRecorded(id="", refused=recording.refused)]
    ours = {item.local for item in seen if isinstance(item, TcpProbed)}
    try:
        captured = analyze(file, keyring=Keyring())
    except UnreadableInput as error:
        return [PacketsRecorded(id="", refused=str(error))]
    kept = [
        item
        for item in captured.observations
        if isinstance(item, HostSeen | PathTtlSeen)
        or (isinstance(item, ConnectionSeen) and item.device in ours)
    ]
    return [PacketsRecorded(id="", file=file, frames=captured.source.frames), *kept]


def numbered(seen: Sequence[Observation]) -> list[AnyObservation]:
    """In the order of time, with ids in that order."""
    numbers = count(1)
    ordered = sorted(seen, key=lambda item: getattr(item, "time", getattr(item, "started", 0.0)))
    return [msgspec.structs.replace(item, id=f"o{next(numbers)}") for item in ordered]  # type: ignore[misc]
