"""`replay --offline`: a recorded handshake, step by step on the terminal."""

from __future__ import annotations

import sys

from handshake_probe.cli import complaints
from handshake_probe.cli.exits import ExitCode
from handshake_probe.keys.keyring import Keyring
from handshake_probe.pipeline.recorded import Recorded, transcribed
from handshake_probe.report.page import Page
from handshake_probe.report.replay_steps import show_step, steps_of


def step_through(found: Recorded, keyring: Keyring) -> ExitCode:
    """Show every step; on a terminal wait for Enter between them."""
    steps = steps_of(*transcribed(found, keyring))
    page = Page(sys.stdout)
    connection = found.connection
    page.line(
        (f"connection {connection.stream}: {connection.device} to {connection.cloud}", "bold")
    )
    waits = sys.stdin.isatty() and sys.stdout.isatty()
    for number, step in enumerate(steps, 1):
        show_step(page, number, len(steps), step)
        if waits and number < len(steps):
            complaints.say("Enter: the next step; q: end")
            if sys.stdin.readline().strip().lower() in ("q", "quit"):
                return ExitCode.HEALTHY
    if not steps:
        page.line("Nothing passed on it that could be shown.", indent=2)
    return ExitCode.HEALTHY
