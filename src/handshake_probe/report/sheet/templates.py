"""The one door to jinja2: templates escape what they are given, and miss nothing silently.

Every string that a template puts out is made harmless first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from handshake_probe.report.sheet.secrets import harmless


@cache
def page(name: str, escape: Callable[[str], str] | None = None) -> jinja2.Template:
    """A template of this package; with `escape`, text of another form than HTML."""
    loader = jinja2.PackageLoader("handshake_probe.report.sheet", "pages")
    return _environment(escape, loader).get_template(name)


def plain(text: str) -> jinja2.Template:
    """A template whose output is plain text, made from checked values."""
    return _environment(str, None).from_string(text)


def _environment(
    escape: Callable[[str], str] | None, loader: jinja2.BaseLoader | None
) -> jinja2.Environment:
    def finalize(value: Any) -> Any:
        if isinstance(value, Markup) or not isinstance(value, str):
            return value
        shown = harmless(value)
        return shown if escape is None else escape(shown)

    return jinja2.Environment(
        loader=loader,
        autoescape=escape is None,
        finalize=finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=loader is not None,
        lstrip_blocks=loader is not None,
        keep_trailing_newline=True,
    )
