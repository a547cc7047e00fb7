"""The command line: arguments, exit codes, and who hears what (results stdout, talk stderr)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from handshake_probe.cli import front

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line (`sys.argv` by default) and returns its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    page = front.answer(given)
    if page is None:
        from handshake_probe.cli.run import run  # click takes most of a start

        return run(given)
    try:
        sys.stdout.write(page)
        sys.stdout.flush()
    except OSError as error:
        from handshake_probe.cli.run import failed

        return failed(error)
    return 0
