"""Reads scenarios from TOML files; `docs/lab.md` explains their tables."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from handshake_probe.lab.scenario import (
    Box,
    Cloud,
    Device,
    Injection,
    Laptop,
    Rule,
    Scenario,
    ScenarioError,
    Shaper,
    Truth,
    need_one_of,
)

FOLDER = Path(__file__).with_name("scenarios")

Table = TypeVar("Table")


def all_scenarios() -> list[Path]:
    """Return the files of all scenarios, by name."""
    return sorted(FOLDER.glob("*.toml"))


def read_scenario(path: Path) -> Scenario:
    """Read a scenario; its name is the file's.

    Raises:
        ScenarioError: it is not TOML, a key is unknown or lacking, or a value cannot be.
    """
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(f"{path}: {error}") from error
    try:
        return _scenario(path.stem, table)
    except ScenarioError as error:
        raise ScenarioError(f"{path}: {error}") from None


def _scenario(name: str, table: dict[str, Any]) -> Scenario:
    devices = tuple(
        _fill(Device, entry | _truth(entry)) for entry in _entries(table.pop("device", [{}]))
    )
    parts: dict[str, Any] = {
        "name": name,
        "devices": devices,
        "cloud": _fill(Cloud, table.pop("cloud", {})),
        "rules": tuple(_fill(Rule, entry) for entry in _entries(table.pop("rule", []))),
        "boxes": tuple(_fill(Box, entry) for entry in _entries(table.pop("box", []))),
        "injections": tuple(
            _fill(Injection, entry) for entry in _entries(table.pop("injection", []))
        ),
    }
    for key, kind in (("shaper", Shaper), ("laptop", Laptop)):
        if key in table:
            parts[key] = _fill(kind, table[key])
    scenario = _fill(Scenario, table | _truth(table) | parts)
    hosts = {item.on for item in scenario.rules} | {item.on for item in scenario.boxes}
    hosts |= {item.on for item in scenario.injections} | {*scenario.settings}
    for host in hosts:
        if host not in scenario.hosts:
            raise ScenarioError(f"there is no host {host!r}, only {', '.join(scenario.hosts)}")
    if not scenario.routers and (
        scenario.capture in ("lan", "wan")
        or scenario.boxes
        or scenario.nat
        or scenario.shaper
        or len(devices) > 1
        or (scenario.laptop and scenario.laptop.way != "lan")
    ):
        raise ScenarioError("this needs a router")
    return scenario


def _truth(table: dict[str, Any]) -> dict[str, Truth]:
    return {"truth": _fill(Truth, table["truth"])} if "truth" in table else {}


def _entries(value: object) -> Iterable[dict[str, Any]]:
    if not isinstance(value, list):
        raise ScenarioError("several of a kind are written [[kind]]")
    return value


def _fill(kind: type[Table], table: object) -> Table:
    """Make a `kind` of a TOML table; lists become tuples."""
    known = fields(cast(Any, kind))
    if not isinstance(table, dict):
        raise ScenarioError(f"{kind.__name__.lower()} is no table")
    if unknown := table.keys() - {item.name for item in known}:
        raise ScenarioError(f"{kind.__name__.lower()} has no {', '.join(sorted(unknown))}")
    for item in known:
        required = item.default is MISSING and item.default_factory is MISSING
        if required and item.name not in table:
            raise ScenarioError(f"{kind.__name__.lower()} lacks {item.name}")
    for name, hint in get_type_hints(kind).items():
        if get_origin(hint) is Literal and name in table:
            need_one_of(table[name], get_args(hint))
    return kind(**{name: _frozen(value) for name, value in table.items()})


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        return {name: _frozen(item) for name, item in value.items()}
    return value
