"""Reads key files: what a file is follows from its content, never from its extension."""

from __future__ import annotations

from dataclasses import replace

from handshake_probe.keys.defects import Code, Defect
from handshake_probe.keys.der import DerError
from handshake_probe.keys.dump import LONGEST_SLOT, slots_in
from handshake_probe.keys.keyfile import KeyFile, KeyRole, NoUsableKey, Source
from handshake_probe.keys.lookalikes import describe_damage, describe_data, describe_pem_label
from handshake_probe.keys.pem import PemBlock, pem_blocks
from handshake_probe.keys.privatefile import private_key_file, recover_device_slot
from handshake_probe.keys.publicfile import ec_key_file, public_key_file, recover_server_slot
from handshake_probe.keys.shifted import recover_shifted
from handshake_probe.keys.structures import (
    EcPrivate,
    EcPublic,
    NotAKey,
    RsaPrivate,
    RsaPublic,
    Structure,
    read_structure,
)

__all__ = ["KeyFile", "KeyRole", "NoUsableKey", "read_key"]

_SIZE_LIMIT = 64 * 1024
_KEY_LABELS = frozenset(
    {
        "RSA PRIVATE KEY",
        "PRIVATE KEY",
        "EC PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "PUBLIC KEY",
        "RSA PUBLIC KEY",
    }
)
_DECRYPT_FIRST = "remove its passphrase first (openssl pkey -in FILE -out NEWFILE)"


def read_key(name: str, data: bytes) -> KeyFile:
    """Read one key file; `name` serves messages and the device id in it.

    Raises NoUsableKey, one line, for everything that holds no usable key.
    """
    source = Source(name, data, pem=False)
    if len(data) > _SIZE_LIMIT:
        raise source.refusal(f"{describe_data(data[:4096])}, {len(data)} bytes long")
    blocks = pem_blocks(data)
    if blocks:
        return _from_pem(source, blocks)
    return _from_der(source)


def _from_pem(file: Source, blocks: tuple[PemBlock, ...]) -> KeyFile:
    keys = [block for block in blocks if block.label in _KEY_LABELS]
    if not keys:
        raise file.refusal(describe_pem_label(blocks[0].label))
    block = next((key for key in keys if "PRIVATE" in key.label), keys[0])
    if block.encrypted:
        raise file.refusal("an encrypted private key", Code.ENCRYPTED, _DECRYPT_FIRST)
    der = block.der()
    if der is None:
        raise file.refusal(f"PEM ({block.label}) whose body is no base64", Code.PEM_DAMAGED)
    found = []
    if len(keys) > 1:
        text = f"The file holds {len(keys)} keys; the {block.label} was read."
        found.append(Defect(Code.SEVERAL_KEYS, text))
    if not block.whole:
        found.append(Defect(Code.PEM_DAMAGED, "The END line is missing."))
    flash = file.data if file.data.endswith(b"\xff") else None
    if flash is not None:
        text = "PEM text lies in a flash slot; the firmware needs DER there."
        found.append(Defect(Code.PEM_IN_SLOT, text))
    try:
        structure = read_structure(der)
    except DerError as error:
        raise file.refusal(
            f"PEM ({block.label}) with a damaged key ({error})", Code.PEM_DAMAGED
        ) from None
    return _key_file(Source(file.name, der, pem=True, defects=tuple(found), flash=flash), structure)


def _from_der(source: Source) -> KeyFile:
    """Read DER, bare or in a slot; where it is damaged, try what the firmware would read."""
    try:
        structure = read_structure(source.data)
    except DerError as error:
        problem = str(error)
        refusal = _refuse_broken(source, problem)
    else:
        try:
            return _key_file(source, structure)
        except NoUsableKey as error:
            if isinstance(structure, NotAKey) and structure.sure:
                raise
            problem = "it does not belong to this key"
            refusal = error
    recovered = (
        recover_device_slot(source, problem)
        or recover_server_slot(source, problem)
        or (_from_dump(source) if len(source.data) > LONGEST_SLOT else recover_shifted(source))
    )
    if recovered is None:
        raise refusal
    return recovered


def _from_dump(source: Source) -> KeyFile | None:
    """Read the first slot in a dump that holds a key; None if none does."""
    found = []
    for slot in slots_in(source.data):
        try:
            found.append((slot, _from_der(source._replace(data=slot.data))))
        except NoUsableKey:
            continue
    if not found:
        return None
    (slot, key), *others = found
    start, end = slot.start, slot.start + len(slot.data)
    defects = list(key.defects)
    if others:
        places = ", ".join(str(other.start) for other, _ in others)
        text = f"The dump holds keys at byte {places} as well; the one at byte {start} was read."
        defects.append(Defect(Code.SEVERAL_KEYS, text))
    form = f"{key.form} at byte {start} of a dump ({len(source.data)} bytes)"
    return replace(key, start=start, end=end, form=form, defects=tuple(defects))


def _key_file(source: Source, structure: Structure) -> KeyFile:
    match structure:
        case NotAKey(encrypted=True):
            raise source.refusal(structure.what, Code.ENCRYPTED, _DECRYPT_FIRST)
        case NotAKey():
            raise source.refusal(structure.what)
        case RsaPublic():
            return public_key_file(source, structure)
        case RsaPrivate():
            return private_key_file(source, structure)
        case EcPublic() | EcPrivate():
            return ec_key_file(source, structure)


def _refuse_broken(source: Source, problem: str) -> NoUsableKey:
    """Say what data looks like in which no key structure was found."""
    data = source.data
    damage = describe_damage(data)
    if data[:1] == b"\x30" and data[1:2] in (b"\x81", b"\x82"):
        kind = "a device key slot" if data[4:8] == b"\x02\x01\x00\x02" else "a DER key"
        code = Code.OVERWRITTEN if damage else Code.TRUNCATED
        return source.refusal(f"{kind}, {damage or 'damaged'} ({problem})", code)
    what = describe_data(data)
    code = Code.ERASED if data and data.count(0xFF) == len(data) else Code.NO_KEY
    return source.refusal(f"{what}, {damage}" if damage and what == "binary data" else what, code)
