"""A key check as text: each file, what fits together, what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TextIO

from rich.text import Text

from handshake_probe.model.keycheck import (
    PARTICLE_PLACE,
    KeyAddress,
    KeyChecked,
    KeysChecked,
    KeyTie,
)
from handshake_probe.report.page import Page
from handshake_probe.report.safe import visible
from handshake_probe.report.words import STYLES, counted

ROLES = {
    "cloud_private": "a cloud's private key",
    "cloud_public": "a cloud's public key, the server key of its devices",
    "device_private": "a device's private key",
    "registered": "a device's public key, as a cloud registers it",
    "presented": "a device's public key that a server saved from a handshake it refused",
    "ec_private": "an elliptic-curve private key (UDP devices)",
    "ec_public": "an elliptic-curve public key (UDP devices)",
}
FIRMWARE = {
    "usable": "can use it",
    "unusable": "cannot use it",
    "convert_first": "could use the key, not this text form of it",
    "not_used": "no concern of it: TCP devices hold no such key",
}
TOOLS = {
    "accept": "OpenSSL and strict parsers accept it",
    "strict_refuse": "OpenSSL accepts it, strict parsers refuse it",
    "refuse": "OpenSSL and its like refuse it",
}
HURTS = {
    "tools": "tools stumble, devices do not",
    "firmware": "devices stumble, tools do not",
    "both": "devices and tools stumble",
}
_SYMBOLS = {"error": "bad", "warning": "warning", "info": "unknown"}
_VERDICTS = {
    "usable": ("good", "all usable, nothing contradicts"),
    "defect": ("bad", "a defect or a mismatch was found"),
    "unreadable": ("warning", "not everything could be checked"),
}
# relation → the mark in the matrix, what it says, a symbol for its style
_RELATIONS = {
    "pair": ("P", "private and public half of one key", "good"),
    "same": ("=", "the same key", "good"),
    "damaged_copy": ("~", "one is a damaged copy of the other", "bad"),
    "mismatch": ("X", "should fit and does not", "bad"),
}
_MATRIX_LIMIT = 20  # files; more columns do not fit a page
_TIES_SHOWN = 50


def write_keys(document: KeysChecked, stream: TextIO) -> None:
    """Writes the report of one key check to `stream`, as wide as it is (80 in a pipe)."""
    page = Page(stream)
    for number, file in enumerate(document.files, 1):
        if number > 1:
            page.blank()
        _file(page, number, file)
    if len(document.files) > 1:
        page.blank()
        _together(page, document)
    if document.next_steps:
        page.blank()
        page.line(("next", "bold"), indent=2)
        for number, step in enumerate(document.next_steps, 1):
            page.step(f"{number}. ", step, indent=4)
    page.blank()
    symbol, words = _VERDICTS[document.verdict]
    told = f"{counted(len(document.files), 'file')}: {words}"
    page.line((f"{getattr(page.glyphs, symbol)} {told}", STYLES[symbol]), hang=2)


def _file(page: Page, number: int, file: KeyChecked) -> None:
    page.line((f"{number}  {visible(file.source)}", "bold"), hang=3)
    page.field("what", ROLES[file.role] if file.role else "no key that can be read")
    size = f", {file.algorithm} {file.bits} bits" if file.bits else ""
    page.field("form", f"{file.form}{size}")
    if file.fingerprint:
        page.field("public half", file.fingerprint)
    if file.device_id:
        page.field("device id", file.device_id)
    if file.address:
        page.field("address", _address(file.address))
    if file.role or file.firmware == "unusable":
        page.field("firmware", FIRMWARE[file.firmware])
        page.field("tools", TOOLS[file.tools])
    for defect in file.defects:
        symbol = _SYMBOLS[defect.severity]
        mark = page.text((f"  {getattr(page.glyphs, symbol)} {defect.code} ", STYLES[symbol]))
        stumbles = f" ({HURTS[defect.hurts]})" if defect.hurts in HURTS and file.role else ""
        page.beside(mark, defect.text + stumbles)


def _address(address: KeyAddress) -> str:
    if address.host is None:
        return f"the device's default host, port {address.port}"
    return f"{address.host}, port {address.port}"


def _together(page: Page, document: KeysChecked) -> None:
    page.line(("what fits together", "bold"), indent=2)
    ties = document.ties
    particle = any(tie.second == PARTICLE_PLACE for tie in ties)
    if len(document.files) <= _MATRIX_LIMIT and not page.narrow:
        _matrix(page, document, particle=particle)
    for tie in [t for t in ties if t.text][:_TIES_SHOWN]:
        symbol = "bad" if tie.relation in ("mismatch", "damaged_copy") else "warning"
        mark = f"    {getattr(page.glyphs, symbol)} {tie.code} {_places(tie)} "
        page.beside(page.text((mark, STYLES[symbol])), tie.text or "")
    counts = Counter(tie.relation for tie in ties)
    if not counts:
        page.line("No two of these files have to do with each other.", indent=4)
        return
    if len(document.files) > _MATRIX_LIMIT or page.narrow:
        _groups(page, document.files, ties)


def _places(tie: KeyTie) -> str:
    other = "built-in" if tie.second == PARTICLE_PLACE else str(tie.second + 1)
    return f"{tie.first + 1}-{other}"


def _matrix(page: Page, document: KeysChecked, *, particle: bool) -> None:
    """A square of marks: rows and columns are the files' numbers, `C` the built-in key."""
    marks: dict[tuple[int, int], str] = {
        (tie.first, tie.second): tie.relation for tie in document.ties
    }
    count = len(document.files)
    columns = [*range(count), *([PARTICLE_PLACE] if particle else [])]
    head = "".join(f"{'C' if c == PARTICLE_PLACE else c + 1!s:>3}" for c in columns)
    page.exact(page.text((f"       {head}", "dim")))
    for row in range(count):
        line = page.text((f"    {row + 1:>3}", "dim"))
        for column in columns:
            relation = marks.get((row, column)) or marks.get((column, row))
            line += _cell(page, relation, own=row == column)
        page.exact(line)
    used = {tie.relation for tie in document.ties}
    for relation, (mark, words, _) in _RELATIONS.items():
        if relation in used:
            page.line((f"{mark} ", "bold"), words, indent=4, hang=2)
    if particle:
        page.line(("C ", "bold"), "the Particle cloud's key, built in", indent=4, hang=2)


def _cell(page: Page, relation: str | None, *, own: bool) -> Text:
    if own:
        return page.text(("  \\", "dim"))
    if relation is None:
        return page.text((f"  {page.glyphs.dot}", "dim"))
    mark, _, symbol = _RELATIONS[relation]
    return page.text((f"  {mark}", STYLES[symbol]))


def _groups(page: Page, files: Sequence[KeyChecked], ties: Sequence[KeyTie]) -> None:
    """The files of each key, where a matrix would be too wide."""
    by_key: dict[str, list[int]] = {}
    for number, file in enumerate(files, 1):
        if file.fingerprint:
            by_key.setdefault(file.fingerprint, []).append(number)
    for numbers in by_key.values():
        if len(numbers) > 1:
            page.line(f"one key: files {', '.join(map(str, numbers))}", indent=4, hang=2)
