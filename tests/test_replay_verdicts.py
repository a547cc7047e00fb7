"""What the rules make of a replay's observations: each reading beside its nearest neighbours."""

from __future__ import annotations

from typing import Any

import pytest

from coverage_replay import CUT, other, own, random, replay, twice
from handshake_probe.model.measurement import Measurement, from_json, to_json
from handshake_probe.model.probed import Connect, Delivery, Ending, FirstBytes, ReplayProbed
from handshake_probe.model.vocabulary import Cause, Mechanism, Stage
from handshake_probe.pipeline.rejudging import diagnose
from handshake_probe.pipeline.reporting import compose_report
from handshake_probe.report.sheet.files import Form, written
from handshake_probe.report.sheet.redaction import Level
from probed import measured, replayed, stand_in, vantage

HEALTHY, BLOCKED, UNDECIDED = Cause.HEALTHY, Cause.NETWORK_BLOCKED, Cause.INCONCLUSIVE
RESET: dict[str, Any] = {"ended_by": Ending.RESET}
LOST: dict[str, Any] = {
    "acknowledged": 0,
    "delivery": Delivery.UNACKNOWLEDGED,
    "retransmissions": 3,
    "ended_by": Ending.SILENCE,
}
HUNG: dict[str, Any] = {"ended_by": Ending.SILENCE}
BLIND: dict[str, Any] = {"acknowledged": None, "delivery": Delivery.UNKNOWN}  # no TCP_INFO
QUIET: dict[str, Any] = {
    "first": None,
    "sent": 0,
    "acknowledged": None,
    "delivery": None,
    "ended_by": Ending.SILENCE,
}
PORTAL = FirstBytes(seconds=0.1, received=70, flaws=["known_prefix"], looks_like="http")


def unconnected(outcome: Connect) -> dict[str, Any]:
    return QUIET | {"outcome": outcome, "ended_by": None}


SYN_LOST, REFUSED = unconnected(Connect.TIMEOUT), unconnected(Connect.REFUSED)
GREETED = FirstBytes(seconds=0.03, received=40, digest="b")


def fresh(**changes: Any) -> ReplayProbed:
    return replayed("replay", "fresh", planned=0, **changes)


# name, measurement, cause, mechanism, finding
STORIES: list[tuple[str, Measurement, Cause, Mechanism | None, str]] = [
    ("a FIN is the expected answer", twice(own()), HEALTHY, None, "HP189"),
    ("controls do not matter then", twice(own(), random(**CUT), other(**CUT)), HEALTHY, None,
     "HP189"),
    ("a system without TCP_INFO", twice(own(**BLIND)), HEALTHY, None, "HP189"),
    ("dropped by content", twice(own(**LOST), random(), other()), BLOCKED,
     Mechanism.IDENTITY_DROPPED, "HP186"),
    ("content on both ports", twice(own(**CUT), random(), other(**CUT)), BLOCKED,
     Mechanism.RESET_AFTER_IDENTITY, "HP186"),
    ("the cloud itself may reset", twice(own(**RESET), random(), other()), UNDECIDED,
     Mechanism.RESET_AFTER_IDENTITY, "HP186"),
    ("a reset, and nobody tells of acknowledgments",
     twice(own(**RESET, **BLIND), random(), other()), UNDECIDED,
     Mechanism.RESET_AFTER_IDENTITY, "HP186"),
    ("a race of reset and acknowledgment",
     replay(own(**RESET), own(**CUT), random(), random()), UNDECIDED,
     Mechanism.RESET_AFTER_IDENTITY, "HP186"),
    ("the port is silent, the host is not",
     twice(own(**SYN_LOST), random(**SYN_LOST), other(**REFUSED)), BLOCKED,
     Mechanism.SYN_DROPPED, "HP187"),
    ("a cloud that has moved to the other port",
     twice(own(**REFUSED), random(**REFUSED), other(first=GREETED)), UNDECIDED,
     Mechanism.CONNECTION_REFUSED, "HP187"),
    ("silence on the port, a cloud on the other",
     twice(own(**QUIET), random(**QUIET), other(first=GREETED)), BLOCKED, Mechanism.NO_NONCE,
     "HP187"),
    ("silence on the port, somebody on the other",
     twice(own(**QUIET), random(**QUIET), other()), UNDECIDED, Mechanism.NO_NONCE, "HP187"),
    ("a cloud that resets what it cannot read",
     twice(own(**RESET), random(**RESET), other(first=GREETED)), UNDECIDED,
     Mechanism.RESET_AFTER_IDENTITY, "HP187"),
    ("lost on both ports", twice(own(**LOST), random(**LOST), other(**LOST)), BLOCKED,
     Mechanism.IDENTITY_DROPPED, "HP188"),
    ("no host at all", twice(own(**SYN_LOST), random(**SYN_LOST), other(**SYN_LOST)), UNDECIDED,
     Mechanism.SYN_DROPPED, "HP190"),
    ("cut, without controls", twice(own(**CUT)), UNDECIDED, Mechanism.RESET_AFTER_IDENTITY,
     "HP190"),
    ("random bytes alone", twice(random(**CUT)), UNDECIDED, Mechanism.NO_TRAFFIC, "HP190"),
    ("controls that disagree", replay(own(**CUT), own(**CUT), random(), random(**CUT)), UNDECIDED,
     Mechanism.RESET_AFTER_IDENTITY, "HP190"),
    ("arrives, is not answered", twice(own(**HUNG), random()), UNDECIDED,
     Mechanism.IDENTITY_UNANSWERED, "HP190"),
    ("a FIN that does not acknowledge", twice(own(acknowledged=0, delivery=Delivery.UNKNOWN)),
     UNDECIDED, Mechanism.NO_TRAFFIC, "HP190"),
    ("a portal", twice(own(first=PORTAL), random()), UNDECIDED, Mechanism.NO_NONCE, "HP190"),
    ("two of three", replay(own(), own(), own(**CUT)), UNDECIDED, Mechanism.NO_TRAFFIC, "HP190"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("measurement", "cause", "mechanism", "code"),
    [story[1:] for story in STORIES],
    ids=[story[0] for story in STORIES],
)
def test_a_story(
    measurement: Measurement, cause: Cause, mechanism: Mechanism | None, code: str
) -> None:
    verdict = measurement.verdict
    assert (verdict.cause, verdict.mechanism) == (cause, mechanism), verdict.summary
    assert verdict.findings == [code]
    assert cause is not UNDECIDED or len(verdict.candidates) > 1
    assert cause is not BLOCKED or Cause.SERVER_FAULT in verdict.candidates
    assert diagnose([from_json(to_json(measurement))]) == [measurement]
    assert "None" not in verdict.summary + " ".join(verdict.next_steps)


def test_a_fresh_handshake_tells_of_keys_as_well() -> None:
    session = stand_in(Stage.SESSION)
    verdict = replay(fresh(), session, fresh(), session).verdict
    assert (verdict.cause, verdict.stage) == (HEALTHY, Stage.SESSION)
    assert verdict.findings == ["HP172", "HP189"]


def test_a_fresh_handshake_that_is_refused_is_no_block() -> None:
    refused = stand_in(Stage.IDENTITY_SENT, ended_by=Ending.CLOSED)
    verdict = replay(fresh(), refused, fresh(), refused).verdict
    assert verdict.cause is UNDECIDED
    assert Cause.NETWORK_BLOCKED not in verdict.candidates
    assert verdict.findings == ["HP405", "HP189"]


def test_handshakes_that_end_differently_tell_of_the_network_alone() -> None:
    refused = stand_in(Stage.IDENTITY_SENT, ended_by=Ending.CLOSED)
    verdict = replay(fresh(), refused, fresh(), stand_in(Stage.SESSION)).verdict
    assert (verdict.cause, verdict.findings) == (HEALTHY, ["HP189"])


def test_through_a_tunnel_nothing_is_concluded() -> None:
    tunnel = vantage(through_tunnel=True, interface="tun0")
    runs = (own(**CUT), random(), other())
    verdict = measured(tunnel, *runs, *runs, kind="replay").verdict
    assert (verdict.cause, verdict.mechanism) == (UNDECIDED, Mechanism.OTHER_PATH)


def test_a_replay_in_a_report_for_others() -> None:
    """Its own runs are shown, and nothing but endpoints stands where endpoints belong."""
    blocked = twice(own(**CUT), random(), other())
    for level in Level:
        composed = compose_report([blocked], level, made=0.0)
        told = written(
            composed.report, composed.documents, Form.TEXT, 0.0, public=composed.public
        ).decode()
        assert "recorded bytes" in told
        assert "control: random bytes" in told
        assert "HP186" in told
