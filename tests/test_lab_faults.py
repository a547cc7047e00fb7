"""Every fault does what its line says, on real sockets."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from handshake_probe.errors import HandshakeProbeError
from handshake_probe.keys.firmware import read_device_slot, usable_for_decrypting
from handshake_probe.keys.particle import PARTICLE_CLOUD
from handshake_probe.lab import damage, server_slot
from handshake_probe.lab.device import Outcome
from handshake_probe.lab.faults import FAULTS, Fault
from handshake_probe.protocol.settings import Generation, Manner
from handshake_probe.protocol.state import Role
from lab_room import SOUND_CLOUD, SOUND_DEVICE, Meeting, meet, noise

CLOUD, DEVICE = Role.CLOUD, Role.DEVICE
KEPT, LOST, FAILED = Outcome.KEPT, Outcome.LOST, Outcome.FAILED


class Seen(NamedTuple):
    """What is to be seen of a fault."""

    outcome: Outcome
    error: int | None = None  # the device's
    on_device: str = ""
    on_cloud: str = ""


# With a cloud that compares, unless TRUSTING says otherwise, and Device OS 3.3.
EXPECTED: dict[Role, dict[str, Seen]] = {
    CLOUD: {
        "silent": Seen(FAILED, 25, "waited too long: nonce", "fault: silence"),
        "closes-at-once": Seen(FAILED, 25, "<-- closes", "fault: close"),
        "no-nonce": Seen(FAILED, 25, "nonce: only 0 bytes", "waited too long: handshake"),
        "short-nonce": Seen(FAILED, 25, "nonce: only 20 bytes"),
        "late-nonce": Seen(FAILED, 25, "waited too long: nonce"),
        "long-nonce": Seen(FAILED, 6, "<-- nonce, 4", "nonce, 41 bytes"),
        "text-nonce": Seen(FAILED, 26, "looks like http", "fault: half close"),
        "repeated-nonce": Seen(KEPT),
        "zero-nonce": Seen(KEPT, None, "nonce, 40 bytes, looks like"),
        "closes-after-identity": Seen(FAILED, 26, "<-- closes", "identity opens"),
        "silent-after-identity": Seen(FAILED, 26, "waited too long: cred", "the peer closes"),
        "no-reassembly": Seen(KEPT),
        "credentials-other-key": Seen(FAILED, 6, "signature: opened"),
        "credentials-truncated": Seen(FAILED, 26, "credentials: only 128 bytes"),
        "signature-other-key": Seen(FAILED, 8, "session material: unproven"),
        "signature-digest-info": Seen(FAILED, 8, "signature: digest info"),
        "hmac-wrong": Seen(FAILED, 8, "session material: hmac differs"),
        "iv-last-block": Seen(KEPT, None, "event lab/event", "event lab/event"),
        "iv-constant": Seen(LOST, 24, "<-- Hello of the cloud", "waited too long: describe"),
        "no-hello": Seen(FAILED, 10, "waited too long: hello"),
        "late-hello": Seen(FAILED, 10, "waited too long: hello"),
        "closes-after-hello": Seen(LOST, 24, "<-- Hello of the cloud", "fault: close"),
        "stuck-in-session": Seen(LOST, 1, "waited too long: pong", "fault: silence"),
        "reset-on-failure": Seen(KEPT),
        "describe-without-query": Seen(LOST, 24, "4.00", "waited too long: describe"),
    },
    DEVICE: {
        "wrong-server-key": Seen(FAILED, 26, "<-- closes", "identity does not open"),
        "even-server-key": Seen(FAILED, 7, "done: key unusable", "--> closes"),
        "garbage-server-key": Seen(FAILED, 26, "<-- closes", "identity does not open"),
        "server-key-erased": Seen(FAILED, 26, "<-- closes", "identity does not open"),
        "key-erased": Seen(FAILED, 26, "<-- closes", "saw another key"),
        "key-erased-tail": Seen(FAILED, 26, "<-- closes", "saw another key"),
        "key-truncated": Seen(FAILED, 6, "session material", "--> closes"),
        "key-pkcs8": Seen(FAILED, 26, "<-- closes", "saw another key"),
        "key-ec": Seen(FAILED, 26, "<-- closes", "saw another key"),
        "key-unlucky": Seen(FAILED, 6, "session material", "--> closes"),
        "key-p-flipped": Seen(FAILED, 6, "session material", "--> closes"),
        "key-other": Seen(FAILED, 26, "<-- closes", "saw another key"),
        "unknown-id": Seen(FAILED, 26, "<-- closes", "saw unknown device"),
        "unclaimed": Seen(KEPT, None, "claim/code (63 bytes)", "claim/code (63 bytes)"),
        "safe-mode": Seen(KEPT, None, "breathing magenta", "spark/device/safemode"),
        "vanishes": Seen(LOST, None, "fault: vanish", "waited too long: describe"),
        "no-pings": Seen(LOST, 24, "<-- closes", "waited too long: idle"),
        "split-identity": Seen(KEPT),
        "closes-after-nonce": Seen(FAILED, None, "fault: close", "--> closes"),
        "hangs-after-nonce": Seen(FAILED, None, "fault: silence", "waited too long: handshake"),
        "crash-at-describe": Seen(LOST, None, "fault: close", "--> closes"),
    },
}
TRUSTING = ("key-erased", "key-erased-tail", "key-pkcs8", "key-ec", "key-other")
# They go where nobody told them to, so only scenarios play them.
ELSEWHERE = {"address-erased", "address-garbled"}
CASES = [(role, name) for role, rows in EXPECTED.items() for name in rows]


def play(role: Role, name: str, manner: Manner = Manner.COMPARES) -> Meeting:
    fault = FAULTS[role][name]
    session = 3.0 if EXPECTED[role][name].outcome is LOST else 0.3
    sides: tuple[Fault, Fault] = (fault, SOUND_DEVICE) if role is CLOUD else (SOUND_CLOUD, fault)
    return meet(*sides, session=session, manner=manner)


def device_error(met: Meeting) -> int | None:
    return next((error for _, error in met.device.ends()), None)


def test_every_fault_is_tried() -> None:
    tried = {role: set(rows) for role, rows in EXPECTED.items()}
    tried[DEVICE] |= ELSEWHERE
    assert {role: set(rows) for role, rows in FAULTS.items()} == tried


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_nothing_goes_elsewhere_unasked(name: str) -> None:
    with pytest.raises(HandshakeProbeError, match="allow --other-traffic"):
        meet(device_fault=FAULTS[DEVICE][name])


def test_an_erased_key_is_made_anew_as_the_firmware_writes_it() -> None:
    one, other = (damage.booted(damage.erased(b"")) for _ in range(2))
    assert one != other
    for slot in (one, other):
        assert usable_for_decrypting(read_device_slot(slot))
        assert len(slot.rstrip(b"\xff")) == 611
    assert damage.booted(one) == one


def test_what_is_erased_in_the_server_slot_is_restored() -> None:
    erased = server_slot.erased_key(1)
    new = server_slot.restored(erased, Generation.V1_0)
    assert (new.modulus, new.errors) == (PARTICLE_CLOUD.n, 1)
    assert server_slot.restored(erased, Generation.CORE) == (erased, 0)
    lost = server_slot.erased_address(server_slot.Address("home.example", 9000))
    assert server_slot.default_if_erased(lost) == ("device.spark.io", 5683)
    assert server_slot.address_errors(lost, Generation.V3_3) == 4
    assert server_slot.address_errors(lost, Generation.CORE) == 0


@pytest.mark.parametrize(
    ("host", "garbled"), [("192.168.1.10", "192.168.1.11"), ("device.spark.io", "eevice.spark.io")]
)
def test_a_flipped_bit_in_the_address_record(host: str, garbled: str) -> None:
    address = server_slot.Address(host, 5683)
    assert server_slot.garbled_address(address) == (garbled, 5683)


@pytest.mark.parametrize(("role", "name"), CASES)
def test_a_fault_shows_as_it_should(role: Role, name: str) -> None:
    seen = EXPECTED[role][name]
    met = play(role, name)
    shown = met.device.text + "\n\n" + met.cloud.text
    assert met.outcome is seen.outcome, shown
    assert device_error(met) == seen.error, shown
    assert seen.on_device in met.device.text
    assert seen.on_cloud in met.cloud.text


@pytest.mark.parametrize(("role", "name"), CASES)
def test_a_line_names_the_error_that_comes(role: Role, name: str) -> None:
    seen = EXPECTED[role][name]
    named = re.findall(r"\b(?:error|else) (\d+)", FAULTS[role][name].line)
    if seen.outcome is FAILED and seen.error is not None:
        assert str(seen.error) in named
    else:
        assert not named


@pytest.mark.parametrize("name", TRUSTING)
def test_a_trusting_cloud_answers_a_device_that_sends_another_key(name: str) -> None:
    met = play(DEVICE, name, Manner.TRUSTS_REGISTER)
    assert (met.outcome, device_error(met)) == (FAILED, 6)
    assert "credentials, 384 bytes" in met.device.text
    assert "else 6" in FAULTS[DEVICE][name].line


def test_a_split_identity_breaks_a_server_that_reads_once() -> None:
    met = meet(FAULTS[CLOUD]["no-reassembly"], FAULTS[DEVICE]["split-identity"])
    assert (met.outcome, device_error(met)) == (FAILED, 26)
    assert "took 100 bytes for the whole identity" in met.cloud.text


def test_reset_on_failure_resets() -> None:
    met = meet(FAULTS[CLOUD]["reset-on-failure"], FAULTS[DEVICE]["unknown-id"])
    assert (met.outcome, device_error(met)) == (FAILED, 26)
    assert "<-- resets the connection" in met.device.text


def test_a_wrong_iv_garbles_the_record_after_a_long_one() -> None:
    met = play(CLOUD, "iv-last-block")
    heard, said = (
        [hexa for way, hexa, _ in told.said() if way.startswith("cloud")]
        for told in (met.device, met.cloud)
    )
    wrong = [index for index, plaintext in enumerate(said) if plaintext not in heard]
    assert wrong
    assert all(len(said[index - 1]) // 2 >= 16 for index in wrong)


@pytest.mark.parametrize("name", ["iv-constant", "iv-last-block"])
def test_a_core_ends_a_session_it_cannot_read(name: str) -> None:
    met = meet(
        FAULTS[CLOUD][name],
        generation=Generation.CORE,
        manner=Manner.TRUSTS_REGISTER,
        session=3.0,
    )
    assert (met.outcome, device_error(met)) == (LOST, 5)


def test_a_repeated_nonce_is_the_same_in_every_connection() -> None:
    fault = FAULTS[CLOUD]["repeated-nonce"]
    seal = fault.seal()
    assert seal.nonce(noise) == seal.nonce(bytes) == noise(40)


def test_a_lost_session_is_begun_anew_at_once_and_failures_are_waited_for() -> None:
    lost = meet(FAULTS[CLOUD]["closes-after-hello"], attempts=3)
    assert (lost.served, len(lost.device.ends())) == (3, 3)
    failing = meet(device_fault=FAULTS[DEVICE]["unknown-id"], attempts=2)
    first, second = (entry for entry in failing.device.log if entry["event"] == "closed")
    waited = float(second["time"][17:-1]) - float(first["time"][17:-1])
    assert 1.0 <= waited % 60 < 2.5


def test_an_unclaimed_device_publishes_its_code_in_every_session() -> None:
    met = meet(
        FAULTS[CLOUD]["closes-after-hello"], FAULTS[DEVICE]["unclaimed"], attempts=2, session=3.0
    )
    assert met.device.text.count("claim/code") == 2


def test_firmware_before_2_0_shows_what_went_wrong_in_colours() -> None:
    old, new = Generation.V1_0, Generation.V3_3
    for name, colour in (("credentials-other-key", "orange"), ("hmac-wrong", "magenta")):
        assert f"one {colour} flash" in meet(FAULTS[CLOUD][name], generation=old).device.text
        assert "one red flash" in meet(FAULTS[CLOUD][name], generation=new).device.text
