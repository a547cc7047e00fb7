"""Findings of a replay, whose recorded bytes are held beside others (HP186 to HP199)."""

from __future__ import annotations

from handshake_probe.diagnose.catalogue.entry import ERROR, INFO, WARNING, entry
from handshake_probe.diagnose.catalogue.network import ALLOW

ENTRIES = (
    entry(
        "HP186",
        "Stopped by its content",
        ERROR,
        "What the recorded device sent does not get through; random bytes of the same sizes, with "
        "the same pauses and to the same port do. Something on the way reads the bytes.",
        "Both are sent twice, in turn; the kernel tells which bytes were acknowledged before a "
        "reset, or never.",
        "A cloud that resets a connection on bytes it refuses: run it against a cloud of your own "
        "that is known to close.",
        "Ask the network's administrator which inspection (DPI, IPS, application control) applies "
        "to TCP port {port}, and for an exemption for {cloud}.",
    ),
    entry(
        "HP187",
        "Stopped by its port",
        ERROR,
        "Whatever is sent to this port is stopped, also random bytes; another port of the same "
        "host is not.",
        "The recorded bytes and random ones to the recorded port, the recorded bytes to another "
        "port, each twice.",
        "A host that serves the other port only.",
        *ALLOW,
    ),
    entry(
        "HP188",
        "Stopped whatever the content and the port",
        ERROR,
        "Connections come up, and neither recorded nor random bytes of the same shape arrive, on "
        "either port: size and timing are what is left, or no payload passes at all.",
        "The recorded bytes, random ones and another port, each twice: never acknowledged, or cut "
        "off before they were.",
        "A host that takes no data from anybody.",
        "Ask for the firewall's and the shaper's log of these connections; look for a path that "
        "loses full-sized packets (MTU).",
    ),
    entry(
        "HP189",
        "The recorded part gets through",
        INFO,
        "The network carries what the recorded device sent. A cloud refuses bytes that are not "
        "fresh by closing; that is right, and no block.",
        "At least two runs whose bytes were all acknowledged and that nothing cut off.",
        "A rule for the device alone, or a block that has ended since the recording.",
        "Look at the device itself: capture its own attempt and run `handshake-probe analyze`.",
    ),
    entry(
        "HP190",
        "The replay settles nothing",
        WARNING,
        "Runs differ, or a control is missing, so neither content nor port can be named.",
        "Fewer than two runs of an arm, runs that disagree, or an ending that fits both sides.",
        "The same comparison once more.",
        "Repeat the comparison: `handshake-probe replay CAPTURE --to HOST --compare`.",
    ),
)
