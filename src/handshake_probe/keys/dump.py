"""Finds key slots in a dump: a device's whole configuration area or flash, read as one file.

A Photon's configuration area holds the device's key at byte 34 and the server key at byte 2082;
flash holds copies of it, and a Core's keys, elsewhere. A header that is right tells where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from handshake_probe.keys.firmware import DEVICE_SLOT_LENGTH
from handshake_probe.keys.slots import DEVICE_SLOTS, SERVER_SLOTS

# Longer than any slot that is dumped alone: what lies in it need not start at its beginning.
LONGEST_SLOT = max(*DEVICE_SLOTS, *SERVER_SLOTS)

_SERVER_SLOT_LENGTH = 512
# PKCS#1 with a modulus of 128 bytes, or PKCS#8; SPKI of 2048 bits.
_DEVICE_KEY = re.compile(rb"\x30\x82\x02.\x02\x01\x00(?:\x02\x81\x81\x00|\x30\x0d\x06\x09)", re.S)
_SERVER_KEY = re.compile(re.escape(bytes.fromhex("30820122300d06092a864886f70d01010105000382010f")))
_KINDS = ((_DEVICE_KEY, DEVICE_SLOT_LENGTH), (_SERVER_KEY, _SERVER_SLOT_LENGTH))


class FoundSlot(NamedTuple):
    """Where a slot starts in a dump, and its bytes."""

    start: int
    data: bytes


def slots_in(dump: bytes) -> Iterator[FoundSlot]:
    """Yield what starts like a key slot: devices' before servers', none inside another."""
    for header, length in _KINDS:
        at = 0
        while (found := header.search(dump, at)) is not None:
            at = found.start() + length
            yield FoundSlot(found.start(), dump[found.start() : at])
