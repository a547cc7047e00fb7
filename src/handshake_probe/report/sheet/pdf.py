"""The report as PDF: printed by Chromium where there is one, else laid out by WeasyPrint."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from handshake_probe.errors import HandshakeProbeError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_TIMEOUT = 120  # seconds for one page
_DATE = re.compile(rb"(/(?:CreationDate|ModDate) ?\(D:)\d{14}([^)]*)\)")

_NEITHER = (
    "a PDF needs a browser or a library: install Chromium (`apt install chromium`), or WeasyPrint "
    '(`pip install "handshake-probe[pdf]"`)'
)
_NO_PANGO = (
    "WeasyPrint is installed, but not the Pango library it draws text with: install it "
    "(`apt install libpango-1.0-0 libpangoft2-1.0-0`), or Chromium (`apt install chromium`)"
)


class NoPdf(HandshakeProbeError):
    """Nothing here can make a PDF; the message names both ways."""


def pdf(page: str, made: float) -> bytes:
    """A page in HTML as PDF, with `made` as the time it says it was made.

    Raises:
        NoPdf: neither a browser nor WeasyPrint.
    """
    browser = find_browser()
    printed = _by_chromium(browser, page) if browser else _by_weasyprint(page)
    stamp = datetime.fromtimestamp(made, UTC).strftime("%Y%m%d%H%M%S").encode()
    # As long as before: no offset in the file moves.
    return _DATE.sub(lambda found: found[1] + stamp + found[2] + b")", printed)


def find_browser() -> str | None:
    """The path of a Chromium or Chrome."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def _by_chromium(browser: str, page: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="handshake-probe-") as folder:
        source, target = Path(folder, "report.html"), Path(folder, "report.pdf")
        source.write_text(page, "utf-8")
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            "--disable-extensions",
            "--no-first-run",
            "--no-pdf-header-footer",
            f"--user-data-dir={folder}/profile",
            f"--print-to-pdf={target}",
            source.as_uri(),
        ]
        if getattr(os, "geteuid", lambda: 1)() == 0:
            command.insert(1, "--no-sandbox")  # Chromium's sandbox refuses root
        try:
            done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoPdf(f"{browser} did not print the report ({error})") from error
        if not target.exists():
            complaint = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise NoPdf(f"{browser} did not print the report ({' '.join(complaint)})")
        return target.read_bytes()


def _by_weasyprint(page: str) -> bytes:
    try:
        import weasyprint
    except ImportError as error:
        raise NoPdf(_NEITHER) from error
    except OSError as error:  # it loads Pango while it is imported
        raise NoPdf(_NO_PANGO) from error
    printed: bytes = weasyprint.HTML(string=page, url_fetcher=_fetch_nothing).write_pdf()
    return printed


def _fetch_nothing(url: str) -> dict[str, object]:
    raise ValueError(f"a report fetches nothing, and this one wants {url[:80]}")
