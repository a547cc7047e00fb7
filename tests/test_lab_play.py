"""The lab's cloud and device on real sockets: they get along, and both tell the same."""

from __future__ import annotations

import pytest

from handshake_probe.keys.fingerprint import fingerprint_of
from handshake_probe.lab.device import Outcome, back_off
from handshake_probe.protocol.settings import Generation, HeldKey, Manner
from lab_room import SLOT, meet

PAIRS = [
    (generation, manner)
    for generation in Generation
    for manner in Manner
    if (generation, manner) != (Generation.CORE, Manner.COMPARES)  # it sends no key to compare
]
CLAIM = b"c" * 63


@pytest.mark.parametrize(("generation", "manner"), PAIRS)
def test_every_generation_gets_along_with_every_cloud(
    generation: Generation, manner: Manner
) -> None:
    met = meet(generation=generation, manner=manner)
    assert met.outcome is Outcome.KEPT
    assert met.device.said()
    assert met.device.said() == met.cloud.said()
    sizes = {(Generation.CORE): 13, Generation.V3_3: 27}
    [hello] = [hexa for _, hexa, summary in met.device.said() if summary.startswith("Hello prod")]
    assert len(hello) // 2 == sizes.get(generation, 15)
    assert any(summary.startswith("time 1") for _, _, summary in met.device.said())


def test_a_core_sends_no_key_and_a_cloud_that_compares_turns_it_away() -> None:
    met = meet(generation=Generation.CORE)
    assert (met.outcome, met.device.ends()) == (Outcome.FAILED, [("peer_ended", 26)])
    assert "saw no key" in met.cloud.text


@pytest.mark.parametrize("generation", [Generation.CORE, Generation.V3_3])
def test_both_logs_tell_who_it_is(generation: Generation) -> None:
    met = meet(generation=generation, manner=Manner.TRUSTS_REGISTER)
    sent = None if generation is Generation.CORE else fingerprint_of(HeldKey.from_slot(SLOT).spki)
    for told in (met.device, met.cloud):
        [identity] = [entry for entry in told.log if entry["event"] == "identity"]
        assert identity["device_id"] == "1ab000000000000000000001"
        assert identity["sent_key"] == sent


def test_firmware_since_2_0_says_goodbye() -> None:
    for generation in (Generation.V2_3, Generation.V3_3):
        met = meet(generation=generation)
        assert met.device.ends() == [("goodbye", None)]
        assert "Goodbye" in met.cloud.text
    met = meet(generation=Generation.V1_0)
    assert met.device.ends() == [("local", None)]
    assert "Goodbye" not in met.cloud.text


def test_functions_variables_and_events() -> None:
    met = meet(
        cloud_acts=(
            lambda connection, now: connection.call_function(now, "length", b"abcde"),
            lambda connection, now: connection.call_function(now, "missing"),
            lambda connection, now: connection.request_variable(now, "answer"),
            lambda connection, now: connection.publish(now, "from/cloud", b"x"),
        ),
        device_acts=(lambda connection, now: connection.publish(now, "from/device", b"y"),),
    )
    plain = [bytes.fromhex(hexa) for _, hexa, _ in met.cloud.said()]
    assert met.outcome is Outcome.KEPT
    assert any(text.endswith(b"\xff\0\0\0\x05") for text in plain)
    assert any(text.endswith(b"\xff\0\0\0\x2a") for text in plain)
    assert "event from/cloud" in met.device.text
    assert "event from/device" in met.cloud.text
    assert met.device.said() == met.cloud.said()


def test_pings_keep_an_idle_session_alive() -> None:
    met = meet(session=2.0)  # longer than the cloud waits for a byte
    assert met.outcome is Outcome.KEPT
    assert met.cloud.text.count("--> ping") >= 2


def test_a_confirmed_claim_code_is_forgotten() -> None:
    met = meet(claim_code=CLAIM, confirms_claims=True)
    assert "event spark/device/claim/confirmed" in met.device.text
    unconfirmed = meet(claim_code=CLAIM)
    assert "event spark/device/claim/code" in unconfirmed.cloud.text
    assert "confirmed" not in unconfirmed.device.text


def test_the_same_seed_gives_the_same_session() -> None:
    def hellos(seed: int | None) -> list[str]:
        return [hexa for _, hexa, summary in meet(seed=seed).cloud.said() if "Hello" in summary]

    assert hellos(7) == hellos(7)
    assert hellos(7) != hellos(8)
    assert hellos(None) != hellos(None)


def test_the_back_off_is_the_firmwares() -> None:
    steps = [back_off(failures) for failures in range(1, 46)]
    assert steps == [step for step in (1, 2, 4, 8, 16, 32, 64, 128, 128) for _ in range(5)]
