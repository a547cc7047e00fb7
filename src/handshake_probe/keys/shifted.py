"""Finds a key that does not start where its slot does: bytes were put before it, or lost.

Both slots hold n right before INTEGER 65537, so that INTEGER tells how far a key has moved. The
firmware, which reads at fixed offsets, then takes other bytes for the key.
"""

from __future__ import annotations

from handshake_probe.keys.defects import Code, Defect
from handshake_probe.keys.der import DerError, DerReader
from handshake_probe.keys.fingerprint import RSA_OID
from handshake_probe.keys.keyfile import CLOUD_BITS, DEVICE_BITS, KeyFile, Source
from handshake_probe.keys.numbers import PUBLIC_EXPONENT, PrivateNumbers, modulus_flaw
from handshake_probe.keys.privatefile import device_key_file
from handshake_probe.keys.publicfile import public_key_file
from handshake_probe.keys.structures import RsaPrivate, RsaPublic

_EXPONENT_DER = b"\x02\x03\x01\x00\x01"
_INTEGER_TAG = b"\x02"

# Where INTEGER 65537 lies in a slot that is right, the size of n before it, and n's own header:
# without it, the end of a longer modulus would pass for one of these keys.
_DEVICE_EXPONENT_AT, _DEVICE_SIZE = 139, DEVICE_BITS // 8
_DEVICE_N_HEADER = bytes.fromhex("02818100")
_SERVER_EXPONENT_AT, _SERVER_SIZE = 289, CLOUD_BITS // 8
_SERVER_N_HEADER = bytes.fromhex("0282010100")

# A key further away has not moved: it is part of something else, such as a certificate.
_FARTHEST = 64


def recover_shifted(source: Source) -> KeyFile | None:
    """Read a device's or a server key wherever it lies in the file; None if there is none."""
    at = source.data.find(_EXPONENT_DER)
    while at >= 0:
        behind = at + len(_EXPONENT_DER)
        private = source.data[behind : behind + 1] == _INTEGER_TAG
        found = _device(source, at) if private else _server(source, at)
        if found is not None:
            return found
        at = source.data.find(_EXPONENT_DER, at + 1)
    return None


def _device(source: Source, at: int) -> KeyFile | None:
    shift = at - _DEVICE_EXPONENT_AT
    n = _modulus(source.data, at, _DEVICE_SIZE, _DEVICE_N_HEADER)
    if n is None or abs(shift) > _FARTHEST:
        return None
    reader = DerReader(source.data, at, len(source.data))
    values, problem = [n], None
    try:
        for name in PrivateNumbers._fields[1:]:
            values.append(reader.integer(name))
    except DerError as error:
        problem = str(error)
    values += [0] * (len(PrivateNumbers._fields) - len(values))
    wrapped = RSA_OID in source.data[: at - _DEVICE_SIZE]
    key = RsaPrivate(
        container="PKCS#8" if wrapped else "PKCS#1",
        numbers=PrivateNumbers(*values),
        start=max(0, shift),
        end=reader.position,
        problem=problem,
        padded=reader.padded,
        notes=("The header around the key is damaged.",) if wrapped else (),
        moved=True,
    )
    return device_key_file(source if wrapped else _told(source, shift), key)


def _server(source: Source, at: int) -> KeyFile | None:
    shift = at - _SERVER_EXPONENT_AT
    n = _modulus(source.data, at, _SERVER_SIZE, _SERVER_N_HEADER)
    if n is None or not 0 < abs(shift) <= _FARTHEST:
        return None
    key = RsaPublic("SPKI", n, PUBLIC_EXPONENT, at + len(_EXPONENT_DER))
    return public_key_file(_told(source, shift), key)


def _modulus(data: bytes, end: int, size: int, header: bytes) -> int | None:
    """The integer of `size` bytes before `end`, if it may be a modulus and is one whole INTEGER.

    Of what is there of its header at least half must be right: the slot may start behind it, and
    a byte of it may be damaged.
    """
    start = end - size
    if start < 0:
        return None
    before = data[max(0, start - len(header)) : start]
    right = sum(a == b for a, b in zip(reversed(before), reversed(header), strict=False))
    if 2 * right < len(before):
        return None
    n = int.from_bytes(data[start:end], "big")
    return n if modulus_flaw(n, 8 * size) is None else None


def _told(source: Source, shift: int) -> Source:
    if shift == 0:
        text = "The length byte before n is damaged."
    elif shift > 0:
        text = f"The key starts at byte {shift}, not at the beginning of the file."
    else:
        text = f"The first {-shift} bytes of the key are missing."
    text += " The firmware reads at fixed offsets and takes other bytes for the key."
    return source._replace(defects=(*source.defects, Defect(Code.SHIFTED, text)))
