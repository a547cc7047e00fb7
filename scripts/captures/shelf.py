"""A synthetic capture: described, made, and put on the shelf with its keys and its truth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from handshake_probe.capture.written import SNAP_LENGTH, pcap, pcapng
from handshake_probe.keys.numbers import PrivateNumbers
from handshake_probe.lab.memory import keys
from handshake_probe.lab.memory.cast import CLOUD, device_id, slot
from handshake_probe.lab.memory.keyfiles import key_files
from handshake_probe.lab.memory.path import OUTER
from handshake_probe.lab.memory.scene import Played
from handshake_probe.lab.memory.stage import record
from handshake_probe.lab.memory.story import Story
from handshake_probe.lab.scenario import Truth
from handshake_probe.packets.units import Direction
from handshake_probe.protocol.events import Message, NonceReceived, SessionKeys

_LETTERS = {Direction.DEVICE_TO_CLOUD: "d", Direction.CLOUD_TO_DEVICE: "s"}


@dataclass(frozen=True, kw_only=True)
class Synthetic:
    """One synthetic capture.

    Args:
        name: Without `synthetic-` and the ending.
        what: What was done, in one sentence.
        story: The story.
        truth: What is true of it.
        each: What is true of a device, by its name, where it differs.
        names: The devices by name, in the story's order.
        clouds: The clouds by name; the key folder has the keys of all.
        cloud_tops: The highest bits of a cloud's primes where they were chosen.
        registered: Keys on file by the device's name, where they are not the device's own.
        flash: What the devices' key slots held, by name, where it is not their own sound key.
        ending: `pcap` or `pcapng`.
    """

    name: str
    what: str
    story: Story
    truth: Truth
    each: Mapping[str, Truth] = field(default_factory=dict)
    names: tuple[str, ...] = ("device",)
    clouds: tuple[str, ...] = (CLOUD,)
    cloud_tops: Mapping[str, str] = field(default_factory=dict)
    registered: Mapping[str, PrivateNumbers | None] = field(default_factory=dict)
    flash: Mapping[str, bytes] = field(default_factory=dict)
    ending: str = "pcap"

    @property
    def file(self) -> str:
        """The capture's file name."""
        return f"synthetic-{self.name}.{self.ending}"

    @property
    def key_folder(self) -> str:
        """The folder of its keys."""
        return f"synthetic-{self.name}.keys"


def make(item: Synthetic) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return its files by their path on the shelf, and its entry in the list of truths."""
    recording = record(item.story)
    link = recording.frames[0].link_type
    snap = item.story.view.snap or SNAP_LENGTH
    write = pcapng if item.ending == "pcapng" else pcap
    files = {item.file: b"".join(write(recording.frames, link, snap))}
    files |= {f"{item.key_folder}/{name}": data for name, data in _key_files(item).items()}
    return files, _truth(item, recording.played)


def _key_files(item: Synthetic) -> dict[str, bytes]:
    clouds = {
        f"cloud{number or ''}": keys.cloud_numbers(name, item.cloud_tops.get(name, keys.ANY_TOP))
        for number, name in zip((0, *range(2, 10)), item.clouds, strict=False)
    }
    own = {name: item.registered.get(name, keys.device_numbers(name)) for name in item.names}
    own["absent"] = keys.device_numbers("absent")  # with it the folder is a register
    registered = {device_id(name): numbers for name, numbers in own.items() if numbers is not None}
    flash = {device_id(name): item.flash.get(name) or slot(name) for name in item.names}
    return key_files(clouds, registered, flash)


def _truth(item: Synthetic, played: list[Played]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "file": item.file,
        "keys": item.key_folder,
        "what": item.what,
        "cause": item.truth.cause,
        "stage": item.truth.stage,
        "settles_at": item.truth.settles_at,
    }
    for word in ("also", "also_below_full"):
        if causes := getattr(item.truth, word):
            entry[word] = list(causes)
    entry["device_firmware"] = sorted(
        {f"synthetic: Device OS {d.settings.generation} as played" for d in item.story.devices}
    )
    entry["server"] = "synthetic: " + ", ".join(
        sorted({c.settings.manner if c.settings else "nothing listens" for c in item.story.clouds})
    )
    entry["devices"] = [
        _device(item, number, [p for p in played if p.device == number])
        for number in range(len(item.names))
    ]
    return entry


def _device(item: Synthetic, number: int, played: list[Played]) -> dict[str, Any]:
    name = item.names[number]
    told = item.each.get(name, item.truth)
    known = item.registered.get(name, keys.device_numbers(name))
    sessions = [session for one in played if (session := _session(one)) is not None]
    return {
        "device_id": device_id(name),
        "ip": seen_address(item.story, number),
        "cause": told.cause,
        "stage": told.stage,
        "settles_at": told.settles_at,
        "registered_key": None if known is None else f"{device_id(name)}.pub.pem",
        "flash_key": f"{device_id(name)}.der",
        "sessions": sessions,
    }


def seen_address(story: Story, number: int) -> str:
    """Return a device's address as the capture shows it."""
    translated = story.nat and story.view.point != "lan"
    return ip_address(OUTER).compressed if translated else story.devices[number].address


def _session(played: Played) -> dict[str, Any] | None:
    """A connection as the device itself told it; None without a session."""
    found = next((e for e in played.events if isinstance(e, SessionKeys)), None)
    nonce = next((e for e in played.events if isinstance(e, NonceReceived)), None)
    if found is None or nonce is None or nonce.nonce is None:
        return None
    return {
        "port": played.port,
        "nonce": nonce.nonce.hex(),
        "session": found.session.hex(),
        "coap": [
            [_LETTERS[event.direction], event.plaintext.hex()]
            for event in played.events
            if isinstance(event, Message)
        ],
    }


def shelf(items: tuple[Synthetic, ...]) -> dict[str, bytes]:
    """Return every file of the shelf by its path on it."""
    files: dict[str, bytes] = {}
    entries = []
    for item in items:
        made, entry = make(item)
        files |= made
        entries.append(entry)
    files["truth.json"] = json.dumps(entries, indent=1).encode() + b"\n"
    files["README.md"] = _readme(items).encode()
    return files


def put(files: Mapping[str, bytes], folder: Path) -> None:
    """Write the files, and remove what else is there."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file() and str(path.relative_to(folder)) not in files:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    for name, data in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _readme(items: tuple[Synthetic, ...]) -> str:
    rows = "\n".join(
        f"| `{item.file}` | Synthetic. {item.what} | {item.truth.cause} · {item.truth.stage}"
        f"{_also(item.truth)} | {item.truth.settles_at} |"
        for item in items
    )
    return _TEXT.format(count=len(items), rows=rows)


def _also(truth: Truth) -> str:
    causes = ", ".join((*truth.also, *truth.also_below_full))
    return f" (or {causes})" if causes else ""


_TEXT = """# Synthetic captures

{count} captures that nobody recorded. `make captures` computes them from seeds: the same bytes
every time, keys included. Device, cloud and network are played by this project itself
(`handshake_probe.lab.memory`), so they show what its authors know of the protocol and nothing
beyond it. They are no evidence of what real devices do; the recordings in the folder above are.

They are here for what those recordings lack: an unclaimed device that nothing else disturbs, every
way a key is damaged in flash, IPv6 extension headers, IP fragments, several clouds in one capture.

Every id begins with `5e`. Key folders and `truth.json` have the form that the README of the folder
above describes. `settles_at` may differ between the devices of a capture; a second cloud's keys
are `cloud2_private.pem` and `cloud2_public.der`. Whoever has the generator has every private key.

This file is made by `make captures` as well.

| synthetic capture | what happens | verdict | settles at |
|---|---|---|---|
{rows}
"""
