"""What is asked of the network: which change, for which way the network stops the handshake."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from handshake_probe.keys.particle import PARTICLE_NAMES
from handshake_probe.model.vocabulary import Mechanism
from handshake_probe.report.safe import visible
from handshake_probe.report.sheet.content import Fact, Rule
from handshake_probe.report.sheet.target import Sender, Target
from handshake_probe.report.words import counted

_SENDERS = 8  # devices named in a rule
_NETWORKS = 16  # that many devices are in


class Ask(StrEnum):
    """The kind of change."""

    OPEN = "open"  # a packet filter stops the connection
    DNS = "dns"  # the cloud's name cannot be looked up
    INSPECTION = "inspection"  # the connection opens, what passes on it is cut or replaced
    IDLE = "idle"  # the connection is forgotten while it is silent
    DEVICE = "device"  # a rule for this one device


class Wish(NamedTuple):
    """A change, and for whom."""

    ask: Ask
    target: Target


_ASKS: dict[Mechanism, Ask] = {
    Mechanism.DNS_NO_ANSWER: Ask.DNS,
    Mechanism.DNS_REFUSED: Ask.DNS,
    Mechanism.DNS_NO_ADDRESS: Ask.DNS,
    Mechanism.DNS_SINKHOLE: Ask.DNS,
    Mechanism.DNS_REDIRECT: Ask.DNS,
    Mechanism.SYN_DROPPED: Ask.OPEN,
    Mechanism.SYN_RESET: Ask.OPEN,
    Mechanism.SYN_ACK_LOST: Ask.OPEN,
    Mechanism.CONNECTION_REFUSED: Ask.OPEN,
    Mechanism.ICMP_PROHIBITED: Ask.OPEN,
    Mechanism.ICMP_UNREACHABLE: Ask.OPEN,
    Mechanism.SESSION_SILENT: Ask.IDLE,
    Mechanism.IDLE_TIMEOUT: Ask.IDLE,
    Mechanism.PING_UNANSWERED: Ask.IDLE,
    Mechanism.DEVICE_SINGLED_OUT: Ask.DEVICE,
}

_SENTENCES = {
    Ask.OPEN: "Please allow outbound TCP port {port} from {source} to {destination}.",
    Ask.DNS: "Please let {source} look up the cloud's name and get its real addresses. TCP port "
    "{port} is needed next; it could not be tested, because no address was found.",
    Ask.INSPECTION: "Please exempt TCP port {port} from {source} to {destination} from application "
    "control, proxying and inspection. The port is open, but what passes on it is cut or replaced.",
    Ask.IDLE: "Please keep TCP connections from {source} to port {port} when they are silent for a "
    "while: they open and work, and are then forgotten on the way.",
    Ask.DEVICE: "Please look up which rule applies to {source} (its address, hardware address, "
    "VLAN, group or quarantine) and let it use outbound TCP port {port} to {destination}. "
    "Another machine in the same network gets through.",
}


def ask_for(mechanism: Mechanism | None) -> Ask:
    """What to ask for when the network stops the handshake in this way."""
    return Ask.OPEN if mechanism is None else _ASKS.get(mechanism, Ask.INSPECTION)


def sentence(ask: Ask, target: Target) -> str:
    """The request in one sentence."""
    return _SENTENCES[ask].format(
        port=target.port, source=_source(target), destination=_destination(target)
    )


def all_rules(wishes: Sequence[Wish]) -> tuple[Rule, ...]:
    """The changes as tables; where there are several, each says for whom."""
    if len(wishes) < 2:
        return tuple(rule for wish in wishes for rule in rules(*wish))
    return tuple(
        replace(rule, title=f"{rule.title}, {_source(wish.target)}")
        for wish in wishes
        for rule in rules(*wish)
    )


def rules(ask: Ask, target: Target) -> tuple[Rule, ...]:
    """The change as a table, line by line."""
    cloud = Rule(
        "TCP to the cloud" + (" (needed next)" if ask is Ask.DNS else ""),
        (
            Fact("Action", "exempt" if ask is Ask.INSPECTION else "allow"),
            Fact("Direction", "outbound only; no inbound rule and no port forwarding is needed"),
            Fact("Protocol", "TCP"),
            Fact("Source", _sources(target)),
            Fact("Destination", _destinations(target)),
            Fact("Port", f"{target.port}"),
            Fact("State", "new and established; replies of established connections come back"),
            Fact("Idle timeout", "60 seconds or more; RFC 5382 asks for 2 hours 4 minutes"),
            Fact(
                "Application control",
                "exempt, also where it says “unknown”: the device encrypts by itself (RSA and "
                "AES); it is neither TLS nor HTTP nor CoAP",
            ),
        ),
    )
    if ask is not Ask.DNS:
        return (cloud,)
    resolvers = ", ".join(target.resolvers)
    asked = Rule(
        "DNS for the cloud's names",
        (
            Fact("Action", "allow, and answer with the real addresses"),
            Fact("Direction", "outbound only; no inbound rule is needed"),
            Fact("Protocol", "UDP and TCP"),
            Fact("Source", _sources(target)),
            Fact("Destination", resolvers or "the DNS server the device gets from DHCP"),
            Fact("Port", "53"),
            Fact("Names", ", ".join(target.names) or "the cloud's name"),
        ),
    )
    return (asked, cloud)


def _source(target: Target) -> str:
    if len(target.senders) > 1:
        return f"{len(target.senders)} devices"
    return target.source if target.known else "the device"


def _sources(target: Target) -> str:
    if target.public:
        return "the device; its address is left out of this public report"
    if not target.senders:
        return "the device; its address was not given (probe --device ADDRESS tells it)"
    if len(target.senders) > _SENDERS:
        return _networks(target.senders)
    return ", ".join(
        f"{s.address} ({visible(s.mac)})" if s.mac else s.address for s in target.senders
    )


def _networks(senders: Sequence[Sender]) -> str:
    """Many devices by their networks: nobody makes a rule of a thousand addresses."""
    found: Counter[str] = Counter()
    for sender in senders:
        length = 24 if ipaddress.ip_address(sender.address).version == 4 else 64
        found[str(ipaddress.ip_network(f"{sender.address}/{length}", strict=False))] += 1
    told = [f"{number} in {network}" for network, number in found.most_common(_NETWORKS)]
    more = len(found) - _NETWORKS
    rest = f" and others in {counted(more, 'more network')}" if more > 0 else ""
    return f"{len(senders)} devices: {', '.join(told)}{rest}; best by their group or VLAN"


def _destination(target: Target) -> str:
    if target.names:
        return " and ".join(target.names[:3])
    if len(target.addresses) == 1 and not target.public:
        return target.addresses[0]
    return "the cloud"


def _destinations(target: Target) -> str:
    seen = "" if target.public else ", ".join(target.addresses[:4])
    if target.names:
        told = f"by name: {', '.join(target.names)}"
        return f"{told} (addresses change; seen: {seen})" if seen else told
    if not seen:
        return "the cloud"
    told = f"{seen} (no name of it was seen in this measurement"
    if any(ipaddress.ip_address(address).is_global for address in target.addresses):
        told += f"; if this is Particle's own cloud, allow it by name: {', '.join(PARTICLE_NAMES)}"
    return f"{told})"


def examples_note(target: Target) -> str:
    """What the examples leave open."""
    if len(target.senders) > 1 and target.known:
        return "The examples name the first device; the others need the same, or one group of all."
    if not target.known:
        return f"{target.source} stands for the device's address."
    return ""
