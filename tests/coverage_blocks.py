"""The stories of RSA blocks as numbers: HP207 to HP209, HP311 to HP313.

A block is a smaller number than the modulus it was made with, and evenly spread below it.
"""

from __future__ import annotations

from base64 import encodebytes

from coverage_capture import MAC
from coverage_cases import (
    NONE,
    PRIVATE,
    PUBLIC,
    TOPS,
    Known,
    but,
    case,
    other_cloud,
    other_device,
)
from coverage_parts import TRUSTS, C, M, Told
from handshake_probe.keys.fingerprint import spki
from handshake_probe.keys.firmware import read_server_modulus
from handshake_probe.keys.numbers import PUBLIC_EXPONENT
from handshake_probe.lab import seals
from handshake_probe.lab.memory import keys
from handshake_probe.lab.memory.cast import cloud, device, device_id
from handshake_probe.lab.memory.wire import Packet, Udp, ethernet
from handshake_probe.protocol.seal import Entropy, Seal

# PEM text in the slot: the firmware takes letters for a modulus, a quarter of what it could be.
TEXT = b"-----BEGIN PUBLIC KEY-----\n" + encodebytes(
    spki(keys.cloud_numbers("cloud").n, PUBLIC_EXPONENT)
)
HOLDS_TEXT = case(
    PUBLIC, devices=(device(server=read_server_modulus(TEXT) | 1, attempts=6),), seconds=20.0
)
LARGE = keys.cloud_numbers("large", TOPS["large"]).n
HOLDS_LARGE = case(Known(public=("cloud", "small")), devices=(device(server=LARGE),), seed=5)


class Replays(Seal):
    """Sends the identity of its first connection again and again."""

    def __init__(self) -> None:
        self._first: bytes | None = None

    def identity(
        self,
        server_modulus: int,
        nonce: bytes,
        device_id: bytes,
        spki: bytes | None,
        entropy: Entropy,
    ) -> bytes | None:
        if self._first is None:
            self._first = super().identity(server_modulus, nonce, device_id, spki, entropy)
        return self._first


REPLAYS = case(devices=(device(seal=Replays, stays=2.0, returns=2.0),), seconds=10.0)

# The device key. That of "anew" has a larger modulus than the device's.

ADDRESS, GROUP = bytes((192, 168, 7, 20)), bytes((224, 0, 1, 187))
PRESENCE = bytes.fromhex("50020000b168ff") + bytes.fromhex(device_id("device"))
ANNOUNCED = ethernet(MAC, MAC, Packet(ADDRESS, GROUP, Udp(5683, 5683, PRESENCE)).pack())
SEEN = ((0.1, ANNOUNCED),)  # which device it is, though nobody can read its identity
ON_FILE = Known(registered={"device": keys.device_numbers("device")})
FOR_ANEW = case(
    PRIVATE,
    clouds=(cloud(knows={"device": keys.device_numbers("anew")}, settings=TRUSTS),),
    beside=SEEN,
    seed=1,
)
TINY = keys.device_numbers("device").n >> 7 | 1
FOR_TINY = case(
    ON_FILE,
    beside=SEEN,
    clouds=(cloud(seal=lambda: seals.ForeignDeviceKey(TINY)),),
)

BLOCKS = {
    "HP207": Told(
        reached=HOLDS_TEXT,
        cause=C.INCONCLUSIVE,
        mechanism=M.IDENTITY_REFUSED,
        near=but(HOLDS_TEXT, devices=(device(server="other", attempts=6),)),
        thin=but(HOLDS_TEXT, known=NONE),
    ),
    "HP208": Told(
        reached=HOLDS_LARGE,
        cause=C.INCONCLUSIVE,
        mechanism=M.IDENTITY_REFUSED,
        near=but(HOLDS_LARGE, seed=1),
        thin=but(HOLDS_LARGE, view={"snap": 96}),
    ),
    "HP209": Told(
        reached=REPLAYS,
        cause=C.DEVICE_FAULT,
        mechanism=M.IDENTITY_REPEATED,
        near=other_device(REPLAYS, seal=Seal),
        thin=but(REPLAYS, view={"snap": 96}),
    ),
    "HP311": Told(
        reached=FOR_ANEW,
        cause=C.DEVICE_KEY_CORRUPTION,
        mechanism=M.CREDENTIALS_NOT_DECRYPTABLE,
        near=but(FOR_ANEW, seed=2),
        thin=but(FOR_ANEW, known=NONE),
    ),
    "HP312": Told(
        reached=but(FOR_ANEW, known=ON_FILE),
        cause=C.INCONCLUSIVE,
        mechanism=M.CREDENTIALS_REFUSED,
        near=but(FOR_ANEW, known=ON_FILE, seed=2),
        thin=but(FOR_ANEW, known=ON_FILE, beside=()),
    ),
    "HP313": Told(
        reached=FOR_TINY,
        cause=C.INCONCLUSIVE,
        mechanism=M.CREDENTIALS_REFUSED,
        near=other_cloud(FOR_TINY, seal=Seal),
        thin=but(FOR_TINY, beside=()),
    ),
}
