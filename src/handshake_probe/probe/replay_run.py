"""Runs a replay: its arms in turn, one connection at a time, so that all see the same minute."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from handshake_probe.errors import HandshakeProbeError
from handshake_probe.model.observation import Observation
from handshake_probe.model.probed import Connect, Ending, ReplayProbed
from handshake_probe.packets.recorded_talk import Spoken
from handshake_probe.probe.endpoint import Endpoint
from handshake_probe.probe.lookups import Question
from handshake_probe.probe.patience import PATIENCE, Patience
from handshake_probe.probe.plan import SPACING
from handshake_probe.probe.replay import (
    FRESH,
    OTHER_PORT,
    RANDOM,
    RANDOM_CONTROL,
    REPLAY,
    VERBATIM,
    Arm,
    handshake_again,
    say_again,
)
from handshake_probe.probe.system_names import ask_system, system_resolvers
from handshake_probe.probe.vantage import look_around
from handshake_probe.protocol.settings import DeviceSettings

RUNS = 2  # of every arm
MOST_RUNS = 3  # of an arm whose first two differ

_ARMS = {REPLAY: "the recorded part", RANDOM_CONTROL: "random bytes", OTHER_PORT: "another port"}


@dataclass(frozen=True)
class ReplayPlan:
    """One run."""

    host: str  # a name, or an address
    port: int
    script: tuple[Spoken, ...] = field(repr=False)  # see `RecordedTalk.sayable`
    settings: DeviceSettings | None = field(default=None, repr=False)  # None: no fresh handshake
    arms: tuple[str, ...] = (REPLAY,)
    other_port: int = 443
    patience: Patience = PATIENCE
    spacing: float = SPACING  # seconds between two connections

    @property
    def target(self) -> str:
        """`device.spark.io:5683`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Told(NamedTuple):
    """One connection is over."""

    arm: str
    text: str


class ReplayRun:
    """One run. `seen` grows as observations come, so that an interrupted run keeps them."""

    def __init__(self, plan: ReplayPlan, tell: Callable[[Told], None]) -> None:
        self.seen: list[Observation] = []
        self._plan = plan
        self._tell = tell
        numbers = itertools.count(1)
        self._next_id = lambda: f"o{next(numbers)}"

    async def go(self) -> None:
        """Do everything; returns when all is done. Raises HandshakeProbeError: no address."""
        plan = self._plan
        address = await self._address()
        if address is None:
            raise HandshakeProbeError(f"{plan.host}: no address was found for this name")
        self.seen.append(look_around(address, self._next_id, resolvers=system_resolvers()))
        arms = [self._arm(purpose, address) for purpose in plan.arms]
        for arm in arms * RUNS:
            await self._run(arm)
        for arm in arms:
            if len({_kind(run) for run in self._of(arm)}) > 1:
                for _ in range(MOST_RUNS - RUNS):
                    await self._run(arm)

    def _arm(self, purpose: str, address: str) -> Arm:
        plan = self._plan
        if purpose == OTHER_PORT:
            return Arm(VERBATIM, purpose, Endpoint(address, plan.other_port))
        fresh = FRESH if plan.settings is not None else VERBATIM
        content = RANDOM if purpose == RANDOM_CONTROL else fresh
        return Arm(content, purpose, Endpoint(address, plan.port))

    def _of(self, arm: Arm) -> Sequence[ReplayProbed]:
        return [
            run for run in self.seen if isinstance(run, ReplayProbed) and run.purpose == arm.purpose
        ]

    async def _address(self) -> str | None:
        """The first address of the host, IPv4 before IPv6."""
        with suppress(ValueError):
            return str(ipaddress.ip_address(self._plan.host))
        asked = [Question(self._plan.host, "cloud", kind) for kind in ("A", "AAAA")]
        found = await ask_system(asked, self._next_id)
        self.seen += found
        ordered = sorted(found, key=lambda question: question.type != "A")
        return next((address for question in ordered for address in question.addresses), None)

    async def _run(self, arm: Arm) -> None:
        plan = self._plan
        if any(isinstance(run, ReplayProbed) for run in self.seen):
            await asyncio.sleep(plan.spacing)
        if arm.content == FRESH and plan.settings is not None:
            run, handshake = await handshake_again(
                arm, plan.script, plan.settings, next_id=self._next_id, patience=plan.patience
            )
            self.seen += [run, handshake] if handshake is not None else [run]
        else:
            run = await say_again(arm, plan.script, next_id=self._next_id, patience=plan.patience)
            self.seen.append(run)
        ended = "answered" if run.ended_by is Ending.OURSELVES else run.ended_by or run.outcome
        self._tell(Told(_ARMS[arm.purpose], f"{run.sent} bytes sent to {run.target}, {ended}"))


def _kind(run: ReplayProbed) -> tuple[Connect, str | None, str | None]:
    return run.outcome, run.ended_by, run.delivery
