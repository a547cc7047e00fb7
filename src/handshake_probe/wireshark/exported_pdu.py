"""Decrypted messages as Wireshark's exported PDUs, link type 252 (LINKTYPE_WIRESHARK_UPPER_PDU).

A PDU is a list of tags, then the bytes to dissect. Each tag: number (2), length (2), value padded
to 4 bytes, all big-endian; tag 0 ends the list. Numbers from Wireshark's `exported_pdu_tlvs.h`.
"""

from __future__ import annotations

import struct

from handshake_probe.packets.units import Endpoint

LINK_TYPE = 252

_END, _DISSECTOR = 0, 12
_ADDRESSES = {4: (20, 21), 16: (22, 23)}  # by address length: tags of source and destination
_PORT_TYPE, _SOURCE_PORT, _DESTINATION_PORT = 24, 25, 26
_FRAME = 30
# The transport was TCP. Told so, Wireshark 4.0 looks for a TCP conversation that an exported PDU
# does not have, and its CoAP dissector stops at an assertion.
_UDP = 3


def exported_pdu(
    payload: bytes, dissector: str, source: Endpoint, destination: Endpoint, frame: int
) -> bytes:
    """Wrap bytes for a Wireshark dissector, such as "coap"; `frame` is the one they came from."""
    from_tag, to_tag = _ADDRESSES[len(source.address)]
    return b"".join(
        (
            _tag(_DISSECTOR, dissector.encode()),
            _tag(from_tag, source.address),
            _tag(to_tag, destination.address),
            _tag(_PORT_TYPE, _word(_UDP)),
            _tag(_SOURCE_PORT, _word(source.port)),
            _tag(_DESTINATION_PORT, _word(destination.port)),
            _tag(_FRAME, _word(frame)),
            _tag(_END, b""),
            payload,
        )
    )


def _tag(number: int, value: bytes) -> bytes:
    value += b"\0" * (-len(value) % 4)
    return struct.pack(">HH", number, len(value)) + value


def _word(value: int) -> bytes:
    return struct.pack(">I", value)
