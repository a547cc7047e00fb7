"""What is told of connections: lines for a person as they happen, and a log of JSON lines.

The log holds plaintext, peers, ids and fingerprints, never a private or a session key. One line
each, `time` in RFC 3339 and `connection` counted from 1:

    {"time", "connection", "peer", "event": "identity", "device_id", "sent_key"}
    {"time", "connection", "peer", "event": "message", "direction", "hex", "summary"}
    {"time", "connection", "peer", "event": "closed", "reason", "error"}

`sent_key` is the fingerprint of the public key in the identity, null in its short form.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from handshake_probe.keys.fingerprint import fingerprint_of
from handshake_probe.lab.ladder import rung
from handshake_probe.protocol.events import (
    BlockState,
    Event,
    IdentitySent,
    IdentityTest,
    Message,
)
from handshake_probe.protocol.played_events import Closed

Line = Callable[[str], None]


class SentIdentity(NamedTuple):
    """What a device says of itself; it cannot read it back from its own ciphertext."""

    device_id: str
    spki: bytes | None  # None: the short form


class Journal:
    """Where all connections of a side are told.

    Args:
        show: Takes each line for a person; None tells nobody.
        write: Takes each line of the log, without its end; None keeps none.
    """

    def __init__(self, show: Line | None = None, write: Line | None = None) -> None:
        self._show = show
        self._write = write
        self._count = 0

    def open(self, peer: str, now: float, sends: SentIdentity | None = None) -> Entry:
        """Begin the next connection; `sends` is what a device will say in its identity."""
        self._count += 1
        return Entry(self._show, self._write, self._count, peer, now, sends)


class Entry:
    """One connection in the journal."""

    def __init__(
        self,
        show: Line | None,
        write: Line | None,
        number: int,
        peer: str,
        began: float,
        sends: SentIdentity | None,
    ) -> None:
        self.number = number
        self._show = show
        self._write = write
        self._peer = peer
        self._began = began
        self._sends = sends

    def tell(self, events: Iterable[Event]) -> None:
        """Tell events, in order."""
        for event in events:
            now = event.time_ns / 1e9
            line = rung(event)
            if line is not None:
                self.say(now, line)
            fields = self._fields(event)
            if fields is not None and self._write is not None:
                self._write(self._record(now, event, fields))

    def say(self, now: float, line: str) -> None:
        """Show a line that is no event."""
        if self._show is not None:
            self._show(f"[{self.number}] {now - self._began:+9.3f} s  {line}")

    def _record(self, now: float, event: Event, fields: dict[str, object]) -> str:
        time = datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds")
        name = "identity" if isinstance(event, IdentitySent | IdentityTest) else event.name
        head = {
            "time": time.replace("+00:00", "Z"),
            "connection": self.number,
            "peer": self._peer,
            "event": name,
        }
        return json.dumps(head | fields)

    def _fields(self, event: Event) -> dict[str, object] | None:
        match event:
            case IdentitySent() if self._sends is not None:
                return _identity(*self._sends)
            case IdentityTest(state=BlockState.OPENED, device_id=str(device_id)):
                return _identity(device_id, event.device_key)
            case Message():
                return {
                    "direction": event.direction.value,
                    "hex": event.plaintext.hex(),
                    "summary": event.summary,
                }
            case Closed():
                error = None if event.error is None else event.error.value
                return {"reason": event.reason.value, "error": error}
        return None


def _identity(device_id: str, spki: bytes | None) -> dict[str, object]:
    return {
        "device_id": device_id,
        "sent_key": None if spki is None else fingerprint_of(spki),
    }
