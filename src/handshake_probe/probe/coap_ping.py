"""A CoAP ping (RFC 7252 section 4.3): an empty confirmable message, which any CoAP server resets.

Four bytes need no library. aiocoap offers no ping over UDP, and does not tell who sent an ICMP
error.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from handshake_probe.model.probed import UdpProbed
from handshake_probe.probe import datagrams
from handshake_probe.probe.endpoint import Endpoint
from handshake_probe.protocol.coap import CoapMessage, Type, encode


async def ping(
    target: Endpoint, next_id: Callable[[], str], *, waits: Sequence[float] = datagrams.WAITS
) -> UdpProbed:
    """Ping a CoAP server; the answer is "reset" or "other"."""
    message_id = secrets.randbits(16)
    reset = encode(CoapMessage(Type.RST, 0, message_id))

    def name(answer: bytes) -> str:
        return "reset" if answer == reset else "other"

    questions = [encode(CoapMessage(Type.CON, 0, message_id))] * len(waits)
    return await datagrams.probe("coap_ping", target, questions, name, next_id, waits)
