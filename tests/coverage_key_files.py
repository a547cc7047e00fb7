"""The stories of HP7xx: key files with one defect, their sound neighbours, and too little of them.

The files are made here, written to disk and checked as `keys check` does.
"""

from __future__ import annotations

from base64 import encodebytes
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from handshake_probe.keys.fingerprint import spki
from handshake_probe.keys.numbers import PUBLIC_EXPONENT, PrivateNumbers
from handshake_probe.keys.particle import PARTICLE_CLOUD
from handshake_probe.lab import damage
from handshake_probe.lab.memory import keys
from handshake_probe.lab.memory.cast import device_id
from handshake_probe.model.keycheck import KeysChecked
from handshake_probe.pipeline.keycheck import check_keys
from keypool import as_device, as_openssl
from vectors import DEVICE_NUMBERS


@dataclass(frozen=True, kw_only=True)
class Files:
    """What lies in a folder, and whose the user says it is."""

    files: tuple[tuple[str, bytes], ...]  # name, content
    mode: int = 0o600
    asked: str | None = None  # --device-id


@dataclass(frozen=True)
class KeyTold:
    """The three stories of one code."""

    reached: Files
    near: Files  # differs in one fact, and is sound
    thin: Files


def checked(told: Files, scratch: Path) -> KeysChecked:
    paths = []
    for name, data in told.files:
        path = scratch / name
        path.write_bytes(data)
        path.chmod(told.mode)
        paths.append(str(path))
    return check_keys(paths, told.asked)


def codes_in(document: KeysChecked) -> set[str]:
    found = {defect.code for file in document.files for defect in file.defects}
    found |= {tie.code for tie in document.ties if tie.code is not None}
    # Told beside the file's own defects: it is the file system's.
    return found | {"HP733" for file in document.files if file.readable_by_others}


def files_between(one: Files, other: Files) -> int:
    """How many facts differ: a name, a content, the mode, the id."""
    pairs = zip(one.files, other.files, strict=True)
    differing = sum((a != c) + (b != d) for (a, b), (c, d) in pairs)
    return differing + (one.mode != other.mode) + (one.asked != other.asked)


def lying(data: bytes, name: str = "a.key", mode: int = 0o600) -> Files:
    return Files(files=((name, data),), mode=mode)


def content(reached: bytes, near: bytes, thin: bytes) -> KeyTold:
    return KeyTold(lying(reached), lying(near), lying(thin))


def pair(first: tuple[str, bytes], second: tuple[str, bytes], near: tuple[str, bytes]) -> KeyTold:
    """Two files that should fit, two that do, and one alone."""
    return KeyTold(Files(files=(first, second)), Files(files=(first, near)), Files(files=(first,)))


def changed(data: bytes, at: int, mask: int = 0x10) -> bytes:
    return data[:at] + bytes((data[at] ^ mask,)) + data[at + 1 :]


def text(label: str, der: bytes) -> bytes:
    begin, end = (f"-----{word} {label}-----\n".encode() for word in ("BEGIN", "END"))
    return begin + encodebytes(der) + end


def pkcs1(numbers: PrivateNumbers) -> bytes:
    n, e, d, p, q, dp, dq, qinv = numbers
    return as_openssl((n, e, d, p, q, dp, dq, qinv))


def public(numbers: PrivateNumbers) -> bytes:
    return spki(numbers.n, numbers.e)


def server_slot(n: int, address: bytes) -> bytes:
    return spki(n, PUBLIC_EXPONENT).ljust(384, b"\xff") + address


def record(host: bytes, port: int = 0xFFFF) -> bytes:
    return (host.ljust(66, b"\xff") + port.to_bytes(2, "big")).ljust(128, b"\xff")


def pkcs8(der: bytes, locked_with: KeySerializationEncryption | None = None) -> bytes:
    """DER, or PEM when it is locked."""
    key = serialization.load_der_private_key(der, None)
    form = Encoding.PEM if locked_with else Encoding.DER
    return key.private_bytes(form, PrivateFormat.PKCS8, locked_with or NoEncryption())


# A device's key.

KEY, ANEW = keys.device_numbers("device"), keys.device_numbers("anew")
UNLUCKY = keys.unlucky_numbers("device")
DER, SLOT, PUBLIC = pkcs1(KEY), damage.slot_of(KEY), public(KEY)
LONG_D = KEY._replace(d=KEY.d + (KEY.p - 1) * (KEY.q - 1) << 800)
EC_SLOT = keys.ec_slot("device")
EC_PUBLIC = (
    ec.derive_private_key(7, ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
)
TEXT = text("RSA PRIVATE KEY", DER)
LOCKED = pkcs8(DER, BestAvailableEncryption(b"secret"))

# A server's.

CLOUD = keys.cloud_numbers("cloud")
PRIVATE_HOST, PARTICLE_HOST = b"\0\4\xc0\xa8\1\x0a", b"\x01\x0fdevice.spark.io"
SERVER = server_slot(CLOUD.n, record(PRIVATE_HOST))
SERVER_KEY = public(CLOUD)
CUT_KEY = SERVER_KEY[:200]

ID, OTHER_ID = device_id("device"), device_id("anew")

KEY_FILES: dict[str, KeyTold] = {
    "HP700": content(b"hello\n", DER, DER[:500]),
    "HP701": content(b"\xff" * 612, SLOT, b""),
    "HP702": content(pkcs8(DER), DER, PUBLIC),
    "HP703": content(damage.slot_of(UNLUCKY), SLOT, public(UNLUCKY)),
    "HP704": content(EC_SLOT, EC_SLOT.rstrip(b"\xff"), EC_PUBLIC),
    "HP705": content(TEXT.ljust(1216, b"\xff"), TEXT, text("PUBLIC KEY", PUBLIC)),
    "HP706": content(DER[:500], DER, PUBLIC),
    "HP707": content(DER[:300].ljust(612, b"\xff"), SLOT, PUBLIC),
    "HP708": content(SLOT[5:], SLOT, PUBLIC),
    "HP709": content(changed(SLOT, 4), SLOT, PUBLIC),
    "HP710": content(DER + b"old", DER + b"\xff\xff\xff", PUBLIC),
    "HP711": content(as_device((*KEY,)), DER, PUBLIC),
    "HP712": content(b"\xff" + SLOT[1:], SLOT, PUBLIC),
    "HP713": content(spki(KEY.n * ANEW.p, PUBLIC_EXPONENT), PUBLIC, PUBLIC[:100]),
    "HP714": content(spki(KEY.n, 3), PUBLIC, PUBLIC[:100]),
    "HP715": content(changed(SLOT, 320), SLOT, PUBLIC),
    "HP716": content(pkcs1(PrivateNumbers(*(part ^ 1 << 77 for part in KEY))), DER, PUBLIC),
    "HP717": content(spki(KEY.n - 1, PUBLIC_EXPONENT), PUBLIC, PUBLIC[:100]),
    "HP718": content(pkcs1(LONG_D), DER, PUBLIC),
    "HP719": content(changed(SLOT, 200), SLOT, PUBLIC),
    "HP720": content(spki(CLOUD.n - 1, PUBLIC_EXPONENT), SERVER_KEY, CUT_KEY),
    "HP721": content(changed(SERVER, 5), SERVER, CUT_KEY),
    "HP722": content((b"\0\0" + SERVER)[:512], SERVER, text("PUBLIC KEY", SERVER_KEY)),
    "HP723": content(spki(PARTICLE_CLOUD.n ^ 1 << 99, PUBLIC_EXPONENT), SERVER_KEY, CUT_KEY),
    "HP724": content(changed(SERVER, 384), SERVER, SERVER_KEY),
    "HP725": content(
        server_slot(PARTICLE_CLOUD.n, b"\xff" * 128),
        server_slot(PARTICLE_CLOUD.n, record(PARTICLE_HOST)),
        spki(PARTICLE_CLOUD.n, PUBLIC_EXPONENT),
    ),
    "HP726": content(changed(SERVER, 300), SERVER, SERVER_KEY),
    "HP727": content(server_slot(CLOUD.n, record(PARTICLE_HOST)), SERVER, SERVER_KEY),
    "HP728": content(server_slot(CLOUD.n, record(PRIVATE_HOST, 8080)), SERVER, SERVER_KEY),
    "HP730": content(pkcs1(DEVICE_NUMBERS), DER, b"no key"),
    "HP731": content(TEXT + text("PUBLIC KEY", PUBLIC), TEXT, text("PUBLIC KEY", PUBLIC)),
    "HP732": KeyTold(
        lying(DER, name="core.pub.der"),
        lying(DER, name="core.der"),
        lying(PUBLIC, name="core.pub.der"),
    ),
    "HP733": KeyTold(lying(DER, mode=0o644), lying(DER), lying(PUBLIC, mode=0o644)),
    "HP734": content(LOCKED, DER, PUBLIC),
    "HP735": content(TEXT.partition(b"-----END")[0], TEXT, encodebytes(DER)),
    "HP736": content(spki(PARTICLE_CLOUD.n, PUBLIC_EXPONENT), SERVER_KEY, CUT_KEY),
    "HP737": content(changed(SLOT, 6), SLOT, PUBLIC),
    "HP740": pair((f"{ID}.der", SLOT), (f"{ID}.pub.der", public(ANEW)), (f"{ID}.pub.der", PUBLIC)),
    "HP741": pair(
        (f"{ID}_handshake.pub.der", PUBLIC),
        (f"{ID}.pub.der", public(ANEW)),
        (f"{ID}.pub.der", PUBLIC),
    ),
    "HP742": pair(
        ("cloud.der", pkcs1(CLOUD)),
        ("server.der", public(keys.cloud_numbers("other"))),
        ("server.der", SERVER_KEY),
    ),
    "HP743": pair(
        (f"{ID}.der", SLOT), (f"old_{ID}.der", damage.slot_of(ANEW)), (f"old_{ID}.der", DER)
    ),
    "HP744": pair(
        (f"{ID}.der", SLOT), (f"{OTHER_ID}.der", DER), (f"{OTHER_ID}.der", damage.slot_of(ANEW))
    ),
    "HP745": KeyTold(
        Files(files=((f"{ID}.der", SLOT),), asked=OTHER_ID),
        Files(files=((f"{ID}.der", SLOT),), asked=ID),
        Files(files=(("a.der", SLOT),), asked=OTHER_ID),
    ),
}
