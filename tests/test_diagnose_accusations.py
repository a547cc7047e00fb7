"""Situations that look like a culprit and are none: a wrong accusation is the worst verdict."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from handshake_probe.keys.keyring import Keyring
from handshake_probe.model.observations import CaptureSeen, ConnectionSeen, InternetTestSeen
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism
from handshake_probe.pipeline import analyze
from observed import (
    CLOUD_KEY,
    DEVICE,
    DEVICE_ID,
    FAR_TTL,
    LOCAL_CLOUD,
    OTHER_CLOUD_KEY,
    OTHER_ID,
    PUBLIC_CLOUD,
    START,
    Story,
    arp,
    connection,
    judged,
    measured,
    other_packets,
    private_cloud_key,
    public_cloud_key,
    question,
    registered,
    verdict,
)

CAPTURES = Path(__file__).parent.parent / "captures"
ROUTER = "10.77.1.2"
NOT_ACCUSED = (Cause.HEALTHY, Cause.INCONCLUSIVE)


def refused() -> Story:
    return connection().connected().nonce().identity().wait(0.1).cloud_fin()


def given_up() -> Story:
    return connection().connected().nonce().identity().credentials().wait(0.3).device_fin()


# Captures end at any moment, also on lossy networks.


@pytest.mark.parametrize(
    "name",
    [
        "healthy-heavy-packet-loss.pcap",
        "healthy-tiny-segments-mss-88.pcap",
        "healthy-vlan-tagged.pcap",
        "healthy-configuration-erased.pcap",
    ],
)
def test_a_healthy_session_cut_off_anywhere_accuses_nobody(name: str, tmp_path: Path) -> None:
    data = (CAPTURES / name).read_bytes()
    path = tmp_path / "cut.pcap"
    at, wrong = 24, []
    while at < len(data):
        at += 16 + int(struct.unpack_from("<I", data, at + 8)[0])
        path.write_bytes(data[:at])
        told = analyze(str(path), keyring=Keyring())
        if told.verdict.cause not in NOT_ACCUSED:
            wrong.append((told.source.frames, str(told.verdict.mechanism)))
    assert wrong == []


def test_a_record_beyond_which_the_capture_shows_one_more_packet_may_still_be_repeated() -> None:
    """The record was lost before the capture, and its repeat comes after the capture's end."""
    story = connection().handshake().record("cloud")
    assert judged(story.path("device", claimed_up_to=275 + 18)).cause in NOT_ACCUSED


@pytest.mark.parametrize("lossy", [True, False])
def test_a_capture_that_loses_frames_proves_no_drop(lossy: bool) -> None:
    """Whether the path or the capture lost the last bytes cannot be told then."""
    story = connection().handshake().device_fin().path("device", claimed_up_to=275 + 18 + 1)
    story.then_quiet(30.0)
    if lossy:
        holes = connection(1).handshake().path("cloud", missing_bytes=18)
        told = judged(story, holes)
    else:
        capture = CaptureSeen(id="o1", frames=99, first=START, last=START + 60.0, drops=12)
        told = judged(story, capture)
    assert told.cause in NOT_ACCUSED


def test_a_device_is_not_blamed_for_not_hearing_a_lone_syn_ack_at_the_end() -> None:
    told = judged(connection().syn(times=3).syn_ack())
    assert told.cause in NOT_ACCUSED


def test_an_answer_that_the_capture_lost_was_given() -> None:
    story = connection().handshake().wait(15.0).record("device").wait(10.0).device_fin()
    told = judged(story.path("cloud", missing_bytes=18))
    assert Cause.HEALTHY in told.candidates


# ICMP that did not end anything.


@pytest.mark.parametrize("code", [1, 13])
def test_an_icmp_error_before_the_connection_came_up_did_not_stop_it(code: int) -> None:
    story = connection().syn().icmp(ROUTER, code).wait(1.0).connected().nonce().identity()
    told = judged(story.credentials().device_fin())
    assert told.cause is not Cause.NETWORK_BLOCKED


def test_an_icmp_error_that_the_session_outlived_did_not_stop_it() -> None:
    story = connection().handshake().icmp(ROUTER, 1).record("device").record("cloud").wait(60.0)
    story.record("device").path("device", acknowledged_up_to=275 + 18)
    assert judged(story).cause is Cause.HEALTHY


# Clouds at the device's own doorstep, without ARP to show it.


def test_a_refusing_cloud_in_a_wide_network_is_not_taken_for_the_first_hop() -> None:
    """A /16 and a capture of TCP only: nothing says that the cloud is beyond the link."""
    told = judged(connection(cloud="192.168.7.5").syn().cloud_rst(ttl=64))
    assert told.cause is not Cause.NETWORK_BLOCKED


def test_a_stuck_cloud_in_a_wide_network_is_not_taken_for_a_proxy() -> None:
    told = judged(connection(cloud="192.168.7.5").connected(ttl=64).wait(20.0).device_fin())
    assert told.cause is Cause.INCONCLUSIVE


def test_a_neighbour_with_two_addresses_is_not_beyond_the_link() -> None:
    """A host with an alias, a virtual machine or a repeater answers with another's MAC."""
    told = judged(connection(cloud=LOCAL_CLOUD).syn().cloud_rst(ttl=64), arp("192.168.1.50"))
    assert told.confidence is not Confidence.PROVEN
    assert told.cause is not Cause.NETWORK_BLOCKED


# Load balancers and forwarded ports.


@pytest.mark.parametrize("ttl", [FAR_TTL - 1, FAR_TTL + 1, FAR_TTL + 2])
def test_a_stuck_cloud_behind_a_load_balancer_is_no_proxy(ttl: int) -> None:
    silent = connection(ttl=ttl).connected().wait(20.0).device_fin()
    assert judged(silent, connection(1).handshake()).cause is Cause.INCONCLUSIVE


@pytest.mark.parametrize("ttl", [FAR_TTL - 10, FAR_TTL - 3])
def test_who_answers_from_further_away_does_not_stand_in_between(ttl: int) -> None:
    silent = connection(ttl=ttl).connected().wait(20.0).device_fin()
    assert judged(silent, connection(1).handshake()).cause is Cause.INCONCLUSIVE


def test_another_service_of_that_address_says_nothing_about_the_clouds_distance() -> None:
    """A forwarded port: the router answers DNS or NTP itself, a host behind it refuses."""
    told = judged(connection().syn().cloud_rst(ttl=127), other_packets(PUBLIC_CLOUD, 63))
    assert told.cause is not Cause.NETWORK_BLOCKED


def test_a_reset_of_unknown_origin_keeps_the_network_among_the_candidates() -> None:
    def reset() -> Story:
        story = connection().connected().nonce().identity().path("cloud", timestamps=True)
        return story.cloud_rst(ttl=FAR_TTL - 2, timestamps=True)

    told = verdict(reset())
    assert Cause.NETWORK_BLOCKED in told.candidates
    assert Cause.NETWORK_BLOCKED not in told.ruled_out
    keys = [private_cloud_key(), registered()]
    assert Cause.NETWORK_BLOCKED in verdict(reset().opens(), keys=keys).candidates


# Keys that are not this cloud's.


@pytest.mark.parametrize("device_id", [DEVICE_ID, OTHER_ID])
def test_no_register_is_asked_about_an_identity_for_nobody_knows_which_cloud(
    device_id: str,
) -> None:
    """It opens with one of two given keys: which one is this cloud's has to be asked first."""
    story = refused().key("identity", CLOUD_KEY, "padding_bad").opens(OTHER_CLOUD_KEY)
    keys = [private_cloud_key(), private_cloud_key(OTHER_CLOUD_KEY)]
    told = judged(story, keys=[*keys, registered(device_id)])
    assert told.cause is Cause.INCONCLUSIVE
    assert Cause.SERVER_KEY_MISMATCH in told.candidates
    assert told.settles is not None
    assert "--cloud-key" in told.settles


@pytest.mark.parametrize("private", [True, False])
def test_a_cloud_that_answered_the_identity_has_read_it(private: bool) -> None:
    """A given key that fits neither identity nor signature is not the key of this cloud."""
    state = "padding_bad" if private else "not_below_modulus"
    story = given_up().key("identity", CLOUD_KEY, state, private=private).signed("padding_bad")
    told = judged(story, keys=[private_cloud_key() if private else public_cloud_key()])
    assert told.confidence is not Confidence.PROVEN
    assert told.mechanism is not Mechanism.IDENTITY_NOT_DECRYPTABLE
    assert Cause.DEVICE_KEY_CORRUPTION in told.candidates


# Several clouds in one capture.

ELSEWHERE = "52.60.70.80"


def elsewhere(key: str) -> Story:
    """A session with another cloud, whose signature opens with this key."""
    return connection(1, cloud=ELSEWHERE).handshake().signed(key=key)


@pytest.mark.parametrize("device_id", [DEVICE_ID, OTHER_ID])
def test_another_clouds_key_says_nothing_of_this_cloud(device_id: str) -> None:
    """The identity opens with a key that signs elsewhere; which key this cloud has is not known."""
    keys = [private_cloud_key(), private_cloud_key(OTHER_CLOUD_KEY), registered(device_id)]
    story = refused().opens(OTHER_CLOUD_KEY).key("identity", CLOUD_KEY, "padding_bad")
    assert judged(story, elsewhere(CLOUD_KEY), keys=keys).cause is Cause.INCONCLUSIVE


def test_an_identity_that_another_clouds_key_does_not_open_is_right_so() -> None:
    story = refused().key("identity", CLOUD_KEY, "padding_bad")
    told = judged(story, elsewhere(CLOUD_KEY), keys=[private_cloud_key()])
    assert told.cause is Cause.INCONCLUSIVE


def test_an_identity_that_opens_with_another_clouds_key_only_is_meant_for_that_one() -> None:
    keys = [private_cloud_key(), private_cloud_key(OTHER_CLOUD_KEY)]
    story = refused().opens(OTHER_CLOUD_KEY).key("identity", CLOUD_KEY, "padding_bad")
    here = connection(2, device="192.168.1.21").handshake().signed()
    told = judged(story, here, elsewhere(OTHER_CLOUD_KEY), keys=keys)
    assert told.cause is Cause.SERVER_KEY_MISMATCH
    assert told.confidence is Confidence.PROVEN


@pytest.mark.parametrize("together", [True, False])
def test_addresses_of_one_name_are_one_cloud(together: bool) -> None:
    """A load balancer: what signs at one of its addresses signs at all of them."""
    addresses = (PUBLIC_CLOUD, ELSEWHERE) if together else (PUBLIC_CLOUD,)
    story = refused().key("identity", CLOUD_KEY, "not_below_modulus", private=False)
    answer = question("NOERROR", *addresses)
    told = judged(story, elsewhere(CLOUD_KEY), answer, keys=[public_cloud_key()])
    assert told.cause is (Cause.SERVER_KEY_MISMATCH if together else Cause.INCONCLUSIVE)


# What the capture lost.


def test_a_claim_is_not_open_when_the_confirmation_may_be_lost() -> None:
    story = connection().handshake().wait(20.0).talked(claim_code=[9])
    assert judged(story.path("cloud", missing_bytes=34)).cause is not Cause.UNCLAIMED


def test_what_a_closed_device_resets_was_not_dropped_on_the_way() -> None:
    """It arrived, at a kernel that no longer had a reader; the capture alone lost it."""
    story = connection().handshake().device_fin().device_rst(acknowledgment=None)
    told = judged(story.path("cloud", claimed_up_to=443 + 34).then_quiet(30.0))
    assert told.cause is not Cause.NETWORK_BLOCKED


def test_one_attempt_that_is_not_repeated_may_have_been_answered() -> None:
    """TCP repeats an unanswered SYN, so the capture may have lost what answered this one."""
    told = judged(connection().syn().no_answer())
    assert told.cause is Cause.INCONCLUSIVE
    assert told.candidates[0] is Cause.NETWORK_BLOCKED


@pytest.mark.parametrize("quiet", [0.1, 30.0])
def test_an_internet_test_at_the_captures_end_has_not_failed(quiet: float) -> None:
    test = InternetTestSeen(id="o905", frame=9, time=START, host=DEVICE, test="ntp", answered=False)
    story = connection(at=-1.0).syn().cloud_rst().then_quiet(1.0 + quiet)
    found = {finding.code for finding in measured(story, test).findings}
    assert ("HP150" in found) is (quiet > 1.0)


# Silence is not a refusal.


def test_a_silent_cloud_has_not_refused_a_right_identity() -> None:
    """Its answer may have been dropped: nobody can tell from here."""
    story = connection().connected().nonce().identity().opens().wait(20.0).device_fin()
    told = judged(story, keys=[private_cloud_key(), registered()])
    assert told.cause is Cause.INCONCLUSIVE
    assert Cause.NETWORK_BLOCKED in told.candidates


def test_a_device_that_sleeps_after_its_last_message_waited_for_nothing() -> None:
    """Nothing it said asked for an answer; the decrypted session shows that."""
    story = connection().handshake().record("device").record("cloud").wait(2.0).record("device")
    assert judged(story.wait(10.0).talked().device_fin()).cause is Cause.HEALTHY


# All clear, and wrongly so.


def test_half_of_a_session_that_repeats_itself_is_not_called_healthy() -> None:
    """Only the device's side was captured, and it sends the same record again and again."""
    story = connection().handshake().path("cloud", packets=0).unheard("device", repeats=9)
    told = verdict(story.silence())
    assert Cause.NETWORK_BLOCKED not in told.ruled_out
    assert told.cause is Cause.INCONCLUSIVE


def test_half_of_a_session_rules_no_block_out() -> None:
    told = verdict(connection().handshake().path("cloud", packets=0))
    assert Cause.NETWORK_BLOCKED not in told.ruled_out


def test_an_answer_about_another_name_does_not_make_dns_work() -> None:
    time_server = question("NOERROR", "62.1.1.1", name="pool.ntp.org", id="o904")
    told = verdict(question("NXDOMAIN"), time_server)
    assert told.mechanism is Mechanism.DNS_REFUSED


# Resets that were ignored.


@pytest.mark.parametrize("after", [12, 24, 36])
def test_a_forged_reset_in_a_capture_that_goes_on_accuses_nobody(
    after: int, tmp_path: Path
) -> None:
    """A reset far outside the window, in the middle of a session that nobody breaks off."""
    data = (CAPTURES / "healthy-brewskey-device-os-1.0.0.pcap").read_bytes()
    at, number, forged = 24, 0, b""
    while number < after or not forged:
        size = 16 + int(struct.unpack_from("<I", data, at + 8)[0])
        packet, number, at = data[at : at + size], number + 1, at + size
        if packet[16 + 34 : 16 + 36] == struct.pack(">H", 5683) and number >= after:
            sequence = struct.unpack_from(">I", packet, 16 + 38)[0] + 100_000
            head = packet[16 : 16 + 22] + b"\x21" + packet[16 + 23 : 16 + 38]  # TTL 33
            tcp = struct.pack(">IIBBHHH", sequence % 2**32, 0, 5 << 4, 4, 0, 0, 0)
            forged = packet[:8] + struct.pack("<II", 54, 54) + head + tcp
    path = tmp_path / "forged.pcap"
    path.write_bytes(data[:at] + forged + data[at:])
    told = analyze(str(path), keyring=Keyring())
    assert told.verdict.cause is Cause.HEALTHY
    [seen] = [o for o in told.observations if isinstance(o, ConnectionSeen)]
    assert any(control.ttl == 33 for control in seen.controls)


# Several devices behind one address.


def test_a_device_is_not_blamed_for_what_fails_while_it_talks() -> None:
    """Behind a NAT: one device's session goes on, another one holds a wrong server key."""
    talks = connection(0).connected().nonce().identity().opens().credentials().hello()
    talks.answered_hello().record("device")
    stranger = (
        connection(1).connected().nonce().identity().key("identity", CLOUD_KEY, "padding_bad")
    )
    keys = [private_cloud_key(), registered()]
    alone = measured(talks, stranger.cloud_fin(), keys=keys)
    assert [d.device_id for d in alone.devices] == [DEVICE_ID]
    talks.frame = 500
    talks.record("device")
    beside = {d.device_id: d.verdict.cause for d in measured(talks, stranger, keys=keys).devices}
    assert beside == {DEVICE_ID: Cause.HEALTHY, None: Cause.SERVER_KEY_MISMATCH}
