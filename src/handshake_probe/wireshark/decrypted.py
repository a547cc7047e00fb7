"""One decrypted message on its way into a capture."""

from __future__ import annotations

from typing import NamedTuple

from handshake_probe.packets.units import Endpoint
from handshake_probe.report.safe import visible
from handshake_probe.wireshark.exported_pdu import exported_pdu
from handshake_probe.wireshark.masking import masked


class Decrypted(NamedTuple):
    """A message and where it was found."""

    frame: int  # that completed it
    source: Endpoint
    destination: Endpoint
    plaintext: bytes
    summary: str
    partial: bool  # its first 16 bytes are unknown: nothing that CoAP can be read from


def as_pdu(message: Decrypted) -> tuple[bytes, list[str]]:
    """The exported PDU and its comments; a claim code is masked in the bytes."""
    shown, hidden = masked(message.plaintext)
    dissector = "data" if message.partial else "coap"
    pdu = exported_pdu(shown, dissector, message.source, message.destination, message.frame)
    comments = [f"decrypted copy of frame {message.frame}: {visible(message.summary)}"]
    if hidden:
        comments.append(f"the claim code is masked: its bytes are shown as {ord('*'):#x}")
    return pdu, comments
