"""The same for the codes of a replay: reached, nearly, too thinly."""

from __future__ import annotations

from typing import Any

from coverage_probe import ProbeTold
from handshake_probe.model.measurement import Measurement
from handshake_probe.model.observation import Observation
from handshake_probe.model.probed import Delivery, Ending, ReplayProbed
from handshake_probe.model.vocabulary import Cause, Mechanism
from probed import measured, replayed, vantage

C, M = Cause, Mechanism
CUT: dict[str, Any] = {
    "acknowledged": 0,
    "delivery": Delivery.UNKNOWN,
    "ended_by": Ending.RESET,
}


def own(**changes: Any) -> ReplayProbed:
    return replayed("replay", "verbatim", **changes)


def random(**changes: Any) -> ReplayProbed:
    return replayed("random", "random", **changes)


def other(**changes: Any) -> ReplayProbed:
    return replayed("other_port", "verbatim", **({"first": None} | changes))


def replay(*runs: Observation) -> Measurement:
    return measured(vantage(), *runs, kind="replay")


def twice(*runs: ReplayProbed) -> Measurement:
    return replay(*runs, *runs)


BY_CONTENT = twice(own(**CUT), random(), other())
BY_PORT = twice(own(**CUT), random(**CUT), other())
BY_SHAPE = twice(own(**CUT), random(**CUT), other(**CUT))
PASSES = twice(own())

REPLAYS: dict[str, ProbeTold] = {
    "HP186": ProbeTold(
        C.NETWORK_BLOCKED,
        M.RESET_AFTER_IDENTITY,
        BY_CONTENT,
        BY_PORT,
        replay(own(**CUT), random(), other()),
    ),
    "HP187": ProbeTold(
        C.NETWORK_BLOCKED,
        M.RESET_AFTER_IDENTITY,
        BY_PORT,
        BY_SHAPE,
        replay(own(**CUT), own(**CUT), random(**CUT), random(**CUT), other()),
    ),
    "HP188": ProbeTold(
        C.NETWORK_BLOCKED,
        M.RESET_AFTER_IDENTITY,
        BY_SHAPE,
        BY_PORT,
        replay(own(**CUT), own(**CUT), random(**CUT), random(**CUT), other(**CUT)),
    ),
    "HP189": ProbeTold(C.HEALTHY, None, PASSES, twice(own(**CUT)), replay(own())),
    "HP190": ProbeTold(
        C.INCONCLUSIVE,
        M.NO_TRAFFIC,
        replay(own(), own(**CUT)),
        PASSES,
        measured(vantage()),
    ),
}
