"""`replay --to`: from a recorded connection to a measurement."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from handshake_probe import __version__
from handshake_probe.diagnose.active.document import build_probe_measurement
from handshake_probe.diagnose.document import rfc3339
from handshake_probe.model.measurement import KeyUsed, Measurement, Software, Source
from handshake_probe.model.observations import AnyObservation
from handshake_probe.pipeline.analysis import Interrupted
from handshake_probe.pipeline.probing import numbered, stopped_by_interrupt
from handshake_probe.probe.replay_run import ReplayPlan, ReplayRun, Told


def replay(
    plan: ReplayPlan,
    *,
    sha256: str,
    tell: Callable[[Told], None],
    keys: Sequence[KeyUsed] = (),
) -> Measurement:
    """Say a recorded connection again, and judge what becomes of it.

    Args:
        plan: What to send where.
        sha256: Of the recording, for the document.
        tell: Called after each connection.
        keys: The keys the plan rests on, for the document.

    Raises:
        Interrupted: Ctrl-C; it holds the measurement of what was known by then.
    """
    started = time.time()
    observations, interrupted = asyncio.run(_replay(plan, tell))
    measurement = build_probe_measurement(
        source=Source(
            path=plan.target,
            sha256=sha256,
            frames=0,
            truncated=interrupted,
            format="replay",
            first=rfc3339(started),
            last=rfc3339(time.time()),
        ),
        software=Software(name="handshake-probe", version=__version__),
        keys=keys,
        observations=observations,
        kind="replay",
    )
    if interrupted:
        raise Interrupted(measurement)
    return measurement


async def _replay(
    plan: ReplayPlan, tell: Callable[[Told], None]
) -> tuple[list[AnyObservation], bool]:
    run = ReplayRun(plan, tell)
    task = asyncio.create_task(run.go())
    with stopped_by_interrupt(task):
        try:
            await task
            interrupted = False
        except asyncio.CancelledError:
            interrupted = True
    return numbered(run.seen), interrupted
