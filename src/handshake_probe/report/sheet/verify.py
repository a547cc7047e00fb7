"""How to see that a change worked, and what the device's owner does next."""

from __future__ import annotations

import re
from collections.abc import Sequence

from handshake_probe.keys.particle import PARTICLE_NAMES
from handshake_probe.report.sheet.content import Kind, Matter, Step
from handshake_probe.report.sheet.target import CLOUD_PORT, Target

# A command has arguments, or is an option; its opening backtick follows a blank or a bracket.
_COMMAND = re.compile(r"(?:(?<=[\s(])|^)`([^`\s]+ [^`]*|--[a-z-]+)`")
# What a command of the catalogue is made of. Filled with anything else, it is prose.
_PLAIN = re.compile(r"[A-Za-z0-9 ._:/,@=<>\[\]-]+")
# What `verification` adds to that; it puts only checked values into its commands.
_SHELL = re.compile(r"[A-Za-z0-9 ._:/,@=<>\[\]()|&'-]+")

_LEADS = {
    Matter.REQUEST: "This page is for whoever owns the device. Do one thing at a time, and look "
    "whether it helped before the next.",
    Matter.OTHER: "The network is not the cause. Do one thing at a time, and look whether it "
    "helped before the next.",
    Matter.HEALTHY: "Nothing failed in what was measured. If the device still does not work, do "
    "one thing at a time.",
    Matter.OPEN: "What was measured leaves more than one reading. The first step would decide.",
}
_KEYS_LATER = (
    "Leave the device's keys and its firmware as they are until the network is proven good: "
    "nothing measured here speaks against them, and a new key changes nothing on the network."
)
# Steps of the verdict that a report says in its own words.
_SAID_ELSEWHERE = ("Ask the network's administrator", "Leave the keys alone.")
_SEND = "Send this report to the people who run the network. Nothing else is needed from you."
_LED = "When it works, the device's LED breathes cyan."


def step(text: str, harmless: re.Pattern[str] = _PLAIN) -> Step:
    """A sentence, with each `command` in backticks told apart.

    After a colon or a comma a command has a line of its own.
    """
    pieces: list[tuple[str, Kind]] = []
    for index, piece in enumerate(_COMMAND.split(text)):  # prose, command, prose, …
        if index % 2 == 0 or harmless.fullmatch(piece) is None:
            kind = Kind.PROSE
        else:
            before = pieces[-1][0].rstrip() if pieces else ":"
            kind = Kind.COMMAND if before.endswith((":", ",")) else Kind.WORD
        if piece:
            pieces.append((piece, kind))
    return Step(tuple(pieces))


def verification(target: Target) -> tuple[Step, ...]:
    """A command, a capture, a display filter; built from checked values."""
    name = target.names[0] if target.names else None
    host = name or (target.addresses[0] if target.addresses and not target.public else None)
    where = f"[{host}]" if host and ":" in host else host
    own = host is not None and (host not in PARTICLE_NAMES or target.port != CLOUD_PORT)
    probe = "handshake-probe probe" + (f" {where}:{target.port}" if own else "")
    steps = [
        f"On a computer in the device's network: `{probe}` (it should end with “healthy”).",
    ]
    if host is not None:
        steps.append(
            f"By hand: `nc -v {host} {target.port} | head -c 40 | xxd` shows 40 random bytes "
            "within two seconds when the way is open."
        )
    who = f"host {target.source} and " if target.known else ""
    error = "icmp6" if target.version == 6 else "icmp"
    wanted = f"{who}(tcp port {target.port} or port 53 or {error})"
    steps.append(f"Capture: `tcpdump -w after.pcap '{wanted}'`")
    field = "ipv6.addr" if target.version == 6 else "ip.addr"
    whom = f"{field} == {target.source} && " if target.known else ""
    shown = "icmpv6" if target.version == 6 else "icmp"
    steps.append(
        f"Wireshark display filter: `{whom}(tcp.port == {target.port} || dns || {shown})` "
        "(decode the port as Data, not as CoAP). A healthy start is 40 bytes to the device, 256 "
        "from it, 384 to it."
    )
    steps.append(f"{_LED} `handshake-probe analyze after.pcap` says how far its handshake came.")
    return tuple(step(text, _SHELL) for text in steps)


def owner_steps(matter: Matter, next_steps: Sequence[str]) -> tuple[Step, ...]:
    """What the owner does, in order."""
    if matter is Matter.REQUEST:
        own = [s for s in next_steps if not s.startswith(_SAID_ELSEWHERE)]
        return tuple(map(step, (_SEND, *own, _LED, _KEYS_LATER)))
    return tuple(map(step, next_steps)) or (step(_LED),)


def owner_lead(matter: Matter) -> str:
    """The sentence above the owner's steps."""
    return _LEADS[matter]
