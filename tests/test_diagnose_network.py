"""What the path does to a connection: who stops it, and when nobody is accused."""

from __future__ import annotations

import pytest

from handshake_probe.diagnose.judgement import Judgement
from handshake_probe.diagnose.resets import Origin, ResetOrigin, reset_origin
from handshake_probe.diagnose.topology import Topology, hops_away, undecremented
from handshake_probe.model.observations import CaptureSeen
from handshake_probe.model.vocabulary import Cause, Confidence, EndedBy, Mechanism, Stage
from observed import (
    DEVICE,
    FAR_TTL,
    GATEWAY,
    GATEWAY_MAC,
    LOCAL_CLOUD,
    OTHER_ID,
    PUBLIC_CLOUD,
    START,
    Story,
    arp,
    connection,
    judged,
    measured,
    observations,
    other_packets,
    presence,
    question,
    verdict,
)


def is_undecided(judgement: Judgement, *candidates: Cause) -> None:
    assert judgement.cause is Cause.INCONCLUSIVE
    assert judgement.confidence is Confidence.POSSIBLE
    assert judgement.settles
    assert set(candidates) <= set(judgement.candidates)
    assert len(judgement.candidates) >= 2


# The connection does not come up.


def test_syns_without_answer_are_a_block_that_only_a_dead_host_could_imitate() -> None:
    told = judged(connection().syn(times=3).no_answer())
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.mechanism is Mechanism.SYN_DROPPED
    assert told.confidence is Confidence.LIKELY
    assert told.candidates == (Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT)
    assert told.assumption is not None
    assert told.blocker is None
    assert "3 SYNs" in told.clues[0].text


def test_a_syn_at_the_end_of_the_capture_is_no_failure() -> None:
    told = judged(connection().syn().then_quiet(0.5))
    is_undecided(told, Cause.HEALTHY)
    assert told.capture_ended


def test_a_syn_reset_by_the_first_hop_in_the_name_of_a_public_cloud_is_proven() -> None:
    told = judged(connection().syn().cloud_rst(ttl=64), arp(GATEWAY))
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.mechanism is Mechanism.SYN_RESET
    assert told.confidence is Confidence.PROVEN
    assert told.candidates == (Cause.NETWORK_BLOCKED,)
    assert told.blocker is not None
    assert (told.blocker.address, told.blocker.hop) == (GATEWAY, 1)


def test_the_first_hops_address_stays_open_when_nothing_names_its_owner() -> None:
    told = judged(connection().syn().cloud_rst(ttl=64))
    assert told.blocker is not None
    assert told.blocker.address is None
    assert told.blocker.hop == 1


def test_a_syn_reset_from_as_far_as_the_cloud_is_the_cloud_itself() -> None:
    told = judged(connection().syn().cloud_rst(ttl=FAR_TTL), other_packets(PUBLIC_CLOUD, FAR_TTL))
    assert told.cause is Cause.SERVER_FAULT
    assert told.mechanism is Mechanism.CONNECTION_REFUSED
    assert Cause.NETWORK_BLOCKED in told.candidates


def test_a_syn_reset_by_nobody_knows_whom_accuses_nobody() -> None:
    told = judged(connection().syn().cloud_rst(ttl=FAR_TTL))
    is_undecided(told, Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED)
    assert told.mechanism is Mechanism.CONNECTION_REFUSED


def test_a_cloud_on_the_link_is_never_taken_for_the_first_hop() -> None:
    story = connection(cloud=LOCAL_CLOUD).syn().cloud_rst(ttl=64)
    told = judged(story, arp(LOCAL_CLOUD, "02:00:00:00:00:99"))
    assert told.cause is not Cause.NETWORK_BLOCKED
    assert told.blocker is None


def test_an_undecremented_reset_proves_nothing_away_from_the_devices_link() -> None:
    story = connection().path("device", ttls=[63]).syn().cloud_rst(ttl=64)
    told = judged(story)
    is_undecided(told, Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED)


def test_the_link_layer_alone_puts_a_private_cloud_beyond_the_link() -> None:
    story = connection(cloud="10.99.10.2").syn().cloud_rst(ttl=64)
    assert judged(story, arp(GATEWAY)).confidence is Confidence.PROVEN


def test_a_device_that_resets_its_own_attempt_is_not_blocked() -> None:
    is_undecided(judged(connection().syn().device_rst()), Cause.DEVICE_FAULT)


@pytest.mark.parametrize("answers", [1, 2])
def test_a_syn_ack_that_never_arrives(answers: int) -> None:
    story = connection().syn()
    for _ in range(answers):
        story.syn_ack().wait(1.0)
    told = judged(story.syn(times=2).no_answer())
    assert told.mechanism is Mechanism.SYN_ACK_LOST
    assert told.cause is Cause.NETWORK_BLOCKED
    assert Cause.DEVICE_FAULT in told.candidates


def test_a_capture_that_ends_with_the_syn_ack_says_nothing() -> None:
    told = judged(connection().syn().syn_ack())
    is_undecided(told, Cause.HEALTHY)
    assert told.capture_ended


# ICMP.

ROUTER = "10.77.1.2"


@pytest.mark.parametrize(
    ("version", "kind", "code"),
    [(4, 3, 9), (4, 3, 10), (4, 3, 13), (4, 3, 2), (4, 3, 3), (6, 1, 1), (6, 1, 5), (6, 1, 4)],
)
def test_a_router_that_refuses_by_policy_is_proof(version: int, kind: int, code: int) -> None:
    source = ROUTER if version == 4 else "fd00::2"
    told = judged(connection().syn().icmp(source, code, kind=kind, version=version))
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.mechanism is Mechanism.ICMP_PROHIBITED
    assert told.confidence is Confidence.PROVEN
    assert told.blocker is not None
    assert told.blocker.address == source


@pytest.mark.parametrize(("version", "kind", "code"), [(4, 3, 0), (4, 3, 1), (6, 1, 0), (6, 1, 3)])
def test_a_router_that_cannot_reach_the_cloud_leaves_a_dead_cloud_possible(
    version: int, kind: int, code: int
) -> None:
    told = judged(connection().syn().icmp(ROUTER, code, kind=kind, version=version))
    assert told.mechanism is Mechanism.ICMP_UNREACHABLE
    assert told.confidence is Confidence.LIKELY
    assert Cause.SERVER_FAULT in told.candidates
    assert told.assumption is not None


@pytest.mark.parametrize("code", [1, 3])
def test_the_clouds_own_address_refusing_accuses_nobody(code: int) -> None:
    is_undecided(judged(connection().syn().icmp(PUBLIC_CLOUD, code)), Cause.SERVER_FAULT)


def test_policy_in_the_clouds_own_name_may_be_the_clouds_own_firewall() -> None:
    told = judged(connection().syn().icmp(PUBLIC_CLOUD, 10))
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.confidence is Confidence.LIKELY
    assert Cause.SERVER_FAULT in told.candidates


@pytest.mark.parametrize(("kind", "code"), [(11, 0), (3, 4)])
def test_time_exceeded_and_path_mtu_block_nothing(kind: int, code: int) -> None:
    told = judged(connection().syn(times=2).icmp(ROUTER, code, kind=kind).no_answer())
    assert told.mechanism is Mechanism.SYN_DROPPED


def test_the_hop_follows_from_the_ttl_only_on_the_devices_own_link() -> None:
    near = judged(connection().syn().icmp(ROUTER, 13, ttl=254)).blocker
    assert near is not None
    assert (near.hop, near.who) == (2, "second hop, inside your network")
    elsewhere = connection().path("device", ttls=[63]).syn().icmp(ROUTER, 13, ttl=254)
    far = judged(elsewhere).blocker
    assert far is not None
    assert far.hop is None


def test_a_public_router_is_outside() -> None:
    blocker = judged(connection().syn().icmp("62.1.1.1", 13, ttl=250)).blocker
    assert blocker is not None
    assert blocker.who == "hop 6, outside your network"


def test_icmp_counts_against_a_handshake_but_not_against_a_session_that_goes_on() -> None:
    cut = judged(connection().connected().nonce().icmp(ROUTER, 13).silence())
    assert cut.mechanism is Mechanism.ICMP_PROHIBITED
    running = judged(connection().handshake().icmp(ROUTER, 13).record("device").record("cloud"))
    assert running.cause is Cause.HEALTHY


# Resets: made by the peer, or by a box.


def origin_of(story: Story, *others: Story) -> ResetOrigin:
    """Who made the story's first reset."""
    seen = story.seen()
    reset = next(c for c in seen.controls if c.flags == "RST")
    return reset_origin(seen, reset, Topology.read(observations(story, *others)))


def with_identity() -> Story:
    return connection().connected().nonce().identity()


def test_a_reset_with_the_clouds_ttl_is_the_clouds() -> None:
    found = origin_of(with_identity().cloud_rst(ttl=FAR_TTL))
    assert found.origin is Origin.PEER
    assert found.reasons == ()


def test_a_ttl_far_off_needs_a_second_sign_and_is_never_certain() -> None:
    assert origin_of(with_identity().cloud_rst(ttl=FAR_TTL + 9)).origin is Origin.UNKNOWN
    bare = with_identity().path("cloud", timestamps=True).cloud_rst(ttl=FAR_TTL + 9)
    found = origin_of(bare)
    assert found.origin is Origin.BOX
    assert not found.certain
    told = judged(with_identity().path("cloud", timestamps=True).cloud_rst(ttl=FAR_TTL + 9))
    assert told.confidence is Confidence.LIKELY
    assert Cause.SERVER_FAULT in told.candidates


@pytest.mark.parametrize("off", [-2, -1, 1, 2])
def test_a_ttl_that_is_off_by_two_at_most_is_a_load_balancers(off: int) -> None:
    assert origin_of(with_identity().cloud_rst(ttl=FAR_TTL + off)).origin is Origin.UNKNOWN


def test_an_undecremented_ttl_among_decremented_ones_is_the_first_hop() -> None:
    found = origin_of(with_identity().cloud_rst(ttl=64))
    assert (found.origin, found.first_hop, found.certain) == (Origin.BOX, True, True)
    told = judged(with_identity().cloud_rst(ttl=64))
    assert told.mechanism is Mechanism.RESET_AFTER_IDENTITY
    assert told.confidence is Confidence.PROVEN


def refused_identity() -> Story:
    """Timestamps in use, and the identity never acknowledged: what a reset then lacks tells."""
    told = connection().connected().nonce().identity(acknowledged=False)
    return told.path("cloud", timestamps=True)


def test_a_small_ttl_difference_needs_both_other_signs() -> None:
    """A load balancer's TTL may differ by one or two; it has the timestamps, or the data."""
    near = FAR_TTL + 1
    assert origin_of(refused_identity().cloud_rst(ttl=near, acknowledgment=1)).origin is Origin.BOX
    same = refused_identity().cloud_rst(ttl=FAR_TTL, acknowledgment=1)
    assert origin_of(same).origin is Origin.UNKNOWN  # a TTL can be copied
    stamped = refused_identity().cloud_rst(ttl=near, acknowledgment=1, timestamps=True)
    assert origin_of(stamped).origin is Origin.UNKNOWN
    acknowledging = refused_identity().cloud_rst(ttl=near, acknowledgment=257)
    assert origin_of(acknowledging).origin is Origin.UNKNOWN


def test_a_reset_sooner_than_the_round_trip_needs_a_second_sign() -> None:
    def early(**facts: object) -> Story:
        story = with_identity().path("cloud", **facts).with_(min_rtt=0.2)
        return story.cloud_rst(ttl=FAR_TTL)

    assert origin_of(early()).origin is Origin.PEER
    assert origin_of(early(timestamps=True)).origin is Origin.BOX
    on_time = with_identity().path("cloud", timestamps=True).with_(min_rtt=0.2).wait(0.2)
    assert origin_of(on_time.cloud_rst(ttl=FAR_TTL)).origin is Origin.PEER


def test_round_trips_of_a_lan_measure_nothing() -> None:
    story = with_identity().path("cloud", timestamps=True).with_(min_rtt=0.004)
    story.now -= 0.0195  # the reset comes half a millisecond after the identity
    assert origin_of(story.cloud_rst(ttl=FAR_TTL)).origin is Origin.PEER


def test_a_cloud_that_goes_on_sending_did_not_reset() -> None:
    found = origin_of(with_identity().cloud_rst(ttl=FAR_TTL).path("cloud", data_after_reset=384))
    assert (found.origin, found.certain) == (Origin.BOX, True)


def test_a_session_from_the_first_hops_distance_clears_it() -> None:
    near = connection(1, ttl=64).handshake()
    found = origin_of(with_identity().cloud_rst(ttl=64), near)
    assert found.origin is not Origin.BOX


def test_without_any_packet_to_compare_nobody_is_known() -> None:
    story = connection().path("cloud", ttls=[]).path("device", ttls=[63])
    assert origin_of(story.syn().cloud_rst(ttl=40)).origin is Origin.UNKNOWN


@pytest.mark.parametrize(("ttl", "origin"), [(64, Origin.PEER), (63, Origin.BOX)])
def test_a_reset_in_the_devices_name(ttl: int, origin: Origin) -> None:
    assert origin_of(with_identity().device_rst(ttl=ttl)).origin is origin


def test_a_reset_after_a_fin_only_tidies_up() -> None:
    told = judged(connection().handshake().device_fin().cloud_rst(ttl=64))
    assert told.cause is Cause.HEALTHY


# Bytes that were dropped.


def test_a_fin_beyond_bytes_that_never_came_proves_the_drop() -> None:
    story = with_identity().wait(2.0).cloud_fin().path("cloud", claimed_up_to=41 + 384 + 1)
    told = judged(story.then_quiet(30.0))
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.mechanism is Mechanism.CREDENTIALS_DROPPED
    assert told.confidence is Confidence.PROVEN
    assert "385 bytes" in told.clues[0].text


@pytest.mark.parametrize(
    ("story", "mechanism"),
    [
        (connection().connected(), Mechanism.NONCE_DROPPED),
        (connection().connected().nonce(), Mechanism.CREDENTIALS_DROPPED),
        (with_identity(), Mechanism.CREDENTIALS_DROPPED),
        (with_identity().credentials(), Mechanism.RECORD_DROPPED),
        (with_identity().credentials().hello(), Mechanism.RECORD_DROPPED),
        (connection().handshake(), Mechanism.RECORD_DROPPED),
    ],
    ids=lambda value: getattr(value, "stage", value),
)
def test_what_was_dropped_follows_from_the_stage(story: Story, mechanism: Mechanism) -> None:
    upto = story.sent["cloud"]["sent_up_to"]
    story.wait(1.0).cloud_fin().path("cloud", claimed_up_to=upto + 100).then_quiet(30.0)
    told = judged(story)
    assert told.mechanism is mechanism
    # A capture that loses the last frames of a session looks the same.
    session = story.seen().stage is Stage.SESSION
    assert told.confidence is (Confidence.LIKELY if session else Confidence.PROVEN)


def test_the_fins_own_sequence_number_is_no_lost_byte() -> None:
    story = with_identity().cloud_fin().path("cloud", claimed_up_to=42)
    assert judged(story).cause is Cause.INCONCLUSIVE


def test_bytes_the_device_acknowledged_were_missed_by_the_capture_only() -> None:
    lost = with_identity().cloud_fin()
    lost.path("cloud", claimed_up_to=426, acknowledged_up_to=426, missing_bytes=385)
    assert judged(lost).cause is not Cause.NETWORK_BLOCKED


def test_a_capture_that_starts_in_mid_session_proves_no_drop() -> None:
    story = connection().handshake().path("cloud", claimed_up_to=5000).with_(midstream=True)
    assert judged(story).cause is Cause.HEALTHY


@pytest.mark.parametrize(
    ("story", "mechanism"),
    [
        (with_identity(), Mechanism.IDENTITY_DROPPED),
        (with_identity().credentials(), Mechanism.RECORD_DROPPED),
        (connection().handshake(), Mechanism.SESSION_SILENT),
    ],
    ids=lambda value: getattr(value, "stage", value),
)
def test_data_repeated_in_vain(story: Story, mechanism: Mechanism) -> None:
    story.path("device", acknowledged_up_to=1).unheard("device").silence()
    told = judged(story)
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.mechanism is mechanism
    assert told.confidence is Confidence.LIKELY
    assert Cause.SERVER_FAULT in told.candidates
    assert told.assumption is not None


def test_a_cloud_that_still_speaks_while_data_is_repeated_in_vain_did_not_vanish() -> None:
    story = with_identity().path("device", acknowledged_up_to=1).unheard("device")
    told = judged(story.still_speaks("cloud").silence())
    assert told.candidates == (Cause.NETWORK_BLOCKED,)
    assert told.assumption is None
    assert told.mechanism is Mechanism.IDENTITY_DROPPED


def test_one_repeat_is_a_lost_segment() -> None:
    story = connection().handshake().path("device", acknowledged_up_to=1)
    assert judged(story.unheard("device", repeats=1)).cause is Cause.HEALTHY


def test_repeats_that_were_acknowledged_in_the_end_are_loss() -> None:
    assert judged(connection().handshake().unheard("device", repeats=6)).cause is Cause.HEALTHY


def test_a_device_that_talks_to_a_closed_cloud_is_not_dropped() -> None:
    story = with_identity().path("device", acknowledged_up_to=1).cloud_fin().unheard("device")
    assert judged(story).mechanism is not Mechanism.IDENTITY_DROPPED


def test_a_cloud_repeating_to_a_device_that_is_alive_is_dropped() -> None:
    story = connection().connected().nonce(acknowledged=False)
    story.stage = Stage.TCP_ESTABLISHED
    told = judged(story.unheard("cloud").still_speaks("device").silence())
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.mechanism is Mechanism.NONCE_DROPPED


def test_a_cloud_repeating_to_a_device_that_is_gone_accuses_nobody() -> None:
    story = connection().connected().nonce(acknowledged=False).unheard("cloud").silence()
    told = judged(story)
    is_undecided(told, Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED)
    assert told.mechanism is Mechanism.DEVICE_SILENT


def test_a_host_that_forgot_the_connection_was_told_by_somebody_between() -> None:
    story = with_identity().wait(18.0).device_fin().cloud_rst(acknowledgment=None, sequence=297)
    told = judged(story)
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.clues[0].code == "HP130"
    assert Cause.SERVER_FAULT in told.candidates


# Half of a connection.


def test_one_side_of_a_session_is_a_session() -> None:
    story = connection().handshake().path("cloud", packets=0)
    told = judged(story)
    assert told.cause is Cause.HEALTHY
    assert told.clues[0].code == "HP612"


@pytest.mark.parametrize("missing", ["device", "cloud"])
def test_one_side_of_anything_else_is_too_little(missing: str) -> None:
    told = judged(with_identity().path(missing, packets=0))
    is_undecided(told, Cause.NETWORK_BLOCKED, Cause.SERVER_KEY_MISMATCH, Cause.HEALTHY)
    assert told.mechanism is Mechanism.CAPTURE_INCOMPLETE


def test_an_unanswered_syn_is_not_one_sided() -> None:
    story = connection().syn(times=3).no_answer()
    assert judged(story).mechanism is Mechanism.SYN_DROPPED


def test_the_end_of_an_older_connection_is_too_little() -> None:
    told = judged(connection().connected().device_fin().with_(midstream=True))
    is_undecided(told, Cause.HEALTHY)
    assert told.capture_ended


# Somebody else answers.


def test_a_portal_from_the_first_hop_is_proven() -> None:
    told = judged(connection().connected(ttl=64).portal_page().identity().cloud_fin())
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.mechanism is Mechanism.FOREIGN_NONCE
    assert told.confidence is Confidence.PROVEN
    assert told.blocker is not None
    assert "HTTP/1.1 302 Found" in told.clues[0].text


def test_a_portal_from_afar_may_be_the_wrong_server() -> None:
    told = judged(connection().connected().portal_page().identity().cloud_fin())
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.confidence is Confidence.LIKELY
    assert Cause.SERVER_FAULT in told.candidates
    assert told.blocker is None


def test_a_short_page_before_the_nonces_forty_bytes() -> None:
    told = judged(connection().connected().nonce(20, looks_like="ssh").cloud_fin())
    assert told.mechanism is Mechanism.FOREIGN_NONCE


def test_bytes_that_are_not_random_and_no_protocol_accuse_nobody() -> None:
    story = connection().connected().nonce(flaws=["few_values"]).identity().cloud_fin()
    is_undecided(judged(story), Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED)


def test_bytes_that_are_not_random_from_nearer_than_the_cloud_are_somebodys() -> None:
    story = connection().connected(ttl=60).nonce(flaws=["few_values"]).identity().cloud_fin()
    told = judged(story, connection(1).handshake())
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.mechanism is Mechanism.FOREIGN_NONCE


def test_a_proxy_that_answers_the_identity_in_its_own_protocol() -> None:
    story = with_identity().credentials(90, looks_like="http", excerpt="HTTP/1.1 400").cloud_fin()
    told = judged(story)
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.mechanism is Mechanism.FOREIGN_NONCE


def test_a_silent_accept_from_the_first_hop_is_an_accept_on_behalf() -> None:
    told = judged(connection().connected(ttl=64).wait(20.0).device_fin(), arp(GATEWAY))
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.mechanism is Mechanism.ACCEPTED_ON_BEHALF
    assert told.confidence is Confidence.LIKELY
    assert told.blocker is not None
    assert told.blocker.address == GATEWAY


def test_a_silent_accept_nearer_than_the_cloud_that_is_known_is_an_accept_on_behalf() -> None:
    near = connection().connected(ttl=62).wait(20.0).device_fin()
    told = judged(near, connection(1).handshake())
    assert told.mechanism is Mechanism.ACCEPTED_ON_BEHALF
    assert told.blocker is None


def test_a_silent_accept_from_the_clouds_distance_accuses_nobody() -> None:
    told = judged(connection().connected().wait(20.0).device_fin())
    is_undecided(told, Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT)
    assert told.mechanism is Mechanism.NO_NONCE


def test_a_silent_cloud_on_the_link_is_no_proxy() -> None:
    story = connection(cloud=LOCAL_CLOUD).connected(ttl=64).wait(20.0).device_fin()
    told = judged(story, arp(LOCAL_CLOUD, "02:00:00:00:00:99"))
    is_undecided(told, Cause.SERVER_FAULT)
    assert told.mechanism is Mechanism.NO_NONCE


def test_a_device_that_closes_before_the_nonce_was_due_is_not_judged_by_it() -> None:
    told = judged(connection().connected().wait(1.0).device_fin())
    is_undecided(told, Cause.DEVICE_FAULT)
    assert told.mechanism is Mechanism.DEVICE_CLOSED_EARLY


def test_a_nonce_that_is_too_short() -> None:
    told = judged(connection().connected().nonce(20).cloud_fin())
    is_undecided(told, Cause.SERVER_FAULT, Cause.NETWORK_BLOCKED)
    assert told.mechanism is Mechanism.NONCE_MALFORMED


def test_a_nonce_that_comes_when_the_device_has_given_up() -> None:
    story = connection().connected().wait(20.0).device_fin().nonce()
    story.stage = Stage.TCP_ESTABLISHED
    told = judged(story)
    is_undecided(told, Cause.SERVER_FAULT)
    assert "too late" in told.summary


# DNS.


def test_dns_without_answer() -> None:
    told = verdict(question(None, attempts=3))
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.mechanism is Mechanism.DNS_NO_ANSWER
    assert told.stage is Stage.DNS
    assert told.confidence is Confidence.LIKELY


def test_dns_asked_at_the_end_of_the_capture() -> None:
    capture = CaptureSeen(id="o1", frames=3, first=START, last=START + 1.0)
    told = verdict(capture, question(None))
    assert told.cause is Cause.INCONCLUSIVE
    assert Cause.HEALTHY in told.candidates


@pytest.mark.parametrize("rcode", ["NXDOMAIN", "SERVFAIL", "REFUSED"])
def test_dns_refuses(rcode: str) -> None:
    told = verdict(question(rcode))
    assert told.mechanism is Mechanism.DNS_REFUSED
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.confidence is Confidence.LIKELY
    assert rcode in told.summary


def test_dns_without_an_address() -> None:
    assert verdict(question("NOERROR")).mechanism is Mechanism.DNS_NO_ADDRESS


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "127.8.8.8"])
def test_dns_leads_nowhere(address: str) -> None:
    told = verdict(question("NOERROR", address))
    assert told.mechanism is Mechanism.DNS_SINKHOLE
    assert told.candidates == [Cause.NETWORK_BLOCKED]


def test_a_refused_ipv6_question_beside_a_good_ipv4_one_is_no_failure() -> None:
    aaaa = question("REFUSED", type="AAAA", id="o904")
    told = verdict(aaaa, question("NOERROR", PUBLIC_CLOUD))
    assert told.cause is Cause.INCONCLUSIVE
    assert told.mechanism is Mechanism.NO_TRAFFIC


def test_dns_is_fine_and_nothing_follows() -> None:
    told = verdict(question("NOERROR", PUBLIC_CLOUD))
    assert told.cause is Cause.INCONCLUSIVE
    assert told.candidates == [Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED]
    assert told.settles


def test_a_laptop_that_asks_for_other_names_is_no_device() -> None:
    assert measured(question("NXDOMAIN", name="api.particle.io")).devices == []


@pytest.mark.parametrize(
    "story",
    [
        connection(cloud=GATEWAY, ttl=64).connected().wait(20.0).device_fin(),
        connection(cloud=GATEWAY, ttl=64).connected().portal_page().identity().cloud_fin(),
        connection(cloud=GATEWAY, ttl=64).syn().cloud_rst(),
    ],
    ids=["silent", "portal", "refused"],
)
def test_dns_that_answers_with_itself_is_a_redirect(story: Story) -> None:
    told = judged(story, question("NOERROR", GATEWAY), arp(GATEWAY))
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.mechanism is Mechanism.DNS_REDIRECT
    assert told.clues[0].code == "HP103"
    assert Cause.SERVER_FAULT in told.candidates


def test_a_private_cloud_beside_its_own_dns_server_is_no_redirect() -> None:
    story = connection(cloud=GATEWAY, ttl=64).connected().nonce().identity().cloud_fin()
    told = judged(story, question("NOERROR", GATEWAY), arp(GATEWAY))
    assert told.mechanism is not Mechanism.DNS_REDIRECT
    silent = connection(cloud=GATEWAY, ttl=64).connected().wait(20.0).device_fin()
    proven = connection(1, cloud=GATEWAY, ttl=64).handshake()
    told = judged(silent, proven, question("NOERROR", GATEWAY), arp(GATEWAY))
    assert told.mechanism is not Mechanism.DNS_REDIRECT


def test_an_answer_by_another_server_is_no_redirect() -> None:
    story = connection(cloud=GATEWAY, ttl=64).connected().wait(20.0).device_fin()
    told = judged(story, question("NOERROR", GATEWAY, server="9.9.9.9"), arp(GATEWAY))
    assert told.mechanism is not Mechanism.DNS_REDIRECT


# The capture ends.


@pytest.mark.parametrize(
    "story",
    [
        connection().syn(),
        connection().syn().syn_ack(),
        connection().connected(),
        connection().connected().nonce(20),
        connection().connected().nonce(),
        with_identity(),
        with_identity().credentials(100),
        with_identity().credentials(),
        with_identity().credentials().hello(),
        connection().handshake(),
    ],
    ids=lambda story: f"{story.stage}-{story.frame}",
)
def test_a_capture_that_ends_early_is_never_a_failure(story: Story) -> None:
    told = judged(story.then_quiet(0.1))
    assert told.capture_ended or told.cause is Cause.HEALTHY
    assert Cause.HEALTHY in told.candidates
    document = measured(story)
    assert document.verdict.cause in (Cause.INCONCLUSIVE, Cause.HEALTHY)
    story.ended = None
    assert story.seen().ended_by is EndedBy.CAPTURE_END


@pytest.mark.parametrize(
    "story",
    [connection().connected(), connection().connected().nonce(), with_identity()],
    ids=lambda story: story.stage,
)
def test_waiting_long_enough_makes_it_a_failure(story: Story) -> None:
    assert not judged(story.then_quiet(25.0)).capture_ended


# Small things the rules stand on.


@pytest.mark.parametrize(
    ("ttl", "hops"), [(64, 0), (63, 1), (50, 14), (128, 0), (255, 0), (65, 63)]
)
def test_hops_from_the_ttl(ttl: int, hops: int) -> None:
    assert hops_away(ttl) == hops
    assert undecremented(ttl) is (hops == 0)


def test_who_is_on_the_link() -> None:
    topology = Topology.read(observations(arp(GATEWAY), arp(LOCAL_CLOUD, "02:00:00:00:00:99")))
    assert topology.on_link(connection(cloud=LOCAL_CLOUD).seen()) is True
    assert topology.on_link(connection(cloud="10.99.10.2").seen()) is False  # by its MAC
    bare = Topology.read([])
    assert bare.on_link(connection(cloud=PUBLIC_CLOUD).seen()) is False
    assert bare.on_link(connection(cloud="192.168.1.7").seen()) is True
    assert bare.on_link(connection(cloud="10.99.10.2").seen()) is False
    assert bare.on_link(connection(cloud="no address").seen()) is None


def test_a_presence_or_gateway_alone_is_no_device() -> None:
    assert measured(arp(GATEWAY, GATEWAY_MAC), presence(OTHER_ID)).devices == []
    assert measured(arp(DEVICE, "94:94:4a:00:00:20")).verdict.mechanism is Mechanism.NO_TRAFFIC
