"""What the hosts of one story share, and the addresses of what stands outside it."""

from __future__ import annotations

from dataclasses import dataclass, field

from handshake_probe.lab.memory.path import Path
from handshake_probe.lab.memory.schedule import Schedule
from handshake_probe.lab.memory.story import Story
from handshake_probe.protocol.events import Event

TIME_NAME, TIME_SERVER = "pool.ntp.org", "162.159.200.1"
OPEN_RESOLVER = "8.8.8.8"


@dataclass
class Played:
    """One connection as the device's side saw it."""

    device: int
    port: int
    events: list[Event]


@dataclass
class Scene:
    """The story, its time and its path, and the connections that were played so far."""

    story: Story
    schedule: Schedule
    path: Path
    played: list[Played] = field(default_factory=list)
