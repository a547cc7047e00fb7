"""Which of several key files belong together, which should and do not.

Belonging together is arithmetic: the same public half. That two keys *should* fit is read from
device ids and from what lies there: one device's key beside one registered key, a server key
beside the only cloud's private key. Where nothing says so, two keys are merely different.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations

from handshake_probe.keys.check import Checked, expected_bits
from handshake_probe.keys.defects import Code, Defect
from handshake_probe.keys.keyfile import KeyFile, KeyRole
from handshake_probe.keys.known import describe_copy
from handshake_probe.keys.particle import PARTICLE_CLOUD

PARTICLE = -1  # in the place of a file: the Particle cloud's built-in key

_FEW = 300  # keys that are all compared with each other
_Placed = tuple[int, KeyFile]  # a key and its place in the list

_PUBLIC = frozenset(
    {KeyRole.CLOUD_PUBLIC, KeyRole.REGISTERED, KeyRole.PRESENTED, KeyRole.EC_PUBLIC}
)
_DEVICES = frozenset({KeyRole.DEVICE_PRIVATE, KeyRole.REGISTERED, KeyRole.PRESENTED})


class Relation(StrEnum):
    """How two key files stand to each other."""

    PAIR = "pair"  # the private and the public half of one key
    SAME = "same"  # the same half of the same key
    COPY = "damaged_copy"  # differs in so few bits that one is a damaged copy of the other
    MISMATCH = "mismatch"  # should fit, and does not


@dataclass(frozen=True, slots=True)
class Tie:
    """Two files that have to do with each other, by their places in the list."""

    first: int
    second: int  # PARTICLE for the built-in key
    relation: Relation
    code: Code | None = None
    text: str | None = None  # a sentence, for what is wrong


def bind(files: Sequence[Checked], device_id: str | None) -> list[Checked]:
    """Give the device id to every device's key that has none in its name.

    A key whose name holds another id gets a defect.
    """
    if device_id is None:
        return list(files)
    bound = []
    for file in files:
        key = file.key
        if key is None or key.role not in _DEVICES or key.device_id == device_id:
            bound.append(file)
        elif key.device_id is None:
            bound.append(replace(file, key=replace(key, device_id=device_id)))
        else:
            text = f"The name says device {key.device_id}, and {device_id} was asked for."
            bound.append(file.with_defects(Defect(Code.ID_CONTRADICTED, text)))
    return bound


def ties(files: Sequence[Checked]) -> list[Tie]:
    """Return every tie between two of the files, and between a file and the built-in key."""
    found = []
    keys = [(place, file.key) for place, file in enumerate(files) if file.key is not None]
    judge = _Judge([key for _, key in keys])
    for (first, a), (second, b) in _pairs(keys):
        tie = _fit(first, a, second, b) or judge.mismatch(first, a, second, b)
        if tie is not None:
            found.append(tie)
    for place, key in keys:
        tie = _to_particle(place, key)
        if tie is not None:
            found.append(tie)
    return found


def _pairs(keys: Sequence[_Placed]) -> Iterable[tuple[_Placed, _Placed]]:
    """All pairs of a few keys; of many, those that share a key, a device or the part of a cloud.

    A whole register is thousands of keys of different devices, which have nothing to do with each
    other unless something is shared.
    """
    if len(keys) <= _FEW:
        return combinations(keys, 2)
    groups: dict[str, list[_Placed]] = defaultdict(list)
    for place, key in keys:
        marks = {key.fingerprint, key.device_id, "cloud" if key.role.startswith("cloud") else None}
        for mark in marks - {None}:
            groups[str(mark)].append((place, key))
    pairs = {
        (first[0], second[0]): (first, second)
        for group in groups.values()
        for first, second in combinations(group, 2)
    }
    return [pair for _, pair in sorted(pairs.items(), key=lambda item: item[0])]


def _fit(first: int, a: KeyFile, second: int, b: KeyFile) -> Tie | None:
    if a.fingerprint is not None and a.fingerprint == b.fingerprint:
        if a.device_id and b.device_id and a.device_id != b.device_id:
            text = f"One key under two device ids, {a.device_id} and {b.device_id}."
            return Tie(first, second, Relation.SAME, Code.KEY_WITH_SEVERAL_IDS, text)
        halves = (a.role in _PUBLIC) != (b.role in _PUBLIC)
        return Tie(first, second, Relation.PAIR if halves else Relation.SAME)
    if a.n is None or b.n is None or expected_bits(a) != expected_bits(b):
        return None
    copy = describe_copy(a.n, b.n, expected_bits(a), None)
    if copy is None:
        return None
    text = f"One is a damaged copy of the other: {copy}."
    return Tie(first, second, Relation.COPY, Code.DAMAGED_COPY, text)


def _to_particle(place: int, key: KeyFile) -> Tie | None:
    if key.role is not KeyRole.CLOUD_PUBLIC or key.n is None:
        return None
    if key.n == PARTICLE_CLOUD.n:
        return Tie(place, PARTICLE, Relation.SAME)
    if describe_copy(key.n, PARTICLE_CLOUD.n, expected_bits(key), None) is None:
        return None
    return Tie(place, PARTICLE, Relation.COPY)  # told with the file already


class _Judge:
    """Knows what lies there in all, and so which two keys should fit."""

    def __init__(self, keys: Sequence[KeyFile]) -> None:
        self._kinds = {
            role: {key.fingerprint for key in keys if key.role is role} for role in KeyRole
        }

    def mismatch(self, first: int, a: KeyFile, second: int, b: KeyFile) -> Tie | None:
        """Say that two different keys should be one, if anything says so."""
        if _is_backup(a) or _is_backup(b):
            return None
        roles = {a.role, b.role}
        found = (
            self._cloud(a, b)
            if roles == {KeyRole.CLOUD_PRIVATE, KeyRole.CLOUD_PUBLIC}
            else self._device(a, b, roles)
        )
        return None if found is None else Tie(first, second, Relation.MISMATCH, *found)

    def _cloud(self, a: KeyFile, b: KeyFile) -> tuple[Code, str] | None:
        if len(self._kinds[KeyRole.CLOUD_PRIVATE]) != 1:
            return None
        public = a if a.role is KeyRole.CLOUD_PUBLIC else b
        text = "The server key is not the public half of the cloud's private key."
        if public.n == PARTICLE_CLOUD.n:
            text = "The server key is the Particle cloud's, not the one whose private key is here."
        return Code.SERVER_KEY_DIFFERS, text

    def _device(self, a: KeyFile, b: KeyFile, roles: set[KeyRole]) -> tuple[Code, str] | None:
        if not roles <= _DEVICES:
            return None
        same_id = a.device_id is not None and a.device_id == b.device_id
        if len(roles) == 1:
            if not same_id:
                return None
            text = f"Two different keys of the same kind for device {a.device_id}."
            return Code.ID_WITH_SEVERAL_KEYS, text
        if KeyRole.PRESENTED in roles:
            text = f"Device {a.device_id} presented another key to the server."
            return (Code.PRESENTED_DIFFERS, text) if same_id else None
        alone = all(len(self._kinds[role]) == 1 for role in roles)
        if same_id or (alone and not (a.device_id and b.device_id)):
            text = "The device's private key and the registered key are no pair."
            return Code.HALVES_DIFFER, text
        return None


def _is_backup(key: KeyFile) -> bool:
    """Whether a tool saved it before it wrote another key: then it is expected to differ."""
    return key.name.replace("\\", "/").rpartition("/")[2].startswith("backup_")
