"""`watch --probe`: the active probe, in a process of its own, once the first device fails."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress

from handshake_probe.errors import UnreadableInput
from handshake_probe.keys.particle import is_particle_name
from handshake_probe.model.measurement import Measurement, from_json
from handshake_probe.model.observations import DnsSeen
from handshake_probe.pipeline.rejudging import beside
from handshake_probe.report.watch_rows import Row, host_of
from handshake_probe.report.words import spaced

_STOPPING = 5.0  # seconds for a probe that is told to stop


class ProbeBeside:
    """Judges a measurement beside the probe, once there is one.

    `tell` is called with a line as the probe begins and ends.
    """

    def __init__(self, tell: Callable[[str], None], cloud_keys: Sequence[str]) -> None:
        self._tell = tell
        self._keys = tuple(cloud_keys)
        self._process: subprocess.Popen[bytes] | None = None
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        self.found: Measurement | None = None
        """What the probe found, once it is done."""

    def __call__(self, measurement: Measurement, told: list[Row]) -> Measurement:
        """The measurement, judged beside the probe if that is done."""
        if self._process is None:
            failing = next((row for row in told if row.failures), None)
            if failing is not None:
                self._start(measurement, failing)
        elif self.found is None and self._process.poll() is not None:
            self._read()
        return measurement if self.found is None else beside(measurement, self.found)

    def close(self) -> None:
        """Stop a probe that still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOPPING)
        self._output.close()

    def _start(self, measurement: Measurement, failing: Row) -> None:
        target = _target(measurement, failing)
        command = [sys.executable, "-m", "handshake_probe", "probe", *target]
        command += ["--device", failing.address, "--format", "json"]
        for key in self._keys[:1]:
            command += ["--cloud-key", os.path.abspath(key)]
        if target and not self._keys and not is_particle_name(target[0].partition(":")[0]):
            command.append("--no-identity")  # it would be encrypted with another cloud's key
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C ends the watch, and the watch ends it
        )
        self._tell(f"probing, because {failing.address} fails")

    def _read(self) -> None:
        self._output.seek(0)
        try:
            self.found = from_json(self._output.read())
        except UnreadableInput:
            assert self._process is not None
            self._tell(f"the probe failed (exit code {self._process.returncode})")
            return
        self._tell(f"probe from here: {spaced(self.found.verdict.cause)}")


def _target(measurement: Measurement, failing: Row) -> list[str]:
    """The cloud as the device knows it: the name it asked for, else the address it calls."""
    connection = failing.connection
    if connection is None:
        return []
    address, _, port = connection.cloud.rpartition(":")
    names = [
        o.name
        for o in measurement.observations
        if isinstance(o, DnsSeen)
        and o.host == failing.address
        and host_of(connection.cloud) in o.addresses
    ]
    return [f"{names[-1] if names else address}:{port}"]
