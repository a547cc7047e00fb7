"""Measurements that a command is given: documents, reports, or captures analysed now."""

from __future__ import annotations

from pathlib import Path

from handshake_probe import pipeline
from handshake_probe.cli.progress import progress_of
from handshake_probe.keys.keyring import Keyring
from handshake_probe.model.measurement import Measurement
from handshake_probe.pipeline.rejudging import load_measurements

HELP = "give what `--format json` wrote, reports in HTML, or captures"
_BEGINNING = 100  # bytes that tell a document from a capture


def read_measurements(path: str) -> list[Measurement]:
    """Measurements from a document, or a capture analysed now, without keys.

    Raises:
        UnreadableInput: neither, or not readable.
        Interrupted: Ctrl-C while a capture was read.
    """
    if is_document(path):
        return load_measurements(path)
    with progress_of(path) as progress:
        return [pipeline.analyze(path, keyring=Keyring(), progress=progress)]


def is_document(path: str) -> bool:
    """Whether a file begins as JSON or HTML do."""
    try:
        with Path(path).open("rb") as stream:
            beginning = stream.read(_BEGINNING).lstrip(b"\xef\xbb\xbf \t\r\n")
    except OSError:
        return False
    return beginning.startswith((b"{", b"<")) and not beginning.startswith(b"<?xml")
