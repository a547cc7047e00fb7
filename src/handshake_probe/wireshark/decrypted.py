"""One decrypted message on its way into a capture."""

from __future__ import annotations

from handshake_probe.packets.path import PathFacts
from handshake_probe.packets.units import Direction
from handshake_probe.protocol.events import Message
from handshake_probe.report.safe import visible
from handshake_probe.wireshark.exported_pdu import exported_pdu
from handshake_probe.wireshark.masking import masked


def as_pdu(facts: PathFacts, message: Message, frame: int) -> tuple[bytes, list[str]]:
    """The exported PDU and its comments; a claim code is masked in the bytes.

    `frame` is the number, in the file that is written, of the frame that completed the message.
    """
    source, destination = facts.device, facts.cloud
    if message.direction is Direction.CLOUD_TO_DEVICE:
        source, destination = destination, source
    shown, hidden = masked(message.plaintext)
    # Without its head a message is nothing that CoAP can be read from.
    dissector = "data" if message.truncated_head else "coap"
    comments = [f"decrypted copy of frame {frame}: {visible(message.summary)}"]
    if hidden:
        comments.append("the claim code is masked: its bytes are shown as asterisks")
    return exported_pdu(shown, dissector, source, destination, frame), comments
