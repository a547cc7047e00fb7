"""Every report, opened in Chromium: no request, no error, room enough, readable by everybody."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from handshake_probe.report.sheet.pdf import find_browser
from report_room import hostile_measurements, many_devices, office_and_hotspot, probes
from report_shelf import shelve
from test_report_redaction import RECORDINGS, measured_with_keys

LOOK = Path(__file__).with_name("browser") / "look.js"
_PER_PAGE = 20  # seconds, on a busy machine
_OLDEST_NODE = 20  # that playwright-core runs on


def lack() -> str | None:
    if find_browser() is None:
        return "no Chromium, scripts/need-chromium installs it"
    node = shutil.which("node")
    if node is None:
        return "node not installed"
    version = subprocess.run((node, "--version"), capture_output=True, text=True, check=True)
    if int(version.stdout.strip().lstrip("v").partition(".")[0]) < _OLDEST_NODE:
        return f"node {version.stdout.strip()} is older than {_OLDEST_NODE}"
    if not (LOOK.parent / "node_modules" / "installed").exists():
        return "what it needs from npm is not installed, scripts/need-chromium does it"
    return None


@pytest.fixture(scope="module")
def seen(shelf: Path) -> list[dict[str, Any]]:
    """What the browser saw of each report; other tests have left theirs on the shelf."""
    reason = lack()
    if reason is not None:
        pytest.skip(f"reports not opened: {reason}")
    for recording in RECORDINGS:
        shelve(shelf, recording.stem, measured_with_keys(recording))
    for name, measurement in probes().items():
        shelve(shelf, f"probe-{name}", measurement)
    for number, hostile in enumerate(hostile_measurements()):
        shelve(shelf, f"hostile-{number}", hostile, honest=False)
    shelve(shelf, "office-and-hotspot", *office_and_hotspot())
    shelve(shelf, "many-devices", many_devices(40))
    files = sorted(map(str, shelf.glob("*.html")))
    command = ["node", str(LOOK), str(find_browser()), *files]
    # Home may not be writable, and nothing of ours belongs there.
    environment = os.environ | {"HOME": str(shelf)}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=environment,
        timeout=_PER_PAGE * len(files),
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(files) > 60
    return found


# The first test waits for the browser to have opened them all.
@pytest.mark.timeout(900)
def test_nothing_runs_and_nothing_is_requested(seen: list[dict[str, Any]]) -> None:
    for page in seen:
        assert (page["console"], page["requests"], page["handlers"]) == ([], [], []), page["file"]
        assert page["elements"].count("script") == 1  # the measurements: data, never run
        assert not {"img", "iframe", "object", "link", "form", "a"} & set(page["elements"])


def test_everybody_can_read_them(seen: list[dict[str, Any]]) -> None:
    """Contrast AA in light and dark, names for pictures: axe-core finds nothing."""
    for page in seen:
        assert page["axe"] == [], page["file"]
        assert page["light"] != page.get("dark")
        assert len(page["ids"]) == len(set(page["ids"]))


def test_they_fit_320_and_1280_pixels(seen: list[dict[str, Any]]) -> None:
    for page in seen:
        assert (page["wide"], page["cut"]) == ([], []), page["file"]


def test_one_device_fits_four_pages(seen: list[dict[str, Any]]) -> None:
    for page in seen:
        several = page["file"].startswith(("many", "office", "hostile", "scenario"))
        assert page["pages"] <= (8 if several else 4), page["file"]
