from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

CAPTURES = Path(__file__).resolve().parent.parent / "captures"

# "ci" finds the same examples in every run; "search" looks for new ones.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def captures_dir() -> Path:
    return CAPTURES


@pytest.fixture(scope="session")
def truth() -> list[dict[str, Any]]:
    """The right verdicts, one entry per recording; captures/README.md tells the fields."""
    entries: list[dict[str, Any]] = json.loads((CAPTURES / "truth.json").read_text("utf-8"))
    return entries


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where tests leave reports in HTML for the browser."""
    return tmp_path_factory.mktemp("reports")


# What plays networks is sensitive to time: it runs in one process, the rest in another (xdist).
_PLAYS = ("test_lab_", "test_probe_", "test_replay_", "test_watch_", "test_report_browser")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        name = item.path.stem
        group = "plays" if name.startswith(_PLAYS) else name
        item.add_marker(pytest.mark.xdist_group(group))
