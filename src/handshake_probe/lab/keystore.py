"""The lab's keys in a folder: made on first use, never overwritten, readable by their owner only.

| file | holds |
|---|---|
| `cloud_private.pem` | the cloud's key, RSA 2048, PKCS#1 |
| `cloud_public.der` | its public half, SPKI, 294 bytes: what a device keeps as its server key |
| `<id>.der` | a device's key slot: RSA 1024, PKCS#1, FF up to 612 bytes |
| `<id>.pub.pem` | a device's public key; in the cloud's folder it is registered |
"""

from __future__ import annotations

import os
from base64 import encodebytes
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from handshake_probe.errors import KeyFileError, UnreadableInput
from handshake_probe.keys.files import read_key
from handshake_probe.keys.fingerprint import spki
from handshake_probe.keys.firmware import read_device_slot, read_server_modulus
from handshake_probe.keys.keyfile import CLOUD_BITS, KeyFile, KeyRole
from handshake_probe.keys.keyring import CloudKey, RegisteredKey, build_keyring
from handshake_probe.keys.numbers import PUBLIC_EXPONENT
from handshake_probe.keys.pem import pem_blocks
from handshake_probe.lab.damage import slot_of

CLOUD_PRIVATE = "cloud_private.pem"
CLOUD_PUBLIC = "cloud_public.der"

_FILE_MODE, _FOLDER_MODE = 0o600, 0o700
_SIZE_LIMIT = 64 * 1024  # bytes; the largest key file is a few kB
_SPKI_SIZE = 294  # of 2048 bits


class Loaded(NamedTuple):
    """A key slot as the firmware finds it."""

    slot: bytes
    note: str | None = None  # why a key tool would refuse it
    made: Path | None = None  # the public key beside it, when both are new


def cloud_key(folder: Path) -> CloudKey:
    """Read a cloud's key, made first if there is none; its public half is put beside it.

    Raises UnreadableInput for a folder or file that cannot be used, KeyFileError for a file that
    holds another kind of key.
    """
    private = folder / CLOUD_PRIVATE
    if not private.exists():
        made = rsa.generate_private_key(PUBLIC_EXPONENT, CLOUD_BITS).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        _create(private, made)
    file = read_key(private.name, _read(private))
    if file.role is not KeyRole.CLOUD_PRIVATE:
        raise KeyFileError(f"{private}: is no cloud's private key but {file.form}")
    [key] = build_keyring([file]).cloud
    public, der = folder / CLOUD_PUBLIC, spki(key.n, key.e)
    if not public.exists():
        _create(public, der)
    elif _read(public)[:_SPKI_SIZE] != der:
        raise KeyFileError(f"{public}: is not the public half of {private.name}")
    return key


def register(folder: Path) -> Callable[[str], RegisteredKey | None]:
    """Return a cloud's register: who is looked up has a public key in the folder, or has none.

    The folder is read at every look-up, so a device can be registered while the cloud runs. A
    look-up raises KeyFileError when the file holds no public key of 1024 bits.
    """

    def look_up(device_id: str) -> RegisteredKey | None:
        path = folder / f"{device_id}.pub.pem"
        if not path.exists():
            return None
        file = read_key(path.name, _read(path))
        if file.role is not KeyRole.REGISTERED:
            raise KeyFileError(f"{path}: is no device's public key but {file.form}")
        return build_keyring([file]).registered[0]

    return look_up


def registered_count(folder: Path) -> int:
    """Count the devices that have a public key in the folder."""
    return sum(1 for _ in folder.glob("*.pub.pem"))


def device_slot(path: Path, make: Callable[[], bytes]) -> Loaded:
    """Read a device's key slot, made first by `make` if there is none; `<name>.pub.pem` beside it.

    `make` must give a slot whose modulus the firmware reads rightly. A damaged slot is taken as
    it is. PEM is not how a device holds a key: it is put into a slot.
    Raises UnreadableInput for a file that cannot be used, KeyFileError for another kind of key.
    """
    if not path.exists():
        slot, public = make(), path.with_suffix(".pub.pem")
        _create(public, _public_pem(read_device_slot(slot).n))
        _create(path, slot)
        return Loaded(slot, made=public)
    data = _read(path)
    armoured = bool(pem_blocks(data))
    try:
        file = read_key(path.name, data)
    except KeyFileError as error:
        if armoured:
            raise
        return Loaded(data, str(error))
    _need(path, file, KeyRole.DEVICE_PRIVATE, "device's private key")
    if armoured and file.private is not None:
        return Loaded(slot_of(file.private))
    return Loaded(data)


def server_modulus(path: Path) -> tuple[int, str | None]:
    """Read a server key as the firmware does, and why a key tool would refuse it, if it would.

    Raises as `device_slot`.
    """
    if not path.exists():
        raise UnreadableInput(f"{path}: no such file; a cloud's public key is needed")
    data = _read(path)
    armoured = bool(pem_blocks(data))
    try:
        file = read_key(path.name, data)
    except KeyFileError as error:
        if armoured:
            raise
        return read_server_modulus(data), str(error)
    if file.role is KeyRole.CLOUD_PRIVATE and file.n is not None:
        return file.n, None
    _need(path, file, KeyRole.CLOUD_PUBLIC, "cloud's key")
    return (file.n if armoured and file.n else read_server_modulus(data)), None


def _need(path: Path, file: KeyFile, role: KeyRole, what: str) -> None:
    if file.role is not role:
        raise KeyFileError(f"{path}: is no {what} but {file.form}, {file.bits} bits")


def _public_pem(n: int) -> bytes:
    body = encodebytes(spki(n, PUBLIC_EXPONENT)).replace(b"\n", b"")
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return b"\n".join([b"-----BEGIN PUBLIC KEY-----", *lines, b"-----END PUBLIC KEY-----", b""])


def _create(path: Path, data: bytes) -> None:
    """Create a file that must not be there yet, and its folder."""
    try:
        path.parent.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
    except OSError as error:
        raise UnreadableInput(f"{path}: {error.strerror or error}") from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(_SIZE_LIMIT + 1)
    except OSError as error:
        raise UnreadableInput(f"{path}: {error.strerror or error}") from error
    if len(data) > _SIZE_LIMIT:
        raise KeyFileError(f"{path}: too large for a key file ({_SIZE_LIMIT} bytes)")
    return data
