"""Live frames from dumpcap, a process of its own: for where libpcap cannot be loaded.

It may have rights that this process lacks: on many systems a group of users may run it.
"""

from __future__ import annotations

import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress

from handshake_probe.capture.live import CannotCapture, NoDoor
from handshake_probe.capture.live_stream import StreamLive
from handshake_probe.errors import UnreadableInput
from handshake_probe.packets.units import Frame

_STARTING = 5.0  # seconds for dumpcap to write its file's head
_BUFFER = "32"  # MiB
_NO_INTERFACE = ("No such device", "no interface", "There is no device")
_NO_RIGHT = ("permission", "privileges")


class DumpcapLive(StreamLive):
    """Frames of one interface.

    Raises:
        NoDoor: dumpcap is not installed.
        UnreadableInput: no such interface.
        CannotCapture: dumpcap may not capture, or does not start.
    """

    how = "dumpcap"

    def __init__(self, interface: str, filters: Sequence[str]) -> None:
        path = shutil.which("dumpcap")
        if path is None:
            raise NoDoor
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `finish`
        started = (self._start(path, interface, what) for what in filters)
        self._process = next((process for process in started if process is not None), None)
        if self._process is None:
            raise self._complaint(interface)
        assert self._process.stdout is not None
        super().__init__(interface, self._process.stdout)  # type: ignore[arg-type]

    def _start(self, path: str, interface: str, what: str) -> subprocess.Popen[bytes] | None:
        """Start it; None when it ends before it writes."""
        command = (path, "-q", "-i", interface, "-f", what, "-B", _BUFFER, "-w", "-")
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._said,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for us: it ends when we say so
        )
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _STARTING)
        if ready:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
        if ready and process.returncode is None:
            return process
        process.kill()
        process.communicate()
        return None

    def _complaint(self, interface: str) -> Exception:
        self._said.seek(0)
        said = self._said.read(4096).decode("utf-8", "replace")
        self._said.close()
        if any(word in said for word in _NO_INTERFACE):
            return UnreadableInput(f"{interface}: there is no such interface")
        if any(word in said.lower() for word in _NO_RIGHT):
            return CannotCapture(f"{interface}: no permission to capture")
        first = next((line.strip() for line in said.splitlines() if line.strip()), "")
        return CannotCapture(f"dumpcap: {first or 'did not start'}")

    def finish(self) -> list[Frame]:
        """Stop it and return what it still wrote."""
        assert self._process is not None
        with suppress(ProcessLookupError, PermissionError):  # it may be another user's by now
            self._process.send_signal(signal.SIGINT)
        frames = super().finish()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self._said.close()
        return frames
