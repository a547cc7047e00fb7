"""Test vectors of the handshake, made for the protocol's description; no real device's data.

Keys, identity in both forms, credentials and the frames of one session. The paddings that made
them are fixed, so every byte can be recomputed.
"""

from __future__ import annotations

from handshake_probe.keys.fingerprint import fingerprint, spki
from handshake_probe.keys.keyring import CloudKey, DeviceKey, Keyring, RegisteredKey
from handshake_probe.keys.numbers import PUBLIC_EXPONENT, PrivateNumbers
from handshake_probe.packets.units import Direction

DEVICE = Direction.DEVICE_TO_CLOUD
CLOUD = Direction.CLOUD_TO_DEVICE

_CLOUD_P = int(
    "ecaaf29808f376454414452a5c5429843ff7ef0fe48b936b54eae25dc3a4328d98ea00f784f9b2130a3b"
    "6209d9a3733909cd52508b4fe664f7354b22e1d0fc7513765345c3956e2cae5ff8f1677be757bdc8b61f"
    "182537832d5ecf16e498be34c0ad0374097c5527c39bbaf37f4641837d96d0529476e45e6e858dac9884"
    "ee3f",
    16,
)
_CLOUD_Q = int(
    "b59233103a89520faa1cb03cf247266a597f6c30b37d15f422d41cb008a83bb8270338c535b82678041b"
    "79f6fe6efba1df1f5e1b10509bd29b9efb9ebf023c6f49dd38b2530b8890c6ef6b8603dffdf62c0d6211"
    "65690a87409a3d5571e12d94f33b1fbf58cfbdf33da4528637558f3b8708451d7979d9a8c952f2bdc903"
    "b395",
    16,
)
_DEVICE_P = int(
    "e28b3a580af754f68436e5ca6171300158b207aa9d8ff6e49b2bd9c3975d2179eed50a9295968c941b68"
    "8181b87688bcb93557c50895460ca323fc2592b6c037",
    16,
)
_DEVICE_Q = int(
    "c1bcd1b0ee7a489b8f092153ff94f15679a74ca713257dac23c91b230df500da014654349e3c14a233cb"
    "e26f936c690b3e04f91208f4e43d515e9de81f709f19",
    16,
)
NONCE = bytes.fromhex(
    "101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637"
)
DEVICE_ID = bytes.fromhex("e00fce68a1b2c3d4e5f60718")
SESSION = bytes.fromhex(
    "000102030405060708090a0b0c0d0e0ff0e0d0c0b0a0908070605040302010003412aabbccddeeff"
)
IDENTITY_LONG = bytes.fromhex(
    "151c63d912d3968a2be237277972f39f93514682a3dc7e28756b7795ca5f0f4cb71b2a28bf47ea6b112b"
    "acfc18a0e34f7fba330138d117fa3873f94e7941560dafc0ba18c61f2ead6f608ac3323908125ba87a02"
    "a84b1549f796eafb29060f73a619aa6735de21d8964d6e2a7db16733339b8635e410c8b4cf33539bfdfb"
    "99aa8b39786c5a321a1f303f81c6aa423a7c0c0b396a4fc9068cebc4474096a4fac856a240c20d872bd0"
    "516d9f75357ed26c9f168ee062211fe646c5f68c486d0a24e5cf14990719da8dcd963c778d8a61b4e5db"
    "d8bf95d98180dabec4a93876a87a06ea83055f9a43fef8c882c6565f9ddc471d3168e33a8973b4b2fc02"
    "e5f4b319"
)
IDENTITY_SHORT = bytes.fromhex(
    "05b6ec771d7d792891e0bf171b0554ca73cdf8085a727f8e02907b1fc4b19c25c1cb9c9053f965a771bd"
    "5458c198cd19d7a9ce52ce526d1e2ed2e946057965054d12013bda76001b676bddb5fb3bb35b4f1db0c0"
    "1f4153149375843fcd091f21a650f942e61f8e785e8a94c49471ec191e541197a5b41653430efd2e5606"
    "e612ad569bf671e21ee0a4045390f5e680e4c646b41166feb4d560264fcf1754e8f3391d2ba84833107d"
    "0173bba90f3b412c09987f52b9eb3f1e0fdeace543023b665055ccc13ed4bb9aa9b1fedfecf51d0b4552"
    "947b036a07507bbc491b8ce15ee3d1f3ec9752b30f211e723839c39682871ddca7456273bb4cead1d9e5"
    "441956dd"
)
CIPHERTEXT = bytes.fromhex(
    "65a139ff39ab5c991faaad456202d79b576e5e81a34c4c0e13fcd46c12e03a2f003e9470835c6b25026c"
    "84b216a20937bde46553b74eb9a1d001bc459522376c7a9cfbe296b798849cf29f3b69a82081ff6bef64"
    "f02b647092b53b10832bcc177218dbca4cee9f1a1a9d4c7b3f64f54f62f129223a5084074d64409e304c"
    "7725"
)
MAC = bytes.fromhex("6da163588cc14df5ef21840d57fd609cbc91028e")
SIGNATURE = bytes.fromhex(
    "a4c3ca1488480b551a21dc09a61572b698cc190b7e3f165bb4fa685a3e89c9158f563545f455715cc390"
    "ab03c4a7465acb4e64fd3e86cbaa356a60d98f6510b85d069708663b5d465948fbd0a3bf6d7e9c2c6f55"
    "5d9594c1aabd2fd80e55ade4a129ca41500b0bc86aba90ffe907ff361ba9b972746309635eed17419b11"
    "6c0bd6894e6e8f1824cf975bc256a160017be35a587adb7520b0ffccce8b0169ebf580b4aeba2cbb1469"
    "86eb874d86e7320b5227e42ee2882a3d40dc64640ace042df78925af36d6074a1888ae0423f58230b6dd"
    "0cba33cb52a093cc854380b34966a2745fce3b4b359fa30a35083221b0370916c350d53aeb827ef1e19f"
    "bab534e9"
)

DEVICE_SPKI_SHA256 = "00238298badc49b9468d5aa5d70314b313ea0d835c2e7b0f0a48190c42686efd"

FRAMES: tuple[tuple[Direction, str, str], ...] = (
    (DEVICE, "50021235b168ff0006010200360006", "0010fc901da63f18ac16d6ab89b7bd138903"),
    (CLOUD, "5102045601b168", "0010289efbf44169533c90ce045d0f327a55"),
    (
        DEVICE,
        "50021236b1450d0a737061726b2f6465766963652f636c61696d2f636f6465ff" + "41" * 63,
        "0060c7433eb75fefbe492b6de3428e1bbfad0759ae10ebf9e6653ce430de942952f6bc5150acf51b11e1"
        "1b621ce4f710c08b2048424645cd8c3826d78caaea77d45f5a744d610a0e4e72fcfde14a6c09a7c583cb"
        "5a880eaf7a48d4578cc9788be395",
    ),
    (DEVICE, "410112379bb174", "00109d2c4aae3183119b9f9cb8bcd8534ab8"),
    (CLOUD, "614512379bff65000000", "001096c034fa4eab959b03cce0296273c101"),
    (DEVICE, "40001238", "0010e8ca428757f873d60c4f27b08984bee6"),
    (CLOUD, "60001238", "00108a686a90a04fc7d8266f58b70bb4f3df"),
)
HELLO_30 = bytes.fromhex("50021235b168ff000601020036000600000ce503c00001e0000200")
HELLO_30_FRAME = bytes.fromhex(
    "0020d87f81ed0ba29b195c9570bc3d83a0d57f1a29d12611bc6cb8554813e0dea9bf"
)

# From Device OS's own unit tests (version 0.4.0), classic firmware.
FIXTURE_SESSION = bytes.fromhex(
    "ead9e1e2014903b9e76632f6fa5afa669522a567e100cd3cfe5215473921b63d97b197250038fa09"
)
FIXTURE_FRAME = bytes.fromhex("0010de896027ba111a95be396f4dfc309b6b")
FIXTURE_PLAINTEXT = bytes.fromhex("500297b2b168ffffffffff0000")


def numbers(p: int, q: int) -> PrivateNumbers:
    """Return the private key of two primes."""
    e = PUBLIC_EXPONENT
    d = pow(e, -1, (p - 1) * (q - 1))
    return PrivateNumbers(p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))


CLOUD_NUMBERS = numbers(_CLOUD_P, _CLOUD_Q)
DEVICE_NUMBERS = numbers(_DEVICE_P, _DEVICE_Q)
DEVICE_SPKI = spki(DEVICE_NUMBERS.n, DEVICE_NUMBERS.e)
CLOUD_PRINT = fingerprint(CLOUD_NUMBERS.n, CLOUD_NUMBERS.e)
DEVICE_PRINT = fingerprint(DEVICE_NUMBERS.n, DEVICE_NUMBERS.e)


def cloud_key(private: PrivateNumbers = CLOUD_NUMBERS, *, public_only: bool = False) -> CloudKey:
    """Return a cloud's key as a keyring holds it."""
    mark = fingerprint(private.n, private.e)
    return CloudKey(
        mark, "cloud", private.n, private.e, None if public_only else private, named=False
    )


def device_key(
    der: PrivateNumbers = DEVICE_NUMBERS, firmware: PrivateNumbers | None = DEVICE_NUMBERS
) -> DeviceKey:
    """Return a device's key as a keyring holds it."""
    return DeviceKey(
        fingerprint=fingerprint(der.n, der.e),
        source="device",
        device_id=None,
        numbers=der,
        firmware=firmware,
        firmware_agrees=der == firmware,
    )


def registered_key(private: PrivateNumbers = DEVICE_NUMBERS) -> RegisteredKey:
    """Return a registered key as a keyring holds it."""
    mark = fingerprint(private.n, private.e)
    return RegisteredKey(mark, "registered", None, private.n, private.e)


ALL_KEYS = Keyring(cloud=(cloud_key(),), devices=(device_key(),), registered=(registered_key(),))
