"""What a coverage story is, and how it is played and judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from handshake_probe import pipeline
from handshake_probe.capture.written import SNAP_LENGTH, pcap
from handshake_probe.errors import KeyFileError
from handshake_probe.keys.files import read_key
from handshake_probe.keys.keyfile import KeyFile
from handshake_probe.keys.keyring import Keyring, build_keyring
from handshake_probe.keys.numbers import PrivateNumbers
from handshake_probe.lab.memory import keys
from handshake_probe.lab.memory.cast import cloud, device, device_id, slot
from handshake_probe.lab.memory.keyfiles import key_files
from handshake_probe.lab.memory.stage import record
from handshake_probe.lab.memory.story import Story
from handshake_probe.model.measurement import Measurement, Verdict
from handshake_probe.protocol.settings import HeldKey


@dataclass(frozen=True, kw_only=True)
class Known:
    """The keys that are given."""

    private: tuple[str, ...] = ()  # clouds by name
    public: tuple[str, ...] = ()
    named: str | None = None  # the one the user says is the cloud's
    registered: Mapping[str, PrivateNumbers] = field(default_factory=dict)  # by the device's name
    flash: Mapping[str, bytes] = field(default_factory=dict)

    def keyring(self) -> Keyring:
        """The same as `--keys` reads it from files."""
        files: list[KeyFile] = []
        for name in (*self.private, *self.public):
            numbers = keys.cloud_numbers(name, TOPS.get(name, keys.ANY_TOP))
            half = "private" if name in self.private else "public"
            made = key_files({name: numbers}, {}, {})
            files += [read_key(n, data) for n, data in made.items() if half in n]
        registered = {device_id(name): numbers for name, numbers in self.registered.items()}
        flash = {device_id(name): held for name, held in self.flash.items()}
        for name, data in key_files({}, registered, flash).items():
            try:
                files.append(read_key(name, data))
            except KeyFileError:
                continue  # a damaged slot is no key; `--keys` passes it over with a note
        named = [read_key(self.named, _public(self.named))] if self.named else []
        return build_keyring(files, named)


def _public(name: str) -> bytes:
    return key_files({name: keys.cloud_numbers(name)}, {}, {})[f"{name}_public.der"]


_JUDGED: dict[int, tuple[Case, Measurement]] = {}  # by identity: a case cannot be hashed
TOPS = {"large": "1111", "small": "1100"}  # of the primes: a large and a small modulus
NONE = Known()
PUBLIC = Known(public=("cloud",))
PRIVATE = Known(private=("cloud",))
ABSENT = {"absent": keys.device_numbers("absent")}
REGISTER = Known(private=("cloud",), registered={"device": keys.device_numbers("device"), **ABSENT})
FULL = replace(REGISTER, flash={"device": slot("device")})


@dataclass(frozen=True, kw_only=True)
class Case:
    """One story, what is known of its keys, and how much of its file is left."""

    story: Story
    known: Known = NONE
    cut: int = 0  # bytes that the file lacks at its end


def case(known: Known = NONE, *, cut: int = 0, **parts: Any) -> Case:
    """One device and one cloud, unless told otherwise."""
    whole = {"seed": 7, "devices": (device(),), "clouds": (cloud(),), **parts}
    return Case(story=Story(**whole), known=known, cut=cut)


def but(reached: Case, **changes: Any) -> Case:
    """The same case with other keys, or parts of the story; `view` takes a dictionary."""
    own = {name: changes.pop(name) for name in ("known", "cut") if name in changes}
    if "view" in changes:
        changes["view"] = replace(reached.story.view, **changes["view"])
    return replace(reached, story=replace(reached.story, **changes), **own)


def until(reached: Case, seconds: float) -> Case:
    """The same case in a capture that ends earlier."""
    return but(reached, view={"end": seconds})


def other_device(reached: Case, **changes: Any) -> Case:
    """The same case, its device in a role that differs."""
    [role] = reached.story.devices
    return but(reached, devices=(replace(role, **changes),))


def other_cloud(reached: Case, **changes: Any) -> Case:
    """The same case, its first cloud in a role that differs."""
    first, *rest = reached.story.clouds
    return but(reached, clouds=(replace(first, **changes), *rest))


def other_rule(reached: Case, **changes: Any) -> Case:
    """The same case, its rule changed."""
    [rule] = reached.story.rules
    return but(reached, rules=(replace(rule, **changes),))


def analyzed(told: Case, scratch: Path) -> Measurement:
    """Play a case, write the capture, judge it; once for all tests that ask."""
    if id(told) not in _JUDGED:
        data = b"".join(_records(told))
        _JUDGED[id(told)] = told, _judged(data[: len(data) - told.cut], told, scratch)
    return _JUDGED[id(told)][1]


def prefixes(told: Case, scratch: Path) -> Iterator[tuple[int, Verdict]]:
    """Judge the case's capture as if it ended earlier, at some fifteen places all over it."""
    header, *records = _records(told)
    for count in range(0, len(records) + 1, 1 + len(records) // 15):
        data = header + b"".join(records[:count])
        yield count, _judged(data, told, scratch).verdict


def _records(told: Case) -> list[bytes]:
    """The capture's header, then its frames."""
    frames = record(told.story).frames
    link = frames[0].link_type if frames else 1
    return list(pcap(frames, link, told.story.view.snap or SNAP_LENGTH))


def _judged(data: bytes, told: Case, scratch: Path) -> Measurement:
    path = scratch / "told.pcap"
    path.write_bytes(data)
    return pipeline.analyze(str(path), keyring=told.known.keyring())


def differences(one: Any, other: Any) -> int:
    """How many facts of two cases differ: fields, counted inside of what has fields itself."""
    whole = isinstance(one, HeldKey)  # what is read of one slot is one fact
    if dataclasses.is_dataclass(one) and type(one) is type(other) and not whole:
        return sum(
            differences(getattr(one, item.name), getattr(other, item.name))
            for item in dataclasses.fields(one)
        )
    if isinstance(one, Sequence) and isinstance(other, Sequence) and len(one) == len(other) == 1:
        return differences(one[0], other[0])
    return int(one != other)
