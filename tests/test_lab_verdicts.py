"""Every fault, recorded in a network and judged at four depths of key knowledge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agreement import assert_agrees, device_at, judged
from handshake_probe.lab import damage, network
from handshake_probe.lab.faults import FAULTS
from handshake_probe.lab.scenario import Cloud, Device, Scenario, Truth
from handshake_probe.protocol.state import Role
from scenario_runs import Runs, running

LACK = network.missing()
AT_A_TIME = 8  # they mostly wait
SECONDS = 40.0

CLOUD, DEVICE = Role.CLOUD, Role.DEVICE


def truth(cause: str, stage: str, settles_at: str = "none", **more: Any) -> Truth:
    return Truth(cause=cause, stage=stage, settles_at=settles_at, **more)


HEALTHY = truth("healthy", "session")
# One session that its cloud or its device ends is no failure yet, as long as nobody can read it.
LIKE_HEALTHY = {"also_below_full": ("healthy",)}
LIKE_CORRUPTION = {"also_below_full": ("device_key_corruption",)}
OTHER_SERVER_KEY = truth("server_key_mismatch", "identity_sent", "server")
OTHER_KEY_SENT = truth("device_key_corruption", "identity_sent", "server")
KEY_UNREADABLE = truth("device_key_corruption", "credentials_received", "full")

TRUTHS: dict[Role, dict[str, Truth]] = {
    CLOUD: {
        "silent": truth("server_fault", "tcp_established", "never"),
        "closes-at-once": truth("server_fault", "tcp_established", "never"),
        "no-nonce": truth("server_fault", "tcp_established", "never"),
        "short-nonce": truth("server_fault", "tcp_established", "never"),
        "late-nonce": truth("server_fault", "tcp_established", "never"),
        "long-nonce": truth("server_fault", "credentials_received", "never"),
        "text-nonce": truth("server_fault", "identity_sent", "never", also=("network_blocked",)),
        "repeated-nonce": HEALTHY,
        "zero-nonce": HEALTHY,
        "closes-after-identity": truth("server_fault", "identity_sent", "server"),
        "silent-after-identity": truth("server_fault", "identity_sent", "never"),
        "no-reassembly": HEALTHY,
        "credentials-other-key": truth(
            "server_fault", "credentials_received", "full", **LIKE_CORRUPTION
        ),
        "credentials-truncated": truth("server_fault", "identity_sent", "never"),
        "signature-other-key": truth(
            "server_fault", "credentials_received", "never", also=("server_key_mismatch",)
        ),
        "signature-digest-info": truth("server_fault", "credentials_received", "public"),
        "hmac-wrong": truth("server_fault", "credentials_received", "full", **LIKE_CORRUPTION),
        "iv-last-block": truth("server_fault", "session", "full", **LIKE_HEALTHY),
        "iv-constant": truth("server_fault", "session", "full", **LIKE_HEALTHY),
        "no-hello": truth("server_fault", "hello_sent", "never"),
        "late-hello": truth("server_fault", "hello_sent", "never"),
        "closes-after-hello": truth("server_fault", "session", "never"),
        "stuck-in-session": truth("server_fault", "session", "never"),
        "reset-on-failure": HEALTHY,
        "describe-without-query": truth("server_fault", "session", "full", **LIKE_HEALTHY),
    },
    DEVICE: {
        "wrong-server-key": OTHER_SERVER_KEY,
        "even-server-key": truth("server_key_mismatch", "nonce_received", "never"),
        "garbage-server-key": OTHER_SERVER_KEY,
        "server-key-erased": OTHER_SERVER_KEY,
        "address-erased": truth("healthy", "session"),
        "address-garbled": truth("device_fault", "none", "never"),
        "key-erased": OTHER_KEY_SENT,
        "key-erased-tail": OTHER_KEY_SENT,
        "key-truncated": KEY_UNREADABLE,
        "key-pkcs8": OTHER_KEY_SENT,
        "key-ec": OTHER_KEY_SENT,
        "key-unlucky": KEY_UNREADABLE,
        "key-p-flipped": KEY_UNREADABLE,
        "key-other": OTHER_KEY_SENT,
        "unknown-id": truth("device_unknown", "identity_sent", "server"),
        "unclaimed": truth("unclaimed", "session", "full", **LIKE_HEALTHY),
        "safe-mode": HEALTHY,
        "vanishes": truth("device_fault", "session", "never", also=("network_blocked",)),
        "no-pings": truth("device_fault", "session", "never", also=("healthy",)),
        "split-identity": HEALTHY,
        "closes-after-nonce": truth("device_fault", "nonce_received", "never"),
        "hangs-after-nonce": truth("device_fault", "nonce_received", "never"),
        "crash-at-describe": truth("device_fault", "session", "never", **LIKE_HEALTHY),
    },
}
# Read back from such a device, the slot is damaged too, yet a key file still.
READ_BACK = (damage.truncated, damage.p_flipped, damage.pkcs8_in_slot)
ARGUMENTS = {
    "stuck-in-session": ("--session", "60"),
    "iv-constant": ("--session", "20"),
    "describe-without-query": ("--session", "30"),
    "no-pings": ("--session", "60"),
    "unclaimed": ("--session", "9"),
}
USUAL = ("--session", "4", "--attempts", "2")
CASES = [(role, name) for role, rows in TRUTHS.items() for name in rows]


def scenario(role: Role, name: str) -> Scenario:
    fault = ("--fault", name)
    arguments = ARGUMENTS.get(name, USUAL)
    return Scenario(
        name=name,
        what=FAULTS[role][name].line,
        truth=TRUTHS[role][name],
        routers=1,
        seconds=SECONDS,
        devices=(
            Device(
                key="unlucky" if name == "key-unlucky" else "registered",
                arguments=(*arguments, *fault) if role is DEVICE else arguments,
            ),
        ),
        cloud=Cloud(arguments=fault if role is CLOUD else ()),
    )


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runs]:
    """The faults that were asked for."""
    asked = {
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == "test_a_fault_is_judged"
    }
    scenarios = [scenario(role, name) for role, name in CASES if name in asked]
    with running(scenarios, tmp_path_factory.mktemp("faults"), AT_A_TIME) as begun:
        yield begun


def test_every_fault_is_judged() -> None:
    assert {role: set(rows) for role, rows in FAULTS.items()} == {
        role: set(rows) for role, rows in TRUTHS.items()
    }


@pytest.mark.skipif(LACK is not None, reason=f"faults not recorded: {LACK}")
@pytest.mark.parametrize(("role", "name"), CASES)
def test_a_fault_is_judged(role: Role, name: str, runs: Runs, tmp_path: Path) -> None:
    recording = runs.recording(name)
    fault, (device_id, told) = (
        FAULTS[role][name],
        (recording.scenario.device_id(0), TRUTHS[role][name]),
    )
    if fault.damages_slot in READ_BACK:
        slot = recording.keys / f"{device_id}.der"
        slot.write_bytes(fault.damages_slot(slot.read_bytes()))
    for depth, measurement in judged(recording.capture, recording.keys, tmp_path):
        if name == "address-garbled":  # it never asks for a cloud that anybody knows
            assert measurement.devices == []
            assert_agrees(measurement, told, depth)
        else:
            assert_agrees(device_at(measurement, recording.addresses[0]), told, depth)
