"""What works on a machine: the document of `doctor`."""

from __future__ import annotations

import msgspec

SCHEMA = "handshake-probe/equipment/1"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One tool, library or privilege."""

    name: str
    works: bool
    detail: str | None = None  # a version, a path, or why it does not work
    needed_for: str
    add: str | None = None  # the one command that adds what is missing, where one does
    essential: bool = False  # without it nothing works


class Equipment(msgspec.Struct, frozen=True, kw_only=True):
    """A machine."""

    schema: str = SCHEMA
    system: str  # "Linux 6.1.0", "Darwin 24.1.0"
    python: str
    version: str  # of this program
    items: list[Item]

    def and_(self, item: Item) -> Equipment:
        """The same with one item more."""
        return msgspec.structs.replace(self, items=[*self.items, item])

    @property
    def usable(self) -> bool:
        """Whether all that is essential works."""
        return all(item.works for item in self.items if item.essential)


def to_json(equipment: Equipment) -> bytes:
    """One line of JSON without newline."""
    return msgspec.json.encode(equipment)
