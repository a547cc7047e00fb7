"""Is a connection on some other port a handshake? Sizes alone say it, before any byte is read."""

from __future__ import annotations

from handshake_probe.packets.units import Direction, StreamData, StreamPiece
from handshake_probe.protocol.layouts import IDENTITY_SIZE, NONCE_SIZE


def looks_like_handshake(first_cloud_bytes: int, first_device_bytes: int) -> bool:
    """Tell from the bytes each side sent before the other one spoke again.

    The cloud speaks first with 40 bytes and the device answers with 256. What follows is left
    open: an answer of another size than 384 is a fault worth finding, not another protocol.
    """
    return first_cloud_bytes == NONCE_SIZE and first_device_bytes == IDENTITY_SIZE


class Opening:
    """Holds the first pieces of a stream without a SYN until their sizes say what they are.

    A capture may begin between the SYN and the nonce; the handshake is whole then all the same.
    """

    def __init__(self) -> None:
        self.held: list[tuple[Direction, StreamPiece]] = []
        self._sent = dict.fromkeys(Direction, 0)

    def add(self, direction: Direction, piece: StreamPiece) -> bool | None:
        """Hold a piece; tell whether a handshake begins here, None while it cannot be told."""
        self.held.append((direction, piece))
        cloud, device = Direction.CLOUD_TO_DEVICE, Direction.DEVICE_TO_CLOUD
        if not isinstance(piece, StreamData) or (direction is cloud and self._sent[device]):
            return False
        self._sent[direction] += len(piece.data)
        if self._sent[device] < IDENTITY_SIZE and self._sent[cloud] <= NONCE_SIZE:
            return None if self._sent[cloud] else False
        return looks_like_handshake(self._sent[cloud], self._sent[device])
