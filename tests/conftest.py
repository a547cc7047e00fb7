from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

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


# What is sensitive to time runs file by file, in two groups that take about as long. The browser
# reads what the scenarios leave on the shelf.
_SCENARIOS = ("test_lab_scenarios", "test_probe_scenarios", "test_report_browser")
_LIVE = ("test_lab_", "test_probe_", "test_replay_", "test_watch_")


class _ByKind(LoadFileScheduling):  # type: ignore[misc] # which ships no types
    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.partition("::")[0]).stem
        if file in _SCENARIOS:
            return "scenarios"
        return "live" if file.startswith(_LIVE) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    return _ByKind(config, log)
