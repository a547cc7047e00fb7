"""The stories of HP1xx: names, firewalls, portals, resets, silence."""

from __future__ import annotations

from coverage_cases import (
    but,
    case,
    other_rule,
    until,
)
from coverage_parts import (
    CLOUD,
    CLOUD_TTL,
    ELSEWHERE,
    LONG,
    NAME,
    ROUND_TRIP,
    C,
    M,
    Told,
    cut,
    named,
    rule,
    ruled,
)
from handshake_probe.lab import seals
from handshake_probe.lab.memory.cast import cloud, device, nobody
from handshake_probe.lab.memory.story import TO_CLOUD, TO_DEVICE, Does
from handshake_probe.lab.script import START, Ending

# The network.

DNS_SILENT = named("")
NXDOMAIN = named("nxdomain", attempts=2)
SINKHOLE = named("0.0.0.0", attempts=2)
TWO_ANSWERS = named(f"{CLOUD} {ELSEWHERE}")
SYN_DROPPED = ruled(Does.DROP, what="syn")
SYN_RESET = ruled(Does.RESET, what="syn")
PROHIBITED = ruled(Does.REFUSE, place=2, what="syn", ttl=255)
SYN_ACK_LOST = ruled(Does.DROP, place=0, what="syn_ack", way=TO_DEVICE)
PROXY = case(
    rules=rule(Does.ANSWER, way=TO_CLOUD, what="cloud"),
    boxes=(cloud(script=cut(START, Ending.SILENCE)),),
)
PORTAL = case(
    rules=rule(Does.ANSWER, way=TO_CLOUD, what="cloud"), boxes=(cloud(seal=seals.TextNonce),)
)
NONCE_DROPPED = ruled(Does.DROP, way=TO_DEVICE, size=40)
IDENTITY_DROPPED = ruled(Does.DROP, way=TO_CLOUD, size=256)
CREDENTIALS_DROPPED = ruled(Does.DROP, way=TO_DEVICE, size=384)
HELLO_DROPPED = ruled(Does.DROP, way=TO_DEVICE, what="data", since=0.88)
IDENTITY_RESET = ruled(Does.RESET, way=TO_CLOUD, size=256, both=True, seconds=ROUND_TRIP)
SESSION_RESET = but(
    LONG,
    rules=rule(
        Does.RESET, way=TO_CLOUD, what="data", since=10.0, ttl=CLOUD_TTL, seconds=ROUND_TRIP
    ),
)
FORGOTTEN = but(LONG, rules=rule(Does.DROP, what="cloud", since=10.0))
NTP_DROPPED = case(
    devices=(device(tests_internet="ntp"),),
    clouds=(nobody(),),
    rules=rule(Does.DROP, what="ntp"),
)

NETWORK = {
    "HP101": Told(
        reached=DNS_SILENT,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.DNS_NO_ANSWER,
        near=but(DNS_SILENT, names={NAME: ("", CLOUD)}),
        thin=until(DNS_SILENT, 1.5),
    ),
    "HP102": Told(
        reached=NXDOMAIN,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.DNS_REFUSED,
        near=but(NXDOMAIN, names={NAME: ("nxdomain", CLOUD)}),
        thin=until(NXDOMAIN, 0.5003),
    ),
    "HP103": Told(
        reached=SINKHOLE,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.DNS_SINKHOLE,
        near=but(SINKHOLE, names={NAME: ("0.0.0.0", CLOUD)}),
        thin=until(SINKHOLE, 0.5003),
    ),
    "HP104": Told(
        reached=TWO_ANSWERS,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(TWO_ANSWERS, names={NAME: (f"{CLOUD} {CLOUD}",)}),
        thin=but(TWO_ANSWERS, view={"loses": frozenset({5})}),
    ),
    "HP110": Told(
        reached=SYN_DROPPED,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.SYN_DROPPED,
        near=other_rule(SYN_DROPPED, times=2),
        thin=until(SYN_DROPPED, 1.2),
    ),
    "HP111": Told(
        reached=SYN_RESET,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.SYN_RESET,
        near=other_rule(SYN_RESET, ttl=CLOUD_TTL),
        thin=until(SYN_RESET, 0.5007),
    ),
    "HP113": Told(
        reached=PROHIBITED,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.ICMP_PROHIBITED,
        near=other_rule(PROHIBITED, times=1),
        thin=until(PROHIBITED, 0.5007),
    ),
    "HP114": Told(
        reached=SYN_ACK_LOST,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.SYN_ACK_LOST,
        near=other_rule(SYN_ACK_LOST, times=1),
        thin=until(SYN_ACK_LOST, 0.6),
    ),
    "HP120": Told(
        reached=PROXY,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.ACCEPTED_ON_BEHALF,
        near=but(PROXY, boxes=(cloud(),)),
        thin=until(PROXY, 4.0),
    ),
    "HP121": Told(
        reached=PORTAL,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.FOREIGN_NONCE,
        near=but(PORTAL, boxes=(cloud(),)),
        thin=until(PORTAL, 0.502),
    ),
    "HP122": Told(
        reached=NONCE_DROPPED,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.NONCE_DROPPED,
        near=other_rule(NONCE_DROPPED, times=2),
        thin=until(NONCE_DROPPED, 11.0),
    ),
    "HP123": Told(
        reached=IDENTITY_DROPPED,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.IDENTITY_DROPPED,
        near=other_rule(IDENTITY_DROPPED, times=2),
        thin=until(IDENTITY_DROPPED, 1.3),
    ),
    "HP124": Told(
        reached=CREDENTIALS_DROPPED,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.CREDENTIALS_DROPPED,
        near=other_rule(CREDENTIALS_DROPPED, times=2),
        thin=until(CREDENTIALS_DROPPED, 3.0),
    ),
    "HP125": Told(
        reached=HELLO_DROPPED,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.RECORD_DROPPED,
        near=other_rule(HELLO_DROPPED, times=1),
        thin=until(HELLO_DROPPED, 2.0),
    ),
    "HP130": Told(
        reached=IDENTITY_RESET,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.RESET_AFTER_IDENTITY,
        near=other_rule(IDENTITY_RESET, ttl=CLOUD_TTL),
        thin=until(IDENTITY_RESET, 0.6972),
    ),
    "HP131": Told(
        reached=SESSION_RESET,
        cause=C.INCONCLUSIVE,
        mechanism=M.RESET_IN_SESSION,
        near=other_rule(SESSION_RESET, ttl=64),
        thin=until(SESSION_RESET, 15.0),
    ),
    "HP140": Told(
        reached=FORGOTTEN,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.SESSION_SILENT,
        near=other_rule(FORGOTTEN, until=17.0),
        thin=until(FORGOTTEN, 16.4),
    ),
    "HP150": Told(
        reached=NTP_DROPPED,
        cause=C.INCONCLUSIVE,
        mechanism=M.CONNECTION_REFUSED,
        near=but(NTP_DROPPED, rules=()),
        thin=until(NTP_DROPPED, 0.7),
    ),
}
