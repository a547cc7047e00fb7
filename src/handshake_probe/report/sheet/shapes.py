"""Pictures as shapes: drawn once, written as SVG by a template.

A picture is 360 units wide, so that its text is readable at 320 pixels; its title and description
tell everything that is drawn. Colours come from the page by class, and none stands without a sign.
"""

from __future__ import annotations

from dataclasses import dataclass

from handshake_probe.report.sheet.secrets import harmless

WIDTH = 360
_CHARACTER = 6.1  # width of an average character at the size of a label


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line; `kind` is a class of the page's style sheet."""

    x1: float
    y1: float
    x2: float
    y2: float
    kind: str


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float
    kind: str


@dataclass(frozen=True, slots=True)
class Label:
    """A text; `anchor` is "start", "middle" or "end"."""

    x: float
    y: float
    text: str
    kind: str = "label"
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Corner:
    """A filled triangle, the head of an arrow."""

    points: str
    kind: str


Shape = Line | Box | Label | Corner


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing with the words that stand for it."""

    name: str  # an id, unique on the page
    title: str
    description: str
    height: float
    shapes: tuple[Shape, ...]


def fitted(text: str, width: float) -> str:
    """`text` as it is shown, cut to about `width` units in its middle."""
    text = harmless(text.replace("\n", " "))
    most = max(4, int(width / _CHARACTER))
    if len(text) <= most:
        return text
    head = most // 2
    return f"{text[:head]}…{text[head + 1 - most :]}"


def arrow(x1: float, x2: float, y: float, kind: str) -> tuple[Line, Corner]:
    """A horizontal arrow from `x1` to `x2`."""
    back = -7 if x2 > x1 else 7
    points = f"{x2:g},{y:g} {x2 + back:g},{y - 4:g} {x2 + back:g},{y + 4:g}"
    return Line(x1, y, x2 + back, y, kind), Corner(points, kind)
