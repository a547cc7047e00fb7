"""Flash slots as tools dump them: the address record, and what follows or replaces a key.

| slot | length | holds |
|---|---|---|
| device, RSA | 612 (612 of 1216 reserved; Core 1024) | PKCS#1 DER, then FF |
| server, RSA | 512 (Core 2048) | 294-byte SPKI, FF up to 384, address record |
| server, EC | 320 | 91-byte SPKI, FF up to 192, address record |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

ADDRESS_RECORD_LENGTH = 128

# Slot length → offset of its address record.
EC_SERVER_SLOT = 320
SERVER_SLOTS = {512: 384, 768: 384, 2048: 384, EC_SERVER_SLOT: 192}

# What tools dump of a device's RSA key slot: the part the firmware reads, all of it, the Core's.
DEVICE_SLOTS = frozenset({612, 1024, 1216})

_DATA_OFFSET = 2
_DATA_LENGTH = 64
_PORT_OFFSET = 66
_ERASED_RUN = re.compile(rb"\xff{16,}")
_HOST_NAME = re.compile(rb"[A-Za-z0-9$_.-]+")


class AddressKind(StrEnum):
    """The type byte of an address record."""

    IP = "ip"  # 00
    DOMAIN = "domain"  # 01
    UNSET = "unset"  # FF, and nothing else in the record: the device uses its default host
    DAMAGED = "damaged"  # anything else


@dataclass(frozen=True, slots=True)
class AddressRecord:
    """The address of the cloud that lies behind a server key."""

    kind: AddressKind
    host: str | None  # IPv4 text or name; "$id" in a name stands for the device id
    port: int | None  # None: the device's default (5683 TCP, 5684 UDP)
    problem: str | None  # what is wrong with the record, in words

    def text(self, default_port: int) -> str | None:
        """Return "host:port" with the default filled in; None without a host."""
        if self.host is None:
            return None
        return f"{self.host}:{default_port if self.port is None else self.port}"


def parse_address_record(record: bytes) -> AddressRecord:
    """Read an address record; every input yields one, damage is described in `problem`.

    Layout: type (00 IPv4, 01 name, FF unset) | length of data | data, 4 bytes or a name of up to
    64 | at 66 the port, big-endian, 0000 or FFFF for the default | padding up to 128.
    """
    if len(record) < _PORT_OFFSET + 2:
        return _damaged(f"is cut after {len(record)} bytes")
    if record[: _PORT_OFFSET + 2].count(0xFF) == _PORT_OFFSET + 2:
        return AddressRecord(AddressKind.UNSET, None, None, None)
    number = int.from_bytes(record[_PORT_OFFSET : _PORT_OFFSET + 2], "big")
    port = None if number in (0, 0xFFFF) else number
    kind, length = record[0], record[1]
    data = record[_DATA_OFFSET : _DATA_OFFSET + _DATA_LENGTH]
    if kind == 0:
        problem = None if length == 4 else f"gives an IPv4 address {length} bytes"
        address = IPv4Address(data[:4])
        if address.is_unspecified or data[:4] == b"\xff\xff\xff\xff":
            problem = f"holds {address}, which is no host"
        return AddressRecord(AddressKind.IP, str(address), port, problem)
    if kind == 1:
        return _domain(length, data, port)
    return _damaged(f"starts with type {kind:02x} (00 is IPv4, 01 a name)")


def describe_padding(data: bytes, used: int) -> str | None:
    """Say what follows the first `used` bytes: FF, 00 or other; None when nothing does."""
    rest = data[used:]
    if not rest:
        return None
    if rest.count(0xFF) == len(rest):
        return "FF"
    if rest.count(0x00) == len(rest):
        return "00"
    return "other data"


def erased_runs(data: bytes) -> tuple[tuple[int, int], ...]:
    """Return (start, end) of every run of at least 16 bytes FF: erased flash, never key bytes."""
    return tuple(match.span() for match in _ERASED_RUN.finditer(data))


def _domain(length: int, data: bytes, port: int | None) -> AddressRecord:
    if not 1 <= length <= _DATA_LENGTH:
        return AddressRecord(
            AddressKind.DAMAGED, None, port, f"gives a name of {length} bytes (1 to 64 fit)"
        )
    name, _, _ = data[:length].partition(b"\0")
    if not _HOST_NAME.fullmatch(name):
        return AddressRecord(
            AddressKind.DAMAGED, None, port, "holds a name with bytes no host name has"
        )
    problem = None
    if len(name) != length:
        problem = f"gives a name of {length} bytes, {len(name)} are there"
    return AddressRecord(AddressKind.DOMAIN, name.decode("ascii"), port, problem)


def _damaged(problem: str) -> AddressRecord:
    return AddressRecord(AddressKind.DAMAGED, None, None, problem)
