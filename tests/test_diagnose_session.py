"""From the device's Hello on: what ends sessions, and what is no failure at all."""

from __future__ import annotations

import msgspec
import pytest

from handshake_probe.diagnose.judgement import Judgement
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism, Severity, Stage
from observed import Story, connection, judged, measured, verdict


def greeted() -> Story:
    """The device has said Hello."""
    return connection().connected().nonce().identity().credentials().hello()


def session(stream: int = 0, seconds: float = 2.0) -> Story:
    """A session that has run for a while."""
    return connection(stream).handshake().wait(seconds).record("device").record("cloud")


def codes(judgement: Judgement) -> list[str]:
    return [clue.code for clue in judgement.clues]


def is_undecided(judgement: Judgement, *candidates: Cause) -> None:
    assert judgement.cause is Cause.INCONCLUSIVE
    assert set(candidates) <= set(judgement.candidates)
    assert judgement.settles


# Hello.


def test_a_hello_that_a_listening_cloud_leaves_unanswered_is_the_clouds_fault() -> None:
    told = judged(greeted().wait(4.0).device_fin().still_speaks("cloud"))
    assert told.cause is Cause.SERVER_FAULT
    assert told.mechanism is Mechanism.NO_SERVER_HELLO
    assert told.confidence is Confidence.LIKELY
    assert Cause.NETWORK_BLOCKED in told.candidates


def test_a_hello_followed_by_nothing_at_all_accuses_nobody() -> None:
    told = judged(greeted().wait(4.0).device_fin())
    is_undecided(told, Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED)
    assert told.mechanism is Mechanism.NO_SERVER_HELLO


def test_a_hello_that_nobody_acknowledged_accuses_nobody() -> None:
    story = greeted().path("device", acknowledged_up_to=257).wait(4.0).device_fin()
    told = judged(story.still_speaks("cloud"))
    is_undecided(told, Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED)
    assert "acknowledged)" not in told.clues[0].text


def test_a_hello_that_comes_too_late_is_counted_from_the_devices() -> None:
    story = greeted().wait(5.0).device_fin().wait(1.0).record("cloud")
    told = judged(story)
    assert told.mechanism is Mechanism.NO_SERVER_HELLO
    assert "6.0 s" in told.clues[0].text


@pytest.mark.parametrize("end", [Story.cloud_fin, Story.cloud_rst])
def test_a_cloud_that_hangs_up_on_the_hello_accuses_nobody(end: object) -> None:
    story = greeted()
    assert callable(end)
    end(story)
    is_undecided(judged(story), Cause.SERVER_FAULT, Cause.DEVICE_UNKNOWN)


def test_a_capture_that_starts_behind_the_handshake_is_not_judged_by_its_hello() -> None:
    story = greeted().with_(midstream=True)
    told = judged(story)
    assert told.capture_ended


# Sessions that fail.


def test_a_describe_request_the_device_refuses() -> None:
    story = session().talked(describe_requested=[8], describe_refused=9).cloud_fin()
    told = judged(story)
    assert told.cause is Cause.SERVER_FAULT
    assert told.mechanism is Mechanism.DESCRIBE_REFUSED
    assert told.confidence is Confidence.LIKELY


def test_a_refused_describe_request_that_ends_nothing_is_harmless() -> None:
    story = session().talked(describe_requested=[8], describe_refused=9, describe_answered=12)
    assert judged(story).cause is Cause.HEALTHY


def test_a_refused_describe_request_does_not_explain_an_end_that_the_device_announced() -> None:
    story = session().talked(describe_requested=[8], describe_refused=9, goodbye=12).cloud_fin()
    assert judged(story).cause is Cause.HEALTHY


def asked(stream: int = 0, seconds: float = 2.0, **said: object) -> Story:
    """A session whose last word is the device's acknowledgment of a Describe request."""
    story = connection(stream).handshake().wait(seconds).record("cloud").record("device")
    facts = {"describe_requested": [story.frame - 1], "describe_acknowledged": story.frame}
    return story.talked(**facts | said)


def test_a_device_that_breaks_off_when_asked_to_describe_itself() -> None:
    told = judged(asked().device_fin())
    assert told.cause is Cause.DEVICE_FAULT
    assert told.mechanism is Mechanism.DESCRIBE_UNANSWERED
    assert told.confidence is Confidence.LIKELY


@pytest.mark.parametrize(
    "story",
    [
        asked(describe_answered=9).device_fin(),
        asked(goodbye=9).device_fin(),
        asked(),
        asked(seconds=90.0).device_fin(),
        asked().device_fin().path("device", missing_bytes=20),
        asked().wait(3.0).device_fin(),
        asked().record("device").device_fin(),
        asked(describe_acknowledged=None).device_fin(),
    ],
    ids=[
        "answered",
        "goodbye",
        "still running",
        "long after",
        "capture lost it",
        "not at once",
        "not the last word",
        "perhaps never read",
    ],
)
def test_an_end_that_the_describe_request_does_not_explain(story: Story) -> None:
    assert judged(story).cause is Cause.HEALTHY


def test_a_request_that_nobody_acknowledges_again_and_again_leaves_two_readings() -> None:
    told = judged(*(asked(n, describe_acknowledged=None).device_fin() for n in range(2)))
    is_undecided(told, Cause.DEVICE_FAULT, Cause.HEALTHY)
    assert told.mechanism is Mechanism.DESCRIBE_UNANSWERED


def test_a_request_that_crosses_the_devices_end_was_never_read() -> None:
    stories = [session(n).talked(describe_requested=[100 * n + 90]).device_fin() for n in range(2)]
    assert judged(*stories).cause is Cause.HEALTHY


def unanswered_ping(seconds: float, **said: object) -> Story:
    """A device that pings and leaves after so many seconds."""
    story = connection().handshake().wait(15.0).record("device").wait(seconds)
    return story.talked(pings_unanswered=1, **said).device_fin()


def test_an_unanswered_ping_leaves_two_readings() -> None:
    told = judged(unanswered_ping(10.0))
    is_undecided(told, Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED)
    assert told.mechanism is Mechanism.PING_UNANSWERED


def test_a_device_that_publishes_while_it_hears_nothing_gives_up_too() -> None:
    story = connection().handshake().wait(15.0).record("device").wait(9.5).record("device")
    told = judged(story.wait(0.5).talked(pings_unanswered=1).device_fin())
    assert told.mechanism is Mechanism.PING_UNANSWERED


@pytest.mark.parametrize("said", [{}, {"goodbye": 9}], ids=["without a word", "goodbye"])
def test_a_device_that_leaves_while_its_ping_is_on_the_way_is_well(said: dict[str, int]) -> None:
    assert judged(unanswered_ping(0.1, **said)).cause is Cause.HEALTHY


def test_a_ping_whose_answer_the_capture_lost_is_no_failure() -> None:
    story = unanswered_ping(10.0).path("cloud", missing_bytes=20)
    assert judged(story).cause is Cause.HEALTHY


def test_without_keys_a_device_that_waits_in_vain_gives_up() -> None:
    story = connection().handshake().wait(15.0).record("device").wait(10.0).device_fin()
    told = judged(story)
    is_undecided(told, Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED)
    assert told.mechanism is Mechanism.PING_UNANSWERED


def test_a_last_message_nobody_acknowledges_is_a_session_gone_silent() -> None:
    story = connection().handshake().wait(15.0).record("device")
    story.path("device", acknowledged_up_to=275).wait(10.0).device_fin()
    told = judged(story)
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.mechanism is Mechanism.SESSION_SILENT
    assert told.confidence is Confidence.LIKELY


def test_a_device_that_closes_right_after_its_last_message_is_well() -> None:
    story = connection().handshake().wait(15.0).record("device").wait(1.0).device_fin()
    assert judged(story).cause is Cause.HEALTHY


def test_records_that_are_chained_wrongly() -> None:
    told = judged(session().talked(cloud_chain_broken=3))
    assert told.cause is Cause.SERVER_FAULT
    assert told.mechanism is Mechanism.RECORDS_NOT_DECRYPTABLE


def test_a_reset_in_the_session_by_the_clouds_distance_accuses_nobody() -> None:
    told = judged(session().cloud_rst())
    is_undecided(told, Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED)
    assert told.mechanism is Mechanism.RESET_IN_SESSION


def test_a_reset_in_the_session_by_the_first_hop_is_the_network() -> None:
    told = judged(session().cloud_rst(ttl=64))
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.mechanism is Mechanism.RESET_IN_SESSION


def test_a_cloud_that_ends_one_session_after_another() -> None:
    stories = [session(n).cloud_fin() for n in range(3)]
    told = judged(*stories)
    is_undecided(told, Cause.SERVER_FAULT, Cause.DEVICE_FAULT)
    assert told.mechanism is Mechanism.SESSION_CLOSED_BY_CLOUD


def test_a_cloud_that_ends_one_session_may_be_restarting() -> None:
    assert judged(session().cloud_fin(), session(1)).cause is Cause.HEALTHY


def test_sessions_of_minutes_do_last() -> None:
    stories = [session(n, seconds=300.0).cloud_fin() for n in range(2)]
    assert judged(*stories).cause is Cause.HEALTHY


def test_a_device_whose_own_requests_stay_unanswered_again_and_again() -> None:
    stories = [session(n).talked(requests_unanswered=2).device_fin() for n in range(2)]
    told = judged(*stories)
    is_undecided(told, Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED)
    assert told.mechanism is Mechanism.SESSION_CLOSED_BY_DEVICE
    once = judged(session().talked(requests_unanswered=2).device_fin())
    assert once.cause is Cause.HEALTHY


# Sleep.


def test_a_device_that_sleeps_between_messages_is_well() -> None:
    stories = [session(n, seconds=1.0).device_fin() for n in range(5)]
    told = verdict(*stories)
    assert told.cause is Cause.HEALTHY
    assert told.confidence is Confidence.PROVEN
    assert "HP519" in told.findings


def test_a_device_that_says_goodbye_is_well() -> None:
    stories = [
        session(n).talked(describe_requested=[3], requests_unanswered=1, goodbye=9).device_fin()
        for n in range(3)
    ]
    assert verdict(*stories).cause is Cause.HEALTHY


# Nobody owns the device.


def test_a_claim_code_on_every_connection_and_never_confirmed() -> None:
    stories = [session(n).talked(claim_code=[8]).device_fin() for n in range(3)]
    told = verdict(*stories)
    assert told.cause is Cause.UNCLAIMED
    assert told.mechanism is Mechanism.CLAIM_NOT_CONFIRMED
    assert told.candidates == [Cause.UNCLAIMED, Cause.HEALTHY]
    assert told.stage is Stage.SESSION


def test_a_claim_code_published_once_and_then_no_more_was_accepted() -> None:
    told = verdict(session().talked(claim_code=[8]).device_fin(), session(1).talked())
    assert told.cause is Cause.HEALTHY


def test_a_claim_code_that_is_confirmed() -> None:
    told = judged(session().talked(claim_code=[8], claim_confirmed=11))
    assert told.cause is Cause.HEALTHY
    assert "HP403" in codes(told)


def test_a_claim_code_at_the_end_of_the_capture_is_open() -> None:
    told = judged(session(seconds=1.0).talked(claim_code=[8]))
    assert told.cause is Cause.HEALTHY
    assert "HP402" in codes(told)
    longer = judged(session(seconds=30.0).talked(claim_code=[8]))
    assert longer.cause is Cause.UNCLAIMED


def test_no_claim_code_is_no_question() -> None:
    assert judged(session(seconds=30.0).talked(claim_code=[])).cause is Cause.HEALTHY


# What a session says beside.


def test_safe_mode_is_said_and_is_no_failure() -> None:
    document = measured(session().talked(safe_mode=12))
    assert document.verdict.cause is Cause.HEALTHY
    (found,) = [f for f in document.findings if f.code == "HP404"]
    assert found.evidence == ["frame 12"]
    assert found.severity is Severity.WARNING


@pytest.mark.parametrize(("mask", "said"), [(5, True), (0, False), (None, False)])
def test_key_errors_are_said(mask: int | None, said: bool) -> None:
    told = judged(session().talked(key_error=mask))
    assert told.cause is Cause.HEALTHY
    assert ("HP306" in codes(told)) is said


def test_a_session_nobody_can_read_is_a_session() -> None:
    told = judged(session())
    assert told.cause is Cause.HEALTHY
    assert told.confidence is Confidence.PROVEN
    assert told.mechanism is None


def test_a_device_that_is_gone_when_the_cloud_closes_is_not_called_healthy() -> None:
    told = judged(session().wait(15.0).cloud_fin().wait(7.0).still_speaks("cloud"))
    is_undecided(told, Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED)
    assert (told.mechanism, codes(told)) == (Mechanism.SESSION_SILENT, ["HP523"])


@pytest.mark.parametrize("seconds", [0.0, 7.0])
def test_a_cloud_whose_end_is_heard_ends_a_healthy_session(seconds: float) -> None:
    story = session().wait(15.0).cloud_fin().still_speaks("device").wait(seconds)
    assert judged(story.still_speaks("cloud")).cause is Cause.HEALTHY
    assert judged(session().wait(15.0).cloud_fin().still_speaks("cloud")).cause is Cause.HEALTHY


@pytest.mark.parametrize(
    ("side", "cause"), [("device", Cause.DEVICE_FAULT), ("cloud", Cause.SERVER_FAULT)]
)
@pytest.mark.parametrize("missing", [0, 18])
def test_who_encrypts_with_another_session_is_named(side: str, cause: Cause, missing: int) -> None:
    """The HMAC proves the session; a gap would explain garbage as well."""
    story = connection().handshake().talked()
    story.records_of[side] = msgspec.structs.replace(story.records_of[side], bad=1)
    told = judged(story.path(side, missing_bytes=missing).wait(4.0).device_fin())
    assert (told.cause is cause) is not bool(missing)
    assert (told.mechanism == "records_not_decryptable") is not bool(missing)


def test_a_hello_that_no_cloud_can_read_is_the_devices_fault() -> None:
    story = greeted().talked()
    story.records_of["device"] = msgspec.structs.replace(story.records_of["device"], bad=1)
    assert judged(story.wait(0.1).cloud_fin()).cause is Cause.DEVICE_FAULT


@pytest.mark.parametrize(("waits", "goes_on"), [(4.0, False), (4.0, True), (0.2, False)])
def test_a_hello_that_the_device_does_not_take(waits: float, goes_on: bool) -> None:
    """Whoever took it says more, or, like a probe, leaves without waiting."""

    def story(stream: int) -> Story:
        told = connection(stream, at=10.0 * stream).handshake()
        return (told.record("device") if goes_on else told).wait(waits).device_fin()

    told = judged(story(0), story(1))
    assert (told.cause is Cause.INCONCLUSIVE) is (waits == 4.0 and not goes_on)
    assert judged(story(0)).cause is Cause.HEALTHY
