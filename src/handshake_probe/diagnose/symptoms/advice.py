"""What remedies people are told really do, and where they do not apply."""

from __future__ import annotations

from typing import NamedTuple


class Advice(NamedTuple):
    """A remedy or a message that is often given or taken for more than it is."""

    name: str
    also: tuple[str, ...]  # other words for it
    does: str
    applies: str
    not_for: str
    instead: tuple[str, ...] = ()


ADVICE: tuple[Advice, ...] = (
    Advice(
        "factory reset",
        ("reset to factory", "white blinking", "hold setup"),
        "On a Spark Core it restores the factory firmware. A Photon or P1 has none: holding SETUP "
        "ends in DFU mode (blinking yellow), never in white.",
        "the Core only; not even there does it write keys",
        "any key or network problem; a Photon or P1 in any state",
        ("Wi-Fi credentials are cleared by holding SETUP until blue blinks fast.",),
    ),
    Advice(
        "keys doctor",
        ("doctor", "new keys", "particle keys doctor"),
        "Makes a new device key pair, writes the private half to the device and sends the public "
        "half to the cloud. It checks nothing first, and it does not touch the server key.",
        "a device key that does not fit: one orange flash (0.8 to 1.5), code=6, a device that "
        "hangs up after the cloud's 384 bytes",
        'orange twice or three times without any red, code before "Cloud socket connected", '
        "a blocked port, a wrong server key: no new pair helps there. With OpenSSL 3 it may even "
        "write a form the firmware cannot read.",
        (
            "Server key and address: `particle keys server`",
            "A network fault: try a phone hotspot first.",
        ),
    ),
    Advice(
        "keys server",
        ("server key", "particle keys server"),
        "Writes the cloud's public key and its address to the device.",
        "one magenta flash (below 2.0), code=7, code=8, a cloud that hangs up on the identity, a "
        "device that calls a wrong host",
        "a device key that does not fit; a device of a private cloud, unless that cloud's key and "
        "--host are given",
    ),
    Advice(
        "flash tinker",
        ("tinker", "re-flash tinker", "reflash", "particle flash --usb tinker"),
        "Replaces the application. Keys, server address, Wi-Fi and a fixed IP setup stay as they "
        "are.",
        "an application that crashes or blocks (red SOS, breathing magenta)",
        "any failed handshake: the firmware makes it before the application has a say",
        ("See which message is missing: `handshake-probe analyze home.pcap`",),
    ),
    Advice(
        "network not ready",
        ("setup network not ready", "setup gets stuck"),
        "A message of the setup programs: they did not see the device come online in time.",
        "a device that really is off the network (blinking green)",
        "a device that breathes cyan: it is connected, only the claim did not go through",
        ("Claim it by its id: `particle device add <device id>`",),
    ),
    Advice(
        "dfu suffix",
        ("invalid dfu suffix signature", "dfu-util warning", "valid dfu suffix"),
        "dfu-util warns that a file has no suffix of its own format. Files for these devices never "
        "have one.",
        "nothing: it is harmless, the transfer goes on",
        "finding out why a device stays offline",
    ),
    Advice(
        "device doctor",
        ("particle device doctor",),
        "A command that no longer exists in the Particle CLI; a page for the browser took its "
        "place.",
        "nothing",
        "anything",
        ("See what fails instead: `handshake-probe analyze home.pcap`",),
    ),
    Advice(
        "claim",
        ("device add", "unclaimed", "not in console"),
        "Says to whom the device belongs. The handshake does not depend on it: an unclaimed device "
        "reaches breathing cyan.",
        "a device that breathes cyan and is missing in the console",
        "a device that does not get through its handshake",
        ("By its id: `particle device add <device id>`",),
    ),
)
