"""Several captures at once, a process for each; results come in the order of the captures."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from handshake_probe.capture.inputs import STANDARD_INPUT, Engine
from handshake_probe.keys.keyring import Keyring
from handshake_probe.model.measurement import Measurement, from_json, to_json
from handshake_probe.model.vocabulary import Cause
from handshake_probe.pipeline.analysis import analyze


class Written(NamedTuple):
    """A document that another process made, as it is written down."""

    data: bytes  # one line of UTF-8 JSON, without a line end
    cause: Cause

    def read(self) -> Measurement:
        """Return the document itself."""
        return from_json(self.data)


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
    """
    before = set(multiprocessing.active_children())
    with ProcessPoolExecutor(
        min(jobs, len(paths)), initializer=_begin, initargs=(keyring, ports, engine)
    ) as pool:
        try:
            with _interrupts_held():
                waiting = [
                    None if path == STANDARD_INPUT else pool.submit(_one, path) for path in paths
                ]
            for path, future in zip(paths, waiting, strict=True):
                yield _result(path, future, keyring, ports, engine)
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


def _result(
    path: str,
    future: Future[Written] | None,
    keyring: Keyring,
    ports: frozenset[int],
    engine: Engine,
) -> Written | Measurement | Exception:
    try:
        if future is None:
            return analyze(path, keyring=keyring, ports=ports, engine=engine)
        return future.result()
    except Exception as error:
        return error


def _begin(keyring: Keyring, ports: frozenset[int], engine: Engine) -> None:
    """Start a process: Ctrl-C is for the one that was started by the user."""
    global _keyring, _ports, _engine
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _keyring, _ports, _engine = keyring, ports, engine


def _one(path: str) -> Written:
    # As the document itself: what a pickle brings back is equal, but not written down alike. Who
    # only passes it on need not read it.
    measurement = analyze(path, keyring=_keyring, ports=_ports, engine=_engine)
    return Written(to_json(measurement), measurement.verdict.cause)
