"""Key files of a run: read from disk into a keyring, and named in the document."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from handshake_probe.errors import KeyFileError, UnreadableInput
from handshake_probe.keys.files import KeyFile, NoUsableKey, read_key
from handshake_probe.keys.keyfile import CLOUD_BITS, DEVICE_BITS, KeyRole
from handshake_probe.keys.keyring import Keyring, build_keyring
from handshake_probe.model.measurement import KeyUsed

KEY_FILE_LIMIT = 64 * 1024  # bytes; the largest key file is a few kB
FOLDER_DEPTH = 4  # a server's folder holds its keys one or two levels down
FILES_LIMIT = 20_000  # in one folder and below

_NOTES_SHOWN = 3
_RECORDS = frozenset({"JSON"})  # what servers keep beside the keys
_SKIPPED_FOLDERS = frozenset({"node_modules"})  # libraries bring test keys of their own
_PASSED_OVER = {
    KeyRole.EC_PRIVATE: "an elliptic-curve key, used on UDP 5684 only",
    KeyRole.EC_PUBLIC: "an elliptic-curve key, used on UDP 5684 only",
    KeyRole.PRESENTED: "a key that a server saved from a handshake it refused: not registered",
}


def load_keys(paths: Sequence[str], cloud_keys: Sequence[str]) -> tuple[Keyring, list[str]]:
    """Read key files and folders of them.

    A server's folder is taken as it lies: spark-server's with `core_keys/`, Brewskey's `data/`
    with `deviceKeys/` and the server's own key beside it or in `users/`.

    Args:
        paths: Files or folders (`--keys`), sub-folders included. In a folder, what is no key is
            noted and passed over.
        cloud_keys: Files that are named as the cloud's key (`--cloud-key`).

    Returns:
        The keyring, and one line for the user about each file that could not be used.

    Raises:
        UnreadableInput: a path does not exist, or a named file is no key.
    """
    notes: list[str] = []
    files = [key for path in paths for key in _keys_at(Path(path), notes)]
    named = [_read_key_file(Path(path), Path(path).name) for path in cloud_keys]
    notes += [
        f"{key.name}: {_PASSED_OVER[key.role]}: passed over"
        for key in files
        if key.role in _PASSED_OVER
    ]
    return build_keyring(files, named), notes


def _keys_at(path: Path, notes: list[str]) -> Iterable[KeyFile]:
    if not path.is_dir():
        yield _read_key_file(path, path.name)
        return
    refusals = []
    found = False
    for entry in files_below(path):
        try:
            yield _read_key_file(entry, str(entry.relative_to(path)))
            found = True
        except NoUsableKey as error:
            if error.looks_like not in _RECORDS:
                refusals.append(str(error))
        except KeyFileError as error:
            refusals.append(str(error))
    if not found and not refusals:
        notes.append(f"{path}: no key in it")
    more = len(refusals) - _NOTES_SHOWN
    notes += refusals[:_NOTES_SHOWN]
    if more > 0:
        notes.append(f"{path}: {more} more file{'s hold' if more > 1 else ' holds'} no key")


def files_below(folder: Path, depth: int = FOLDER_DEPTH) -> Iterator[Path]:
    """Yield the files in a folder and its sub-folders, in order, hidden ones left out.

    Links to folders are not followed. Raises UnreadableInput when a folder cannot be listed or
    holds far more files than keys come in.
    """
    for count, entry in enumerate(_walk(folder, depth)):
        if count == FILES_LIMIT:
            raise UnreadableInput(f"{folder}: more than {FILES_LIMIT} files; name the keys' folder")
        yield entry


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise UnreadableInput(f"{folder}: {error.strerror or error}") from error
    folders = []
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_file():
            yield entry
        elif entry.is_dir() and not entry.is_symlink() and entry.name not in _SKIPPED_FOLDERS:
            folders.append(entry)
    if depth > 1:
        for entry in folders:
            yield from _walk(entry, depth - 1)


def read_bytes(path: Path) -> tuple[bytes, bool]:
    """Read a key file; return its bytes and whether everybody on this machine may read it.

    Raises UnreadableInput when it cannot be read, KeyFileError when it is too large for a key.
    """
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            data = stream.read(KEY_FILE_LIMIT + 1)
    except OSError as error:
        raise UnreadableInput(f"{path}: {error.strerror or error}") from error
    if len(data) > KEY_FILE_LIMIT:
        raise KeyFileError(f"{path.name}: too large for a key file ({KEY_FILE_LIMIT} bytes)")
    return data, bool(mode & 0o004)


def _read_key_file(path: Path, name: str) -> KeyFile:
    return read_key(name, read_bytes(path)[0])


def keys_used(keyring: Keyring) -> list[KeyUsed]:
    """The keys of a run as the document names them: never key material."""
    used = [
        KeyUsed(
            fingerprint=key.fingerprint,
            role="cloud_private" if key.private else "cloud_public",
            source=key.source,
            named=key.named,
            share=_share(key.n, CLOUD_BITS),
        )
        for key in keyring.cloud
    ]
    used += [
        KeyUsed(
            fingerprint=key.fingerprint,
            role="device_private",
            source=key.source,
            device_id=key.device_id,
            share=_share(key.numbers.n, DEVICE_BITS),
        )
        for key in keyring.devices
    ]
    used += [
        KeyUsed(
            fingerprint=key.fingerprint,
            role="registered",
            source=key.source,
            device_id=key.device_id,
            share=_share(key.n, DEVICE_BITS),
        )
        for key in keyring.registered
    ]
    return used


def _share(n: int, bits: int) -> float:
    """Return the size of a modulus within its range, by which blocks can be held against it."""
    return n / (1 << bits)
