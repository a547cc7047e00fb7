"""Claim codes out of decrypted messages: a code lets whoever reads it take the device over."""

from __future__ import annotations

import re

from handshake_probe.protocol.coap import Malformed, Option, parse

_CLAIM = b"spark/device/claim/"
# In bytes that are no whole message: the name's end, in one option or two, then the code.
_TORN = re.compile(rb"(?<=claim[/\x04]code).+", re.DOTALL)
_EVENTS = (b"e", b"E")
_ERASED = b"\xff"  # flash that holds no code: a finding, and no secret


def masked(plaintext: bytes) -> tuple[bytes, bool]:
    """The same message, a claim code in it as as many `*`; and whether there was one."""
    message = parse(plaintext)
    if isinstance(message, Malformed):
        found = _TORN.search(plaintext)
        if found is None:
            return plaintext, False
        return plaintext[: found.start()] + b"*" * len(found[0]), True
    path = message.values(Option.URI_PATH)
    claims = path[:1] and path[0] in _EVENTS and b"/".join(path[1:]).startswith(_CLAIM)
    size = len(message.payload)
    if not claims or not message.payload.strip(_ERASED):
        return plaintext, False
    return plaintext[:-size] + b"*" * size, True
