"""Puts a finished report in its place: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from handshake_probe.errors import UnreadableInput
from handshake_probe.report.sheet import secrets
from handshake_probe.report.sheet.content import Report

_DATA = '<script type="application/json"'  # the rest of a page are the documents


class Form(StrEnum):
    """The forms of a report; each is the ending of its file's name."""

    HTML = "html"
    PDF = "pdf"
    MARKDOWN = "md"
    JSON = "json"
    TEXT = "txt"


def form_of(path: Path) -> Form:
    """The form that a file's name asks for.

    Raises:
        UnreadableInput: it asks for none of them.
    """
    ending = path.suffix.lower().removeprefix(".")
    ending = {"htm": "html", "markdown": "md", "text": "txt"}.get(ending, ending)
    try:
        return Form(ending)
    except ValueError:
        known = ", ".join(f".{form}" for form in Form)
        raise UnreadableInput(f"{path}: the name must end in one of {known}") from None


def written(report: Report, documents: str, form: Form, made: float, *, public: bool) -> bytes:
    """The report in one form, looked through for secrets.

    Raises:
        SecretFound: it holds what no report may hold.
        NoPdf: a PDF cannot be made here.
    """
    if form is Form.PDF:
        from handshake_probe.report.sheet.pdf import pdf

        page = _checked(_html, report, "", public=public)  # paper carries no data
        return pdf(page, made)
    makers = {Form.HTML: _html, Form.MARKDOWN: _markdown, Form.TEXT: _text, Form.JSON: _json}
    return _checked(makers[form], report, documents, public=public).encode()


def put(path: Path, content: bytes) -> None:
    """Write a file beside its place, then move it there.

    Raises:
        UnreadableInput: it cannot be written there.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=".report-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise UnreadableInput(f"{path}: {error.strerror or error}") from error


def _checked(
    make: Callable[[Report, str], str], report: Report, documents: str, *, public: bool
) -> str:
    secrets.inspect(documents, public=public)  # a page may hold them packed
    made = make(report, documents)
    secrets.inspect(made.partition(_DATA)[0], public=public)
    return made


def _html(report: Report, documents: str) -> str:
    from handshake_probe.report.sheet.html import html

    return html(report, documents)


def _markdown(report: Report, documents: str) -> str:
    from handshake_probe.report.sheet.markdown import markdown

    return markdown(report)


def _text(report: Report, documents: str) -> str:
    from handshake_probe.report.sheet.text import text

    return text(report)


def _json(report: Report, documents: str) -> str:
    return documents


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
