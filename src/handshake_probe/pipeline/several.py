"""Several captures at once, a process for each; results come in the order of the captures."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import BinaryIO, NamedTuple

from handshake_probe.capture.inputs import STANDARD_INPUT, Engine
from handshake_probe.keys.keyring import Keyring
from handshake_probe.model.measurement import Measurement, from_json
from handshake_probe.model.vocabulary import Cause
from handshake_probe.pipeline.analysis import analyze
from handshake_probe.report.json_lines import write_json


class Written(NamedTuple):
    """A document that another process made; there until the next result is asked for."""

    file: Path  # one line, as `write_json` writes it
    cause: Cause

    def copy_to(self, stream: BinaryIO) -> None:
        """Write it as it is."""
        with self.file.open("rb") as document:
            copyfileobj(document, stream)

    def read(self) -> Measurement:
        """Return the document itself."""
        return from_json(self.file.read_bytes())


_keyring: Keyring
_ports: frozenset[int]
_engine: Engine


def analyze_several(
    paths: Sequence[str],
    *,
    jobs: int,
    keyring: Keyring,
    ports: frozenset[int] = frozenset(),
    engine: Engine = Engine.AUTO,
) -> Iterator[Written | Measurement | Exception]:
    """Yield for each capture its document, or what `analyze` raised.

    At most `jobs` run at a time. Standard input (`-`) is read by this process when its turn comes.
    When the iteration ends early, by Ctrl-C for one, the processes are ended.

    Raises:
        OSError: there is no place for temporary files.
    """
    before = set(multiprocessing.active_children())
    # Documents pass through files: a pipe between processes takes longer than making them anew.
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        ProcessPoolExecutor(
            min(jobs, len(paths)), initializer=_begin, initargs=(keyring, ports, engine)
        ) as pool,
    ):
        files = [Path(folder, str(number)) for number in range(len(paths))]
        try:
            with _interrupts_held():
                waiting = [
                    None if path == STANDARD_INPUT else pool.submit(_one, path, file)
                    for path, file in zip(paths, files, strict=True)
                ]
            for path, file, future in zip(paths, files, waiting, strict=True):
                result: Written | Measurement | Exception
                try:
                    if future is None:
                        result = analyze(path, keyring=keyring, ports=ports, engine=engine)
                    else:
                        result = Written(file, future.result())
                except Exception as error:
                    result = error
                yield result
                file.unlink(missing_ok=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in set(multiprocessing.active_children()) - before:
                process.terminate()
            raise


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let Ctrl-C wait while processes are started: what runs around a fork would swallow it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows, which does not fork
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(keyring: Keyring, ports: frozenset[int], engine: Engine) -> None:
    """Start a process: Ctrl-C is for the one that was started by the user."""
    global _keyring, _ports, _engine
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _keyring, _ports, _engine = keyring, ports, engine


def _one(path: str, file: Path) -> Cause:
    measurement = analyze(path, keyring=_keyring, ports=_ports, engine=_engine)
    with file.open("wb") as stream:
        write_json(measurement, stream)
    return measurement.verdict.cause
