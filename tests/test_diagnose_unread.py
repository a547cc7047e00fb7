"""A close or a reset that acknowledges nothing of the identity: no key can be its reason."""

from __future__ import annotations

import pytest

from handshake_probe.model.vocabulary import Cause, Mechanism
from observed import (
    CLOUD_KEY,
    FAR_TTL,
    Story,
    connection,
    judged,
    private_cloud_key,
    public_cloud_key,
    registered,
    verdict,
)

KEY_CAUSES = {Cause.SERVER_KEY_MISMATCH, Cause.DEVICE_UNKNOWN, Cause.DEVICE_KEY_CORRUPTION}
ALL_KEYS = [private_cloud_key(), registered()]


def sent() -> Story:
    """An identity that nothing acknowledges."""
    return connection().connected().nonce().identity(acknowledged=False)


def reset() -> Story:
    """Answered by a reset with the cloud's own TTL, which anybody can copy."""
    return sent().cloud_rst(ttl=FAR_TTL, acknowledgment=None)


def test_a_reset_that_acknowledges_nothing_may_come_from_the_path() -> None:
    told = verdict(reset())
    assert told.cause is Cause.INCONCLUSIVE
    assert told.candidates[0] is Cause.NETWORK_BLOCKED
    assert Cause.NETWORK_BLOCKED not in told.ruled_out


def test_a_right_identity_that_nobody_acknowledged_accuses_no_cloud() -> None:
    told = judged(reset().opens(), keys=ALL_KEYS)
    assert told.cause is Cause.INCONCLUSIVE
    assert not KEY_CAUSES & set(told.candidates)


def test_a_wrong_key_is_proven_whoever_made_the_reset() -> None:
    story = reset().key("identity", CLOUD_KEY, "padding_bad")
    told = judged(story, keys=[private_cloud_key(named=True), registered()])
    assert told.cause is Cause.SERVER_KEY_MISMATCH
    # Nothing says that the only key given is this cloud's, nor that the cloud had the identity.
    assert judged(story, keys=ALL_KEYS).cause is Cause.INCONCLUSIVE


def test_a_key_that_may_be_another_clouds_counts_when_the_cloud_had_the_identity() -> None:
    story = sent().cloud_rst(ttl=FAR_TTL, acknowledgment=257)
    told = judged(story.key("identity", CLOUD_KEY, "padding_bad"), keys=ALL_KEYS)
    assert (told.cause, told.assumption is None) == (Cause.SERVER_KEY_MISMATCH, False)


def test_a_reset_that_acknowledges_the_identity_is_the_clouds_answer() -> None:
    told = judged(sent().cloud_rst(ttl=FAR_TTL, acknowledgment=257).opens(), keys=ALL_KEYS)
    assert told.cause is Cause.SERVER_FAULT


def closed(waited: float, acknowledgment: int) -> Story:
    return sent().wait(waited).control("cloud", "FIN", acknowledgment=acknowledgment)


@pytest.mark.parametrize("opened", [False, True])
def test_a_cloud_that_closes_before_it_has_the_identity_did_not_refuse_it(opened: bool) -> None:
    story = closed(0.0, acknowledgment=1)
    told = judged(story.opens() if opened else story, keys=ALL_KEYS if opened else [])
    assert told.mechanism is Mechanism.SESSION_CLOSED_BY_CLOUD
    assert set(told.candidates) == {Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED}


def test_a_cloud_that_waits_in_vain_for_the_identity_never_got_it() -> None:
    told = judged(closed(10.0, acknowledgment=1))
    assert (told.cause, told.mechanism) == (Cause.NETWORK_BLOCKED, Mechanism.IDENTITY_DROPPED)
    assert judged(closed(10.0, acknowledgment=257)).mechanism is Mechanism.IDENTITY_REFUSED


def test_a_cut_after_the_clouds_own_credentials_may_come_from_the_path() -> None:
    story = connection().connected().nonce().identity().credentials().cloud_rst(ttl=FAR_TTL)
    assert Cause.NETWORK_BLOCKED in judged(story).candidates


@pytest.mark.parametrize("received", [60, 384])
def test_a_text_in_place_of_the_credentials_comes_from_no_cloud(received: int) -> None:
    story = connection().connected().nonce().identity()
    story.credentials(received, excerpt="ERROR: protocol not supported by this gateway")
    told = judged(story.cloud_fin() if received < 384 else story.device_fin())
    assert told.cause is Cause.INCONCLUSIVE
    assert told.candidates[0] is Cause.NETWORK_BLOCKED


def answered(stream: int, nonce: str, identity: str) -> Story:
    story = connection(stream).connected().nonce(digest=nonce).identity(digest=identity)
    return story.wait(20.0).device_fin()


def test_a_nonce_that_repeats_is_none() -> None:
    told = verdict(answered(0, "n1", "i1"), answered(1, "n1", "i2"))
    assert told.mechanism is Mechanism.NONCE_MALFORMED
    assert not KEY_CAUSES & set(told.candidates)


def test_a_connection_that_was_captured_twice_repeats_no_nonce() -> None:
    told = verdict(answered(0, "n1", "i1"), answered(1, "n1", "i1"))
    assert told.mechanism is Mechanism.IDENTITY_UNANSWERED


# The same on the device's side, seen from the cloud's.


def test_a_reset_before_the_device_has_the_credentials_blames_none_of_its_keys() -> None:
    """A router that rejects the cloud's answer resets the cloud in the device's name."""
    story = connection().connected().nonce().identity().credentials().signed()
    story.path("cloud", acknowledged_up_to=41).device_rst(acknowledgment=None)
    told = judged(story, keys=[public_cloud_key()])
    assert (told.cause, told.mechanism) == (Cause.INCONCLUSIVE, Mechanism.RESET_AFTER_CREDENTIALS)
    assert told.candidates[0] is Cause.NETWORK_BLOCKED
    acknowledging = connection().connected().nonce().identity().credentials().signed()
    acknowledging.path("cloud", acknowledged_up_to=41).device_rst(acknowledgment=425)
    told = judged(acknowledging, keys=[public_cloud_key()])
    assert told.cause is Cause.DEVICE_KEY_CORRUPTION


def test_a_reset_before_the_device_has_the_nonce_blames_no_server_key_alone() -> None:
    story = connection().connected().nonce(acknowledged=False).device_rst(acknowledgment=None)
    told = judged(story)
    assert told.candidates[0] is Cause.NETWORK_BLOCKED


# A host that no longer knows the connection although nothing ended it.


def given_up(story: Story, *, acknowledgment: int | None = None) -> Story:
    """The device closes, and a reset answers."""
    return story.device_fin().cloud_rst(ttl=FAR_TTL, acknowledgment=acknowledgment)


@pytest.mark.parametrize(
    "story",
    [
        connection().connected().wait(20.0),
        connection().connected().nonce().identity().credentials().hello().wait(4.0),
    ],
    ids=["nonce", "hello"],
)
def test_a_host_that_forgot_the_connection_was_told_so_by_the_path(story: Story) -> None:
    told = judged(given_up(story))
    assert told.cause is Cause.NETWORK_BLOCKED
    assert Cause.SERVER_FAULT in told.candidates


def test_a_host_that_knows_the_connection_sent_nothing() -> None:
    story = connection().connected().nonce().identity().credentials().hello().wait(4.0)
    told = judged(story.device_fin().control("cloud", "FIN"))
    assert (told.cause, told.mechanism) == (Cause.SERVER_FAULT, Mechanism.NO_SERVER_HELLO)
