"""Public keys and EC keys as key files: cloud keys with their slots, registered keys."""

from __future__ import annotations

from handshake_probe.keys.fingerprint import fingerprint, fingerprint_of, p256_spki
from handshake_probe.keys.firmware import read_server_modulus
from handshake_probe.keys.keyfile import (
    CLOUD_BITS,
    KeyFile,
    KeyRole,
    Source,
    public_half_notes,
    size_class,
)
from handshake_probe.keys.numbers import PUBLIC_EXPONENT, modulus_flaw
from handshake_probe.keys.slots import (
    ADDRESS_RECORD_LENGTH,
    DEVICE_SLOTS,
    EC_SERVER_SLOT,
    SERVER_SLOTS,
    AddressRecord,
    describe_padding,
    parse_address_record,
)
from handshake_probe.keys.structures import EcPrivate, EcPublic, RsaPublic

_EC_BITS = 256
_SERVER_KEY_LENGTH = 294
_SERVER_KEY_TRAILER = b"\x02\x03\x01\x00\x01"


def public_key_file(source: Source, key: RsaPublic) -> KeyFile:
    """Make a cloud's public key or a registered key. Raises KeyFileError for other sizes."""
    bits = size_class(key.n)
    if bits is None:
        raise source.refusal(f"an RSA public key of {key.n.bit_length()} bits")
    notes = list(source.notes) + public_half_notes(key.n, key.e, bits)
    container = "PKCS#1 public" if key.container == "PKCS#1" else key.container
    form, address = _form(source, container, key.end, notes)
    if bits == CLOUD_BITS and not source.pem and read_server_modulus(source.data) != key.n:
        notes.append("The firmware reads another modulus: it takes bytes 33 to 288 as they are.")
    return KeyFile(
        name=source.name,
        role=KeyRole.CLOUD_PUBLIC if bits == CLOUD_BITS else KeyRole.REGISTERED,
        form=form,
        bits=key.n.bit_length(),
        fingerprint=fingerprint(key.n, key.e),
        device_id=source.device_id,
        n=key.n,
        e=key.e,
        address=address,
        notes=tuple(notes),
    )


def recover_server_slot(source: Source, problem: str) -> KeyFile | None:
    """Read a server key whose header is damaged where the firmware does; None if none is there."""
    n = read_server_modulus(source.data)
    trailer = source.data[_SERVER_KEY_LENGTH - len(_SERVER_KEY_TRAILER) : _SERVER_KEY_LENGTH]
    if trailer != _SERVER_KEY_TRAILER or modulus_flaw(n, CLOUD_BITS) is not None:
        return None
    note = f"The header is damaged ({problem}); the firmware does not look at it."
    if source.data[0] == 0xFF:
        note = "Byte 0 is FF: Device OS 0.7 and later put their built-in key in place of this one."
    key = RsaPublic("SPKI", n, PUBLIC_EXPONENT, _SERVER_KEY_LENGTH)
    return public_key_file(source._replace(notes=(*source.notes, note)), key)


def ec_key_file(source: Source, key: EcPublic | EcPrivate) -> KeyFile:
    """Make a P-256 key: known, and of no use on TCP."""
    notes = list(source.notes)
    form, address = _form(source, key.container, key.end, notes)
    if not source.pem and len(source.data) in DEVICE_SLOTS:
        notes.append("An EC key lies in a slot for a device's RSA key: the firmware misreads it.")
    if address is not None and len(source.data) != EC_SERVER_SLOT:
        notes.append("An EC key lies in a slot for an RSA server key: the firmware misreads it.")
    return KeyFile(
        name=source.name,
        role=KeyRole.EC_PUBLIC if isinstance(key, EcPublic) else KeyRole.EC_PRIVATE,
        form=form,
        bits=_EC_BITS,
        fingerprint=None if key.point is None else fingerprint_of(p256_spki(key.point)),
        device_id=source.device_id,
        address=address,
        notes=tuple(notes),
    )


def _form(
    source: Source, container: str, used: int, notes: list[str]
) -> tuple[str, AddressRecord | None]:
    """Name the form, and read the address record when the key lies in a server slot."""
    if source.pem:
        return f"{container} PEM", None
    data = source.data
    offset = SERVER_SLOTS.get(len(data))
    if offset is not None and used <= offset:
        if describe_padding(data[:offset], used) == "other data":
            notes.append("Between the key and the address record lies data that is neither.")
        address = parse_address_record(data[offset : offset + ADDRESS_RECORD_LENGTH])
        if address.problem is not None:
            notes.append(f"The address record {address.problem}.")
        kind = "EC server slot" if len(data) == EC_SERVER_SLOT else "server slot"
        return f"{kind} ({len(data)} bytes with address record)", address
    padding = describe_padding(data, used)
    if padding is None:
        return f"{container} DER", None
    return f"{container} DER, followed by {len(data) - used} bytes ({padding})", None
