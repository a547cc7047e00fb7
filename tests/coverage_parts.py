"""What the coverage stories are made of.

Times: the device asks for the cloud's name at 0.5 s; SYN 0.5006, SYN/ACK 0.526, nonce 0.555,
identity 0.697, credentials 0.726, its Hello 0.868, the cloud's 0.897.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from coverage_cases import (
    NONE,
    Case,
    Known,
    case,
)
from handshake_probe.lab import damage
from handshake_probe.lab.memory import keys
from handshake_probe.lab.memory.cast import cloud, device, slot
from handshake_probe.lab.memory.story import Does, Rule
from handshake_probe.lab.script import Cut, Ending, Script
from handshake_probe.model.vocabulary import Cause, Mechanism
from handshake_probe.protocol.coap import CoapMessage
from handshake_probe.protocol.connection import Connection
from handshake_probe.protocol.events import Event
from handshake_probe.protocol.kinds import Kind
from handshake_probe.protocol.played_events import CloseReason
from handshake_probe.protocol.settings import Manner

NAME, RESOLVER, CLOUD, ELSEWHERE = "device.spark.io", "192.168.7.1", "10.90.0.30", "10.91.0.30"
CLOUD_TTL, ROUND_TRIP = 61, 0.026  # of the cloud's packets, as a reset in its name should show
CLAIM_CODE = b"c" * 63
NEVER = 1e6  # seconds: beyond every story's end
TRUSTS = {"manner": Manner.TRUSTS_REGISTER}
MISTAKEN = keys.device_numbers("mistaken")
UNLUCKY = damage.slot_of(keys.unlucky_numbers("device"))
FLASH = {"device": slot("device")}

C, M = Cause, Mechanism


@dataclass(frozen=True, kw_only=True)
class Told:
    """The three stories of one code, and the verdict of the first."""

    reached: Case
    cause: Cause
    mechanism: Mechanism | None
    near: Case  # differs in one fact
    thin: Case


def cut(at: str, ending: Ending, kind: str | None = None, *, sends: bool = False) -> Script:
    return Script(cut=Cut(at, ending, kind, sends))


def rule(does: Does, **parts: Any) -> tuple[Rule, ...]:
    return (Rule(does=does, **parts),)


def confirm(connection: Connection, now: float) -> list[Event]:
    return connection.publish(now, "spark/device/claim/confirmed")


def two_blocks(connection: Connection, now: float) -> list[Event]:
    return connection.publish(now, "lab/event", b"an event of more than one block")


def dies_describing(connection: Connection, _now: float) -> list[Event]:
    """From now on the device acknowledges a Describe request and ends, as after a crash."""
    side = connection._device
    assert side is not None

    def crash(message: CoapMessage, now: float) -> None:
        side._acknowledge(message, now)
        side.close(now, CloseReason.LOCAL)

    side._handlers[Kind.DESCRIBE_REQUEST] = crash
    return []


HEALTHY = case()
LONG = case(devices=(device(stays=None),), seconds=60.0)
ANEW = case(devices=(device(slot_holds=slot("anew")),), clouds=(cloud(settings=TRUSTS),))


def named(*answers: str, attempts: int = 1) -> Case:
    return case(names={NAME: answers}, devices=(device(attempts=attempts),))


def ruled(does: Does, **parts: Any) -> Case:
    return case(rules=rule(does, **parts))


def sealed(seal: Any, known: Known = NONE, **parts: Any) -> Case:
    return case(known, clouds=(cloud(seal=seal, **parts),))


def scripted(script: Script, known: Known = NONE, **parts: Any) -> Case:
    return case(known, clouds=(cloud(script=script, **parts),))


def cast(script: Script, known: Known = NONE, **parts: Any) -> Case:
    return case(known, devices=(device(script=script, **parts),))
