"""Findings on the network (HP1xx): DNS, firewalls, portals, NAT."""

from __future__ import annotations

from handshake_probe.diagnose.catalogue.entry import CLOUD_SIDE, ERROR, INFO, WARNING, entry

ALLOW = (
    "Ask the network's administrator to allow outbound TCP port {port} from {device} to the cloud "
    "(Particle's by name: device.spark.io and device.tcp.particle.io; your own by its address; no "
    "inbound rule is needed).",
    "Check with a phone hotspot: if the device connects there, this network is the cause.",
)
NO_INSPECTION = (
    "Ask the network's administrator to exempt TCP port {port} from {device} from application "
    "control, proxying and inspection: the payload is RSA and AES, not CoAP and not TLS.",
    *ALLOW[1:],
)

ENTRIES = (
    entry(
        "HP101",
        "DNS does not answer",
        ERROR,
        "The device asks for the cloud's name and gets no answer, so it has no address to call.",
        "Questions for a cloud name, repeated, without any answer in the capture.",
        "Answers that the capture missed: other hosts' questions are unanswered as well.",
        "Let the device reach the DNS server it was given by DHCP, or give it another one "
        "(UDP and TCP port 53).",
        "A device with a fixed IP setup may hold a wrong DNS server: set it up again with DHCP.",
    ),
    entry(
        "HP102",
        "DNS refuses the cloud's name",
        ERROR,
        "The DNS server says that the cloud's name does not exist or that it will not tell.",
        "NXDOMAIN, SERVFAIL, REFUSED or an answer without addresses to an A question.",
        "A public resolver that says the same, or a name that was mistyped with "
        "`particle keys server --host`.",
        "Allow the cloud's names in the DNS filter; Particle's are device.spark.io and "
        "device.tcp.particle.io.",
    ),
    entry(
        "HP103",
        "DNS answers with a wrong address",
        ERROR,
        "The cloud's name leads to an address that cannot be the cloud: a sinkhole, or the "
        "gateway or portal itself.",
        "0.0.0.0 or a loopback address, or the address of the DNS server that answered.",
        "A private cloud that really runs on that host: its nonce would show it.",
        "Allow the cloud's names in the DNS filter; Particle's are device.spark.io and "
        "device.tcp.particle.io.",
        "On a network with a login page the device must be exempted: it cannot log in.",
    ),
    entry(
        "HP104",
        "DNS gives two different answers",
        WARNING,
        "One question got two answers that differ: somebody answers in the server's place.",
        "Two responses with one transaction id and different addresses.",
        "Load balancing that answers twice.",
        "Compare with another resolver over TCP or HTTPS.",
    ),
    entry(
        "HP110",
        "Connection attempts are dropped",
        ERROR,
        "The device's SYNs get no answer at all: a firewall drops them silently.",
        "Repeated SYNs without SYN/ACK, reset or ICMP.",
        "Other ports of the same address answer nothing either: then the host may be down.",
        *ALLOW,
    ),
    entry(
        "HP111",
        "Connection attempts are reset by the network",
        ERROR,
        "A reset that carries the cloud's address was made by a device on the way.",
        "Its TTL: no router has decremented it, or it differs from the cloud's other packets.",
        "A cloud that runs on the first hop itself.",
        *ALLOW,
    ),
    entry(
        "HP113",
        "A router refuses the connection",
        ERROR,
        "A router says in so many words that it does not let the connection pass.",
        "An ICMP error that quotes the device's own packet.",
        "A code that only says 'host unreachable' while the cloud is switched off.",
        *ALLOW,
    ),
    entry(
        "HP114",
        "The cloud's answer does not reach the device",
        ERROR,
        "The cloud accepts, and the device goes on asking: the answer is lost behind the capture.",
        "SYN/ACKs repeated while the device repeats its SYN.",
        "A device that crashes at that point.",
        "Look at the access point or switch between this capture and the device.",
    ),
    entry(
        "HP120",
        "Somebody accepts in the cloud's place",
        ERROR,
        "The port looks open, but a proxy or firewall accepts the connection, not the cloud.",
        "The SYN/ACK comes from nearer than the cloud, and no nonce follows.",
        "A genuine nonce from the same distance.",
        *NO_INSPECTION,
    ),
    entry(
        "HP121",
        "A portal or proxy answers instead of the cloud",
        ERROR,
        "What comes back is another protocol, not the cloud's 40 random bytes.",
        "Known first bytes (HTTP, TLS, SSH, …) or statistics no random nonce has "
        "(false alarm at most 4 in a million).",
        "A cloud address or port that was set wrongly on the device.",
        "On a network with a login page the device must be exempted: it cannot log in.",
        *NO_INSPECTION,
    ),
    entry(
        "HP122",
        "The cloud's nonce is dropped",
        ERROR,
        "The connection comes up, but the first data of the cloud is dropped on the way.",
        "The cloud's sequence numbers have moved over bytes that never came by.",
        "A capture that lost frames while the device acknowledged them.",
        *NO_INSPECTION,
    ),
    entry(
        "HP123",
        "The device's identity is dropped",
        ERROR,
        "The device's first 256 bytes are dropped on the way to the cloud.",
        "They are sent again and again and never acknowledged.",
        "A cloud host that died in the same moment.",
        *NO_INSPECTION,
    ),
    entry(
        "HP124",
        "The cloud's answer is dropped",
        ERROR,
        "The cloud answers the identity, and its answer is dropped on the way back.",
        "The cloud's sequence numbers have moved over bytes that never came by.",
        "A capture that lost frames while the device acknowledged them.",
        *NO_INSPECTION,
    ),
    entry(
        "HP125",
        "Session data is dropped",
        ERROR,
        "The handshake passes, and data of the session is dropped on the way.",
        "Repeated and never acknowledged, or skipped by the sender's sequence numbers.",
        "A peer that lost power in the same moment.",
        *NO_INSPECTION,
    ),
    entry(
        "HP130",
        "The connection is reset by the network",
        ERROR,
        "A device on the path cuts the connection with a reset in somebody else's name.",
        "The reset's TTL, its time, its missing timestamps; at least one fact must tell it from "
        "the peer it names, and none may contradict.",
        "A load balancer in front of the cloud with a TTL of its own.",
        *NO_INSPECTION,
    ),
    entry(
        "HP131",
        "The connection is reset, nobody knows by whom",
        WARNING,
        "A reset ends the running session, or answers an identity that nothing acknowledges; who "
        "made it cannot be told.",
        "A reset with the TTL of the cloud's own packets.",
        "A capture on the cloud's side that shows or lacks it.",
        *CLOUD_SIDE,
    ),
    entry(
        "HP140",
        "The live session goes silent",
        ERROR,
        "The session worked, then nothing the device sends is acknowledged any more.",
        "Data repeated without an acknowledgement in a session that carried records before.",
        "A cloud host that vanished in the same moment.",
        "Set the idle time-out of firewall and NAT for TCP port {port} to 60 seconds or more: "
        "the device speaks every 15 seconds.",
        *ALLOW[1:],
    ),
    entry(
        "HP150",
        "The device's own internet test fails",
        INFO,
        "After the failure the firmware tests the internet, and that test gets no answer.",
        "NTP (Device OS 2.0 and later) or TCP 8.8.8.8:53 (up to 1.5) unanswered.",
        "Networks that forbid only NTP or foreign DNS: then the internet works all the same.",
        "The LED shows two orange blinks because of this; it says nothing about the cloud.",
    ),
)
