"""The connections of a device: a line for each, and the decrypted conversation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.text import Text

from handshake_probe.model.measurement import ConnectionReport
from handshake_probe.report.page import Page, Part
from handshake_probe.report.safe import visible
from handshake_probe.report.times import CLOCK_TIME, local_time
from handshake_probe.report.words import SHORT_ENDINGS, STAGES, spaced

_TABLE_LIMIT = 8  # more connections than this are folded to
_TABLE_ENDS = 3  # the first and the last ones
_COLUMNS = (5, 10, 22, 15)  # stream, started, reached, ended; the cause takes the rest


def connection_table(page: Page, connections: Sequence[ConnectionReport]) -> None:
    """One line for each connection; the middle of a long list only counted."""
    folded = len(connections) > _TABLE_LIMIT
    first = connections[:_TABLE_ENDS] if folded else connections
    last = connections[-_TABLE_ENDS:] if folded else []
    if not page.narrow:
        _row(page, ["no.", "started", "got as far as", "ended", "verdict"], "dim")
    for connection in first:
        _row(page, _cells(connection))
    if folded:
        page.line((_folded(page, connections[_TABLE_ENDS:-_TABLE_ENDS]), "dim"), indent=4, hang=2)
    for connection in last:
        _row(page, _cells(connection))


def conversation(page: Page, connection: ConnectionReport) -> None:
    """The decrypted messages of one connection, a line each."""
    page.line(f"conversation of connection {connection.stream}, decrypted", indent=2)
    for message in connection.messages:
        when = f"+{message.t:.3f} s"
        to_cloud = message.direction == "device_to_cloud"
        across = page.glyphs.across
        arrow = across + page.glyphs.to_cloud if to_cloud else page.glyphs.to_device + across
        frame = f"frame {message.frame}"
        partial = " (its beginning could not be decrypted)" if message.partial else ""
        if page.narrow:
            mark = page.text(f"    {arrow} ")
            place: Part = (f" ({frame})", "dim")
        else:
            mark = page.text((f"  {when:>13}  ", "dim"), arrow, (f"  {frame:<12}  ", "dim"))
            place = ""
        page.beside(mark, visible(message.summary), partial, place)


def _cells(connection: ConnectionReport) -> list[str]:
    return [
        str(connection.stream),
        local_time(connection.started, CLOCK_TIME),
        STAGES[connection.stage].short,
        SHORT_ENDINGS[connection.ended_by],
        spaced(connection.cause),
    ]


def _row(page: Page, cells: list[str], style: str = "") -> None:
    if page.narrow:
        page.line((f" {page.glyphs.dot} ".join(cells), style), indent=4, hang=2)
        return
    row = Text("    ")
    for cell, width in zip(cells, (*_COLUMNS, 0), strict=True):
        row += page.pad(page.text((cell, style), limit=60), width)
    page.exact(row)


def _folded(page: Page, connections: Sequence[ConnectionReport]) -> str:
    counts = Counter(spaced(connection.cause) for connection in connections)
    told = ", ".join(f"{number} {cause}" for cause, number in counts.most_common())
    return f"{page.glyphs.more} {len(connections)} more: {told}"
