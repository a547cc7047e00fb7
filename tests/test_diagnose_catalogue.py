"""The catalogue of findings: complete, used, and safe to fill."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import handshake_probe.diagnose
from handshake_probe.diagnose.catalogue import (
    CATALOGUE,
    account,
    capture,
    device_key,
    key_files,
    network,
    peers,
    probe,
    replay,
    server_key,
    symptoms,
)
from handshake_probe.diagnose.catalogue.entry import Entry
from handshake_probe.keys import defects

ROOMS = {
    network: "1",
    probe: "1",
    replay: "1",
    server_key: "2",
    device_key: "3",
    account: "4",
    peers: "5",
    capture: "6",
    key_files: "7",
    symptoms: "8",
}
DIAGNOSE = Path(handshake_probe.diagnose.__file__).parent
CODE = re.compile(r"HP\d{3}")
PLACEHOLDERS = {"{id}", "{device}", "{cloud}", "{port}"}

every_entry = pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.code)


def codes_used() -> Iterator[str]:
    """Codes in the source's string constants, outside the catalogue itself."""
    for path in [*sorted(DIAGNOSE.rglob("*.py")), Path(defects.__file__)]:
        if path.parent.name == "catalogue":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from CODE.findall(node.value)


def test_every_code_a_rule_uses_is_explained() -> None:
    used = set(codes_used())
    assert used  # the search finds something
    assert used <= set(CATALOGUE)


def test_every_explained_code_is_used() -> None:
    assert set(CATALOGUE) <= set(codes_used())


def test_no_code_is_explained_twice() -> None:
    assert sum(len(room.ENTRIES) for room in ROOMS) == len(CATALOGUE)


@pytest.mark.parametrize(
    ("room", "hundred"), ROOMS.items(), ids=[room.__name__.rpartition(".")[2] for room in ROOMS]
)
def test_every_room_keeps_to_its_hundred(room: ModuleType, hundred: str) -> None:
    assert {entry.code[:3] for entry in room.ENTRIES} == {f"HP{hundred}"}


@every_entry
def test_every_entry_says_what_it_means_how_it_is_told_and_what_speaks_against_it(
    entry: Entry,
) -> None:
    assert CODE.fullmatch(entry.code)
    assert not entry.title.endswith(".")
    for text in (entry.meaning, entry.detection, entry.doubt):
        assert text.endswith(".")
        assert "  " not in text


@every_entry
def test_only_validated_values_are_filled_into_remedies(entry: Entry) -> None:
    for step in entry.remedy:
        assert set(re.findall(r"\{[^}]*\}", step)) <= PLACEHOLDERS
        assert step
        assert step == step.strip()
    for text in (entry.title, entry.meaning, entry.detection, entry.doubt):
        assert "{" not in text


@every_entry
def test_what_needs_doing_has_a_remedy(entry: Entry) -> None:
    if entry.severity != "info":
        assert entry.remedy
