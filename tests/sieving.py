"""Makes captures of any size be read as large ones are: boring frames passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from handshake_probe import pipeline
from handshake_probe.capture import inputs
from handshake_probe.capture.inputs import Engine
from handshake_probe.capture.sieve import PythonSieve, Selection, Sieve
from handshake_probe.capture.sift import CompiledSieve, load
from handshake_probe.errors import UnreadableInput
from handshake_probe.model.measurement import to_json


def compiled_sieve(selection: Selection) -> Sieve:
    library = load()
    if library is None:
        pytest.skip("the fast reader is not compiled here: python hatch_build.py")
    return CompiledSieve(selection, library)


SIEVES: dict[str, Callable[[Selection], Sieve]] = {
    "python": PythonSieve,
    "compiled": compiled_sieve,
}


@contextmanager
def sieving(how: str) -> Iterator[None]:
    """Read every file as if it were large, with this sieve."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "WORTH_SIEVING", 0)
        patch.setattr(inputs, "make_sieve", SIEVES[how])
        yield


def judged(path: Path, how: str | None = None, keys: Path | None = None) -> bytes:
    """Return the document, or why there is none; `how` names a sieve, None: every frame decoded."""
    keyring, _ = pipeline.load_keys([str(keys)] if keys else [], [])
    try:
        if how is None:
            return to_json(pipeline.analyze(str(path), keyring=keyring, engine=Engine.OWN))
        with sieving(how):
            return to_json(pipeline.analyze(str(path), keyring=keyring))
    except UnreadableInput as error:
        return str(error).encode()
