"""Sessions in which somebody falls silent, resets that were ignored, refusals nobody captured."""

from __future__ import annotations

import pytest

from handshake_probe.model.observations import RecordsSeen
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism, Stage
from observed import FAR_TTL, PUBLIC_CLOUD, Story, connection, judged, verdict

# A session that ends in silence.


def test_a_session_that_falls_silent_is_not_proven_healthy() -> None:
    told = verdict(connection().handshake().silence())
    assert (told.cause, told.confidence) == (Cause.HEALTHY, Confidence.LIKELY)
    assert "silent" in told.summary
    assert Cause.NETWORK_BLOCKED not in told.ruled_out


def test_sessions_that_the_device_ends_one_after_another_are_not_proven_healthy() -> None:
    def brief(stream: int, at: float) -> Story:
        return connection(stream, at=at).handshake().wait(8.0).device_fin()

    assert verdict(brief(0, 0.0), brief(1, 9.5)).confidence is Confidence.LIKELY
    assert verdict(brief(0, 0.0)).confidence is Confidence.PROVEN
    assert verdict(brief(0, 0.0), brief(1, 60.0)).confidence is Confidence.PROVEN  # it sleeps


def idle(seconds: float) -> Story:
    return connection().handshake().record("device").record("cloud").wait(seconds).cloud_fin()


def test_a_device_that_hangs_while_its_tcp_answers_is_no_healthy_session() -> None:
    told = judged(idle(31.0).still_speaks("device"))
    assert (told.cause, told.mechanism) == (Cause.INCONCLUSIVE, Mechanism.DEVICE_SILENT)
    assert told.candidates[0] is Cause.DEVICE_FAULT


@pytest.mark.parametrize(
    "story",
    [
        idle(23.0).still_speaks("device"),  # a device with another keep-alive
        idle(31.0).still_speaks("device").talked(goodbye=9),
        idle(31.0).still_speaks("device").path("device", missing_bytes=18),
        idle(31.0).still_speaks("device").path("cloud", missing_bytes=18),
    ],
    ids=["due", "goodbye", "unseen", "unheard"],
)
def test_a_device_that_may_have_spoken_does_not_hang(story: Story) -> None:
    assert judged(story).cause is Cause.HEALTHY


@pytest.mark.parametrize("ended", [False, True])
def test_keepalives_in_vain_show_that_the_device_is_gone(ended: bool) -> None:
    story = connection().handshake().wait(60.0).still_speaks("cloud").path("cloud", keepalives=4)
    told = judged(story.cloud_rst(ttl=FAR_TTL) if ended else story)
    assert told.mechanism is Mechanism.SESSION_SILENT
    assert set(told.candidates) == {Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED}


def test_answered_keepalives_are_no_silence() -> None:
    story = connection().handshake().wait(60.0).still_speaks("cloud").still_speaks("device")
    assert judged(story.path("cloud", keepalives=4)).cause is Cause.HEALTHY


# Resets that nobody heeded.


@pytest.mark.parametrize("ttl", [FAR_TTL, 64])
@pytest.mark.parametrize("sender", ["cloud", "device"])
def test_a_reset_that_the_session_outlived_cut_nothing(ttl: int, sender: str) -> None:
    story = connection().handshake().control(sender, "RST", ttl=ttl)
    story.ended = None  # both sides go on
    story.path("cloud", data_after_reset=18).record("device").record("cloud")
    assert judged(story).cause is Cause.HEALTHY


def test_a_reset_after_which_one_side_alone_speaks_did_cut_the_session() -> None:
    story = connection().handshake().cloud_rst(ttl=64).path("cloud", data_after_reset=18)
    assert judged(story.record("cloud")).cause is Cause.NETWORK_BLOCKED


@pytest.mark.parametrize("acknowledged", [False, True])
def test_sessions_reset_again_and_again_in_the_devices_name(acknowledged: bool) -> None:
    def cut(stream: int) -> Story:
        story = connection(stream).handshake().record("cloud")
        if not acknowledged:
            story.path("cloud", acknowledged_up_to=425 + 18)
        return story.device_rst(acknowledgment=None)

    told = verdict(cut(0), cut(1))
    assert told.cause is (Cause.HEALTHY if acknowledged else Cause.INCONCLUSIVE)
    assert verdict(cut(0)).cause is Cause.HEALTHY  # a device that was switched off and on


# Attempts that were given up too soon.


def attempt(stream: int, at: float, *, syns: int = 1, cloud: str = PUBLIC_CLOUD) -> Story:
    return connection(stream, at=at, cloud=cloud).syn(syns).no_answer()


def test_attempts_given_up_at_once_were_refused_unseen() -> None:
    told = verdict(attempt(0, 0.0), attempt(1, 1.2), attempt(2, 2.4))
    assert told.cause is Cause.INCONCLUSIVE
    assert {Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED} <= set(told.candidates)


@pytest.mark.parametrize(
    "attempts",
    [
        (attempt(0, 0.0), attempt(1, 6.0)),  # waited for
        (attempt(0, 0.0, syns=2), attempt(1, 2.0)),  # repeated
        (attempt(0, 0.0), attempt(1, 1.0, cloud="52.10.20.31"), attempt(2, 6.0)),  # side by side
    ],
    ids=["waited", "repeated", "several"],
)
def test_attempts_that_were_waited_for_are_dropped(attempts: tuple[Story, ...]) -> None:
    told = verdict(*attempts)
    assert (told.cause, told.mechanism) == (Cause.NETWORK_BLOCKED, Mechanism.SYN_DROPPED)


# A cloud whose records are garbage to the session key it gave away.


@pytest.mark.parametrize("missing", [0, 18])
def test_a_cloud_that_speaks_in_another_session_key_is_told_from_the_network(missing: int) -> None:
    story = connection().connected().nonce().identity().credentials().hello()
    story.record("cloud").wait(4.0).device_fin().talked(device_hello=7)
    story.records_of["cloud"] = RecordsSeen(count=1, bad=1, first_frame=8, last_frame=8)
    story.stage = Stage.HELLO_SENT
    told = judged(story.path("cloud", missing_bytes=missing))
    garbled = told.mechanism is Mechanism.RECORDS_NOT_DECRYPTABLE
    assert garbled is (missing == 0)
    assert told.confidence is not Confidence.PROVEN


# What is dropped in the middle of a talk is no idle time-out.


@pytest.mark.parametrize(("idle", "size", "code"), [(15.0, 18, "HP140"), (0.1, 1400, "HP125")])
def test_a_time_out_is_told_from_a_dropped_message(idle: float, size: int, code: str) -> None:
    story = connection().handshake().wait(idle).record("device")
    story.path("device", acknowledged_up_to=275, sent_up_to=275 + size)
    told = verdict(story.unheard("device").then_quiet(30.0))
    assert told.cause is Cause.NETWORK_BLOCKED
    assert code in told.findings
    assert ("MTU" in told.summary) is (size > 600)


def test_a_measurement_that_took_an_outlived_reset_for_the_end_can_be_judged_again() -> None:
    story = connection().handshake().cloud_rst(ttl=FAR_TTL).record("device").record("cloud")
    assert judged(story).cause is Cause.HEALTHY
