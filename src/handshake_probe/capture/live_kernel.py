"""What the ways of taking frames from the kernel's own buffer share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from handshake_probe.packets.units import Frame

SNAP_LENGTH: Final = 262_144
BUFFER: Final = 32 << 20  # bytes in the kernel: half a minute of handshakes while we are busy
AT_ONCE: Final = 20_000  # frames of one `take`, so that the screen and the keys get their turn
_SMALLEST = 64  # bytes a frame takes in the buffer


class KernelLive(ABC):
    """A `live.LiveSource` whose frames wait in the kernel."""

    def __init__(self, interface: str) -> None:
        self.name = interface
        self.damage: str | None = None
        self._dropped = 0  # as far as was asked

    @property
    def ended(self) -> bool:
        """The interface is gone."""
        return self.damage is not None

    @property
    @abstractmethod
    def dropped(self) -> int | None:
        """Frames lost since the start."""

    @abstractmethod
    def take(self) -> list[Frame]:
        """Return the frames that are there."""

    @abstractmethod
    def _close(self) -> None:
        """Give the kernel's buffer back."""

    def finish(self) -> list[Frame]:
        """Return what the kernel still holds, and close."""
        frames = []
        while taken := self.take():
            frames += taken
            if self.damage is not None or len(frames) >= BUFFER // _SMALLEST:
                break
        self._dropped = self.dropped or 0
        self._close()
        return frames
