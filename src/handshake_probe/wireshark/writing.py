"""A pcapng stream of original frames and decrypted copies."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from handshake_probe import __version__
from handshake_probe.capture import written
from handshake_probe.capture.facts import CaptureInterface
from handshake_probe.packets.units import Frame
from handshake_probe.report.safe import visible
from handshake_probe.wireshark.decrypted import Decrypted, as_pdu
from handshake_probe.wireshark.exported_pdu import LINK_TYPE

PROGRAM = f"handshake-probe {__version__}"
COPIES = "decrypted by handshake-probe"


class Writer:
    """Makes the blocks; an interface is described before its first packet."""

    def __init__(self) -> None:
        self._interfaces: dict[int | None, int] = {}  # of the original capture; None: our copies

    def start(self, comments: Sequence[str]) -> bytes:
        """The beginning of the file."""
        head = f"Written by {PROGRAM}. Packets of the interface '{COPIES}' are decrypted copies."
        return written.section(program=PROGRAM, comment="\n".join([head, *comments]))

    def original(
        self, frame: Frame, interface: CaptureInterface, comments: Sequence[str] = ()
    ) -> Iterator[bytes]:
        """A frame as it was captured, on `interface`."""
        name = visible(interface.name or f"interface {interface.index}")
        number = yield from self._number(
            interface.index, frame.link_type, name, interface.snap_length
        )
        yield written.packet(number, frame.time_ns, frame.data, frame.length, comments)

    def decrypted(self, message: Decrypted, time_ns: int) -> Iterator[bytes]:
        """A decrypted message."""
        number = yield from self._number(None, LINK_TYPE, COPIES)
        pdu, comments = as_pdu(message)
        yield written.packet(number, time_ns, pdu, len(pdu), comments)

    def _number(
        self, key: int | None, link_type: int, name: str, snap: int = written.SNAP_LENGTH
    ) -> Generator[bytes, None, int]:
        if key not in self._interfaces:
            self._interfaces[key] = len(self._interfaces)
            yield written.interface(link_type, name, snap)
        return self._interfaces[key]
