"""`keys check` and `keys convert`: from files on disk to a document, or to another file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from handshake_probe import __version__
from handshake_probe.diagnose.catalogue import CATALOGUE
from handshake_probe.errors import HandshakeProbeError, KeyFileError, UnreadableInput
from handshake_probe.keys.check import TCP_PORT, UDP_PORT, Checked, check_key
from handshake_probe.keys.convert import Form, convert_key
from handshake_probe.keys.defects import Code
from handshake_probe.keys.fits import Tie, bind, ties
from handshake_probe.keys.slots import AddressRecord
from handshake_probe.model.keycheck import (
    KEYS_SCHEMA,
    KeyAddress,
    KeyChecked,
    KeyDefect,
    KeysChecked,
    KeyTie,
)
from handshake_probe.model.measurement import Software
from handshake_probe.model.vocabulary import Severity
from handshake_probe.pipeline.keyfiles import files_below, read_bytes

_PRIVATE_MODE, _PUBLIC_MODE = 0o600, 0o644


class _Read(NamedTuple):
    """A file's bytes on their way to a check."""

    name: str
    data: bytes
    open_to_all: bool
    named: bool  # by the user, not found in a folder


def check_keys(paths: Sequence[str], device_id: str | None = None) -> KeysChecked:
    """Check key files, each alone and all against each other. Files are only ever read.

    Args:
        paths: Files, and folders with their sub-folders. In a folder, what is no key at all is
            passed over without a word.
        device_id: Whose the devices' keys are that have no id in their names.
    """
    unread: list[str] = []
    read = [item for path in paths for item in _read(Path(path), unread)]
    checked = [(item, check_key(item.name, item.data)) for item in read]
    checked = [(i, c) for i, c in checked if i.named or Code.NO_KEY not in c.codes]
    files = bind([file for _, file in checked], device_id)
    tied = ties(files)
    return KeysChecked(
        schema=KEYS_SCHEMA,
        software=Software(name="handshake-probe", version=__version__),
        verdict=_verdict(files, tied, unread),
        files=[
            _file(file, open_to_all=item.open_to_all)
            for (item, _), file in zip(checked, files, strict=True)
        ],
        ties=[_tie(tie) for tie in tied],
        next_steps=_next_steps(files, tied),
        unread=unread,
    )


def convert_file(path: str, form: Form, output: str | None) -> Path:
    """Write a key in another form into a new file and return its path.

    A private key's file is readable by its owner only. Without `output` the new file lies beside
    the old one and has its name with the form as extension.

    Raises:
        UnreadableInput: the file cannot be read, or the new one exists already.
        KeyFileError: no usable key, or the firmware could not read what would be written.
    """
    source = Path(path)
    data, _ = read_bytes(source)
    converted, private = convert_key(source.name, data, form)
    target = source.with_suffix(f".{form}") if output is None else Path(output)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        descriptor = os.open(target, flags, _PRIVATE_MODE if private else _PUBLIC_MODE)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(converted)
    except OSError as error:
        raise UnreadableInput(f"{target}: {error.strerror or error}") from error
    return target


def _read(path: Path, unread: list[str]) -> Iterator[_Read]:
    folder = path.is_dir()
    try:
        for entry in files_below(path) if folder else [path]:
            try:
                data, open_to_all = read_bytes(entry)
            except KeyFileError as error:
                if not folder:
                    unread.append(str(error))
            else:
                yield _Read(str(entry), data, open_to_all, named=not folder)
    except HandshakeProbeError as error:
        unread.append(str(error))


def _verdict(
    files: Sequence[Checked], tied: Sequence[Tie], unread: Sequence[str]
) -> Literal["usable", "defect", "unreadable"]:
    """Unreadable before defect before usable; a file that is no key counts if no other is one."""
    keys = [file for file in files if Code.NO_KEY not in file.codes]
    if unread or not keys or any(Code.ENCRYPTED in file.codes for file in keys):
        return "unreadable"
    codes = [code for file in keys for code in file.codes]
    codes += [tie.code for tie in tied if tie.code is not None]
    return "defect" if any(_counts(code) for code in codes) else "usable"


def _counts(code: Code) -> bool:
    return CATALOGUE[code].severity is not Severity.INFO


def _file(file: Checked, *, open_to_all: bool) -> KeyChecked:
    key = file.key
    elliptic = key is not None and key.role.startswith("ec_")
    return KeyChecked(
        source=_text(file.name),
        role=None if key is None else str(key.role),
        form=file.form,
        algorithm=None if key is None else "EC" if elliptic else "RSA",
        bits=None if key is None else key.bits,
        fingerprint=None if key is None else key.fingerprint,
        device_id=None if key is None else key.device_id,
        firmware=file.firmware.value,
        tools=file.tools.value,
        address=None
        if key is None or key.address is None
        else _address(key.address, UDP_PORT if elliptic else TCP_PORT),
        readable_by_others=open_to_all and file.private,
        defects=[
            KeyDefect(
                code=defect.code,
                severity=CATALOGUE[defect.code].severity,
                hurts=defect.code.hurts.value,
                text=defect.text,
            )
            for defect in file.defects
        ],
    )


def _address(record: AddressRecord, default_port: int) -> KeyAddress:
    return KeyAddress(
        kind=record.kind.value,
        host=record.host,
        port=default_port if record.port is None else record.port,
        problem=record.problem,
    )


def _tie(tie: Tie) -> KeyTie:
    return KeyTie(
        first=tie.first,
        second=tie.second,
        relation=tie.relation.value,
        code=tie.code,
        text=tie.text,
    )


def _next_steps(files: Sequence[Checked], tied: Sequence[Tie]) -> list[str]:
    """The remedies of what was found, each said once."""
    keys = [file for file in files if Code.NO_KEY not in file.codes]
    found: list[tuple[Code, Checked]] = []
    for file in files:
        found += [(defect.code, file) for defect in file.defects]
    found += [(tie.code, files[tie.first]) for tie in tied if tie.code is not None]
    steps = [
        step.replace("{id}", (file.key and file.key.device_id) or "<device id>")
        for code, file in found
        if _counts(code) and (code is not Code.NO_KEY or not keys)
        for step in CATALOGUE[code].remedy
    ]
    return list(dict.fromkeys(steps))


def _text(name: str) -> str:
    """A file name, which may be any bytes, as text that JSON can hold."""
    return os.fsencode(name).decode("utf-8", "replace")
