"""Key files as users have them: every container, slots, damage, and what is no key at all."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from handshake_probe.errors import KeyFileError
from handshake_probe.keys.der import SEQUENCE, encode, encode_integer
from handshake_probe.keys.files import KeyFile, KeyRole, read_key
from handshake_probe.keys.fingerprint import fingerprint
from handshake_probe.keys.slots import AddressKind, AddressRecord, parse_address_record

E = 65537
DEVICE_PRIMES = (
    0xE28B3A580AF754F68436E5CA6171300158B207AA9D8FF6E49B2BD9C3975D2179EED50A9295968C941B688181B87688BCB93557C50895460CA323FC2592B6C037,
    0xC1BCD1B0EE7A489B8F092153FF94F15679A74CA713257DAC23C91B230DF500DA014654349E3C14A233CBE26F936C690B3E04F91208F4E43D515E9DE81F709F19,
)
CLOUD_PRIMES = (
    0xECAAF29808F376454414452A5C5429843FF7EF0FE48B936B54EAE25DC3A4328D98EA00F784F9B2130A3B6209D9A3733909CD52508B4FE664F7354B22E1D0FC7513765345C3956E2CAE5FF8F1677BE757BDC8B61F182537832D5ECF16E498BE34C0AD0374097C5527C39BBAF37F4641837D96D0529476E45E6E858DAC9884EE3F,
    0xB59233103A89520FAA1CB03CF247266A597F6C30B37D15F422D41CB008A83BB8270338C535B82678041B79F6FE6EFBA1DF1F5E1B10509BD29B9EFB9EBF023C6F49DD38B2530B8890C6EF6B8603DFFDF62C0D621165690A87409A3D5571E12D94F33B1FBF58CFBDF33DA4528637558F3B8708451D7979D9A8C952F2BDC903B395,
)
# With the first device prime, each of these makes a sound key that holds one short integer.
SHORT_MAKERS = dict(
    zip(
        ("d", "dq", "qinv"),
        (
            0xC1B635D5A97404B95C76D044197F12039EF11809F36CAA238CF56278F487C2A3EF5A43411762D4089CD0D15BEFDB27B28BDD9EBD081C9B5A0D909590ECD3286D,
            0xC4A394CE6C8DED73B75F8E101D0064823118AA8325BC4C36C99BBB97A894E4B2628CBF8B9571A1A021D37A56525D8D58AB3A01898C6620E128F6FA13122BE145,
            0xD7145861C79A1CE7A32A04BC4B8511E0DE276B1D4D7652BE990C6DDFF8BC69ACA0DE44502319FF177636B8C885B290FEAF60D976C49C372D426EA12C5C91D007,
        ),
        strict=True,
    )
)
DEVICE_ID = "e00fce68a1b2c3d4e5f60718"


def make(p: int, q: int) -> rsa.RSAPrivateKey:
    d = pow(E, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(E, p * q)
    return rsa.RSAPrivateNumbers(
        p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public
    ).private_key()


DEVICE = make(*DEVICE_PRIMES)
CLOUD = make(*CLOUD_PRIMES)
EC = ec.derive_private_key(0x1234567890ABCDEF, ec.SECP256R1())

PKCS1 = PrivateFormat.TraditionalOpenSSL
PKCS8 = PrivateFormat.PKCS8
SPKI = PublicFormat.SubjectPublicKeyInfo


def private(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey,
    encoding: Encoding,
    form: PrivateFormat,
) -> bytes:
    return key.private_bytes(encoding, form, NoEncryption())


DEVICE_DER = private(DEVICE, Encoding.DER, PKCS1)
DEVICE_SLOT = DEVICE_DER.ljust(612, b"\xff")
DEVICE_PKCS8 = private(DEVICE, Encoding.DER, PKCS8)
CLOUD_SPKI = CLOUD.public_key().public_bytes(Encoding.DER, SPKI)
EC_SPKI = EC.public_key().public_bytes(Encoding.DER, SPKI)
NAME_RECORD = (b"\x01\x0fdevice.spark.io\0".ljust(66, b"\xff") + b"\xff\xff").ljust(128, b"\xff")
SERVER_SLOT = CLOUD_SPKI.ljust(384, b"\xff") + NAME_RECORD


def flipped(data: bytes, offset: int, mask: int = 0x55) -> bytes:
    changed = bytearray(data)
    changed[offset] ^= mask
    return bytes(changed)


def device_style_der() -> bytes:
    """The 611 bytes that a device's own generator writes: every integer 129 or 65 bytes."""
    numbers = DEVICE.private_numbers()
    public = numbers.public_numbers
    body = b"\x02\x01\x00\x02\x81\x81" + public.n.to_bytes(129, "big") + b"\x02\x03\x01\x00\x01"
    body += b"\x02\x81\x81" + numbers.d.to_bytes(129, "big")
    for number in (numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp):
        body += b"\x02\x41" + number.to_bytes(65, "big")
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body


@pytest.mark.parametrize(
    ("data", "role", "form"),
    [
        (DEVICE_DER, KeyRole.DEVICE_PRIVATE, "PKCS#1 DER"),
        (private(DEVICE, Encoding.PEM, PKCS1), KeyRole.DEVICE_PRIVATE, "PKCS#1 PEM"),
        (DEVICE_PKCS8, KeyRole.DEVICE_PRIVATE, "PKCS#8 DER"),
        (private(DEVICE, Encoding.PEM, PKCS8), KeyRole.DEVICE_PRIVATE, "PKCS#8 PEM"),
        (private(CLOUD, Encoding.DER, PKCS1), KeyRole.CLOUD_PRIVATE, "PKCS#1 DER"),
        (private(CLOUD, Encoding.PEM, PKCS8), KeyRole.CLOUD_PRIVATE, "PKCS#8 PEM"),
        (CLOUD_SPKI, KeyRole.CLOUD_PUBLIC, "SPKI DER"),
        (
            CLOUD.public_key().public_bytes(Encoding.PEM, SPKI),
            KeyRole.CLOUD_PUBLIC,
            "SPKI PEM",
        ),
        (
            CLOUD.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1),
            KeyRole.CLOUD_PUBLIC,
            "PKCS#1 public DER",
        ),
        (
            DEVICE.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1),
            KeyRole.REGISTERED,
            "PKCS#1 public PEM",
        ),
        (DEVICE.public_key().public_bytes(Encoding.DER, SPKI), KeyRole.REGISTERED, "SPKI DER"),
        (
            DEVICE.public_key().public_bytes(Encoding.PEM, SPKI).replace(b"\n", b"\r\n"),
            KeyRole.REGISTERED,
            "SPKI PEM",
        ),
        (DEVICE_SLOT, KeyRole.DEVICE_PRIVATE, "device slot (612 bytes, PKCS#1, FF padded)"),
        (SERVER_SLOT, KeyRole.CLOUD_PUBLIC, "server slot (512 bytes with address record)"),
        (
            SERVER_SLOT.ljust(2048, b"\xff"),
            KeyRole.CLOUD_PUBLIC,
            "server slot (2048 bytes with address record)",
        ),
        (private(EC, Encoding.DER, PKCS1), KeyRole.EC_PRIVATE, "SEC1 DER"),
        (private(EC, Encoding.PEM, PKCS8), KeyRole.EC_PRIVATE, "PKCS#8 PEM"),
        (EC_SPKI, KeyRole.EC_PUBLIC, "SPKI DER"),
        (
            EC_SPKI.ljust(192, b"\xff") + NAME_RECORD,
            KeyRole.EC_PUBLIC,
            "EC server slot (320 bytes with address record)",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_role_and_form_follow_from_content(data: bytes, role: KeyRole, form: str) -> None:
    key = read_key("misleading.txt", data)
    assert (key.role, key.form) == (role, form)
    if role in (KeyRole.DEVICE_PRIVATE, KeyRole.REGISTERED):
        expected: rsa.RSAPublicNumbers = DEVICE.public_key().public_numbers()
    elif role in (KeyRole.CLOUD_PRIVATE, KeyRole.CLOUD_PUBLIC):
        expected = CLOUD.public_key().public_numbers()
    else:
        assert (key.n, key.bits) == (None, 256)
        assert key.fingerprint is not None
        assert key.fingerprint == read_key("ec", EC_SPKI).fingerprint
        return
    assert (key.n, key.e) == (expected.n, expected.e)
    assert key.fingerprint == fingerprint(expected.n, expected.e)
    assert key.bits == expected.n.bit_length()


@pytest.mark.parametrize(
    ("name", "device_id"),
    [
        (f"{DEVICE_ID}.der", DEVICE_ID),
        (f"/keys/backup_rsa_{DEVICE_ID.upper()}.pub.pem", DEVICE_ID),
        (f"{DEVICE_ID}/device.der", None),
        (f"C:\\keys\\{DEVICE_ID}\\device.der", None),
        (f"{DEVICE_ID}0.der", None),
        (f"a{DEVICE_ID}.der", None),
        (f"{DEVICE_ID}_{DEVICE_ID[::-1]}.der", None),
        (f"{DEVICE_ID[:-1]}.der", None),
    ],
)
def test_device_id_comes_from_the_file_name_alone(name: str, device_id: str | None) -> None:
    assert read_key(name, DEVICE_SLOT).device_id == device_id


def test_sound_slot_is_read_alike_by_firmware_and_der() -> None:
    key = read_key("slot", DEVICE_SLOT)
    assert key.firmware == key.private
    assert key.firmware_agrees
    assert key.firmware_usable
    assert key.notes == ()


def test_device_made_der_that_strict_parsers_refuse() -> None:
    der = device_style_der()
    assert len(der) == 611
    with pytest.raises(ValueError, match=r".*"):
        serialization.load_der_private_key(der, None)
    key = read_key("slot", der + b"\xff")
    plain = read_key("plain", DEVICE_DER)
    assert key.private == plain.private
    assert key.firmware_agrees
    assert any("leading zeros" in note for note in key.notes)


@pytest.mark.parametrize("short", SHORT_MAKERS)
def test_sound_key_with_a_short_integer_is_misread_by_the_firmware(short: str) -> None:
    der = private(make(DEVICE_PRIMES[0], SHORT_MAKERS[short]), Encoding.DER, PKCS1)
    serialization.load_der_private_key(der, None)  # nothing is wrong with the key
    key = read_key("unlucky", der.ljust(612, b"\xff"))
    assert not key.firmware_agrees
    assert not key.firmware_usable
    assert key.private is not None
    assert key.firmware is not None
    assert key.firmware.n == key.private.n
    assert any("misreads" in note for note in key.notes)


def test_pkcs8_in_a_slot_is_not_readable_by_the_firmware() -> None:
    key = read_key("slot", DEVICE_PKCS8[:612])
    assert (key.role, key.n) == (KeyRole.DEVICE_PRIVATE, DEVICE.public_key().public_numbers().n)
    assert not key.firmware_agrees
    assert not key.firmware_usable
    assert any("PKCS#8" in note for note in key.notes)
    padded = read_key("slot", DEVICE_PKCS8.ljust(1216, b"\xff"))
    assert not padded.firmware_usable


def test_bare_pkcs8_accuses_no_device() -> None:
    key = read_key("file", DEVICE_PKCS8)
    assert key.firmware_agrees
    assert any("PKCS#8" in note for note in key.notes)


@pytest.mark.parametrize("offset", [0, 1, 2, 3, 4, 6, 8, 139, 142])
def test_header_damage_that_the_firmware_never_looks_at(offset: int) -> None:
    key = read_key("slot", flipped(DEVICE_SLOT, offset))
    assert key.private == read_key("sound", DEVICE_DER).private
    assert key.firmware_usable
    assert key.notes


def test_first_byte_erased_means_a_new_key_at_boot() -> None:
    key = read_key("slot", b"\xff" + DEVICE_SLOT[1:])
    assert any("new key" in note for note in key.notes)


@pytest.mark.parametrize(
    ("offset", "words"),
    [(300, "p * q is not n"), (360, "p * q is not n"), (480, "dq does not fit")],
)
def test_damaged_primes_are_named(offset: int, words: str) -> None:
    key = read_key("slot", flipped(DEVICE_SLOT, offset))
    assert key.firmware_agrees
    assert not key.firmware_usable
    assert any(words in note for note in key.notes)


def test_damaged_private_exponent_harms_no_device() -> None:
    key = read_key("slot", flipped(DEVICE_SLOT, 200))
    assert key.firmware_usable
    assert any("d does not undo e" in note for note in key.notes)


def test_damaged_header_and_damaged_prime_together() -> None:
    key = read_key("slot", flipped(flipped(DEVICE_SLOT, 4), 300))
    assert (key.role, key.n) == (KeyRole.DEVICE_PRIVATE, DEVICE.public_key().public_numbers().n)
    assert not key.firmware_usable


def test_cloud_key_cut_short() -> None:
    der = private(CLOUD, Encoding.DER, PKCS1)
    key = read_key("cut", der[:700])
    assert key.role is KeyRole.CLOUD_PRIVATE
    assert any("damaged" in note for note in key.notes)
    with pytest.raises(KeyFileError, match="cloud's private key, damaged"):
        read_key("cut", der[:400])


@pytest.mark.parametrize("start", [150, 200, 300, 420, 500])
def test_half_erased_slot_is_still_the_device_key(start: int) -> None:
    key = read_key("slot", DEVICE_DER[:start].ljust(612, b"\xff"))
    assert key.role is KeyRole.DEVICE_PRIVATE
    assert key.n == DEVICE.public_key().public_numbers().n
    assert not key.firmware_usable
    assert any(f"erased from byte {start} on" in note for note in key.notes)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (DEVICE_DER[:100].ljust(612, b"\xff"), "device key slot, erased from byte 100 on"),
        (DEVICE_DER[:60], "truncated at byte 60: n should have 129 bytes, 50 are there"),
        (b"\xff" * 612, "erased flash (all 612 bytes FF)"),
        (b"\0" * 16, "all 16 bytes zero"),
        (b"", "an empty file"),
        (b"\xd4\xc3\xb2\xa1" + bytes(20), "a packet capture"),
        (b"\x0a\x0d\x0d\x0a" + bytes(20), "a packet capture"),
        (b"<!DOCTYPE html><html></html>", "an HTML page"),
        (b'{"kty": "RSA"}', "JSON"),
        (b"hello\n", "plain text"),
        (DEVICE_DER.hex().encode(), "a hex dump"),
        (b"ssh-rsa AAAAB3Nza user@host", "an OpenSSH public key"),
        (bytes(range(64)), "binary data"),
        (b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "a certificate"),
        (b"-----BEGIN PUBLIC KEY-----\n!!\n-----END PUBLIC KEY-----\n", "no base64"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAAA=AAA\n-----END PUBLIC KEY-----\n", "no base64"),
        (b"A" * 70_000, "70000 bytes"),
    ],
)
def test_what_is_no_key_is_named(data: bytes, words: str) -> None:
    with pytest.raises(KeyFileError) as caught:
        read_key("a\nb", data)
    message = str(caught.value)
    assert words in message
    assert message.startswith("a?b: looks like ")
    assert "\n" not in message


def test_other_sizes_and_encryption_are_refused() -> None:
    big = rsa.generate_private_key(65537, 3072)
    with pytest.raises(KeyFileError, match="RSA private key of 3072 bits"):
        read_key("big", private(big, Encoding.DER, PKCS1))
    with pytest.raises(KeyFileError, match="RSA public key of 3072 bits"):
        read_key("big", big.public_key().public_bytes(Encoding.PEM, SPKI))
    for form in (PKCS1, PKCS8):
        locked = DEVICE.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"secret"))
        with pytest.raises(KeyFileError, match="encrypted private key"):
            read_key("locked", locked)
    locked = DEVICE.private_bytes(Encoding.DER, PKCS8, BestAvailableEncryption(b"secret"))
    with pytest.raises(KeyFileError, match="encrypted private key"):
        read_key("locked", locked)
    other_curve = ec.derive_private_key(5, ec.SECP384R1())
    with pytest.raises(KeyFileError, match="another curve"):
        read_key("p384", private(other_curve, Encoding.DER, PKCS8))


def test_the_end_of_a_longer_modulus_is_no_moved_key() -> None:
    big = rsa.generate_private_key(65537, 3072)
    n = big.public_key().public_numbers().n.to_bytes(384, "big")
    for inner in (DEVICE, CLOUD):
        end = inner.public_key().public_numbers().n.to_bytes(inner.key_size // 8, "big")
        longer = n[: -len(end)] + end
        for data in (
            private(big, Encoding.DER, PKCS1),
            private(big, Encoding.DER, PKCS8),
            big.public_key().public_bytes(Encoding.DER, SPKI),
        ):
            changed = data.replace(n, longer)
            for cut in (0, 1, 300):
                with pytest.raises(KeyFileError):
                    read_key("big", changed[: len(changed) - cut])


def test_other_peoples_keys_are_no_damaged_rsa_keys() -> None:
    """Certificates hold an RSA key, DSA and Diffie-Hellman files start with numbers as long."""
    big, small = dsa.generate_private_key(2048), dsa.generate_private_key(1024)
    numbers = big.parameters().parameter_numbers()
    others = [
        (private(small, Encoding.DER, PKCS1).ljust(612, b"\xff"), "a DSA private key"),
        (private(big, Encoding.DER, PKCS1), "a DSA private key"),
        (sequence(numbers.p, numbers.q, numbers.g), "DSA parameters"),
        (sequence(numbers.p, 2), "Diffie-Hellman parameters"),
        (private(ec.derive_private_key(5, ec.SECP256K1()), Encoding.DER, PKCS8), "another curve"),
    ]
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cloud.example")])
    for key in (DEVICE, CLOUD):
        request = x509.CertificateSigningRequestBuilder().subject_name(name)
        signed = request.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
        others.append((signed, "certificate request"))
    for data, words in others:
        with pytest.raises(KeyFileError, match=words):
            read_key("other", data)


def sequence(*numbers: int) -> bytes:
    return encode(SEQUENCE, b"".join(map(encode_integer, numbers)))


@pytest.mark.parametrize("before", [b"\0" * 34, b"\xff" * 34, b"\x5a" * 5000])
def test_a_key_in_a_dump_has_not_moved(before: bytes) -> None:
    """A device's whole configuration area, or flash with a copy of it somewhere."""
    dump = (before + DEVICE_DER).ljust(len(before) + 2048, b"\xff") + SERVER_SLOT + bytes(3000)
    key = read_key("dump", dump)
    assert (key.role, key.n) == (KeyRole.DEVICE_PRIVATE, DEVICE.public_key().public_numbers().n)
    assert key.firmware_usable
    assert key.form.endswith(f"at byte {len(before)} of a dump ({len(dump)} bytes)")
    assert any(f"keys at byte {len(before) + 2048} as well" in note for note in key.notes)
    erased = dump.replace(DEVICE_DER, b"\xff" * len(DEVICE_DER))
    key = read_key("dump", erased)
    assert (key.role, key.start) == (KeyRole.CLOUD_PUBLIC, len(before) + 2048)
    assert key.address is not None
    damaged = read_key("dump", dump.replace(DEVICE_DER, flipped(DEVICE_DER, 300)))
    assert any("p is damaged" in note for note in damaged.notes)


def test_server_slot_gives_the_address() -> None:
    key = read_key("slot", SERVER_SLOT)
    assert key.address == AddressRecord(AddressKind.DOMAIN, "device.spark.io", None, None)
    assert key.address is not None
    assert key.address.text(5683) == "device.spark.io:5683"
    assert key.notes == ()


@pytest.mark.parametrize("offset", [0, 5, 20, 30])
def test_server_slot_header_damage_is_harmless(offset: int) -> None:
    key = read_key("slot", flipped(SERVER_SLOT, offset))
    assert (key.role, key.n) == (KeyRole.CLOUD_PUBLIC, CLOUD.public_key().public_numbers().n)
    assert key.address is not None
    assert any("header is damaged" in note for note in key.notes)


def test_server_slot_with_an_even_modulus() -> None:
    key = read_key("slot", flipped(SERVER_SLOT, 288, 1))
    assert any("even" in note for note in key.notes)


def test_ec_key_in_an_rsa_slot() -> None:
    key = read_key("slot", private(EC, Encoding.DER, PKCS1).ljust(612, b"\xff"))
    assert key.role is KeyRole.EC_PRIVATE
    assert any("slot for a device's RSA key" in note for note in key.notes)
    key = read_key("slot", EC_SPKI.ljust(384, b"\xff") + NAME_RECORD)
    assert any("slot for an RSA server key" in note for note in key.notes)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            (b"\x00\x04\xc0\xa8\x01\x0a".ljust(66, b"\0") + b"\x16\x33").ljust(128, b"\xff"),
            AddressRecord(AddressKind.IP, "192.168.1.10", 5683, None),
        ),
        (
            (b"\x01\x05cloud".ljust(66, b"\0") + b"\0\0").ljust(128, b"\xff"),
            AddressRecord(AddressKind.DOMAIN, "cloud", None, None),
        ),
        (b"\xff" * 128, AddressRecord(AddressKind.UNSET, None, None, None)),
    ],
)
def test_address_record(record: bytes, expected: AddressRecord) -> None:
    assert parse_address_record(record) == expected


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (b"\xff" + NAME_RECORD[1:], "type ff"),
        (NAME_RECORD[:40], "cut after 40 bytes"),
        (b"\x01\x41" + NAME_RECORD[2:], "65 bytes"),
        (b"\x01\x14" + NAME_RECORD[2:], "20 bytes, 15 are there"),
        (b"\x01\x0f\x1b[31m" + NAME_RECORD[7:], "bytes no host name has"),
        (b"\x00\x05\x0a\x00\x00\x01" + bytes(122), "5 bytes"),
        (b"\x00\x04" + bytes(126), "no host"),
    ],
)
def test_damaged_address_record(record: bytes, words: str) -> None:
    parsed = parse_address_record(record)
    assert parsed.problem is not None
    assert words in parsed.problem


def test_pem_with_oddities() -> None:
    pem = private(DEVICE, Encoding.PEM, PKCS1)
    public = DEVICE.public_key().public_bytes(Encoding.PEM, SPKI)
    both = read_key("both", b"some text\n" + public + pem)
    assert both.role is KeyRole.DEVICE_PRIVATE
    assert any("2 keys" in note for note in both.notes)
    assert read_key("utf16", b"\xff\xfe" + pem.decode().encode("utf-16-le")).private is not None
    headless = read_key("cut", pem[: pem.index(b"-----END")])
    assert any("END line" in note for note in headless.notes)
    with pytest.raises(KeyFileError, match=r"PEM \(PUBLIC KEY\) with a damaged key \(truncated"):
        read_key("cut", public[:100])
    in_slot = read_key("slot", public.ljust(612, b"\xff"))
    assert any("needs DER" in note for note in in_slot.notes)


def test_private_integers_stay_out_of_reprs() -> None:
    key = read_key("slot", DEVICE_SLOT)
    secret = DEVICE.private_numbers()
    for number in (secret.d, secret.p, secret.dmp1):
        assert str(number) not in repr(key) + repr(key.private)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_files_made_by_openssl(tmp_path: Path) -> None:
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)

    openssl("genrsa", "-out", "device.pem", "1024")
    openssl("pkcs8", "-topk8", "-nocrypt", "-in", "device.pem", "-outform", "DER", "-out", "p8.der")
    openssl("rsa", "-in", "device.pem", "-pubout", "-outform", "DER", "-out", "pub.der")
    openssl("rsa", "-in", "device.pem", "-RSAPublicKey_out", "-out", "pub1.pem")
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-out", "ec.pem")
    openssl("req", "-x509", "-key", "device.pem", "-subj", "/CN=x", "-outform", "DER", "-out", "c")
    openssl("req", "-new", "-key", "device.pem", "-subj", "/CN=x", "-outform", "DER", "-out", "r")

    def read(name: str) -> KeyFile:
        return read_key(name, (tmp_path / name).read_bytes())

    assert read("device.pem").role is KeyRole.DEVICE_PRIVATE
    assert read("p8.der").form == "PKCS#8 DER"
    assert read("pub.der").fingerprint == read("device.pem").fingerprint
    assert read("pub1.pem").fingerprint == read("device.pem").fingerprint
    assert read("ec.pem").role is KeyRole.EC_PRIVATE
    for other in ("c", "r"):
        with pytest.raises(KeyFileError, match="certificate"):
            read(other)


SEEDS = (
    DEVICE_SLOT,
    device_style_der(),
    DEVICE_PKCS8,
    SERVER_SLOT,
    EC_SPKI.ljust(192, b"\xff") + NAME_RECORD,
    private(EC, Encoding.DER, PKCS1),
    private(CLOUD, Encoding.DER, PKCS8),
    private(DEVICE, Encoding.PEM, PKCS1),
    CLOUD.public_key().public_bytes(Encoding.PEM, SPKI),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data) - 1))
        # Headers are where decisions fall: half of all changes go there.
        if draw(st.booleans()):
            at = min(at, len(data) - 1) % 32 % len(data)
        length = draw(st.integers(0, 40))
        data[at : at + length] = draw(st.binary(min_size=1, max_size=40))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@given(st.text(max_size=40), st.binary(max_size=700) | mutated())
def test_reading_raises_nothing_but_key_file_error(name: str, data: bytes) -> None:
    try:
        key = read_key(name, data)
    except KeyFileError as error:
        message = str(error)
    else:
        message = "".join(key.notes)
        assert all(note.endswith(".") for note in key.notes)
        assert (key.n is None) == (key.role in (KeyRole.EC_PRIVATE, KeyRole.EC_PUBLIC))
    assert message == "" or message.isprintable()


def test_deep_nesting_is_no_trap() -> None:
    data = b""
    for _ in range(200):
        inner = b"\x02\x01\x00" + bytes.fromhex("300d06092a864886f70d0101010500")
        body = inner + b"\x04\x82" + len(data).to_bytes(2, "big") + data
        data = b"\x30\x82" + len(body).to_bytes(2, "big") + body
    with pytest.raises(KeyFileError):
        read_key("nested", data)
