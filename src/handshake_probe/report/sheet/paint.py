"""The light colours of pictures as attributes, for readers that know no style sheet in SVG.

WeasyPrint is one. In a browser the page's style sheet comes first, in light and dark.
"""

from __future__ import annotations

_INK, _SOFT, _LINE, _PANEL = "#1b1f24", "#4d5761", "#c9d1d9", "#f4f6f8"
_GOOD, _BAD, _FLOW = "#0b6b2b", "#b0151f", "#2455a4"
_SMALL = 'font-size="10.5"'
_NORMAL = 'font-size="11.5"'

PAINT: dict[str, dict[str, str]] = {
    "Label": {
        "label": f'{_NORMAL} fill="{_INK}"',
        "strong": f'{_NORMAL} fill="{_INK}" font-weight="600"',
        "faint": f'{_SMALL} fill="{_SOFT}"',
        "good": f'{_NORMAL} fill="{_GOOD}"',
        "bad": f'{_NORMAL} fill="{_BAD}" font-weight="600"',
        "neutral": f'{_NORMAL} fill="{_SOFT}"',
    },
    "Line": {
        "flow": f'stroke="{_FLOW}" stroke-width="1.5"',
        "upright": f'stroke="{_SOFT}" stroke-width="2"',
        "axis": f'stroke="{_LINE}"',
        "cut": f'stroke="{_BAD}" stroke-dasharray="3 3"',
    },
    "Corner": {"flow": f'fill="{_FLOW}"'},
    "Box": {
        "stop": f'fill="none" stroke="{_BAD}" stroke-width="1.5"',
        "end": f'fill="none" stroke="{_LINE}"',
        "stopped": f'fill="#fff" stroke="{_BAD}" stroke-width="3"',
        "node-good": f'fill="{_GOOD}"',
        "node-bad": f'fill="{_BAD}"',
        "node-neutral": f'fill="{_SOFT}"',
        "bar-good": f'fill="{_GOOD}"',
        "bar-bad": f'fill="{_BAD}"',
        "bar-neutral": f'fill="{_SOFT}"',
        "heat-0": f'fill="{_PANEL}"',
        "heat-1": 'fill="#dbe7fb"',
        "heat-2": 'fill="#b3cdf5"',
        "heat-3": 'fill="#8db4ef"',
    },
}
