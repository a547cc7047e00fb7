"""The document of a key check, schema `handshake-probe/keys/1`: msgspec Structs for JSON.

It says what key files are and whether they fit; it never holds key material.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from handshake_probe.model.measurement import Software
from handshake_probe.model.vocabulary import Severity

KEYS_SCHEMA = "handshake-probe/keys/1"

PARTICLE_PLACE = -1  # in `KeyTie.second`: the Particle cloud's built-in key


class KeyDefect(msgspec.Struct, frozen=True, kw_only=True):
    """One defect; `explain CODE` tells more."""

    code: str
    severity: Severity
    hurts: Literal["nobody", "tools", "firmware", "both"]  # who cannot use a key with it
    text: str  # one sentence with the facts of this case


class KeyAddress(msgspec.Struct, frozen=True, kw_only=True):
    """The address record behind a server key, as the firmware reads it."""

    kind: Literal["ip", "domain", "unset", "damaged"]
    host: str | None  # IPv4 text or a name; "$id" in it stands for the device id
    port: int  # the device's default (5683 TCP, 5684 UDP) where none is set
    problem: str | None = None


class KeyChecked(msgspec.Struct, frozen=True, kw_only=True):
    """One file."""

    source: str  # the file as named
    role: str | None  # keys.keyfile.KeyRole; None when it holds no readable key
    form: str  # "PKCS#1 DER", "device slot (612 bytes, PKCS#1, FF padded)", "an HTML page"
    algorithm: Literal["RSA", "EC"] | None
    bits: int | None
    fingerprint: str | None  # of the public half: "sha256:" and 16 hex digits
    device_id: str | None  # from the file name, or --device-id
    firmware: Literal["usable", "unusable", "convert_first", "not_used"]
    tools: Literal["accept", "strict_refuse", "refuse"]
    address: KeyAddress | None = None
    readable_by_others: bool = False  # a private key that everybody on the machine may read
    defects: list[KeyDefect] = []


class KeyTie(msgspec.Struct, frozen=True, kw_only=True):
    """Two files that have to do with each other, as places in `files`, from 0."""

    first: int
    second: int  # -1: the Particle cloud's built-in key
    relation: Literal["pair", "same", "damaged_copy", "mismatch"]
    code: str | None = None  # what is wrong, if anything is
    text: str | None = None


class KeysChecked(msgspec.Struct, frozen=True, kw_only=True):
    """One run of `keys check`."""

    schema: str
    software: Software
    verdict: Literal["usable", "defect", "unreadable"]
    files: list[KeyChecked]
    ties: list[KeyTie]  # every pair of files not named here has nothing to do with each other
    next_steps: list[str]
    unread: list[str]  # files that could not be opened, a line each


def keys_to_json(document: KeysChecked) -> bytes:
    """The document as one line of UTF-8 JSON, without a line end."""
    return msgspec.json.encode(document)


def keys_json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the document."""
    return msgspec.json.schema(KeysChecked)
