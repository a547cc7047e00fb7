"""Products of network administrators: where their logs are, and an example of the rule for each.

Each product is a file in `vendors/`. An example is a template that sees only checked values:
`source`, `version` (of IP), `names`, `addresses`, `port`.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

import msgspec

from handshake_probe.report.sheet.content import Example
from handshake_probe.report.sheet.request import Ask
from handshake_probe.report.sheet.target import Target
from handshake_probe.report.sheet.templates import plain


class Snippet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rule for some kinds of request."""

    asks: list[Ask]
    where: str
    text: str


class Vendor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One product, as its file tells it."""

    name: str
    order: int
    look: str
    words: list[str]
    example: list[Snippet]


@cache
def vendors() -> tuple[Vendor, ...]:
    """All products, in their order."""
    folder = files(__package__) / "vendors"
    found = [
        msgspec.convert(tomllib.loads(file.read_text("utf-8")), Vendor)
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    ]
    return tuple(sorted(found, key=lambda vendor: (vendor.order, vendor.name)))


def examples(ask: Ask, target: Target) -> tuple[Example, ...]:
    """What each product's administrator looks for and may enter."""
    return tuple(
        Example(
            name=vendor.name,
            look=_filled(vendor.look, target),
            words=tuple(_filled(word, target) for word in vendor.words),
            where=snippet.where,
            text=_written(snippet, target),
        )
        for vendor in vendors()
        for snippet in vendor.example
        if ask in snippet.asks
    )


def _filled(text: str, target: Target) -> str:
    return text.replace("{source}", target.source).replace("{port}", str(target.port))


def _written(snippet: Snippet, target: Target) -> str:
    return (
        plain(snippet.text)
        .render(
            source=target.source,
            version=target.version,
            names=target.names,
            addresses=() if target.public else target.addresses,
            port=target.port,
        )
        .strip("\n")
    )
