"""The front page: what commands there are. It imports nothing, so that help comes at once."""

from __future__ import annotations

from collections.abc import Sequence

from handshake_probe import __version__

PROGRAM = "handshake-probe"

# The module `cli.NAME` holds a click command named `command`.
COMMANDS = {
    "probe": "Ask the network from here whether it carries the handshake.",
    "watch": "Watch devices try, live, with a verdict that grows.",
    "analyze": "Say what ended the handshakes in a capture or a serial log.",
    "keys": "Say what key files are and whether devices can use them.",
    "led": "Say what the LED of a device tells.",
    "diagnose": "Judge saved measurements again, also a capture beside a probe.",
    "compare": "Say what differs between two measurements, and what that proves.",
    "report": "Write one file for the people who run the network.",
    "explain": "Explain a finding, a number, a signal or a remedy.",
    "replay": "Say a recorded handshake again: to a network, a device, or you.",
    "wireshark": "Show decrypted sessions in Wireshark, and teach it the handshake.",
    "lab": "Play a cloud or a device, also a faulty one.",
    "doctor": "Say what works on this machine.",
    "schema": "Print the JSON Schema of the JSON output.",
}

VERSION = f"{PROGRAM} {__version__}\n"

_LINES = "\n".join(f"  {name:<9} {line}" for name, line in COMMANDS.items())
HELP = f"""\
Usage: {PROGRAM} COMMAND ...   (or --help, --version)

Find out why a Particle or Spark device does not get through to its cloud.

Commands ('{PROGRAM} COMMAND --help' tells more):
{_LINES}

Exit codes: 0 healthy, 1 a cause was found, 2 usage or unreadable input,
3 inconclusive, 4 could not run, 130 interrupted.
Examples:
  {PROGRAM} analyze home.pcapng --keys keys/
"""


def answer(arguments: Sequence[str]) -> str | None:
    """What to print for a command line that asks for nothing more than this page."""
    match arguments:
        case ["--help" | "-h", *_]:
            return HELP
        case ["--version", *_]:
            return VERSION
        case _:
            return None
