"""What the two sides of a benchmark session say: sizes of a real one, contents real or random."""

from __future__ import annotations

import hashlib
import hmac
import random
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

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
        script.append(Message(pause, sender, len(record).to_bytes(2, "big") + record))
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
        self._cloud = rsa.generate_private_key(65537, 2048)
        self._devices = [rsa.generate_private_key(65537, 1024) for _ in range(devices)]
        self._ids = [rng.randbytes(12) for _ in range(devices)]
        self._credentials = [
            self._make_credentials(index % devices) for index in range(_SIGNATURES)
        ]

    def save(self, both: Path, device_only: Path) -> None:
        """Write all keys to one folder, those of the devices alone to another."""
        both.mkdir(parents=True, exist_ok=True)
        device_only.mkdir(parents=True, exist_ok=True)
        (both / "cloud_private.pem").write_bytes(_pem(self._cloud))
        for name, key in zip(self._ids, self._devices, strict=True):
            for folder in (both, device_only):
                (folder / f"{name.hex()}.pem").write_bytes(_pem(key))

    def script(self) -> Script:
        """Make the next session."""
        device, session, credentials = self._rng.choice(self._credentials)
        nonce = self._rng.randbytes(40)
        spki = self._devices[device].public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )  # fmt: skip
        identity = self._cloud.public_key().encrypt(
            nonce + self._ids[device] + spki, padding.PKCS1v15()
        )
        return _script(nonce, identity, credentials, self._records(session))

    def _make_credentials(self, device: int) -> tuple[int, bytes, bytes]:
        session = self._rng.randbytes(40)
        ciphertext = self._devices[device].public_key().encrypt(session, padding.PKCS1v15())
        mac = hmac.digest(session, ciphertext, "sha1")
        return device, session, ciphertext + _sign(self._cloud, mac)

    def _records(self, session: bytes) -> list[bytes]:
        key = algorithms.AES(session[:16])
        iv = {DEVICE: session[16:32], CLOUD: session[16:32]}
        records = []
        for index, (sender, size) in enumerate(_RECORDS):
            plain = _plain(index, sender, size, session)
            fill = size - len(plain)
            encryptor = Cipher(key, modes.CBC(iv[sender])).encryptor()
            record = encryptor.update(plain + bytes([fill]) * fill) + encryptor.finalize()
            iv[sender] = record[:16]
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


def _sign(key: rsa.RSAPrivateKey, mac: bytes) -> bytes:
    """PKCS#1 type 1 around the bare MAC, without a DigestInfo: no library offers that."""
    numbers = key.private_numbers()
    block = b"\0\1" + b"\xff" * (256 - 3 - len(mac)) + b"\0" + mac
    plain = int.from_bytes(block, "big")
    one, two = pow(plain, numbers.dmp1, numbers.p), pow(plain, numbers.dmq1, numbers.q)
    signed = two + numbers.q * ((one - two) * numbers.iqmp % numbers.p)
    return signed.to_bytes(256, "big")


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
