"""Key files of a run: read from disk into a keyring, and named in the document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from handshake_probe.errors import KeyFileError, UnreadableInput
from handshake_probe.keys.files import KeyFile, read_key
from handshake_probe.keys.keyring import Keyring, build_keyring
from handshake_probe.model.measurement import KeyUsed

KEY_FILE_LIMIT = 64 * 1024  # bytes; the largest key file is a few kB


def load_keys(paths: Sequence[str], cloud_keys: Sequence[str]) -> tuple[Keyring, list[str]]:
    """Read key files and folders of them.

    Args:
        paths: Files or folders (`--keys`). In a folder, what is no key is noted and passed over.
        cloud_keys: Files that are named as the cloud's key (`--cloud-key`).

    Returns:
        The keyring, and one line for the user about each file that could not be used.

    Raises:
        UnreadableInput: a path does not exist, or a named file is no key.
    """
    notes: list[str] = []
    files = [key for path in paths for key in _keys_at(Path(path), notes)]
    named = [_read_key_file(Path(path)) for path in cloud_keys]
    for key in files:
        if key.role.startswith("ec_"):
            notes.append(f"{key.name}: an elliptic-curve key, used on UDP 5684 only: passed over")
    return build_keyring((key for key in files if not key.role.startswith("ec_")), named), notes


def _keys_at(path: Path, notes: list[str]) -> Iterable[KeyFile]:
    if not path.is_dir():
        yield _read_key_file(path)
        return
    for entry in sorted(path.iterdir()):
        if not entry.is_file() or entry.name.startswith("."):
            continue
        try:
            yield _read_key_file(entry)
        except KeyFileError as error:
            notes.append(str(error))


def _read_key_file(path: Path) -> KeyFile:
    try:
        with path.open("rb") as stream:
            data = stream.read(KEY_FILE_LIMIT + 1)
    except OSError as error:
        raise UnreadableInput(f"{path}: {error.strerror or error}") from error
    if len(data) > KEY_FILE_LIMIT:
        raise KeyFileError(f"{path.name}: too large for a key file ({KEY_FILE_LIMIT} bytes)")
    return read_key(path.name, data)


def keys_used(keyring: Keyring) -> list[KeyUsed]:
    """The keys of a run as the document names them: never key material."""
    used = [
        KeyUsed(
            fingerprint=key.fingerprint,
            role="cloud_private" if key.private else "cloud_public",
            source=key.source,
            named=key.named,
        )
        for key in keyring.cloud
    ]
    used += [
        KeyUsed(
            fingerprint=key.fingerprint,
            role="device_private",
            source=key.source,
            device_id=key.device_id,
        )
        for key in keyring.devices
    ]
    used += [
        KeyUsed(
            fingerprint=key.fingerprint,
            role="registered",
            source=key.source,
            device_id=key.device_id,
        )
        for key in keyring.registered
    ]
    return used
