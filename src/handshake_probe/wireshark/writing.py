"""A pcapng stream of original frames and decrypted copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from handshake_probe import __version__
from handshake_probe.capture import written
from handshake_probe.capture.facts import CaptureInterface
from handshake_probe.packets.path import PathFacts
from handshake_probe.packets.units import Frame
from handshake_probe.protocol.events import Message
from handshake_probe.report.safe import visible
from handshake_probe.wireshark.decrypted import as_pdu
from handshake_probe.wireshark.exported_pdu import LINK_TYPE

PROGRAM = f"handshake-probe {__version__}"
COPIES = "decrypted by handshake-probe"
_COPIES = 0  # the interface's number


class Writer:
    """Makes the blocks; an interface is described before its first packet."""

    def __init__(self) -> None:
        self._interfaces: dict[int, int] = {}  # numbers in the new file; 0 are our copies

    def start(self, comments: Sequence[str]) -> bytes:
        """The beginning of the file."""
        head = f"Written by {PROGRAM}. Packets of the interface '{COPIES}' are decrypted copies."
        comment = "\n".join([head, *comments])
        return written.section(program=PROGRAM, comment=comment) + written.interface(
            LINK_TYPE, COPIES
        )

    def original(
        self, frame: Frame, interface: CaptureInterface, comments: Sequence[str] = ()
    ) -> Iterator[bytes]:
        """A frame as it was captured, on `interface`."""
        if interface.index not in self._interfaces:
            self._interfaces[interface.index] = len(self._interfaces) + 1
            name = visible(interface.name or f"captured {interface.index}")
            yield written.interface(frame.link_type, name, interface.snap_length)
        number = self._interfaces[interface.index]
        yield written.packet(number, frame.time_ns, frame.data, frame.length, comments)

    def decrypted(self, facts: PathFacts, message: Message, frame: int) -> bytes:
        """A decrypted message; `frame` is the number its last frame has in what is written."""
        pdu, comments = as_pdu(facts, message, frame)
        return written.packet(_COPIES, message.time_ns, pdu, len(pdu), comments)
