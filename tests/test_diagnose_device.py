"""From connections to devices and to the document; and what no rule may ever say."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_probe.diagnose.case import OPENED
from handshake_probe.model.measurement import KeyUsed, Measurement, to_json
from handshake_probe.model.observations import (
    AnyObservation,
    CaptureSeen,
    ConnectionSeen,
    ControlSeen,
    CredentialsSeen,
    DirectionSeen,
    IcmpSeen,
    IdentitySeen,
    KeyTest,
    NonceSeen,
    RecordsSeen,
    SessionSeen,
)
from handshake_probe.model.vocabulary import (
    SEVERITY_ORDER,
    Cause,
    Confidence,
    EndedBy,
    Mechanism,
    Stage,
)
from handshake_probe.protocol.events import BlockState
from observed import (
    CLOUD_KEY,
    DEVICE,
    DEVICE_ID,
    DEVICE_KEY,
    GATEWAY,
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
    other_packets,
    presence,
    private_cloud_key,
    public_cloud_key,
    question,
    registered,
    verdict,
)


def dropped(stream: int, **where: Any) -> Story:
    return connection(stream, **where).syn(times=3).no_answer()


def refused(stream: int, **where: Any) -> Story:
    return connection(stream, **where).connected().nonce().identity().wait(0.1).cloud_fin()


def not_greeted(stream: int) -> Story:
    story = connection(stream).connected().nonce().identity().credentials().hello()
    return story.wait(4.0).device_fin().still_speaks("cloud")


# One verdict for several connections.


def test_the_most_frequent_cause_stands_for_the_device() -> None:
    told = verdict(dropped(0), dropped(1), not_greeted(2))
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.stage is Stage.TCP_SYN


def test_the_later_cause_stands_on_a_tie() -> None:
    assert verdict(dropped(0), not_greeted(1)).cause is Cause.SERVER_FAULT
    assert verdict(not_greeted(0), dropped(1)).cause is Cause.NETWORK_BLOCKED


def test_a_decided_cause_stands_before_an_undecided_one_on_a_tie() -> None:
    assert verdict(dropped(0), refused(1)).cause is Cause.NETWORK_BLOCKED


def test_the_stage_is_the_furthest_of_the_reported_cause() -> None:
    cut = connection(1).handshake().cloud_rst(ttl=64)
    told = verdict(dropped(0), cut, dropped(2))
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.stage is Stage.SESSION
    assert verdict(dropped(0), dropped(1), not_greeted(2)).stage is Stage.TCP_SYN


def test_a_proven_connection_speaks_for_its_cause() -> None:
    told = verdict(dropped(0), connection(1).syn().cloud_rst(ttl=64), dropped(2))
    assert told.confidence is Confidence.PROVEN
    assert told.mechanism is Mechanism.SYN_RESET


def test_any_failure_is_reported_and_recovery_is_said() -> None:
    told = verdict(dropped(0), connection(1).handshake())
    assert told.cause is Cause.NETWORK_BLOCKED
    assert told.recovered


def test_a_session_before_the_failure_is_no_recovery() -> None:
    assert not verdict(connection(0).handshake(), dropped(1)).recovered


def test_connections_that_the_capture_cut_off_are_no_failures() -> None:
    told = verdict(connection(0).handshake(), connection(1).connected().nonce())
    assert told.cause is Cause.HEALTHY
    assert told.stage is Stage.SESSION


def test_several_undecided_connections_keep_every_candidate() -> None:
    silent = connection(1).connected().wait(20.0).device_fin()
    told = verdict(refused(0), silent)
    assert told.cause is Cause.INCONCLUSIVE
    assert {Cause.SERVER_KEY_MISMATCH, Cause.NETWORK_BLOCKED} <= set(told.candidates)
    assert len(told.candidates) == len(set(told.candidates))


def test_a_device_nobody_owns_was_reached_in_the_end() -> None:
    claiming = connection(2).handshake().wait(9.0).talked(claim_code=[8]).record("cloud")
    told = verdict(dropped(0), dropped(1), claiming)
    assert told.cause is Cause.UNCLAIMED


# Which connections are one device's.


def test_devices_are_told_apart_by_address() -> None:
    document = measured(dropped(0), refused(1, device="192.168.1.21"))
    assert [d.address for d in document.devices] == [DEVICE, "192.168.1.21"]


def test_devices_behind_one_address_are_told_apart_by_their_ids() -> None:
    document = measured(
        refused(0).opens(),
        refused(1).opens(device_id=OTHER_ID),
        refused(2).opens(),
        keys=[private_cloud_key()],
    )
    assert [d.device_id for d in document.devices] == [DEVICE_ID, OTHER_ID]
    assert [len(d.connections) for d in document.devices] == [2, 1]


def test_a_connection_without_an_id_belongs_to_the_only_one() -> None:
    document = measured(dropped(0), refused(1).opens(), keys=[private_cloud_key()])
    assert [(d.device_id, len(d.connections)) for d in document.devices] == [(DEVICE_ID, 2)]


def test_a_presence_names_the_device_of_its_address() -> None:
    assert measured(dropped(0), presence(DEVICE_ID)).devices[0].device_id == DEVICE_ID
    assert measured(dropped(0), presence(DEVICE_ID, "10.0.0.7")).devices[0].device_id is None
    both = measured(dropped(0), presence(DEVICE_ID), presence(OTHER_ID))
    assert both.devices[0].device_id is None


def test_the_devices_own_key_names_it() -> None:
    story = connection().handshake().signed().key("credentials", DEVICE_KEY, "opened")
    document = measured(story, keys=[public_cloud_key(), flash_key()])
    assert document.devices[0].device_id == DEVICE_ID


def test_a_routers_address_is_not_taken_for_the_devices() -> None:
    assert measured(dropped(0)).devices[0].mac == "94:94:4a:00:00:20"
    assert measured(dropped(0)).devices[0].vendor == "Particle"
    assert measured(dropped(0).path("device", ttls=[63])).devices[0].mac is None


def test_a_session_does_not_hide_what_fails_beside_it() -> None:
    """Behind a NAT, and no key tells the devices apart."""
    talks = connection(1).handshake().answered_hello().record("device")
    talks.frame = 500
    document = measured(refused(0), talks.record("device"), refused(2), refused(3))
    failing, healthy = document.devices
    assert [[c.stream for c in d.connections] for d in (failing, healthy)] == [[0, 2, 3], [1]]
    assert healthy.verdict.cause is Cause.HEALTHY
    assert failing.verdict.cause is Cause.INCONCLUSIVE
    assert not failing.verdict.recovered
    [shared] = [f for f in document.findings if f.code == "HP617"]
    assert "streams 0 and 1 " in shared.text


def test_sessions_that_overlap_are_of_as_few_devices_as_it_takes() -> None:
    """The last session begins when the first is over, and no other."""
    stories = []
    for stream, last in enumerate((400, 600, 700, 800)):
        story = connection(stream).handshake().answered_hello().record("device")
        story.frame = last
        stories.append(story.record("device"))
    stories.append(connection(4).handshake().answered_hello().record("device"))
    devices = measured(*stories).devices
    assert [[c.stream for c in d.connections] for d in devices] == [[0, 4], [1], [2], [3]]


def test_what_follows_a_session_is_the_same_devices() -> None:
    talks = connection(0).handshake().answered_hello().record("device")
    document = measured(talks, refused(1), refused(2))
    [device] = document.devices
    assert len(device.connections) == 3
    assert not [f for f in document.findings if f.code == "HP617"]


# The document.


def test_the_document_says_what_its_most_severe_device_says() -> None:
    document = measured(
        connection(0).handshake(),
        refused(1, device="192.168.1.21"),
        question(None, host="10.1.1.1"),
    )
    assert document.verdict.cause is Cause.NETWORK_BLOCKED
    assert document.verdict.counts == {"healthy": 1, "inconclusive": 1, "network_blocked": 1}
    assert "DNS" in document.verdict.summary


def test_every_cause_has_its_place_in_the_order_of_severity() -> None:
    assert set(SEVERITY_ORDER) == set(Cause)
    assert SEVERITY_ORDER[-1] is Cause.HEALTHY


def test_a_capture_without_any_device_is_inconclusive() -> None:
    document = measured()
    assert document.verdict.cause is Cause.INCONCLUSIVE
    assert document.verdict.mechanism is Mechanism.NO_TRAFFIC
    assert document.verdict.stage is Stage.NONE
    assert document.verdict.settles
    assert "HP606" in document.verdict.findings
    assert document.verdict.counts == {}


def test_next_steps_are_filled_with_the_facts_of_the_case() -> None:
    steps = " ".join(verdict(dropped(0)).next_steps)
    assert "TCP port 5683" in steps
    assert DEVICE in steps
    assert not re.search(r"\{\w+\}", steps)


def test_a_healthy_device_is_not_sent_to_the_firewall() -> None:
    (step,) = verdict(connection().handshake()).next_steps
    assert "claimed" in step


# What no rule may ever say: whatever a capture holds, nothing raises and the verdict is sound.

times = st.floats(START, START + 100.0)
frame_numbers = st.integers(1, 999)
offsets = st.integers(0, 1200)
ttls = st.sampled_from([1, 50, 52, 60, 63, 64, 127, 128, 254, 255])
stages = st.sampled_from([s for s in Stage if s.order >= Stage.TCP_SYN.order])
addresses = st.sampled_from([PUBLIC_CLOUD, LOCAL_CLOUD, GATEWAY, "10.99.10.2", "2001:db8::9"])
optional_frames = st.none() | frame_numbers
optional_times = st.none() | times
words = st.sampled_from([None, "http", "tls"])

directions = st.builds(
    DirectionSeen,
    packets=st.integers(0, 40),
    sent_up_to=offsets,
    claimed_up_to=offsets,
    acknowledged_up_to=offsets,
    missing_bytes=st.integers(0, 50),
    snapped_bytes=st.integers(0, 50),
    retransmissions=st.integers(0, 5),
    unacknowledged_retransmissions=st.integers(0, 5),
    first_retransmission=optional_times,
    last_retransmission=optional_times,
    ttls=st.lists(ttls, max_size=3),
    timestamps=st.booleans(),
    last_data=optional_times,
    last_data_frame=optional_frames,
    last_packet=optional_times,
    last_packet_frame=optional_frames,
    data_after_reset=st.sampled_from([0, 0, 40]),
    link_source=st.sampled_from([None, "02:00:00:00:00:fe", "94:94:4a:00:00:20"]),
)
controls = st.builds(
    ControlSeen,
    frame=frame_numbers,
    time=times,
    sender=st.sampled_from(["device", "cloud"]),
    flags=st.sampled_from(["SYN", "SYN-ACK", "FIN", "RST"]),
    sequence=offsets,
    acknowledgment=st.none() | offsets,
    ttl=ttls,
    timestamps=st.booleans(),
)
errors = st.builds(
    IcmpSeen,
    frame=frame_numbers,
    time=times,
    source=st.sampled_from([PUBLIC_CLOUD, GATEWAY, "62.1.1.1", "fe80::1"]),
    version=st.sampled_from([4, 6]),
    type=st.integers(0, 12),
    code=st.integers(0, 16),
    ttl=ttls,
)
nonces = st.builds(
    NonceSeen,
    frame=frame_numbers,
    time=times,
    received=st.integers(1, 80),
    whole=st.booleans(),
    flaws=st.lists(st.sampled_from(["run", "printable"]), max_size=1),
    looks_like=words,
    excerpt=st.none() | st.text(max_size=60),
    digest=st.sampled_from([None, "a" * 16]),
)
identities = st.builds(
    IdentitySeen,
    frame=frame_numbers,
    time=times,
    received=st.sampled_from([10, 256]),
    captured=st.booleans(),
    pieces=st.integers(1, 3),
)
credentials = st.builds(
    CredentialsSeen,
    frame=frame_numbers,
    time=times,
    received=st.sampled_from([10, 384, 512]),
    whole=st.booleans(),
    captured=st.booleans(),
    looks_like=words,
    excerpt=st.none() | st.text(max_size=60),
)
states = st.sampled_from([str(state) for state in BlockState])
tests = st.one_of(
    st.builds(
        KeyTest,
        frame=frame_numbers,
        block=st.just("identity"),
        key=st.sampled_from([CLOUD_KEY, OTHER_CLOUD_KEY]),
        role=st.just("cloud"),
        private=st.booleans(),
        state=states,
        device_id=st.sampled_from([None, DEVICE_ID, OTHER_ID]),
        sent_key=st.sampled_from([None, DEVICE_KEY, OTHER_DEVICE_KEY]),
        sent_key_flaw=st.sampled_from([None, "erased", "pkcs8", "ec_key", "not_a_modulus"]),
    ),
    st.builds(
        KeyTest,
        frame=frame_numbers,
        block=st.just("signature"),
        key=st.sampled_from([CLOUD_KEY, OTHER_CLOUD_KEY]),
        role=st.just("cloud"),
        private=st.just(False),
        state=states,
    ),
    st.builds(
        KeyTest,
        frame=frame_numbers,
        block=st.just("credentials"),
        key=st.sampled_from([DEVICE_KEY, OTHER_DEVICE_KEY]),
        role=st.sampled_from(["device", "registered", "sent"]),
        private=st.booleans(),
        state=states,
        firmware_opens=st.sampled_from([None, True, False]),
    ),
)
records = st.one_of(
    st.just(RecordsSeen()),
    st.builds(
        RecordsSeen,
        count=st.integers(1, 9),
        first_frame=frame_numbers,
        first_time=times,
        last_time=times,
        last_frame=frame_numbers,
        bad=st.integers(0, 2),
    ),
)
sessions = st.builds(
    SessionSeen,
    proven=st.booleans(),
    messages=st.integers(0, 9),
    claim_code=st.lists(frame_numbers, max_size=2),
    claim_confirmed=optional_frames,
    safe_mode=optional_frames,
    key_error=st.none() | st.integers(0, 7),
    goodbye=optional_frames,
    describe_requested=st.lists(frame_numbers, max_size=2),
    describe_refused=optional_frames,
    describe_answered=optional_frames,
    pings_unanswered=st.integers(0, 2),
    requests_unanswered=st.integers(0, 2),
    cloud_chain_broken=st.integers(0, 2),
)


def with_ttls(sent: DirectionSeen, who: str, listed: list[ControlSeen]) -> DirectionSeen:
    """Every packet but a reset is counted among its sender's TTLs."""
    seen = [c.ttl for c in listed if c.sender == who and c.flags != "RST"]
    return msgspec.structs.replace(sent, ttls=list(dict.fromkeys([*sent.ttls, *seen])))


@st.composite
def connections(draw: st.DrawFn, stream: int) -> ConnectionSeen:
    stage = draw(stages)
    ended_by = draw(st.sampled_from(EndedBy))
    listed = draw(st.lists(controls, max_size=6))
    closing = [c for c in listed if c.flags in ("FIN", "RST")]
    if closing:
        ended_by = EndedBy(f"{closing[0].sender}_{closing[0].flags.lower()}")
    elif ended_by.value.endswith(("fin", "rst")):
        ended_by = EndedBy.SILENCE
    cloud = draw(addresses)
    ended = draw(times)
    return ConnectionSeen(
        id=f"o{10 + stream}",
        stream=stream,
        device=f"{draw(st.sampled_from([DEVICE, '192.168.1.21']))}:41000",
        cloud=f"[{cloud}]:5683" if ":" in cloud else f"{cloud}:5683",
        first_frame=1,
        last_frame=draw(frame_numbers),
        started=START,
        ended=ended,
        capture_end=ended + draw(st.floats(0.0, 60.0)),
        stage=stage,
        ended_by=ended_by,
        ended_frame=closing[0].frame if closing else None,
        ended_time=closing[0].time if closing else None,
        midstream=draw(st.booleans()),
        established=draw(optional_times),
        min_rtt=draw(st.none() | st.floats(0.0, 2.0)),
        from_device=with_ttls(draw(directions), "device", listed),
        from_cloud=with_ttls(draw(directions), "cloud", listed),
        controls=listed,
        icmp=draw(st.lists(errors, max_size=2)),
        # Later steps may have passed unseen, so a stage alone promises none of them.
        nonce=draw(nonces if stage is Stage.NONCE_RECEIVED else st.none() | nonces),
        identity=draw(st.none() | identities),
        credentials=draw(st.none() | credentials),
        key_tests=draw(st.lists(tests, max_size=4)),
        device_records=draw(records),
        cloud_records=draw(records),
        session=draw(st.none() | sessions),
    )


key_sets = st.lists(
    st.sampled_from(
        [
            private_cloud_key(),
            private_cloud_key(named=True),
            public_cloud_key(OTHER_CLOUD_KEY),
            private_cloud_key(OTHER_CLOUD_KEY),
            registered(),
            registered(key=OTHER_DEVICE_KEY),
            registered(OTHER_ID, OTHER_DEVICE_KEY),
            flash_key(),
            flash_key(OTHER_ID, OTHER_DEVICE_KEY),
        ]
    ),
    max_size=4,
    unique_by=lambda key: (key.fingerprint, key.role),
)
beside = st.lists(
    st.sampled_from(
        [
            arp(GATEWAY),
            arp(LOCAL_CLOUD, "02:00:00:00:00:99"),
            other_packets(PUBLIC_CLOUD, 50),
            presence(DEVICE_ID),
            question("NOERROR", GATEWAY),
            question("NXDOMAIN"),
            question(None),
        ]
    ),
    max_size=3,
    unique_by=lambda item: item.id,
)


def check_evidence(document: Measurement) -> None:
    known = {item.id for item in document.observations}
    for finding in document.findings:
        for reference in finding.evidence:
            assert reference in known or re.fullmatch(r"frame \d+", reference), reference


def check_verdict(cause: Cause, confidence: Confidence, candidates: list[Cause]) -> None:
    assert candidates
    assert len(candidates) == len(set(candidates))
    if cause is Cause.INCONCLUSIVE:
        assert len(candidates) >= 2
        assert confidence is Confidence.POSSIBLE
        assert Cause.INCONCLUSIVE not in candidates
    else:
        assert candidates[0] is cause
    if confidence is Confidence.PROVEN:
        assert candidates == [cause]


@given(
    st.integers(1, 3).flatmap(lambda count: st.tuples(*(connections(n) for n in range(count)))),
    beside,
    key_sets,
)
def test_whatever_was_observed_the_verdict_is_sound(
    seen: tuple[ConnectionSeen, ...], others: list[AnyObservation], keys: list[KeyUsed]
) -> None:
    capture = CaptureSeen(id="o1", frames=1000, first=START, last=START + 200.0)
    document = measured(capture, *seen, *others, keys=keys)
    check_evidence(document)
    assert sum(len(device.connections) for device in document.devices) == len(seen)
    for device in document.devices:
        told = device.verdict
        check_verdict(told.cause, told.confidence, told.candidates)
        assert (told.settles is not None) == (told.cause is Cause.INCONCLUSIVE)
        assert not set(told.ruled_out) & set(told.candidates)
        assert told.summary
        assert told.next_steps
        assert not re.search(r"\{\w+\}", " ".join(told.next_steps))
        for report in device.connections:
            check_verdict(report.cause, report.confidence, report.candidates)
    assert document.verdict.cause in {device.verdict.cause for device in document.devices}
    assert msgspec.json.decode(to_json(document), type=Measurement) == document


@given(connections(0), key_sets)
def test_whatever_was_observed_one_connections_judgement_is_sound(
    seen: ConnectionSeen, keys: list[KeyUsed]
) -> None:
    told = judged(seen, keys=keys)
    check_verdict(told.cause, told.confidence, list(told.candidates))
    assert told.clues
    assert bool(told.settles) == (told.cause is Cause.INCONCLUSIVE)
    assert not (told.capture_ended and told.cause not in (Cause.INCONCLUSIVE, Cause.HEALTHY))
    if told.assumption:
        assert told.confidence is not Confidence.PROVEN
    if told.blocker is not None:
        assert told.cause is Cause.NETWORK_BLOCKED


@given(connections(0))
def test_without_keys_no_key_is_ever_accused(seen: ConnectionSeen) -> None:
    bare = msgspec.structs.replace(seen, key_tests=[])
    told = judged(bare)
    assert told.cause not in (
        Cause.SERVER_KEY_MISMATCH,
        Cause.DEVICE_KEY_CORRUPTION,
        Cause.DEVICE_UNKNOWN,
    )


@pytest.mark.parametrize("state", OPENED)
def test_an_opened_identity_names_its_device(state: str) -> None:
    story = refused(0).key("identity", CLOUD_KEY, state, device_id=DEVICE_ID)
    assert measured(story, keys=[private_cloud_key()]).devices[0].device_id == DEVICE_ID
