"""Which key is wrong, with every set of keys a user may have; never more than the keys can tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_probe.diagnose.advice import against
from handshake_probe.diagnose.builtin_key import settle_particle_key
from handshake_probe.diagnose.judge_register import SENT_KEY_FLAWS
from handshake_probe.diagnose.judgement import Clue, Judgement
from handshake_probe.diagnose.key_sizes import Sizes
from handshake_probe.keys.particle import PARTICLE_ADDRESSES, PARTICLE_CLOUD
from handshake_probe.model.measurement import KeyUsed
from handshake_probe.model.observations import (
    AnyObservation,
    ConnectionSeen,
    CredentialsSeen,
    PresenceSeen,
)
from handshake_probe.model.vocabulary import Cause, Confidence
from observed import (
    CLOUD_KEY,
    DEVICE,
    DEVICE_ID,
    DEVICE_KEY,
    LOCAL_CLOUD,
    OTHER_CLOUD_KEY,
    OTHER_DEVICE_KEY,
    OTHER_ID,
    PUBLIC_CLOUD,
    START,
    Story,
    arp,
    connection,
    flash_key,
    judged,
    measured,
    observations,
    private_cloud_key,
    public_cloud_key,
    question,
    registered,
    verdict,
)

KEY_QUESTION = {Cause.SERVER_KEY_MISMATCH, Cause.DEVICE_UNKNOWN, Cause.DEVICE_KEY_CORRUPTION}


def refused(stream: int = 0) -> Story:
    """The cloud hangs up on the identity: which key is wrong is the whole question."""
    return connection(stream).connected().nonce().identity().wait(0.1).cloud_fin()


def given_up(stream: int = 0) -> Story:
    """The device closes on the credentials."""
    return connection(stream).connected().nonce().identity().credentials().wait(0.3).device_fin()


def is_proven(judgement: Judgement, cause: Cause, code: str) -> None:
    assert judgement.cause is cause
    assert judgement.clues[0].code == code
    assert judgement.confidence is Confidence.PROVEN
    assert judgement.candidates == (cause,)


def is_likely(judgement: Judgement, cause: Cause, code: str) -> None:
    assert judgement.cause is cause
    assert judgement.clues[0].code == code
    assert judgement.confidence is Confidence.LIKELY
    assert judgement.candidates[0] is cause
    assert len(judgement.candidates) > 1


def is_undecided(judgement: Judgement, candidates: set[Cause]) -> None:
    assert judgement.cause is Cause.INCONCLUSIVE
    assert candidates <= set(judgement.candidates)
    assert judgement.settles


# The identity is refused.


def test_without_keys_the_cloud_hanging_up_decides_nothing() -> None:
    told = judged(refused())
    is_undecided(told, KEY_QUESTION)
    assert Cause.NETWORK_BLOCKED not in told.candidates
    assert told.settles is not None
    assert "private key" in told.settles


def test_an_identity_above_the_only_given_key_rests_on_that_key_being_the_clouds() -> None:
    story = refused().key("identity", CLOUD_KEY, "not_below_modulus", private=False)
    told = judged(story, keys=[public_cloud_key()])
    is_likely(told, Cause.SERVER_KEY_MISMATCH, "HP202")
    assert told.assumption is not None


def test_an_identity_above_the_named_key_is_arithmetic() -> None:
    story = refused().key("identity", CLOUD_KEY, "not_below_modulus", private=False)
    is_proven(
        judged(story, keys=[public_cloud_key(named=True)]), Cause.SERVER_KEY_MISMATCH, "HP202"
    )


def test_an_identity_above_a_key_whose_signature_opens_is_arithmetic() -> None:
    story = refused().key("identity", CLOUD_KEY, "not_below_modulus", private=False)
    other = connection(1).handshake().signed()
    is_proven(judged(story, other, keys=[public_cloud_key()]), Cause.SERVER_KEY_MISMATCH, "HP202")


def test_an_identity_below_a_public_key_says_nothing() -> None:
    story = refused().key("identity", CLOUD_KEY, "fits", private=False)
    is_undecided(judged(story, keys=[public_cloud_key()]), KEY_QUESTION)


def test_an_identity_that_the_clouds_private_key_does_not_open() -> None:
    story = refused().key("identity", CLOUD_KEY, "padding_bad")
    named = judged(story, keys=[private_cloud_key(named=True)])
    is_proven(named, Cause.SERVER_KEY_MISMATCH, "HP201")


def test_the_only_private_key_given_may_be_another_clouds() -> None:
    story = refused().key("identity", CLOUD_KEY, "padding_bad")
    told = judged(story, keys=[private_cloud_key()])
    is_likely(told, Cause.SERVER_KEY_MISMATCH, "HP201")
    assert set(told.candidates) >= KEY_QUESTION
    assert told.assumption is not None


@pytest.mark.parametrize(
    ("state", "length"), [("padding_good_length_odd", 215), ("nonce_differs", 214)]
)
@pytest.mark.parametrize("named", [True, False])
def test_an_identity_that_opens_to_something_else_is_not_made_with_another_key(
    state: str, length: int, named: bool
) -> None:
    """The padding is there: another key gives such a block once in 100 000."""
    story = refused().key("identity", CLOUD_KEY, state, length=length)
    told = judged(story, keys=[private_cloud_key(named=named), registered()])
    is_undecided(told, {Cause.DEVICE_FAULT, Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED})
    assert Cause.SERVER_KEY_MISMATCH not in told.candidates


@pytest.mark.parametrize("private", [True, False])
def test_a_given_key_explains_no_identity_that_never_arrived(private: bool) -> None:
    """The path drops it: whether the key that was given is this cloud's is another question."""
    state = "padding_bad" if private else "not_below_modulus"
    story = connection().connected().nonce().identity().key("identity", CLOUD_KEY, state)
    story.path("device", acknowledged_up_to=1, unacknowledged_retransmissions=1)
    story.wait(20.0).device_fin()
    told = judged(story, keys=[private_cloud_key() if private else public_cloud_key()])
    assert told.cause is Cause.NETWORK_BLOCKED


def test_an_identity_that_opens_under_another_clouds_key() -> None:
    story = refused().key("identity", CLOUD_KEY, "padding_bad").opens(OTHER_CLOUD_KEY)
    keys = [private_cloud_key(named=True), private_cloud_key(OTHER_CLOUD_KEY)]
    told = judged(story, keys=keys)
    is_proven(told, Cause.SERVER_KEY_MISMATCH, "HP206")
    assert "07e5.pem" in told.summary


def test_an_identity_that_opens_and_is_refused_leaves_the_register_open() -> None:
    told = judged(refused().opens(), keys=[private_cloud_key()])
    is_undecided(told, {Cause.DEVICE_UNKNOWN, Cause.DEVICE_KEY_CORRUPTION})
    assert Cause.SERVER_KEY_MISMATCH not in told.candidates


def test_a_device_that_is_not_in_the_register() -> None:
    keys = [private_cloud_key(), registered(OTHER_ID, OTHER_DEVICE_KEY)]
    told = judged(refused().opens(), keys=keys)
    is_likely(told, Cause.DEVICE_UNKNOWN, "HP401")
    assert told.assumption is not None
    assert DEVICE_ID in told.summary


def test_a_registered_key_without_a_device_id_is_no_register() -> None:
    loose = KeyUsed(fingerprint=DEVICE_KEY, role="registered", source="some.pub.pem")
    told = judged(refused().opens(), keys=[private_cloud_key(), loose])
    is_undecided(told, {Cause.DEVICE_UNKNOWN, Cause.DEVICE_KEY_CORRUPTION})


def test_a_device_that_sends_another_key_than_the_registered_one() -> None:
    keys = [private_cloud_key(), registered(key=OTHER_DEVICE_KEY)]
    is_proven(judged(refused().opens(), keys=keys), Cause.DEVICE_KEY_CORRUPTION, "HP301")


@pytest.mark.parametrize("flaw", SENT_KEY_FLAWS)
@pytest.mark.parametrize("keys", [[], [registered()], [registered(OTHER_ID)]])
@pytest.mark.parametrize("story", [refused, given_up])
def test_a_device_that_sends_what_is_no_key(
    flaw: str, keys: list[KeyUsed], story: Callable[[], Story]
) -> None:
    told = judged(
        story().opens(sent_key=None, sent_key_flaw=flaw), keys=[private_cloud_key(), *keys]
    )
    is_proven(told, Cause.DEVICE_KEY_CORRUPTION, "HP305")
    assert SENT_KEY_FLAWS[flaw] in told.clues[0].text


def test_a_core_sends_no_key_and_cannot_be_held_against_the_register() -> None:
    told = judged(
        refused().opens(sent_key=None, length=52), keys=[private_cloud_key(), registered()]
    )
    assert told.cause is not Cause.DEVICE_KEY_CORRUPTION


def test_everything_right_and_yet_refused_is_the_clouds_fault() -> None:
    told = judged(refused().opens(), keys=[private_cloud_key(), registered()])
    is_likely(told, Cause.SERVER_FAULT, "HP505")


def test_everything_right_but_in_pieces_is_not_reassembled() -> None:
    story = connection().connected().nonce().identity(pieces=3).cloud_fin().opens()
    told = judged(story, keys=[private_cloud_key(), registered()])
    is_likely(told, Cause.SERVER_FAULT, "HP506")


def test_everything_right_but_held_by_the_first_hop_is_a_proxy() -> None:
    story = connection().connected(ttl=64).nonce().identity().cloud_fin().opens()
    told = judged(story, keys=[private_cloud_key(), registered()])
    is_likely(told, Cause.NETWORK_BLOCKED, "HP120")


def test_an_identity_of_another_nonce_is_not_another_key() -> None:
    story = refused().key("identity", CLOUD_KEY, "nonce_differs", device_id=DEVICE_ID)
    told = judged(story, keys=[private_cloud_key(), registered()])
    assert told.cause is Cause.INCONCLUSIVE


def test_the_register_is_asked_even_when_the_cloud_says_nothing() -> None:
    story = connection().connected().nonce().identity().wait(20.0).device_fin().opens()
    keys = [private_cloud_key(), registered(OTHER_ID)]
    is_likely(judged(story, keys=keys), Cause.DEVICE_UNKNOWN, "HP401")


def test_a_capture_that_ends_before_the_answer_judges_no_flawless_identity() -> None:
    story = connection().connected().nonce().identity().opens().then_quiet(0.1)
    told = judged(story, keys=[private_cloud_key(), registered()])
    assert told.capture_ended
    assert Cause.HEALTHY in told.candidates


@pytest.mark.parametrize("keys", [[], [private_cloud_key()]])
def test_silence_after_an_acknowledged_identity_accuses_nobody(keys: list[KeyUsed]) -> None:
    story = connection().connected().nonce().identity().wait(20.0).device_fin()
    told = judged(story.opens() if keys else story, keys=keys)
    is_undecided(told, {Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED, Cause.DEVICE_UNKNOWN})
    assert (Cause.SERVER_KEY_MISMATCH in told.candidates) is not bool(keys)


# Several cloud keys.


def test_several_keys_and_nothing_to_tell_them_apart_asks_which_one() -> None:
    story = refused().key("identity", CLOUD_KEY, "padding_bad").opens(OTHER_CLOUD_KEY)
    told = judged(story, keys=[private_cloud_key(), private_cloud_key(OTHER_CLOUD_KEY)])
    assert told.cause is Cause.INCONCLUSIVE


@pytest.mark.parametrize("story", [refused, given_up])
def test_the_question_names_the_option(story: Callable[[], Story]) -> None:
    keys = [public_cloud_key(), public_cloud_key(OTHER_CLOUD_KEY)]
    told = judged(story(), keys=keys)
    assert told.settles is not None
    assert "--cloud-key" in told.settles


def test_a_signature_tells_which_key_is_the_clouds() -> None:
    story = refused().key("identity", CLOUD_KEY, "padding_bad").opens(OTHER_CLOUD_KEY)
    elsewhere = connection(1).handshake().signed("padding_bad", OTHER_CLOUD_KEY).signed()
    keys = [private_cloud_key(), private_cloud_key(OTHER_CLOUD_KEY)]
    is_proven(judged(story, elsewhere, keys=keys), Cause.SERVER_KEY_MISMATCH, "HP206")


def test_a_signature_outweighs_the_users_word() -> None:
    story = refused().key("identity", CLOUD_KEY, "padding_bad").opens(OTHER_CLOUD_KEY)
    elsewhere = connection(1).handshake().signed("opened", OTHER_CLOUD_KEY)
    keys = [private_cloud_key(named=True), private_cloud_key(OTHER_CLOUD_KEY)]
    told = judged(story, elsewhere, keys=keys)
    assert told.cause is not Cause.SERVER_KEY_MISMATCH


# The credentials are refused.


def test_without_keys_a_device_giving_up_decides_nothing() -> None:
    told = judged(given_up())
    is_undecided(told, {Cause.DEVICE_KEY_CORRUPTION, Cause.SERVER_KEY_MISMATCH})
    assert Cause.DEVICE_UNKNOWN not in told.candidates
    assert Cause.NETWORK_BLOCKED not in told.candidates


def test_a_genuine_signature_leaves_the_devices_own_key() -> None:
    told = judged(given_up().signed(), keys=[public_cloud_key()])
    is_likely(told, Cause.DEVICE_KEY_CORRUPTION, "HP302")


@pytest.mark.parametrize("state", ["padding_bad", "not_below_modulus"])
def test_a_signature_by_another_key(state: str) -> None:
    told = judged(given_up().signed(state), keys=[public_cloud_key()])
    is_likely(told, Cause.SERVER_KEY_MISMATCH, "HP203")
    assert told.assumption is not None
    named = judged(given_up().signed(state), keys=[public_cloud_key(named=True)])
    assert named.assumption is None


@pytest.mark.parametrize(
    ("state", "code"), [("digest_info", "HP507"), ("padding_good_length_odd", "HP507")]
)
def test_a_signature_in_a_form_no_device_accepts(state: str, code: str) -> None:
    told = judged(given_up().signed(state), keys=[public_cloud_key()])
    is_proven(told, Cause.SERVER_FAULT, code)


def test_signing_the_wrong_bytes() -> None:
    story = given_up().signed().key("credentials", DEVICE_KEY, "hmac_differs")
    is_proven(judged(story, keys=[public_cloud_key(), flash_key()]), Cause.SERVER_FAULT, "HP509")


def test_the_devices_key_opens_everything_and_the_device_gives_up() -> None:
    story = given_up().signed().key("credentials", DEVICE_KEY, "opened", firmware_opens=True)
    told = judged(story, keys=[public_cloud_key(), flash_key()])
    is_undecided(told, {Cause.DEVICE_FAULT, Cause.DEVICE_KEY_CORRUPTION})
    assert told.clues[0].code == "HP521"


def test_a_key_that_only_the_firmware_misreads() -> None:
    story = given_up().signed().key("credentials", DEVICE_KEY, "opened", firmware_opens=False)
    told = judged(story, keys=[public_cloud_key(), flash_key()])
    is_proven(told, Cause.DEVICE_KEY_CORRUPTION, "HP304")


def test_the_devices_own_key_does_not_open_what_the_cloud_encrypts() -> None:
    story = given_up().opens().signed().key("credentials", DEVICE_KEY, "padding_bad")
    told = judged(story, keys=[private_cloud_key(), flash_key()])
    is_likely(told, Cause.DEVICE_KEY_CORRUPTION, "HP303")
    assert Cause.SERVER_FAULT in told.candidates


def test_a_file_that_is_not_the_key_the_device_sends_proves_nothing() -> None:
    story = given_up().opens().signed().key("credentials", OTHER_DEVICE_KEY, "padding_bad")
    told = judged(story, keys=[private_cloud_key(), flash_key(key=OTHER_DEVICE_KEY), registered()])
    is_likely(told, Cause.DEVICE_KEY_CORRUPTION, "HP302")


def test_a_device_key_that_opens_nothing_accuses_no_cloud() -> None:
    story = given_up().opens().signed().key("credentials", DEVICE_KEY, "key_damaged")
    told = judged(story, keys=[private_cloud_key(), flash_key(), registered()])
    is_likely(told, Cause.DEVICE_KEY_CORRUPTION, "HP302")
    assert told.mechanism == "slot_damaged"


@pytest.mark.parametrize(
    ("state", "cause"),
    [("opened", Cause.INCONCLUSIVE), ("hmac_differs", Cause.SERVER_FAULT)],
)
def test_a_register_is_out_of_date_when_the_cloud_encrypts_for_the_key_that_was_sent(
    state: str, cause: Cause
) -> None:
    story = given_up().opens().signed()
    story.key("credentials", DEVICE_KEY, state, firmware_opens=True)
    keys = [private_cloud_key(), flash_key(), registered(key=OTHER_DEVICE_KEY)]
    assert judged(story, keys=keys).cause is cause


@pytest.mark.parametrize("keys", [[], [registered()], [registered(key=OTHER_DEVICE_KEY)]])
def test_a_session_of_the_wrong_length_is_the_clouds_fault(keys: list[KeyUsed]) -> None:
    story = given_up().opens().signed()
    story.key("credentials", DEVICE_KEY, "padding_good_length_odd", length=32)
    told = judged(story, keys=[private_cloud_key(), flash_key(), *keys])
    assert told.cause is Cause.SERVER_FAULT
    assert "32 bytes" in told.clues[0].text


@pytest.mark.parametrize("firmware_opens", [True, False])
@pytest.mark.parametrize("sent", [DEVICE_KEY, None])
@pytest.mark.parametrize(
    ("on_file", "cause"),
    [
        (None, Cause.DEVICE_KEY_CORRUPTION),
        (OTHER_DEVICE_KEY, Cause.DEVICE_KEY_CORRUPTION),
        (DEVICE_KEY, Cause.SERVER_FAULT),
    ],
)
def test_credentials_that_open_with_another_devices_key(
    on_file: str | None, cause: Cause, sent: str | None, firmware_opens: bool
) -> None:
    """With a whole folder of keys: what that other device could do with them is no matter."""
    story = given_up().opens(sent_key=sent, length=214 if sent else 52).signed()
    story.key("credentials", OTHER_DEVICE_KEY, "opened", firmware_opens=firmware_opens)
    keys = [private_cloud_key(), flash_key(OTHER_ID, OTHER_DEVICE_KEY)]
    keys += [registered(key=on_file)] if on_file else []
    told = judged(story, keys=keys)
    assert told.cause is cause
    assert told.clues[0].code in ("HP301", "HP303")


def test_halves_in_the_wrong_order_are_the_clouds_fault() -> None:
    told = judged(given_up().signed("misplaced"), keys=[public_cloud_key()])
    is_proven(told, Cause.SERVER_FAULT, "HP507")


def test_somebody_elses_private_key_proves_nothing() -> None:
    story = given_up().opens().signed().key("credentials", OTHER_DEVICE_KEY, "padding_bad")
    told = judged(story, keys=[private_cloud_key(), flash_key(OTHER_ID, OTHER_DEVICE_KEY)])
    is_likely(told, Cause.DEVICE_KEY_CORRUPTION, "HP302")


def test_the_registered_key_not_opening_is_the_clouds_fault() -> None:
    story = given_up().opens().signed().key("credentials", DEVICE_KEY, "padding_bad")
    told = judged(story, keys=[private_cloud_key(), flash_key(), registered()])
    is_likely(told, Cause.SERVER_FAULT, "HP522")


def test_the_key_the_device_sends_against_the_register() -> None:
    keys = [private_cloud_key(), registered(key=OTHER_DEVICE_KEY)]
    is_proven(judged(given_up().opens().signed(), keys=keys), Cause.DEVICE_KEY_CORRUPTION, "HP301")


def test_a_foreign_signature_comes_before_the_register() -> None:
    keys = [private_cloud_key(), registered(key=OTHER_DEVICE_KEY)]
    told = judged(given_up().opens().signed("padding_bad"), keys=keys)
    assert told.cause is Cause.SERVER_KEY_MISMATCH


@pytest.mark.parametrize("size", [512, 400])
def test_credentials_of_another_size(size: int) -> None:
    story = connection().connected().nonce().identity().credentials(size).device_fin()
    is_undecided(judged(story), {Cause.SERVER_FAULT, Cause.DEVICE_KEY_CORRUPTION})


def test_credentials_that_break_off_with_the_clouds_fin() -> None:
    story = connection().connected().nonce().identity().credentials(200).cloud_fin()
    is_likely(judged(story), Cause.SERVER_FAULT, "HP508")


def test_a_cloud_that_closes_on_its_own_credentials() -> None:
    story = connection().connected().nonce().identity().credentials().cloud_fin()
    is_undecided(judged(story), {Cause.SERVER_FAULT, Cause.DEVICE_FAULT})


def test_a_device_silent_after_the_credentials() -> None:
    story = connection().connected().nonce().identity().credentials().silence()
    is_undecided(judged(story), {Cause.DEVICE_FAULT, Cause.DEVICE_KEY_CORRUPTION})


def test_a_nonce_with_bytes_to_spare_misleads_the_device() -> None:
    story = connection().connected().nonce(60).identity().credentials().device_fin()
    is_likely(judged(story), Cause.SERVER_FAULT, "HP503")


def test_a_device_that_cannot_encrypt_sends_nothing() -> None:
    told = judged(connection().connected().nonce().wait(0.1).device_fin())
    is_undecided(told, {Cause.SERVER_KEY_MISMATCH, Cause.DEVICE_FAULT})
    assert told.clues[0].code == "HP204"


# What holds for one connection of a device holds for its others.


def test_a_proof_is_shared_with_connections_that_ended_alike() -> None:
    story = refused().key("identity", CLOUD_KEY, "not_below_modulus", private=False)
    blank = refused(1).key("identity", CLOUD_KEY, "fits", private=False)
    reports = measured(story, blank, keys=[public_cloud_key(named=True)]).devices[0].connections
    assert [r.cause for r in reports] == [Cause.SERVER_KEY_MISMATCH] * 2
    assert [r.confidence for r in reports] == [Confidence.PROVEN, Confidence.LIKELY]


@pytest.mark.parametrize(
    "other",
    [
        given_up(1),  # another stage
        connection(1).connected().nonce().identity().wait(0.1).cloud_rst(),  # another ending
        connection(1, cloud="52.10.20.31").connected().nonce().identity().cloud_fin(),
        connection(1, device="192.168.1.21").connected().nonce().identity().cloud_fin(),
    ],
    ids=["stage", "ending", "cloud", "device"],
)
def test_a_proof_is_not_shared_with_connections_that_ended_otherwise(other: Story) -> None:
    story = refused().key("identity", CLOUD_KEY, "not_below_modulus", private=False)
    document = measured(story, other, keys=[public_cloud_key(named=True)])
    causes = [report.cause for device in document.devices for report in device.connections]
    assert causes == [Cause.SERVER_KEY_MISMATCH, Cause.INCONCLUSIVE]


def test_a_capture_that_ended_is_not_made_a_failure_by_proof() -> None:
    story = refused().key("identity", CLOUD_KEY, "not_below_modulus", private=False)
    running = connection(1).connected().nonce().identity().then_quiet(0.1)
    reports = measured(story, running, keys=[public_cloud_key(named=True)]).devices[0].connections
    assert reports[1].cause is Cause.INCONCLUSIVE


# The cloud changed its key.


def changed() -> list[Story]:
    """A session that the cloud ended; since then it refuses the same identity."""
    return [refused(1).opens(), connection(0).handshake().wait(9.0).cloud_fin()]


def test_a_cloud_that_refuses_what_it_took_before_changed_its_key() -> None:
    told = judged(*changed(), keys=[private_cloud_key(), registered()])
    is_likely(told, Cause.SERVER_KEY_MISMATCH, "HP205")
    assert Cause.SERVER_FAULT in told.candidates


def test_a_cloud_that_takes_it_again_did_not_change_its_key() -> None:
    told = judged(*changed(), connection(2).handshake(), keys=[private_cloud_key(), registered()])
    assert told.cause is Cause.SERVER_FAULT


def test_an_earlier_session_without_keys_asks_for_the_new_key() -> None:
    told = judged(refused(1), connection(0).handshake().wait(9.0).cloud_fin())
    is_undecided(told, KEY_QUESTION)
    assert told.settles is not None
    assert "changed" in told.settles


# The built-in key of the Particle cloud.


def with_builtin(story: Story) -> ConnectionSeen:
    return story.key("identity", PARTICLE_CLOUD.fingerprint, "fits", private=False).seen()


def applies(*told: AnyObservation, story: Story) -> bool:
    kept, anywhere = settle_particle_key(observations(with_builtin(story), *told))
    (found,) = [item for item in kept if isinstance(item, ConnectionSeen)]
    assert bool(found.key_tests) is anywhere
    return anywhere


def test_the_built_in_key_needs_a_reason() -> None:
    assert not applies(story=refused())
    assert not applies(arp(LOCAL_CLOUD), story=connection(cloud=LOCAL_CLOUD).connected())


def test_a_known_address_is_a_reason() -> None:
    address = str(min(PARTICLE_ADDRESSES, key=str))
    assert applies(story=connection(cloud=address).connected().nonce().identity())


def test_a_name_that_leads_to_a_public_address_is_a_reason() -> None:
    assert applies(question("NOERROR", PUBLIC_CLOUD), story=refused())
    assert not applies(question("NOERROR", "52.10.20.31"), story=refused())
    assert not applies(question("NOERROR", PUBLIC_CLOUD, name="cloud.example.com"), story=refused())


def test_a_name_that_leads_into_the_own_network_is_none() -> None:
    story = connection(cloud=LOCAL_CLOUD).connected().nonce().identity().cloud_fin()
    assert not applies(question("NOERROR", LOCAL_CLOUD), story=story)


def test_a_signature_is_a_reason_wherever_the_cloud_is() -> None:
    fingerprint = PARTICLE_CLOUD.fingerprint
    assert applies(story=connection(cloud="10.0.0.9").handshake().signed(key=fingerprint))
    assert not applies(
        story=connection(cloud="10.0.0.9").handshake().signed("padding_bad", fingerprint)
    )


# What is ruled out.


def out(*told: Story, keys: Sequence[KeyUsed] = ()) -> set[Cause]:
    return set(verdict(*told, keys=keys).ruled_out)


def test_a_refused_identity_rules_the_network_out() -> None:
    assert out(refused()) == {Cause.NETWORK_BLOCKED}


def test_an_identity_that_opens_rules_the_server_key_out() -> None:
    assert Cause.SERVER_KEY_MISMATCH in out(refused().opens(), keys=[private_cloud_key()])
    both = [private_cloud_key(named=True), private_cloud_key(OTHER_CLOUD_KEY)]
    story = refused().key("identity", CLOUD_KEY, "padding_bad").opens(OTHER_CLOUD_KEY)
    assert Cause.SERVER_KEY_MISMATCH not in out(story, keys=both)


def test_credentials_rule_an_unknown_device_out() -> None:
    assert Cause.DEVICE_UNKNOWN in out(given_up())


def test_a_hello_rules_both_keys_out() -> None:
    story = connection().connected().nonce().identity().credentials().hello().cloud_fin()
    assert {Cause.SERVER_KEY_MISMATCH, Cause.DEVICE_KEY_CORRUPTION} <= out(story)


def test_a_proof_rules_the_other_keys_out() -> None:
    story = refused().key("identity", CLOUD_KEY, "padding_bad")
    ruled = out(story, keys=[private_cloud_key(named=True)])
    assert ruled == {Cause.NETWORK_BLOCKED, Cause.DEVICE_KEY_CORRUPTION, Cause.DEVICE_UNKNOWN}


# What the sizes of RSA blocks say.

SHARE = 0.745312  # of the Particle cloud's modulus, in units of 2^2048


def sized(share: float, stream: int = 0) -> Story:
    """A refused identity of this size."""
    story = connection(stream).connected().nonce(digest=f"n{stream}")
    return story.identity(share=share, digest=f"i{stream}").wait(0.1).cloud_fin()


def cloud_of_size(share: float = SHARE, key: str = CLOUD_KEY, *, named: bool = True) -> KeyUsed:
    return msgspec.structs.replace(public_cloud_key(key, named=named), share=share)


def many(count: int, below: float) -> list[Story]:
    """Identities spread evenly below a bound, the largest just below it."""
    return [sized(below * (n + 1) / (count + 0.01), n) for n in range(count)]


def clue_of(judgement: Judgement, code: str) -> Clue | None:
    return next((clue for clue in judgement.clues if clue.code == code), None)


def test_identities_that_fill_the_range_say_nothing_against_the_clouds_key() -> None:
    told = judged(*many(40, SHARE), keys=[cloud_of_size()])
    is_undecided(told, KEY_QUESTION)
    assert clue_of(told, "HP207") is None


def test_many_small_identities_beside_a_refusal_name_the_server_key() -> None:
    told = judged(*many(20, 0.2549), keys=[cloud_of_size()])
    is_likely(told, Cause.SERVER_KEY_MISMATCH, "HP207")
    assert told.assumption is not None
    assert "PEM text" in told.clues[0].text
    assert Cause.DEVICE_UNKNOWN in told.candidates


def test_small_identities_say_nothing_when_the_key_may_be_another_clouds() -> None:
    told = judged(*many(20, 0.2549), keys=[cloud_of_size(named=False)])
    is_undecided(told, KEY_QUESTION)
    assert clue_of(told, "HP207") is not None


def test_a_few_small_identities_are_told_and_decide_nothing() -> None:
    told = judged(*many(6, 0.2549), keys=[cloud_of_size()])
    is_undecided(told, KEY_QUESTION)
    clue = clue_of(told, "HP207")
    assert clue is not None
    assert clue.confidence is Confidence.POSSIBLE


def test_small_identities_of_an_accepted_device_are_nothing_to_tell() -> None:
    stories = [connection(n).handshake().with_(identity=None) for n in range(3)]
    story = connection(3).connected().nonce().identity(share=0.001, digest="x").credentials()
    told = judged(story.hello().answered_hello(), *stories, keys=[cloud_of_size()])
    assert told.cause is Cause.HEALTHY
    assert clue_of(told, "HP207") is None


def test_small_identities_that_open_accuse_no_server_key() -> None:
    stories = [story.opens() for story in many(20, 0.2549)]
    keys = [msgspec.structs.replace(private_cloud_key(), share=SHARE)]
    told = judged(*stories, keys=keys)
    assert Cause.SERVER_KEY_MISMATCH not in told.candidates


def test_one_identity_seen_many_times_counts_once() -> None:
    stories = [
        connection(n).connected().nonce(digest="n").identity(share=0.2, digest="i").cloud_fin()
        for n in range(20)
    ]
    is_undecided(judged(*stories, keys=[cloud_of_size()]), KEY_QUESTION)


def test_an_identity_refutes_every_smaller_key_that_was_given() -> None:
    keys = [cloud_of_size(), cloud_of_size(0.5, OTHER_CLOUD_KEY, named=False)]
    told = judged(sized(0.6), keys=keys)
    clue = clue_of(told, "HP208")
    assert clue is not None
    assert clue.confidence is Confidence.PROVEN
    assert "07e5" in clue.text
    assert "is not 07e5" in clue.text
    assert clue_of(judged(sized(0.5), keys=keys), "HP208") is None  # equal is not above


def test_of_two_keys_that_are_left_the_smaller_one_may_be_likelier() -> None:
    keys = [cloud_of_size(), cloud_of_size(0.5, OTHER_CLOUD_KEY, named=False)]
    word = {5: "slightly", 10: "clearly", 30: "strongly"}
    for count, expected in word.items():
        clue = clue_of(judged(*many(count, 0.5), keys=keys), "HP208")
        assert clue is None or f"{expected} for 07e5" in clue.text
        assert clue is not None or count == 30  # by then the verdict rests on it


@given(st.integers(2**2047, 2**2048 - 1), st.integers(1, 2**2048 - 1))
def test_rounding_never_refutes_the_key_that_made_a_block(modulus: int, step: int) -> None:
    """The whole way: from the block's bytes and the modulus to the shares that are compared."""
    for block in (modulus - 1, max(0, modulus - step), step % modulus):
        share, bound = block / 2**2048, modulus / 2**2048
        assert Sizes(1, share, ()).chance(bound) > 0.0 or share == 0.0


def test_the_same_identity_for_another_nonce_is_no_answer() -> None:
    def story(stream: int, nonce: str) -> Story:
        told = connection(stream).connected().nonce(digest=nonce)
        return told.identity(digest="same").wait(0.1).cloud_fin()

    device = measured(story(0, "a"), story(1, "b")).devices[0]
    assert [c.mechanism for c in device.connections][1] == "identity_repeated"
    same = measured(story(0, "a"), story(1, "a")).devices[0]  # one connection, seen twice
    assert "identity_repeated" not in [c.mechanism for c in same.connections]


@pytest.mark.parametrize(
    ("test", "keys", "cause"),
    [
        ({"role": "sent", "private": False}, [], Cause.DEVICE_KEY_CORRUPTION),
        ({"role": "sent", "private": False}, [registered()], Cause.SERVER_FAULT),
        ({"role": "device"}, [flash_key()], Cause.DEVICE_KEY_CORRUPTION),
    ],
)
def test_a_ciphertext_above_the_devices_modulus_is_for_another_key(
    test: dict[str, object], keys: list[KeyUsed], cause: Cause
) -> None:
    story = given_up().opens().key("credentials", DEVICE_KEY, "not_below_modulus", **test)
    told = judged(story, keys=[private_cloud_key(), *keys])
    is_likely(told, cause, "HP311")


def test_a_genuine_cloud_may_encrypt_for_a_wrong_key_all_the_same() -> None:
    story = given_up().opens().signed()
    story.key("credentials", DEVICE_KEY, "not_below_modulus", role="sent", private=False)
    told = judged(story, keys=[private_cloud_key()])
    is_likely(told, Cause.DEVICE_KEY_CORRUPTION, "HP311")
    assert Cause.SERVER_FAULT in told.candidates


def test_somebody_elses_smaller_key_says_nothing_about_the_device() -> None:
    story = given_up().opens().key("credentials", OTHER_DEVICE_KEY, "not_below_modulus")
    told = judged(story, keys=[private_cloud_key(), flash_key(OTHER_ID, OTHER_DEVICE_KEY)])
    assert clue_of(told, "HP311") is None


def test_a_ciphertext_refutes_a_key_on_file() -> None:
    keys = [public_cloud_key(), msgspec.structs.replace(registered(), share=0.6)]
    credentials = CredentialsSeen(
        frame=9, time=START, received=384, whole=True, captured=True, share=0.7
    )
    announced = PresenceSeen(id="o9", frame=1, time=START, host=DEVICE, device_id=DEVICE_ID)
    told = judged(given_up().with_(credentials=credentials), announced, keys=keys)
    clue = clue_of(told, "HP312")
    assert clue is not None
    assert DEVICE_ID in clue.text


@pytest.mark.parametrize(
    ("flaw", "mechanism"),
    [
        ("erased", "slot_erased"),
        ("pkcs8", "wrapped_key_in_slot"),
        ("ec_key", "ec_key_in_slot"),
        ("shifted", "slot_shifted"),
        ("zeroed", "slot_damaged"),
        ("not_a_modulus", "slot_damaged"),
    ],
)
def test_what_lies_in_the_slot_is_the_mechanism(flaw: str, mechanism: str) -> None:
    told = judged(refused().opens(sent_key_flaw=flaw), keys=[private_cloud_key()])
    assert told.mechanism == mechanism


@pytest.mark.parametrize("cause", [Cause.NETWORK_BLOCKED, Cause.UNCLAIMED, Cause.SERVER_FAULT])
def test_blind_advice_about_keys_is_corrected(cause: Cause) -> None:
    assert any("keys" in step for step in against(cause))
    assert against(Cause.DEVICE_KEY_CORRUPTION) == ()
    blocked = verdict(connection().syn(4).no_answer())
    assert any("particle keys doctor" in step for step in blocked.next_steps)
