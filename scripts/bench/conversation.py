"""What the two sides of a benchmark session say: sizes of a real one, contents real or random."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from handshake_probe.keys.fingerprint import spki
from handshake_probe.lab.damage import slot_of
from handshake_probe.lab.memory import keys
from handshake_probe.lab.memory.keyfiles import key_files
from handshake_probe.protocol.seal import (
    Seal,
    encrypt,
    encrypt_record,
    frame_record,
    identity_plaintext,
)

DEVICE: Final = "device"
CLOUD: Final = "cloud"
# Ciphertext sizes of hello, hello, event, then ping and answer. 3 frames open and 3 close the
# connection, each message takes 2: 47 messages make 100 frames.
_RECORDS: Final = ((DEVICE, 48), (CLOUD, 48), (DEVICE, 64), (CLOUD, 16)) + (
    (DEVICE, 16),
    (CLOUD, 16),
) * 20
_PAUSE = 14_000_000  # microseconds between pings
_SIGNATURES = 100  # different credentials; making one takes as long as reading dozens


class Message(NamedTuple):
    """What one side says in one segment."""

    pause: int  # microseconds after what came before
    sender: str
    data: bytes


Script = list[Message]


def _script(nonce: bytes, identity: bytes, credentials: bytes, records: list[bytes]) -> Script:
    script = [
        Message(5_000, CLOUD, nonce),
        Message(250_000, DEVICE, identity),
        Message(10_000, CLOUD, credentials),
    ]
    for index, ((sender, _), record) in enumerate(zip(_RECORDS, records, strict=True)):
        pause = _PAUSE if index > 3 and sender is DEVICE else 10_000
        script.append(Message(pause, sender, frame_record(record)))
    return script


def keyless_script(rng: random.Random) -> Callable[[], Script]:
    """Return a maker of sessions of random bytes, which nobody can tell from ciphertext."""

    def make() -> Script:
        records = [rng.randbytes(size) for _, size in _RECORDS]
        return _script(rng.randbytes(40), b"\x01" + rng.randbytes(255), rng.randbytes(384), records)

    return make


class Fleet:
    """Devices and their cloud with real keys."""

    def __init__(self, rng: random.Random, devices: int = 20) -> None:
        self._rng = rng
        self._cloud = keys.cloud_numbers("bench")
        self._devices = [keys.device_numbers(f"bench/{number}") for number in range(devices)]
        self._ids = [rng.randbytes(12) for _ in range(devices)]
        self._credentials = [
            self._make_credentials(index % devices) for index in range(_SIGNATURES)
        ]

    def save(self, both: Path, device_only: Path) -> None:
        """Write all private keys to one folder, those of the devices alone to another."""
        held = {
            name.hex(): slot_of(key) for name, key in zip(self._ids, self._devices, strict=True)
        }
        for folder, clouds in ((both, {"cloud": self._cloud}), (device_only, {})):
            folder.mkdir(parents=True, exist_ok=True)
            for name, data in key_files(clouds, {}, held).items():
                if not name.endswith("_public.der"):
                    (folder / name).write_bytes(data)

    def script(self) -> Script:
        """Make the next session."""
        device, session, credentials = self._rng.choice(self._credentials)
        nonce, held = self._rng.randbytes(40), self._devices[device]
        plaintext = identity_plaintext(nonce, self._ids[device], spki(held.n, held.e))
        identity = encrypt(self._cloud.n, self._cloud.e, plaintext, self._rng.randbytes)
        return _script(nonce, identity, credentials, _records(session))

    def _make_credentials(self, device: int) -> tuple[int, bytes, bytes]:
        session, held = self._rng.randbytes(40), self._devices[device]
        return (
            device,
            session,
            Seal().credentials(held.n, held.e, session, self._cloud, self._rng.randbytes),
        )


def _records(session: bytes) -> list[bytes]:
    """The records of a session, each direction with its chain of IVs."""
    iv = {DEVICE: session[16:32], CLOUD: session[16:32]}
    records = []
    for index, (sender, size) in enumerate(_RECORDS):
        record = encrypt_record(session[:16], iv[sender], _plain(index, sender, size, session))
        iv[sender] = Seal().next_iv(session[16:32], record)
        records.append(record)
    return records


def _plain(index: int, sender: str, size: int, session: bytes) -> bytes:
    """CoAP: a Hello each way, an event and its acknowledgment, then pings and their answers."""
    if index < 2:
        number = int.from_bytes(session[32:34], "big") + 1 & 0xFFFF
        head = b"\x50\x02" + number.to_bytes(2, "big") + b"\xb1h\xff"
        return head + b"\0\x06\0\0\0\0\0\x06\0\0"[: size - 16] + bytes(size - 16 - 10)
    if index == 2:
        text = hashlib.sha256(session).hexdigest()[: size - 16]
        return b"\x40\x02\0\x02\xb1E\x05bench\xff" + text.encode()[:40]
    number = index // 2
    kind = b"\x40" if sender is DEVICE else b"\x60"
    return kind + b"\0" + number.to_bytes(2, "big")
