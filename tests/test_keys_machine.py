"""RSA operations, fingerprints, sent keys, the keyring: against the published test vectors."""

from __future__ import annotations

import hmac
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from handshake_probe.errors import KeyFileError
from handshake_probe.keys.files import KeyFile, KeyRole
from handshake_probe.keys.fingerprint import describe_sent_key, fingerprint, read_spki, spki
from handshake_probe.keys.firmware import (
    read_device_slot,
    read_server_modulus,
    server_modulus_usable,
    spki_as_sent,
    usable_for_decrypting,
)
from handshake_probe.keys.keyring import Keyring, PrivateNumbers, build_keyring
from handshake_probe.keys.numbers import modulus_flaw, repaired
from handshake_probe.keys.particle import PARTICLE_CLOUD, is_particle_address, is_particle_name
from handshake_probe.keys.rsa import (
    decrypt_proven,
    open_encrypted,
    private_operation,
    private_operation_as_firmware,
    public_operation,
)
from handshake_probe.keys.slots import AddressKind, AddressRecord

E = 65537


def numbers(p: int, q: int) -> PrivateNumbers:
    d = pow(E, -1, (p - 1) * (q - 1))
    return PrivateNumbers(p * q, E, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))


DEVICE = numbers(
    0xE28B3A580AF754F68436E5CA6171300158B207AA9D8FF6E49B2BD9C3975D2179EED50A9295968C941B688181B87688BCB93557C50895460CA323FC2592B6C037,
    0xC1BCD1B0EE7A489B8F092153FF94F15679A74CA713257DAC23C91B230DF500DA014654349E3C14A233CBE26F936C690B3E04F91208F4E43D515E9DE81F709F19,
)
CLOUD = numbers(
    0xECAAF29808F376454414452A5C5429843FF7EF0FE48B936B54EAE25DC3A4328D98EA00F784F9B2130A3B6209D9A3733909CD52508B4FE664F7354B22E1D0FC7513765345C3956E2CAE5FF8F1677BE757BDC8B61F182537832D5ECF16E498BE34C0AD0374097C5527C39BBAF37F4641837D96D0529476E45E6E858DAC9884EE3F,
    0xB59233103A89520FAA1CB03CF247266A597F6C30B37D15F422D41CB008A83BB8270338C535B82678041B79F6FE6EFBA1DF1F5E1B10509BD29B9EFB9EBF023C6F49DD38B2530B8890C6EF6B8603DFFDF62C0D621165690A87409A3D5571E12D94F33B1FBF58CFBDF33DA4528637558F3B8708451D7979D9A8C952F2BDC903B395,
)
NONCE = bytes(range(0x10, 0x38))
DEVICE_ID = bytes.fromhex("e00fce68a1b2c3d4e5f60718")
SESSION = bytes.fromhex(
    "000102030405060708090a0b0c0d0e0ff0e0d0c0b0a0908070605040302010003412aabbccddeeff"
)
C = bytes.fromhex(
    "65a139ff39ab5c991faaad456202d79b576e5e81a34c4c0e13fcd46c12e03a2f003e9470835c6b25026c84b216a20937"
    "bde46553b74eb9a1d001bc459522376c7a9cfbe296b798849cf29f3b69a82081ff6bef64f02b647092b53b10832bcc17"
    "7218dbca4cee9f1a1a9d4c7b3f64f54f62f129223a5084074d64409e304c7725"
)
M = bytes.fromhex("6da163588cc14df5ef21840d57fd609cbc91028e")
SIGNATURE_SHA256 = "d9d629b1d1e203b0c2e812a30f337489fbe143f0020367899ce50c2db3faff18"
BLOB_SHA256 = "a334457587b6adf9bfdb750e761513da6e8fc7e7cc58e7d7abfac96e6cedfbd3"
SPKI_SHA256 = "00238298badc49b9468d5aa5d70314b313ea0d835c2e7b0f0a48190c42686efd"


def proof(plaintext: bytes) -> bool:
    return len(plaintext) == 40 and hmac.digest(plaintext, C, "sha1") == M


def test_vectors_of_the_identity() -> None:
    key = spki(DEVICE.n, DEVICE.e)
    assert (len(key), sha256(key).hexdigest()) == (162, SPKI_SHA256)
    block = b"\x00\x02" + b"\xa5" * 39 + b"\0" + NONCE + DEVICE_ID + key
    blob = public_operation(CLOUD.n, CLOUD.e, block)
    assert sha256(blob).hexdigest() == BLOB_SHA256
    assert private_operation(CLOUD, blob) == block
    assert decrypt_proven(CLOUD, blob, lambda plain: plain[:40] == NONCE) == block[42:]


def test_vectors_of_the_credentials() -> None:
    assert private_operation(DEVICE, C) == b"\x00\x02" + b"\x5a" * 85 + b"\0" + SESSION
    assert private_operation_as_firmware(DEVICE, C) == private_operation(DEVICE, C)
    assert decrypt_proven(DEVICE, C, proof) == SESSION
    signed = b"\x00\x01" + b"\xff" * 233 + b"\0" + M
    signature = private_operation(CLOUD, signed)
    assert sha256(signature).hexdigest() == SIGNATURE_SHA256
    assert public_operation(CLOUD.n, CLOUD.e, signature) == signed


def test_a_wrong_key_is_never_believed() -> None:
    other = rsa.generate_private_key(E, 1024).private_numbers()
    wrong = numbers(other.p, other.q)
    assert decrypt_proven(wrong, C, proof) is None
    assert decrypt_proven(DEVICE, C, lambda _: False) is None
    assert decrypt_proven(DEVICE, C[:-1], lambda _: True) is None
    assert decrypt_proven(DEVICE, b"\xff" * 128, lambda _: True) is None


def test_the_library_tells_drawn_answers_from_true_ones() -> None:
    drawn = [number.to_bytes(128, "big") for number in range(40)]
    assert open_encrypted(DEVICE, C) == open_encrypted(DEVICE, C, 40) == SESSION
    assert open_encrypted(DEVICE, C, 39) is None
    assert [open_encrypted(DEVICE, block) for block in drawn] == [None] * len(drawn)


@pytest.mark.parametrize("block", [C[:-1], C + b"\0", b"\xff" * 128, b""])
def test_what_the_library_cannot_tell_it_does_not(block: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        open_encrypted(DEVICE, block)
    with pytest.raises(ValueError, match="damaged"):
        open_encrypted(DEVICE._replace(dp=1), C)


@pytest.mark.parametrize("length", [0, 1, 15])
def test_a_short_plaintext_is_not_sure(length: int) -> None:
    block = b"\0\2" + b"\7" * (125 - length) + b"\0" + bytes(length)
    with pytest.raises(ValueError, match="sure"):
        open_encrypted(DEVICE, public_operation(DEVICE.n, E, block))


DAMAGED = {
    "p": DEVICE._replace(p=DEVICE.p ^ 0xFF00),
    "q": DEVICE._replace(q=DEVICE.q ^ 2),
    "dp": DEVICE._replace(dp=DEVICE.dp ^ 1),
    "qinv": DEVICE._replace(qinv=0),
    "no primes": DEVICE._replace(p=0, q=0, dp=0, dq=0, qinv=0),
    "erased tail": DEVICE._replace(q=2**512 - 1, dp=2**512 - 1, dq=2**512 - 1, qinv=2**512 - 1),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_crt_values_open_for_us_but_not_for_the_firmware(damage: str) -> None:
    key = DAMAGED[damage]
    assert private_operation(key, C)[-40:] == SESSION
    assert decrypt_proven(key, C, proof) == SESSION
    seen = private_operation_as_firmware(key, C)
    assert seen is None or seen[-40:] != SESSION


def test_damaged_private_exponent_opens_everywhere() -> None:
    key = DEVICE._replace(d=DEVICE.d ^ 0xFF00FF)
    assert decrypt_proven(key, C, proof) == SESSION
    assert private_operation(key, C)[-40:] == SESSION
    assert private_operation_as_firmware(key, C) == private_operation(DEVICE, C)


def test_one_good_prime_rebuilds_the_key() -> None:
    for ruin in ({"p": 12345, "d": 7}, {"q": 0, "d": 0}, {"p": DEVICE.n, "d": 1}):
        rebuilt = repaired(DEVICE._replace(**ruin))
        assert rebuilt is not None
        assert {rebuilt.p, rebuilt.q} == {DEVICE.p, DEVICE.q}
        assert private_operation(rebuilt, C)[-40:] == SESSION
    assert repaired(DEVICE._replace(p=0, q=0, d=DEVICE.d ^ 4)) is None
    assert repaired(DEVICE._replace(n=DEVICE.n ^ 2)) is None


def test_firmware_operation_gives_up_as_the_library_does() -> None:
    assert private_operation_as_firmware(DEVICE._replace(p=0), C) is None
    assert private_operation_as_firmware(DEVICE._replace(q=DEVICE.q + 1), C) is None
    assert private_operation_as_firmware(DEVICE, DEVICE.n.to_bytes(128, "big")) is None
    assert private_operation_as_firmware(PrivateNumbers(*[0] * 8), C) is None


NUMBER = st.integers(0, 2**1032) | st.sampled_from(DEVICE) | st.integers(0, 3)


@given(st.builds(PrivateNumbers, *[NUMBER] * 8), st.binary(max_size=130) | st.just(C))
def test_no_integers_make_an_operation_raise(key: PrivateNumbers, block: bytes) -> None:
    assert decrypt_proven(key, block, proof) in (None, SESSION)
    private_operation_as_firmware(key, block)
    with suppress(ValueError):
        assert open_encrypted(key, block) in (None, SESSION)
    if key.n > 0:
        private_operation(key, block)


@given(st.dictionaries(st.sampled_from(DEVICE._fields), st.integers(0, 1023), max_size=3))
def test_flipped_bits_in_a_sound_key(flips: dict[str, int]) -> None:
    key = DEVICE._replace(
        **{name: getattr(DEVICE, name) ^ (1 << bit) for name, bit in flips.items()}
    )
    assert decrypt_proven(key, C, proof) in (None, SESSION)
    private_operation_as_firmware(key, C)
    if key.n == DEVICE.n and key.e == DEVICE.e and key.d == DEVICE.d:
        assert private_operation(key, C)[-40:] == SESSION


def test_spki_is_what_cryptography_makes() -> None:
    for key, length in ((DEVICE, 162), (CLOUD, 294)):
        der = spki(key.n, key.e)
        assert len(der) == length
        assert read_spki(der) == (key.n, key.e)
        assert read_spki(der + b"\xff" * 9) == (key.n, key.e)
        assert fingerprint(key.n, key.e) == f"sha256:{sha256(der).hexdigest()[:16]}"
    assert read_spki(spki(DEVICE.n, E)[:150]) is None


@given(st.binary(max_size=170))
def test_sent_key_never_raises(data: bytes) -> None:
    read_spki(data)
    words = ("erased", "zeroed", "pkcs8", "ec_key", "shifted", "not_a_modulus", None)
    assert describe_sent_key(data) in words


def slot_with(body: bytes) -> bytes:
    return spki_as_sent(body.ljust(612, b"\xff"))


MODULUS = DEVICE.n.to_bytes(128, "big")


@pytest.mark.parametrize(
    ("sent", "word"),
    [
        (spki(DEVICE.n, E), None),
        (slot_with(bytes.fromhex("3082025c020100028181 00") + MODULUS), None),
        (slot_with(b""), "erased"),
        (slot_with(bytes.fromhex("3082025c02010002818100") + MODULUS[:90] + bytes(38)), "zeroed"),
        (slot_with(bytes(4) + bytes.fromhex("3082025c02010002818100") + MODULUS), "shifted"),
        (slot_with(bytes.fromhex("02818100") + MODULUS + bytes.fromhex("0203010001")), "shifted"),
        (slot_with(bytes.fromhex("3082025c02010002818100") + MODULUS[:90]), "erased"),
        (
            slot_with(
                bytes.fromhex(
                    "30820276020100300d06092a864886f70d0101010500048202603082025c02010002818100"
                )
                + MODULUS
            ),
            "pkcs8",
        ),
        (
            slot_with(
                bytes.fromhex("30770201010420")
                + MODULUS[:32]
                + bytes.fromhex("a00a06082a8648ce3d030107a144034200")
                + MODULUS[:65]
            ),
            "ec_key",
        ),
        (
            slot_with(b"-----BEGIN RSA PRIVATE KEY-----\nMIICXAIBAAKBgQ" + b"Q" * 200),
            "not_a_modulus",
        ),
        (slot_with(bytes.fromhex("3082025c0201000281810000") + MODULUS), "not_a_modulus"),
        (spki(DEVICE.n + 1, E), "not_a_modulus"),
        (spki(DEVICE.n * 3 >> 2 | 1, E), "not_a_modulus"),
        (b"\x30\x03\x02\x01\x05", "not_a_modulus"),
        (b"", "not_a_modulus"),
    ],
)
def test_sent_keys_of_damaged_slots(sent: bytes, word: str | None) -> None:
    assert describe_sent_key(sent) == word


def test_slot_is_sent_as_it_is() -> None:
    assert slot_with(bytes.fromhex("3082025c02010002818100") + MODULUS) == spki(DEVICE.n, E)


@given(st.binary(max_size=700))
def test_firmware_reads_anything(slot: bytes) -> None:
    reading = read_device_slot(slot)
    assert reading.n < 2**1024
    assert usable_for_decrypting(reading) in (True, False)
    assert len(spki_as_sent(slot)) == 162
    assert read_server_modulus(slot) < 2**2048


def test_server_modulus() -> None:
    der = spki(CLOUD.n, E)
    assert read_server_modulus(der.ljust(512, b"\xff")) == CLOUD.n
    assert read_server_modulus(bytes(33) + der[33:]) == CLOUD.n
    assert server_modulus_usable(CLOUD.n)
    assert not server_modulus_usable(CLOUD.n - 1)
    assert not server_modulus_usable(CLOUD.n >> 9 | 1)
    assert not server_modulus_usable(0)


def test_modulus_flaws_never_accuse_a_sound_key() -> None:
    for key, bits in ((DEVICE, 1024), (CLOUD, 2048), (PARTICLE_CLOUD, 2048)):
        assert modulus_flaw(key.n, bits) is None
    assert modulus_flaw(2**1024 - 1, 1024) is not None
    assert modulus_flaw(CLOUD.n, 1024) is not None


def test_particle_cloud() -> None:
    digits = f"{PARTICLE_CLOUD.n:x}"
    assert len(digits) == 512
    assert digits.startswith("beccbe43db8eea15")
    assert digits.endswith("1ba8505ea70d")
    assert PARTICLE_CLOUD.source == "particle-cloud"
    assert not PARTICLE_CLOUD.named


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("device.spark.io", True),
        ("Device.TCP.Particle.io.", True),
        ("e00fce68a1b2c3d4e5f60718.v5.udp.particle.io", True),
        ("device.spark.io.example.net", False),
        ("notparticle.io", False),
        ("", False),
    ],
)
def test_particle_names(name: str, expected: bool) -> None:
    assert is_particle_name(name) is expected


def test_particle_addresses() -> None:
    assert is_particle_address("54.208.229.4")
    assert not is_particle_address("54.208.229.5")
    assert not is_particle_address("device.spark.io")


def key_file(
    role: KeyRole, key: PrivateNumbers, name: str, device_id: str | None = None
) -> KeyFile:
    private = role in (KeyRole.CLOUD_PRIVATE, KeyRole.DEVICE_PRIVATE)
    return KeyFile(
        name=name,
        role=role,
        form="test",
        bits=key.n.bit_length(),
        fingerprint=fingerprint(key.n, key.e),
        device_id=device_id,
        n=key.n,
        e=key.e,
        private=key if private else None,
        firmware=key if role is KeyRole.DEVICE_PRIVATE else None,
        firmware_agrees=role is KeyRole.DEVICE_PRIVATE,
    )


ID_A, ID_B = "a" * 24, "b" * 24


def bindings(ring: Keyring) -> list[str | None]:
    return [key.device_id for key in ring.devices] + [key.device_id for key in ring.registered]


def test_halves_of_a_cloud_key_become_one() -> None:
    slot = replace(
        key_file(KeyRole.CLOUD_PUBLIC, CLOUD, "slot"),
        address=AddressRecord(AddressKind.IP, "192.0.2.1", None, None),
    )
    ring = build_keyring([slot, key_file(KeyRole.CLOUD_PRIVATE, CLOUD, "private")])
    assert len(ring.cloud) == 1
    assert ring.cloud[0].source == "slot"
    assert ring.cloud[0].private == CLOUD
    assert ring.cloud[0].address == "192.0.2.1:5683"
    assert not ring.cloud[0].named


def test_the_sound_private_half_wins() -> None:
    damaged = key_file(KeyRole.CLOUD_PRIVATE, CLOUD._replace(p=CLOUD.p ^ 2), "damaged")
    sound = key_file(KeyRole.CLOUD_PRIVATE, CLOUD, "sound")
    for files in ([damaged, sound], [sound, damaged]):
        assert build_keyring(files).cloud[0].private == CLOUD


def test_named_keys_are_marked() -> None:
    public = key_file(KeyRole.CLOUD_PUBLIC, CLOUD, "public")
    assert [key.named for key in build_keyring([public], [public]).cloud] == [True]
    assert [key.named for key in build_keyring([], [public]).cloud] == [True]
    with pytest.raises(KeyFileError, match="no cloud's key"):
        build_keyring([], [key_file(KeyRole.REGISTERED, DEVICE, "device.pub")])


def test_private_half_registers_nothing() -> None:
    ring = build_keyring([key_file(KeyRole.DEVICE_PRIVATE, DEVICE, "slot", ID_A)])
    assert [key.device_id for key in ring.devices] == [ID_A]
    assert ring.registered == ()
    assert not ring.has_register


def test_the_same_key_twice_counts_once_and_keeps_its_device() -> None:
    for role in (KeyRole.DEVICE_PRIVATE, KeyRole.REGISTERED):
        free, bound = key_file(role, DEVICE, "free"), key_file(role, DEVICE, "bound", ID_A)
        other = key_file(role, DEVICE, "other", ID_B)
        for files in ([free, bound], [bound, free], [bound, bound]):
            assert bindings(build_keyring(files)) == [ID_A]
        assert bindings(build_keyring([bound, other])) == [ID_A, ID_B]


def test_ec_keys_stay_out() -> None:
    file = KeyFile("ec", KeyRole.EC_PUBLIC, "SPKI DER", 256, "sha256:0", None)
    ring = build_keyring([file])
    assert (ring.cloud, ring.devices, ring.registered) == ((), (), ())
