"""What the rules make of a probe's observations: each failure beside its nearest neighbours."""

from __future__ import annotations

from typing import Any

import pytest

from handshake_probe.diagnose.catalogue.probe import ENTRIES
from handshake_probe.model.measurement import Measurement
from handshake_probe.model.observation import Observation
from handshake_probe.model.probed import Connect, Delivery, Ending, IcmpAnswer, Lookup
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism, Stage
from probed import (
    BACKBONE,
    CLOUD,
    NAME,
    PROVIDER,
    ROUTER,
    TARGET,
    control,
    foreign,
    identity,
    idle,
    lookup,
    measured,
    nonce,
    public,
    rejected,
    stand_in,
    tcp,
    udp,
    unused,
    vantage,
    walk,
)

T, R, C = Connect.TIMEOUT, Connect.REFUSED, Connect.CONNECTED
HEALTHY, NETWORK, SERVER = Cause.HEALTHY, Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT
OPEN: list[Observation] = [nonce("a"), identity("b"), control()]
SILENT = [tcp(T, seconds=8.0), tcp(T, seconds=7.0)]
LOST_BLOCK = tcp(
    ended_by=Ending.SILENCE, sent="block", delivery=Delivery.UNACKNOWLEDGED, retransmissions=4
)
RANDOM = {"name": "x.example.com", "purpose": "random"}
PRIVATE = "10.9.8.7"
FAR = "5.5.5.5"  # beyond this network and its provider
ROUTE = [ROUTER, PROVIDER, BACKBONE, C]


def story(*observations: Any) -> Measurement:
    return measured(vantage(), lookup(), *observations)


def dns(*observations: Any) -> Measurement:
    return measured(vantage(), *observations)


# name, measurement, cause, mechanism, stage, confidence, codes that are there, codes that are not
STORIES: list[tuple[str, Measurement, Cause, Any, Stage, str, set[str], set[str]]] = [
    # all is well
    ("open", story(OPEN), HEALTHY, None, Stage.IDENTITY_SENT, "likely", {"HP162"}, {"HP165"}),
    ("no identity", story(nonce("a"), nonce("b")), HEALTHY, None, Stage.NONCE_RECEIVED, "likely",
     {"HP162"}, set()),
    ("the cloud says nothing to a stranger",
     story(nonce("a"), identity("b", ended_by=Ending.SILENCE)), HEALTHY, None,
     Stage.IDENTITY_SENT, "likely", {"HP162"}, set()),
    ("one nonce only", story(nonce("a")), Cause.INCONCLUSIVE, Mechanism.NO_NONCE,
     Stage.NONCE_RECEIVED, "possible", {"HP162"}, set()),
    ("one attempt was lost", story(tcp(T), nonce("a"), identity("b")), HEALTHY, None,
     Stage.IDENTITY_SENT, "likely", {"HP162", "HP168"}, set()),
    ("SYNs sent again", story(nonce("a", syn_retransmissions=2), identity("b")), HEALTHY, None,
     Stage.IDENTITY_SENT, "likely", {"HP168"}, set()),
    ("stand-in passes", story(OPEN, stand_in(Stage.SESSION, pings_answered=1)), HEALTHY, None,
     Stage.SESSION, "proven", {"HP172", "HP162"}, set()),
    # this machine
    ("through a VPN", measured(vantage(through_tunnel=True, interface="tun0"), lookup(), OPEN),
     Cause.INCONCLUSIVE, Mechanism.OTHER_PATH, Stage.IDENTITY_SENT, "possible", {"HP160"}, set()),
    ("a VPN that is not used", measured(vantage(tunnels=["tun0"]), lookup(), OPEN),
     HEALTHY, None, Stage.IDENTITY_SENT, "likely", {"HP162"}, {"HP160"}),
    ("blocked in another network",
     measured(vantage(device="192.168.7.2", device_network=False), lookup(), SILENT),
     Cause.INCONCLUSIVE, Mechanism.OTHER_PATH, Stage.TCP_SYN, "possible", {"HP160", "HP110"},
     set()),
    ("blocked in the device's network",
     measured(vantage(device="192.168.1.2", device_network=True), lookup(), SILENT, control()),
     NETWORK, Mechanism.SYN_DROPPED, Stage.TCP_SYN, "likely", {"HP110", "HP165"}, {"HP160"}),
    ("no route", measured(vantage(interface=None, address=None), lookup(Lookup.TIMEOUT)),
     Cause.INCONCLUSIVE, Mechanism.NO_TRAFFIC, Stage.DNS, "possible", {"HP161"}, {"HP101"}),
    ("not sent", story(tcp(Connect.NOT_SENT), tcp(Connect.NOT_SENT)), Cause.INCONCLUSIVE,
     Mechanism.NO_TRAFFIC, Stage.DNS, "possible", {"HP161"}, set()),
    ("IPv6 alone", measured(vantage(ip_versions=[6]), lookup(Lookup.TIMEOUT)),
     Cause.INCONCLUSIVE, Mechanism.NO_IPV4, Stage.DNS, "possible", {"HP179"}, {"HP101"}),
    ("IPv6 beside IPv4", measured(vantage(ip_versions=[4, 6]), lookup(), OPEN), HEALTHY, None,
     Stage.IDENTITY_SENT, "likely", {"HP162"}, {"HP179"}),
    # names
    ("NXDOMAIN here alone", dns(lookup(Lookup.NXDOMAIN, rcode="NXDOMAIN"), public(), OPEN),
     NETWORK, Mechanism.DNS_REFUSED, Stage.DNS, "proven", {"HP102"}, {"HP162"}),
    ("NXDOMAIN everywhere",
     dns(lookup(Lookup.NXDOMAIN, rcode="NXDOMAIN"), public(Lookup.NXDOMAIN)),
     Cause.INCONCLUSIVE, Mechanism.DNS_REFUSED, Stage.DNS, "possible", {"HP102"}, set()),
    ("NXDOMAIN, nobody else asked", dns(lookup(Lookup.NXDOMAIN, rcode="NXDOMAIN")),
     NETWORK, Mechanism.DNS_REFUSED, Stage.DNS, "likely", {"HP102"}, set()),
    ("an unknown name of one's own", dns(lookup(Lookup.NXDOMAIN, name="cloud.example")),
     Cause.INCONCLUSIVE, Mechanism.DNS_REFUSED, Stage.DNS, "possible", {"HP102"}, set()),
    ("no address", dns(lookup(Lookup.EMPTY), public()), NETWORK, Mechanism.DNS_NO_ADDRESS,
     Stage.DNS, "proven", {"HP102"}, set()),
    ("sinkhole", dns(lookup(Lookup.ANSWERED, "0.0.0.0"), public()), NETWORK,
     Mechanism.DNS_SINKHOLE, Stage.DNS, "proven", {"HP103"}, set()),
    ("redirected",
     dns(lookup(Lookup.ANSWERED, PRIVATE), public(), tcp(T, target=f"{PRIVATE}:5683")),
     NETWORK, Mechanism.DNS_REDIRECT, Stage.DNS, "likely", {"HP103"}, set()),
    ("every name leads to the portal",
     dns(lookup(Lookup.ANSWERED, PRIVATE), lookup(Lookup.ANSWERED, PRIVATE, **RANDOM),
         tcp(T, target=f"{PRIVATE}:5683")),
     NETWORK, Mechanism.DNS_REDIRECT, Stage.DNS, "likely", {"HP103", "HP163"}, set()),
    ("a cloud of one's own",
     dns(lookup(Lookup.ANSWERED, PRIVATE), public(), nonce("a", target=f"{PRIVATE}:5683"),
         identity("b", target=f"{PRIVATE}:5683")),
     HEALTHY, None, Stage.IDENTITY_SENT, "likely", {"HP162"}, {"HP103"}),
    ("a private address that all agree on",
     dns(lookup(Lookup.ANSWERED, PRIVATE), public(Lookup.ANSWERED, PRIVATE),
         tcp(T, target=f"{PRIVATE}:5683")),
     NETWORK, Mechanism.SYN_DROPPED, Stage.TCP_SYN, "likely", {"HP110"}, {"HP103"}),
    ("no answer", dns(lookup(Lookup.TIMEOUT, attempts=3), public()), NETWORK,
     Mechanism.DNS_NO_ANSWER, Stage.DNS, "likely", {"HP101"}, set()),
    ("one of two resolvers",
     dns(lookup(Lookup.TIMEOUT, resolver="192.168.1.9"), lookup(), OPEN), HEALTHY, None,
     Stage.IDENTITY_SENT, "likely", {"HP164"}, {"HP101"}),
    ("two answers",
     dns(lookup(Lookup.ANSWERED, CLOUD, second_answer=["0.0.0.0"]), OPEN), HEALTHY, None,
     Stage.IDENTITY_SENT, "likely", {"HP104"}, set()),
    # connect
    ("dropped", story(SILENT, control(T), public()), NETWORK, Mechanism.SYN_DROPPED,
     Stage.TCP_SYN, "likely", {"HP110"}, {"HP165", "HP178"}),
    ("nothing at all", story(SILENT, control(T), public(Lookup.TIMEOUT)), NETWORK,
     Mechanism.SYN_DROPPED, Stage.TCP_SYN, "likely", {"HP110", "HP178"}, set()),
    ("dropped behind the router", story(SILENT, control(), walk([ROUTER, T, T], ROUTE)), NETWORK,
     Mechanism.SYN_DROPPED, Stage.TCP_SYN, "likely", {"HP110", "HP165"}, set()),
    ("silent host", story(SILENT, control(T), walk([ROUTER, FAR, T], [ROUTER, FAR, T])),
     Cause.INCONCLUSIVE, Mechanism.SYN_DROPPED, Stage.TCP_SYN, "possible", {"HP110"}, set()),
    ("prohibited", story(rejected(ROUTER, 13), rejected(ROUTER, 13), control()), NETWORK,
     Mechanism.ICMP_PROHIBITED, Stage.TCP_SYN, "proven", {"HP113"}, {"HP501"}),
    ("port unreachable by the host itself", story(rejected(CLOUD, 3), rejected(CLOUD, 3)),
     Cause.INCONCLUSIVE, Mechanism.ICMP_UNREACHABLE, Stage.TCP_SYN, "possible", {"HP501"},
     {"HP113"}),
    ("host unreachable", story(rejected(BACKBONE, 1)), NETWORK, Mechanism.ICMP_UNREACHABLE,
     Stage.TCP_SYN, "likely", {"HP113"}, set()),
    ("refused", story(tcp(R), tcp(R), control()), Cause.INCONCLUSIVE,
     Mechanism.CONNECTION_REFUSED, Stage.TCP_SYN, "possible", {"HP501", "HP165"}, {"HP111"}),
    ("refused early", story(tcp(R), tcp(R), control(), walk([ROUTER, R], ROUTE)), NETWORK,
     Mechanism.SYN_RESET, Stage.TCP_SYN, "proven", {"HP111"}, {"HP501"}),
    ("refused by the host",
     story(tcp(R), tcp(R), control(), walk([ROUTER, PROVIDER, BACKBONE, R], ROUTE)), SERVER,
     Mechanism.CONNECTION_REFUSED, Stage.TCP_SYN, "likely", {"HP501"}, {"HP111"}),
    ("both ports refused", story(tcp(R), tcp(R), control(R),
     walk([ROUTER, R], [ROUTER, R])), Cause.INCONCLUSIVE,
     Mechanism.CONNECTION_REFUSED, Stage.TCP_SYN, "possible", {"HP501"}, {"HP111"}),
    ("refused too soon",
     story(tcp(R, seconds=0.002), tcp(R, seconds=0.002), control(rtt=0.04)), NETWORK,
     Mechanism.SYN_RESET, Stage.TCP_SYN, "likely", {"HP111"}, set()),
    ("refused a little sooner",
     story(tcp(R, seconds=0.03), tcp(R, seconds=0.03), control(rtt=0.04)), Cause.INCONCLUSIVE,
     Mechanism.CONNECTION_REFUSED, Stage.TCP_SYN, "possible", {"HP501"}, {"HP111"}),
    # accepted, no nonce
    ("portal", story(foreign("http"), foreign("http"), unused(C)), NETWORK,
     Mechanism.FOREIGN_NONCE, Stage.TCP_ESTABLISHED, "proven", {"HP121"}, set()),
    ("another service", story(foreign("http"), foreign("http"), unused(T)), NETWORK,
     Mechanism.FOREIGN_NONCE, Stage.TCP_ESTABLISHED, "likely", {"HP121"}, set()),
    ("another service next door", dns(lookup(Lookup.ANSWERED, "192.168.1.9"),
     foreign("ssh", target="192.168.1.9:5683")), Cause.INCONCLUSIVE,
     Mechanism.FOREIGN_NONCE, Stage.TCP_ESTABLISHED, "possible", {"HP503"}, {"HP121"}),
    ("no random bytes", story(foreign(None), foreign(None)), Cause.INCONCLUSIVE,
     Mechanism.NONCE_MALFORMED, Stage.TCP_ESTABLISHED, "possible", {"HP503"}, {"HP121"}),
    ("proxy accepts all",
     story(tcp(ended_by=Ending.SILENCE), tcp(ended_by=Ending.SILENCE), unused(C)), NETWORK,
     Mechanism.ACCEPTED_ON_BEHALF, Stage.TCP_ESTABLISHED, "likely", {"HP120"}, {"HP502"}),
    ("proxy accepts early",
     story(tcp(ended_by=Ending.SILENCE), control(), walk([C], ROUTE)), NETWORK,
     Mechanism.ACCEPTED_ON_BEHALF, Stage.TCP_ESTABLISHED, "proven", {"HP120"}, set()),
    ("silent, and takes what is sent",
     story(tcp(ended_by=Ending.SILENCE, sent="block", delivery=Delivery.ACKNOWLEDGED, waited=8.0),
           unused(T)),
     Cause.INCONCLUSIVE, Mechanism.NO_NONCE, Stage.TCP_ESTABLISHED, "possible", {"HP502"},
     {"HP122", "HP120"}),
    ("payload dropped",
     story(LOST_BLOCK, LOST_BLOCK, unused(T)),
     NETWORK, Mechanism.NONCE_DROPPED, Stage.TCP_ESTABLISHED, "likely", {"HP122"}, {"HP502"}),
    ("payload dropped once", story(LOST_BLOCK, unused(T)), Cause.INCONCLUSIVE,
     Mechanism.NO_NONCE, Stage.TCP_ESTABLISHED, "possible", {"HP502"}, {"HP122"}),
    ("payload, delivery unknown",
     story(tcp(ended_by=Ending.SILENCE, sent="block", delivery=Delivery.UNKNOWN)),
     Cause.INCONCLUSIVE, Mechanism.NO_NONCE, Stage.TCP_ESTABLISHED, "possible", {"HP502"},
     {"HP122"}),
    ("closed at once", story(tcp(ended_by=Ending.CLOSED, ended_after=0.1)), Cause.INCONCLUSIVE,
     Mechanism.NO_NONCE, Stage.TCP_ESTABLISHED, "possible", {"HP502"}, set()),
    ("reset at once", story(tcp(ended_by=Ending.RESET, ended_after=0.1)), Cause.INCONCLUSIVE,
     Mechanism.RESET_BEFORE_NONCE, Stage.TCP_ESTABLISHED, "possible", {"HP515"}, {"HP130"}),
    # nonce, then
    ("the same nonce", story(nonce("a"), nonce("a")), Cause.INCONCLUSIVE,
     Mechanism.NONCE_MALFORMED, Stage.NONCE_RECEIVED, "possible", {"HP504"}, {"HP162"}),
    ("identity dropped",
     story(nonce("a"), *[identity(d, delivery=Delivery.UNACKNOWLEDGED, retransmissions=5,
                                  ended_by=Ending.SILENCE) for d in "bc"]),
     NETWORK, Mechanism.IDENTITY_DROPPED, Stage.IDENTITY_SENT, "likely", {"HP123"}, {"HP162"}),
    ("identity dropped once, arrived once",
     story(nonce("a"), identity("b", delivery=Delivery.UNACKNOWLEDGED, ended_by=Ending.SILENCE),
           identity("c")),
     HEALTHY, None, Stage.IDENTITY_SENT, "likely", {"HP162"}, {"HP123"}),
    ("identity, delivery unknown",
     story(nonce("a"), identity("b", delivery=Delivery.UNKNOWN, ended_by=Ending.SILENCE)),
     Cause.INCONCLUSIVE, Mechanism.IDENTITY_UNANSWERED, Stage.IDENTITY_SENT, "possible",
     {"HP516"}, {"HP123"}),
    ("reset on identity", story(nonce("a"), identity("b", ended_by=Ending.RESET)),
     Cause.INCONCLUSIVE, Mechanism.RESET_AFTER_IDENTITY, Stage.IDENTITY_SENT, "possible",
     {"HP515"}, {"HP130"}),
    ("reset before the cloud can",
     story(nonce("a"), identity("b", ended_by=Ending.RESET, ended_after=0.004)), NETWORK,
     Mechanism.RESET_AFTER_IDENTITY, Stage.IDENTITY_SENT, "likely", {"HP130"}, {"HP515"}),
    ("reset sooner than the slower of two trips",
     story(nonce("a"), identity("b", rtt=0.2, ended_by=Ending.RESET, ended_after=0.02)),
     Cause.INCONCLUSIVE, Mechanism.RESET_AFTER_IDENTITY, Stage.IDENTITY_SENT, "possible",
     {"HP515"}, {"HP130"}),
    ("prohibited after the identity",
     story(nonce("a"), identity("b", ended_by=Ending.ICMP,
           icmp=IcmpAnswer(source=ROUTER, version=4, type=3, code=13))), NETWORK,
     Mechanism.ICMP_PROHIBITED, Stage.IDENTITY_SENT, "proven", {"HP113"}, {"HP162"}),
    ("proxy answers the identity",
     story(nonce("a"), identity("b", reply=80, reply_looks_like="http")), NETWORK,
     Mechanism.FOREIGN_NONCE, Stage.IDENTITY_SENT, "likely", {"HP121"}, {"HP162"}),
    # several addresses
    ("one address of two", story(OPEN, tcp(T, target="198.51.100.8:5683")), Cause.INCONCLUSIVE,
     Mechanism.SYN_DROPPED, Stage.TCP_SYN, "possible", {"HP167"}, set()),
    # the stand-in
    ("stand-in: another key on file",
     story(OPEN, stand_in(Stage.CREDENTIALS_RECEIVED, credentials_open=False,
                          signature_opens=True)),
     Cause.DEVICE_KEY_CORRUPTION, Mechanism.REGISTERED_KEY_DIFFERS, Stage.CREDENTIALS_RECEIVED,
     "proven", {"HP301"}, set()),
    ("stand-in: another cloud",
     story(OPEN, stand_in(Stage.CREDENTIALS_RECEIVED, credentials_open=True,
                          signature_opens=False)),
     Cause.SERVER_KEY_MISMATCH, Mechanism.SIGNATURE_BY_ANOTHER_KEY, Stage.CREDENTIALS_RECEIVED,
     "proven", {"HP203"}, set()),
    ("stand-in: refused",
     story(OPEN, stand_in(Stage.IDENTITY_SENT, ended_by=Ending.CLOSED)),
     Cause.INCONCLUSIVE, Mechanism.IDENTITY_REFUSED, Stage.IDENTITY_SENT, "possible", {"HP405"},
     set()),
    ("stand-in: no Hello", story(OPEN, stand_in(Stage.HELLO_SENT, credentials_open=True)),
     Cause.INCONCLUSIVE, Mechanism.NO_SERVER_HELLO, Stage.HELLO_SENT, "possible", {"HP510"},
     set()),
    # idle time
    ("forgets too soon", story(OPEN, idle(10, True), idle(14, False), idle(20, False)), NETWORK,
     Mechanism.IDLE_TIMEOUT, Stage.IDENTITY_SENT, "likely", {"HP174", "HP173"}, set()),
    ("forgets late", story(OPEN, idle(60, True), idle(300, False)), HEALTHY, None,
     Stage.IDENTITY_SENT, "likely", {"HP173"}, {"HP174"}),
    ("idle untold", story(OPEN, idle(20, None)), HEALTHY, None, Stage.IDENTITY_SENT, "likely",
     set(), {"HP173", "HP174"}),
    # beside
    ("newer devices pass", story(OPEN, udp("dtls_client_hello", "answered", answer="alert")),
     HEALTHY, None, Stage.IDENTITY_SENT, "likely", {"HP170"}, {"HP169"}),
    ("newer devices unconfirmed", story(OPEN, udp("dtls_client_hello", "silent")), HEALTHY, None,
     Stage.IDENTITY_SENT, "likely", {"HP169"}, {"HP170"}),
    ("internet test", story(OPEN, tcp(purpose="internet_test", target="8.8.8.8:53"),
                            udp("ntp", "silent")),
     HEALTHY, None, Stage.IDENTITY_SENT, "likely", {"HP171", "HP150"}, set()),
]  # fmt: skip


@pytest.mark.parametrize(STORY := ("measurement", "cause", "mechanism", "stage", "confidence",
                                   "there", "absent"),
                         [pytest.param(*story[1:], id=story[0]) for story in STORIES])  # fmt: skip
def test_a_story(
    measurement: Measurement,
    cause: Cause,
    mechanism: Mechanism | None,
    stage: Stage,
    confidence: str,
    there: set[str],
    absent: set[str],
) -> None:
    verdict = measurement.verdict
    told = (verdict.cause, verdict.mechanism, verdict.stage, verdict.confidence)
    assert told == (cause, mechanism, stage, confidence)
    codes = set(verdict.findings)
    assert there <= codes
    assert not absent & codes
    if cause is Cause.INCONCLUSIVE:
        assert len(verdict.candidates) >= 2
        assert verdict.settles
    else:
        assert verdict.candidates[0] is cause
    if verdict.confidence is Confidence.PROVEN:
        assert verdict.candidates == [cause]
    known = {observation.id for observation in measurement.observations}
    assert all(set(finding.evidence) <= known for finding in measurement.findings)
    assert verdict.next_steps


def test_the_place_of_a_silent_drop() -> None:
    blocker = story(SILENT, control(), walk([ROUTER, T, T], ROUTE)).verdict.blocker
    assert blocker is not None
    assert (blocker.address, blocker.hop) == (None, 1)
    assert blocker.who == f"{ROUTER} (your router) or right behind it"


def test_no_place_where_icmp_is_filtered() -> None:
    assert story(SILENT, control(), walk([T, T, T], [T, T, T])).verdict.blocker is None
    far = story(SILENT, control(), walk([ROUTER, T, T], [ROUTER, T, T]))
    assert far.verdict.blocker is None


def test_one_lost_answer_is_no_place() -> None:
    """A SYN that vanished once, and routers that answer farther away."""
    hops = walk([ROUTER, T, BACKBONE, T], ROUTE)
    blocker = story(SILENT, control(), hops).verdict.blocker
    assert blocker is not None
    assert blocker.hop == 3


def test_the_place_of_an_icmp_refusal() -> None:
    hops = walk([ROUTER, PROVIDER], ROUTE)
    blocker = story(rejected(PROVIDER, 13), rejected(PROVIDER, 13), hops).verdict.blocker
    assert blocker is not None
    assert (blocker.address, blocker.hop) == (PROVIDER, 2)
    assert blocker.who == "second hop, your provider"


def test_the_place_of_an_early_answer() -> None:
    proxy = story(tcp(ended_by=Ending.SILENCE), control(), walk([C], ROUTE)).verdict.blocker
    assert proxy is not None
    assert (proxy.hop, proxy.who) == (1, f"hop 1 ({ROUTER}, your router)")
    reset = story(tcp(R), control(), walk([ROUTER, R], ROUTE)).verdict.blocker
    assert reset is not None
    assert reset.hop is None
    assert reset.who == f"hop 1 ({ROUTER}, your router) or hop 2 ({PROVIDER}, second hop, " + (
        "your provider)"
    )


def test_what_the_verdict_is_about_is_named() -> None:
    verdict = story(SILENT, control()).verdict
    assert TARGET in verdict.summary
    assert "outbound TCP port 5683" in " ".join(verdict.next_steps)
    assert NAME in " ".join(verdict.next_steps)


JOINT = {"HP180", "HP181", "HP182", "HP183", "HP184"}  # of a probe beside a capture
WITH_PACKETS = {"HP175"}


def test_every_finding_of_a_probe_has_its_story() -> None:
    told = {code for story in STORIES for code in story[6]}
    near = {code for story in STORIES for code in story[7]}
    own = {entry.code for entry in ENTRIES} - JOINT - WITH_PACKETS
    assert own <= told
    assert own - near <= {"HP161", "HP164", "HP163", "HP167", "HP168", "HP171", "HP172"}
