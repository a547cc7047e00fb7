"""The pictures of a report: ladder, way, timeline, overview."""

from __future__ import annotations

from handshake_probe.report.sheet.content import Hop, Ladder, Mark, Overview, Path, Timeline
from handshake_probe.report.sheet.shapes import (
    WIDTH,
    Box,
    Label,
    Line,
    Picture,
    Shape,
    arrow,
    fitted,
)

SIGNS = {Mark.GOOD: "✓", Mark.BAD: "✗", Mark.NEUTRAL: "·"}
_LEFT, _RIGHT = 12, WIDTH - 12
_ENDINGS_OF_TWO_LINES = 4  # headings that are wide enough in two lines


def ladder_picture(name: str, ladder: Ladder) -> Picture:
    """Two uprights, and an arrow for each message between them."""
    shapes: list[Shape] = [
        Label(2, 12, fitted(ladder.device, 175), "strong"),
        Label(WIDTH - 2, 27, fitted(ladder.cloud, 220), "strong", "end"),
    ]
    y = 36.0
    told = []
    for rung in ladder.rungs:
        when = rung.when
        room = _RIGHT - _LEFT - 12 - 6 * len(when)
        if rung.arrow:
            shapes.append(Label(_LEFT + 8, y + 12, fitted(rung.label, room)))
            shapes.append(Label(_RIGHT - 8, y + 12, when, "faint", "end"))
            ends = (_LEFT, _RIGHT) if rung.arrow == "to_cloud" else (_RIGHT, _LEFT)
            shapes += arrow(*ends, y + 18, "flow")
            y += 24
        else:
            shapes.append(Label(_LEFT + 8, y + 12, fitted(rung.label, room), "faint"))
            shapes.append(Label(_RIGHT - 8, y + 12, when, "faint", "end"))
            y += 17
        if rung.note:
            shapes.append(Label(_LEFT + 8, y + 10, fitted(rung.note, _RIGHT - _LEFT - 16), "faint"))
            y += 13
        who = {"to_cloud": "to the cloud: ", "to_device": "from the cloud: "}.get(rung.arrow, "")
        note = f" ({rung.note})" if rung.note else ""
        told.append(f"{who}{rung.label}{note} {when} {rung.frame}".strip())
    bad = ladder.mark is Mark.BAD
    ending = f"{SIGNS[ladder.mark]} {ladder.ending}"
    shapes.append(Box(_LEFT + 4, y + 5, _RIGHT - _LEFT - 8, 20, "stop" if bad else "end"))
    shapes.append(Label(WIDTH / 2, y + 19, fitted(ending, 320), ladder.mark, "middle"))
    height = y + 32
    shapes += [Line(x, 32, x, height - 2, "upright") for x in (_LEFT, _RIGHT)]
    return Picture(
        name=name,
        title=f"The handshake as a ladder. {ladder.title}",
        description=f"{ladder.device} and {ladder.cloud}. " + "; ".join(told) + f"; {ending}.",
        height=height,
        shapes=tuple(shapes),
    )


def way_picture(name: str, path: Path) -> Picture:
    """A row for each hop, with the cloud's port on the left and the control's on the right."""
    lanes = (58.0, 216.0) if path.control else (58.0,)
    shapes: list[Shape] = []
    for lane, head in zip(lanes, (path.port, path.control), strict=False):
        shapes.append(Label(lane - 6, 12, fitted(head, 140), "strong"))
    told = []
    y = 34.0
    broken = False
    for number, hop in enumerate(path.hops):
        shapes.append(Label(2, y + 4, fitted(hop.name, 50), "faint"))
        cells = ((hop.answer, hop.mark), (hop.control, hop.control_mark))
        for index, (lane, (answer, mark)) in enumerate(zip(lanes, cells, strict=False)):
            if number and answer:
                dashed = broken and index == 0
                shapes.append(Line(lane, y - 22, lane, y - 6, "cut" if dashed else "flow"))
            stop = hop.stop and index == 0
            if not answer and not stop:
                continue
            shapes.append(Box(lane - 5, y - 5, 10, 10, "stopped" if stop else f"node-{mark}"))
            room = 140.0 if path.control else 280.0
            sign = SIGNS[mark] if answer else ""
            shapes.append(Label(lane + 10, y + 4, fitted(f"{sign} {answer}".strip(), room), mark))
        if hop.stop:
            shapes.append(Label(lanes[0] + 10, y + 17, "stops here or behind", Mark.BAD))
            broken = True
            y += 12
        told.append(_hop_told(path, hop))
        y += 28
    return Picture(
        name=name,
        title="The way to the cloud, hop by hop",
        description="; ".join(told) + ". " + path.told,
        height=y - 10,
        shapes=tuple(shapes),
    )


def _hop_told(path: Path, hop: Hop) -> str:
    told = f"{hop.name}: {hop.answer or 'nothing'}"
    if path.control:
        told += f" on {path.port}, {hop.control or 'nothing'} on {path.control}"
    return told + (", it stops here or right behind" if hop.stop else "")


def timeline_picture(name: str, timeline: Timeline) -> Picture:
    """A bar for each attempt on one axis of seconds."""
    shapes: list[Shape] = []
    scale = (WIDTH - 8) / timeline.seconds
    y = 4.0
    half = len(timeline.tries) - 4
    for number, each in enumerate(timeline.tries):
        if timeline.folded and number == half:
            shapes.append(Label(4, y + 11, f"… {timeline.folded} more …", "faint"))
            y += 18
        shapes.append(Label(4, y + 11, fitted(f"{SIGNS[each.mark]} {each.label}", 305), each.mark))
        width = max(3.0, (each.end - each.begin) * scale)
        begin = min(4 + each.begin * scale, WIDTH - 4 - width)
        shapes.append(Line(4, y + 19, WIDTH - 4, y + 19, "axis"))
        shapes.append(Box(round(begin, 1), y + 16, round(width, 1), 6, f"bar-{each.mark}"))
        y += 27
    for place, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        seconds = _seconds(timeline.seconds * place)
        shapes.append(Label(4 + place * (WIDTH - 8), y + 12, seconds, "faint", anchor))
    told = [f"{_seconds(t.begin)} to {_seconds(t.end)}: {t.label}" for t in timeline.tries]
    more = f"; {timeline.folded} more are left out" if timeline.folded else ""
    return Picture(
        name=name,
        title=f"{timeline.title}, over {_seconds(timeline.seconds)}",
        description="; ".join(told) + more + ".",
        height=y + 18,
        shapes=tuple(shapes),
    )


def overview_picture(name: str, overview: Overview) -> Picture:
    """Numbers of devices: a row for each stage, a column for each ending."""
    left = 116.0
    width = (WIDTH - left) / max(1, len(overview.endings))
    most = max((n for row in overview.counts for n in row), default=1)
    shapes: list[Shape] = []
    told = []
    lines = 2 if len(overview.endings) <= _ENDINGS_OF_TWO_LINES else 3  # of headings, in turn
    for column, ending in enumerate(overview.endings):
        drop = 12 + 12 * (column % lines)
        heading = fitted(ending, lines * width - 4)
        if lines == 3 and column == len(overview.endings) - 1:  # else it leaves the picture
            shapes.append(Label(WIDTH - 2, drop, heading, "faint", "end"))
        else:
            shapes.append(Label(left + width * (column + 0.5), drop, heading, "faint", "middle"))
    y = 10.0 + 12 * lines
    for stage, row in zip(overview.stages, overview.counts, strict=True):
        shapes.append(Label(2, y + 16, fitted(stage, left - 6)))
        for column, (ending, number) in enumerate(zip(overview.endings, row, strict=True)):
            x = left + width * column
            level = 0 if not number else 1 + (3 * number - 1) // most
            shapes.append(Box(x + 1, y, width - 2, 24, f"heat-{min(level, 3)}"))
            if number:
                shapes.append(Label(x + width / 2, y + 16, str(number), "strong", "middle"))
                told.append(f"{stage}, {ending}: {number}")
        y += 27
    return Picture(
        name=name,
        title="How far the devices came, and what ended it",
        description="Devices by furthest stage and ending. " + "; ".join(told) + ".",
        height=y + 2,
        shapes=tuple(shapes),
    )


def _seconds(seconds: float) -> str:
    if seconds >= 120:
        return f"{seconds / 60:.1f} min"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
