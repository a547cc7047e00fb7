"""The ladder: one connection's steps between device and cloud, and where it stopped.

```
  device 192.168.10.2:41224         10.99.10.2:5683 cloud
    │── connects ────────────────────────────────────▶│    +0.000 s  frame 1
    │◀─ greeting (nonce) · 40 bytes ──────────────────│    +0.012 s  frame 4
    │ ✗ closed from the cloud's side                  │
```
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rich.text import Text

from handshake_probe.model.measurement import ConnectionReport, EventEntry
from handshake_probe.model.vocabulary import Cause, EndedBy
from handshake_probe.report.page import READABLE_WIDTH, Page
from handshake_probe.report.safe import visible
from handshake_probe.report.words import CAUSES, ENDINGS, STYLES, spaced

_FIRST_STEPS = 10  # shown of a long connection, then "… more", then
_LAST_STEPS = 3
_INDENT = 4
_MESSAGE_WIDTH = 28  # of a decrypted message's summary; `--messages` shows it whole
_WHEN_WIDTH = 26  # "  +12345.678 s  frame 12345"


class Step(NamedTuple):
    """How an event is drawn."""

    arrow: str  # "to_cloud", "to_device", or "" for a remark
    label: str


STEPS: dict[str, Step] = {
    "syn": Step("to_cloud", "connects"),
    "syn_ack": Step("to_device", "accepts"),
    "nonce_received": Step("to_device", "greeting (nonce)"),
    "nonce_short": Step("to_device", "greeting (nonce), not whole"),
    "identity_sent": Step("to_cloud", "identity (who it is)"),
    "identity_short": Step("to_cloud", "identity, not whole"),
    "credentials_received": Step("to_device", "credentials (session key)"),
    "credentials_short": Step("to_device", "credentials, not whole"),
    "credentials_odd_size": Step("to_device", "credentials of a wrong size"),
    "session_keys": Step("", "session key"),
    "device_record": Step("to_cloud", "encrypted message"),
    "cloud_record": Step("to_device", "encrypted message"),
    "records_unlisted": Step("", "more encrypted messages"),
    "device_fin": Step("to_cloud", "closes"),
    "cloud_fin": Step("to_device", "closes"),
    "device_rst": Step("to_cloud", "reset"),
    "cloud_rst": Step("to_device", "reset"),
    "icmp": Step("to_device", "ICMP error"),
}


def draw_ladder(page: Page, connection: ConnectionReport, still_open: str | None = None) -> None:
    """Draws one connection; a list of lines instead when the page is narrow.

    `still_open`: what to say of one that had not ended, where the capture has not either.
    """
    events = connection.events
    between = events[_FIRST_STEPS:-_LAST_STEPS]
    folded = len(between) > 1
    shown = [*events[:_FIRST_STEPS], None, *events[-_LAST_STEPS:]] if folded else events
    draw = _Lines(page) if page.narrow else _Ladder(page)
    draw.ends(connection.device, connection.cloud)
    for event in shown:
        if event is None:
            hidden = count_steps(between)
            draw.remark(f"{page.glyphs.more} {hidden} more steps {page.glyphs.more}", "dim")
        else:
            draw.event(event)
    draw.remark(*_stop(page, connection, still_open))


def _stop(page: Page, connection: ConnectionReport, still_open: str | None) -> tuple[str, str]:
    """The last line: who ended it, marked when that is where the handshake stopped."""
    ending = ENDINGS[connection.ended_by]
    if connection.ended_by is EndedBy.CAPTURE_END and still_open is not None:
        return still_open, "dim"
    if connection.cause in (Cause.HEALTHY, Cause.UNCLAIMED):
        return ending, "dim"
    symbol = CAUSES[connection.cause].symbol
    if connection.ended_by is EndedBy.CAPTURE_END and symbol == "bad":
        return ending, "dim"
    return f"{getattr(page.glyphs, symbol)} {ending}", STYLES[symbol]


def count_steps(events: Iterable[EventEntry]) -> int:
    """Steps that entries stand for."""
    return sum(event.records or 1 for event in events)


def label_of(event: EventEntry) -> str:
    """What an entry tells, in words."""
    step = STEPS.get(event.event)
    label = step.label if step else spaced(event.event)
    return label if event.records is None else f"{event.records} {label}"


def _label(page: Page, event: EventEntry) -> str:
    label = label_of(event)
    if event.message:
        label = visible(event.message, _MESSAGE_WIDTH)
    return label if event.bytes is None else f"{label} {page.glyphs.dot} {event.bytes} bytes"


def _arrow(event: EventEntry) -> str:
    step = STEPS.get(event.event)
    return step.arrow if step else ""


def _list_ends(page: Page, device: str, cloud: str) -> None:
    page.line(("device ", "dim"), device, indent=2, hang=2)
    page.line(("cloud  ", "dim"), cloud, indent=2, hang=2)


class _Lines:
    """The steps as lines, for narrow pages."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def ends(self, device: str, cloud: str) -> None:
        _list_ends(self._page, device, cloud)

    def event(self, event: EventEntry) -> None:
        arrow = _arrow(event)
        mark = getattr(self._page.glyphs, arrow) if arrow else self._page.glyphs.dot
        label = _label(self._page, event)
        note = f": {visible(event.note)}" if event.note else ""
        self._page.line(
            f"{mark} {label}{note} ",
            (f"(+{event.t:.3f} s, frame {event.frame})", "dim"),
            indent=2,
            hang=2,
        )

    def remark(self, remark: str, style: str) -> None:
        self._page.line((remark, style), indent=2, hang=2)


class _Ladder:
    """The steps as rungs between two uprights."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._side = page.text(page.glyphs.side)
        uprights = 2 * self._side.cell_len
        self._rung = min(page.width, READABLE_WIDTH) - _INDENT - uprights - _WHEN_WIDTH

    def ends(self, device: str, cloud: str) -> None:
        left = self._page.text(("device ", "dim"), device)
        right = self._page.text(cloud, (" cloud", "dim"))
        between = self._rung + 4 - left.cell_len - right.cell_len
        if between >= 2:
            self._page.exact(Text("  ") + left + Text(" " * between) + right)
        else:
            _list_ends(self._page, device, cloud)

    def event(self, event: EventEntry) -> None:
        when = self._page.text((f"{f'+{event.t:.3f} s':>13}  frame {event.frame}", "dim"))
        arrow, label, note = _arrow(event), _label(self._page, event), visible(event.note or "")
        beside = bool(note) and len(label) + len(note) <= self._rung - 8
        told = self._page.text(f"{label}, {note}" if beside else label, limit=self._rung - 6)
        self._upright(self._arrow(arrow, told) if arrow else Text(" ") + told, when)
        if note and not beside:
            self.remark(note, "dim")

    def remark(self, remark: str, style: str) -> None:
        text = self._page.text((remark, style))
        for line in self._page.wrapped(text, self._rung - 2):
            self._upright(Text(" ") + line, Text())

    def _arrow(self, arrow: str, label: Text) -> Text:
        glyphs = self._page.glyphs
        line = Text(glyphs.across * 2 + " ") + label + Text(" ")
        if arrow == "to_cloud":
            return line + Text(glyphs.across * (self._rung - line.cell_len - 1) + glyphs.to_cloud)
        line = Text(glyphs.to_device) + line[1:]
        return line + Text(glyphs.across * (self._rung - line.cell_len))

    def _upright(self, rung: Text, when: Text) -> None:
        inner = self._page.pad(rung, self._rung)
        self._page.exact(Text(" " * _INDENT) + self._side + inner + self._side + when)
