"""Two played sides and the path between them, for tests of `protocol.Connection`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import shake_128
from typing import Any

import vectors
from handshake_probe.keys.firmware import spki_as_sent
from handshake_probe.packets.units import Direction
from handshake_probe.protocol.connection import Connection
from handshake_probe.protocol.events import Event, Message
from handshake_probe.protocol.seal import Entropy, Seal
from handshake_probe.protocol.settings import (
    CloudSettings,
    DeviceSettings,
    Generation,
    HeldKey,
    Manner,
)
from handshake_probe.protocol.state import Role

NOW = 1_700_000_000.0
ID = vectors.DEVICE_ID.hex()
SPKI = spki_as_sent(bytes(11) + vectors.DEVICE_NUMBERS.n.to_bytes(128, "big"))
DESCRIPTION = b'{"p":6,"m":[{"s":16384,"l":"m","vc":30,"vv":30,"f":"b","n":"0","v":1006,"d":[]}]}'


def scripted(*pieces: bytes) -> Entropy:
    """Entropy that gives these bytes in this order and then nothing."""
    left = bytearray(b"".join(pieces))

    def draw(length: int) -> bytes:
        out = bytes(left[:length])
        del left[:length]
        return out

    return draw


def endless(seed: str) -> Entropy:
    """Entropy that never ends and is the same for the same seed."""
    drawn = 0

    def draw(length: int) -> bytes:
        nonlocal drawn
        out = shake_128(seed.encode()).digest(drawn + length)[drawn:]
        drawn += length
        return out

    return draw


def device_settings(**changes: Any) -> DeviceSettings:
    values: dict[str, Any] = {
        "device_id": ID,
        "key": HeldKey(vectors.DEVICE_NUMBERS, SPKI),
        "server_modulus": vectors.CLOUD_NUMBERS.n,
        "system_description": DESCRIPTION,
        "application_description": b'{"f":["led"],"v":{"counter":2}}',
        "functions": frozenset({"led"}),
        "variables": {"counter": b"\0\0\0\x07"},
        "subscriptions": ("truth/down",),
    }
    return DeviceSettings(**values | changes)


def cloud_settings(**changes: Any) -> CloudSettings:
    register = {ID: vectors.registered_key()}
    values: dict[str, Any] = {"key": vectors.cloud_key(), "register": register.get}
    return CloudSettings(**values | changes)


def device(seal: Seal | None = None, seed: str = "device", **changes: Any) -> Connection:
    settings = device_settings(**changes)
    return Connection(Role.DEVICE, settings, entropy=endless(seed), seal=seal)


def cloud(seal: Seal | None = None, seed: str = "cloud", **changes: Any) -> Connection:
    settings = cloud_settings(**changes)
    return Connection(Role.CLOUD, settings, entropy=endless(seed), seal=seal)


@dataclass
class Pair:
    """A device and a cloud whose bytes cross in no time, unless a test carries them itself."""

    device: Connection = field(default_factory=device)
    cloud: Connection = field(default_factory=cloud)
    now: float = NOW

    def __post_init__(self) -> None:
        self.events: dict[Role, list[Event]] = {role: [] for role in Role}
        self.sent: list[tuple[Direction, bytes]] = []

    def side(self, role: Role) -> Connection:
        return self.device if role is Role.DEVICE else self.cloud

    def note(self, role: Role, events: list[Event]) -> list[Event]:
        self.events[role] += events
        return events

    def start(self) -> Pair:
        for role in Role:
            self.note(role, self.side(role).start(self.now))
        return self

    def act(self, role: Role, action: Callable[[Connection], list[Event]]) -> list[Event]:
        """Let one side do something, and carry everything that follows from it."""
        events = self.note(role, action(self.side(role)))
        self.settle()
        return events

    def carry(self, sender: Role) -> bool:
        """Carry what one side has to send; tell whether it was anything."""
        data = self.side(sender).data_to_send()
        if data:
            receiver = Role.CLOUD if sender is Role.DEVICE else Role.DEVICE
            self.sent.append((sender.sends, data))
            self.note(receiver, self.side(receiver).receive_data(data, self.now))
        return bool(data)

    def settle(self) -> Pair:
        while self.carry(Role.DEVICE) | self.carry(Role.CLOUD):
            pass
        return self

    def pass_time(self, seconds: float) -> Pair:
        """Let the clocks go on, every deadline at its time."""
        end = self.now + seconds
        while True:
            due = {role: self.side(role).timer() for role in Role}
            times = {role: at for role, at in due.items() if at is not None and at <= end}
            if not times:
                break
            role = min(times, key=lambda role: times[role])
            self.now = max(self.now, times[role])
            self.note(role, self.side(role).handle_timer(self.now))
            self.settle()
        self.now = end
        return self


def of(events: list[Event], *kinds: type[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kinds)]


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events if not isinstance(event, Message)]


def said(events: list[Event], direction: Direction | None = None) -> list[bytes]:
    """The plaintexts of one direction, or of both, in the order they were told."""
    return [
        event.plaintext
        for event in of(events, Message)
        if direction is None or event.direction is direction
    ]


GENERATIONS = tuple(Generation)
MANNERS = tuple(Manner)
