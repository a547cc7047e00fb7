"""What works on a machine, as text."""

from __future__ import annotations

from typing import TextIO

from handshake_probe.model.equipment import Equipment, Item
from handshake_probe.report.page import Page
from handshake_probe.report.words import counted

_COLUMN = 14  # names


def write_equipment(equipment: Equipment, stream: TextIO) -> None:
    """Writes a line or two for each item, and what that means in all."""
    page = Page(stream)
    head = (equipment.system, f"Python {equipment.python}", f"handshake-probe {equipment.version}")
    page.line((f" {page.glyphs.dot} ".join(head), "dim"), hang=2)
    page.blank()
    for item in equipment.items:
        _item(page, item)
    page.blank()
    missing = [item for item in equipment.items if not item.works]
    broken = [item.name for item in missing if item.essential]
    if broken:
        page.line((f"Nothing works without {', '.join(broken)}.", "bold red"))
    elif missing:
        page.line(f"All that is essential works; {counted(len(missing), 'extra')} missing.")
    else:
        page.line("Everything works.")


def _item(page: Page, item: Item) -> None:
    glyphs = page.glyphs
    if item.works:
        sign, style, state = glyphs.good, "green", "works"
    elif item.essential:
        sign, style, state = glyphs.bad, "red", "broken"
    else:
        sign, style, state = glyphs.warning, "yellow", "missing"
    mark = page.text(f"{sign.ljust(len(glyphs.good))} ", item.name.ljust(_COLUMN))
    mark.stylize(style, 0, len(sign))
    detail = f" ({item.detail})" if item.detail else ""
    page.beside(mark, (f"{state}{detail}", "" if item.works else style), f", for {item.needed_for}")
    if item.add:
        page.exact(page.text(" " * mark.cell_len, (item.add, "bold")))
