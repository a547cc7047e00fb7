"""Public keys and EC keys as key files: cloud keys with their slots, registered keys."""

from __future__ import annotations

from handshake_probe.keys.defects import Code, Defect
from handshake_probe.keys.fingerprint import fingerprint, fingerprint_of, p256_spki
from handshake_probe.keys.firmware import read_server_modulus, server_modulus_usable
from handshake_probe.keys.keyfile import (
    CLOUD_BITS,
    KeyFile,
    KeyRole,
    Source,
    public_half_defects,
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
        raise source.refusal(f"an RSA public key of {key.n.bit_length()} bits", Code.WRONG_SIZE)
    found = list(source.defects) + public_half_defects(key.n, key.e, bits)
    container = "PKCS#1 public" if key.container == "PKCS#1" else key.container
    form, address = _form(source, container, key.end, found)
    if bits == CLOUD_BITS:
        found += _as_firmware_reads(source, key)
        role = KeyRole.CLOUD_PUBLIC
    else:
        role = KeyRole.PRESENTED if source.presented else KeyRole.REGISTERED
    return KeyFile(
        name=source.name,
        role=role,
        form=form,
        bits=key.n.bit_length(),
        fingerprint=fingerprint(key.n, key.e),
        device_id=source.device_id,
        n=key.n,
        e=key.e,
        address=address,
        defects=tuple(found),
        trailing=0 if source.pem else len(source.data) - key.end,
    )


def _as_firmware_reads(source: Source, key: RsaPublic) -> list[Defect]:
    """Hold a server key against what a device finds in its slot."""
    flash = source.data if source.flash is None else source.flash
    n = key.n if source.pem and source.flash is None else read_server_modulus(flash)
    found = []
    if n != key.n:
        text = "The firmware reads another modulus: it takes bytes 33 to 288 as they are."
        found.append(Defect(Code.SERVER_KEY_MISREAD, text))
    if not server_modulus_usable(n):
        text = "Devices refuse a modulus like this one: they connect and send nothing at all."
        found.append(Defect(Code.SERVER_MODULUS_REFUSED, text))
    return found


def recover_server_slot(source: Source, problem: str) -> KeyFile | None:
    """Read a server key whose header is damaged where the firmware does; None if none is there."""
    n = read_server_modulus(source.data)
    trailer = source.data[_SERVER_KEY_LENGTH - len(_SERVER_KEY_TRAILER) : _SERVER_KEY_LENGTH]
    if trailer != _SERVER_KEY_TRAILER or modulus_flaw(n, CLOUD_BITS) is not None:
        return None
    text = f"The header is damaged ({problem}); the firmware does not look at it."
    code = Code.SERVER_HEADER_DAMAGED
    if source.data[0] == 0xFF:
        text = "Byte 0 is FF: Device OS 0.7 and later put their built-in key in place of this one."
        code = Code.FIRST_BYTE_ERASED
    key = RsaPublic("SPKI", n, PUBLIC_EXPONENT, _SERVER_KEY_LENGTH)
    return public_key_file(source._replace(defects=(*source.defects, Defect(code, text))), key)


def ec_key_file(source: Source, key: EcPublic | EcPrivate) -> KeyFile:
    """Make a P-256 key: known, and of no use on TCP."""
    found = list(source.defects)
    form, address = _form(source, key.container, key.end, found)
    if not source.pem and len(source.data) in DEVICE_SLOTS:
        text = "An EC key lies in a slot for a device's RSA key: the firmware misreads it."
        found.append(Defect(Code.EC_IN_RSA_SLOT, text))
    if address is not None and len(source.data) != EC_SERVER_SLOT:
        text = "An EC key lies in a slot for an RSA server key: the firmware misreads it."
        found.append(Defect(Code.EC_IN_RSA_SLOT, text))
    return KeyFile(
        name=source.name,
        role=KeyRole.EC_PUBLIC if isinstance(key, EcPublic) else KeyRole.EC_PRIVATE,
        form=form,
        bits=_EC_BITS,
        fingerprint=None if key.point is None else fingerprint_of(p256_spki(key.point)),
        device_id=source.device_id,
        address=address,
        defects=tuple(found),
        trailing=0 if source.pem else len(source.data) - key.end,
    )


def _form(
    source: Source, container: str, used: int, found: list[Defect]
) -> tuple[str, AddressRecord | None]:
    """Name the form, and read the address record when the key lies in a server slot."""
    if source.pem:
        return f"{container} PEM", None
    data = source.data
    offset = SERVER_SLOTS.get(len(data))
    if offset is not None and used <= offset:
        if describe_padding(data[:offset], used) == "other data":
            text = "Between the key and the address record lies data that is neither."
            found.append(Defect(Code.GAP_FILLED, text))
        address = parse_address_record(data[offset : offset + ADDRESS_RECORD_LENGTH])
        if address.problem is not None:
            text = f"The address record {address.problem}."
            found.append(Defect(Code.ADDRESS_DAMAGED, text))
        kind = "EC server slot" if len(data) == EC_SERVER_SLOT else "server slot"
        return f"{kind} ({len(data)} bytes with address record)", address
    padding = describe_padding(data, used)
    if padding is None:
        return f"{container} DER", None
    return f"{container} DER, followed by {len(data) - used} bytes ({padding})", None
