"""`keys check` file by file and all together: each defect has its code, and nothing else has."""

from __future__ import annotations

from base64 import encodebytes
from itertools import combinations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
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
from handshake_probe.keys.check import Checked, Firmware, Tools, check_key
from handshake_probe.keys.convert import Form, convert_key
from handshake_probe.keys.damage import damaged_integers
from handshake_probe.keys.defects import Code
from handshake_probe.keys.fingerprint import spki
from handshake_probe.keys.firmware import read_device_slot, usable_for_decrypting
from handshake_probe.keys.fits import PARTICLE, Relation, Tie, bind, ties
from handshake_probe.keys.numbers import PrivateNumbers, crt_consistent
from handshake_probe.keys.particle import PARTICLE_CLOUD
from keypool import as_device, as_openssl, firmware_opens, is_prime, key_of, pool
from vectors import CLOUD_NUMBERS, DEVICE_NUMBERS

ID, OTHER_ID = "e00fce68a1b2c3d4e5f60718", "e00fce680000000000000001"

KEY = key_of(*pool()[:2])
DER = as_openssl(KEY)
SLOT = DER.ljust(612, b"\xff")
OTHER = as_openssl(key_of(*pool()[2:4]))


def pem(label: str, der: bytes) -> bytes:
    return (
        f"-----BEGIN {label}-----\n".encode() + encodebytes(der) + f"-----END {label}-----".encode()
    )


def pkcs8(der: bytes) -> bytes:
    key = serialization.load_der_private_key(der, None)
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def changed(data: bytes, at: int, mask: int = 0x10) -> bytes:
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def record(host: bytes = b"\x01\x0fdevice.spark.io", port: int = 0xFFFF) -> bytes:
    return (host.ljust(66, b"\xff") + port.to_bytes(2, "big")).ljust(128, b"\xff")


def server_slot(n: int, address: bytes) -> bytes:
    return spki(n, 65537).ljust(384, b"\xff") + address


def unlucky() -> bytes:
    """A sound key with a short integer."""
    keys = (as_openssl(key_of(p, q)) for p, q in combinations(pool(), 2))
    return next(der for der in keys if not firmware_opens(der))


PUBLIC = spki(KEY[0], KEY[1])
EC_KEY = ec.derive_private_key(7, ec.SECP256R1())
EC_DER = EC_KEY.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
EC_SPKI = EC_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
LOCKED = serialization.load_der_private_key(DER, None).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
)
LOCKED_DER = serialization.load_der_private_key(DER, None).private_bytes(
    Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
)
SERVER = server_slot(PARTICLE_CLOUD.n, record())
LAN = record(b"\x00\x04\xc0\xa8\x01\x0a", 5683)
OWN_CLOUD = CLOUD_NUMBERS.n
USABLE, UNUSABLE, CONVERT, NOT_USED = Firmware
ACCEPT, STRICT, REFUSE = Tools

CASES: dict[str, tuple[bytes, set[Code], Firmware, Tools]] = {
    "bare": (DER, set(), USABLE, ACCEPT),
    "slot": (SLOT, set(), USABLE, STRICT),
    "PEM": (pem("RSA PRIVATE KEY", DER), set(), CONVERT, ACCEPT),
    "PEM of PKCS#8": (pem("PRIVATE KEY", pkcs8(DER)), set(), CONVERT, ACCEPT),
    "device's own": (as_device(KEY), {Code.NOT_MINIMAL}, USABLE, STRICT),
    "PKCS#8": (pkcs8(DER), {Code.PKCS8}, UNUSABLE, ACCEPT),
    "PKCS#8 in a slot": (pkcs8(DER)[:612], {Code.PKCS8, Code.TRUNCATED}, UNUSABLE, REFUSE),
    "short integer": (unlucky(), {Code.SHORT_INTEGER}, UNUSABLE, ACCEPT),
    "short integer as PEM": (
        pem("RSA PRIVATE KEY", unlucky()),
        {Code.SHORT_INTEGER},
        UNUSABLE,
        ACCEPT,
    ),
    "EC in a slot": (EC_DER.ljust(612, b"\xff"), {Code.EC_IN_RSA_SLOT}, UNUSABLE, STRICT),
    "EC": (EC_DER, set(), NOT_USED, ACCEPT),
    "PEM in a slot": (
        pem("RSA PRIVATE KEY", DER).ljust(1216, b"\xff"),
        {Code.PEM_IN_SLOT},
        UNUSABLE,
        ACCEPT,
    ),
    "cut": (DER[:500], {Code.TRUNCATED}, UNUSABLE, REFUSE),
    "erased tail": (
        DER[:300].ljust(612, b"\xff"),
        {Code.TRUNCATED, Code.OVERWRITTEN},
        UNUSABLE,
        REFUSE,
    ),
    "shifted right": ((b"\0\0\0" + SLOT)[:612], {Code.SHIFTED}, UNUSABLE, REFUSE),
    "shifted left": (SLOT[5:], {Code.SHIFTED}, UNUSABLE, REFUSE),
    "header": (changed(SLOT, 4), {Code.HEADER_DAMAGED}, USABLE, REFUSE),
    "old data behind": (DER + b"old", {Code.TRAILING_BYTES}, USABLE, STRICT),
    "first byte": (b"\xff" + SLOT[1:], {Code.FIRST_BYTE_ERASED}, UNUSABLE, REFUSE),
    "erased": (b"\xff" * 612, {Code.ERASED}, UNUSABLE, REFUSE),
    "p": (changed(SLOT, 320), {Code.INTEGER_DAMAGED}, UNUSABLE, REFUSE),
    "d": (changed(SLOT, 200), {Code.UNUSED_INTEGER_DAMAGED}, USABLE, REFUSE),
    "p and dq": (changed(changed(SLOT, 320), 500), {Code.INTEGER_DAMAGED}, UNUSABLE, REFUSE),
    "another version": (changed(SLOT, 6), {Code.ODD_VERSION}, USABLE, STRICT),
    "published": (
        as_openssl(tuple(DEVICE_NUMBERS)),  # type: ignore[arg-type]
        {Code.PUBLISHED},
        USABLE,
        ACCEPT,
    ),
    "encrypted": (LOCKED, {Code.ENCRYPTED}, NOT_USED, ACCEPT),
    "no key": (b"hello\n", {Code.NO_KEY}, NOT_USED, REFUSE),
    "registered": (PUBLIC, set(), NOT_USED, ACCEPT),
    "registered and even": (changed(PUBLIC, 156, 1), {Code.NO_MODULUS}, NOT_USED, ACCEPT),
    "Particle's slot": (SERVER, {Code.PARTICLE_KEY}, USABLE, STRICT),
    "Particle's Core slot": (SERVER.ljust(2048, b"\xff"), {Code.PARTICLE_KEY}, USABLE, STRICT),
    "server header": (
        changed(SERVER, 5),
        {Code.PARTICLE_KEY, Code.SERVER_HEADER_DAMAGED},
        USABLE,
        REFUSE,
    ),
    "server key even": (
        changed(SERVER, 288, 1),
        {Code.NO_MODULUS, Code.SERVER_MODULUS_REFUSED, Code.DAMAGED_COPY},
        UNUSABLE,
        STRICT,
    ),
    "server key partly erased": (
        SERVER[:200] + b"\xff" * 100 + SERVER[300:],
        {Code.DAMAGED_COPY},
        UNUSABLE,
        REFUSE,
    ),
    "server key shifted": (
        (b"\0\0" + SERVER)[:512],
        {
            Code.SHIFTED,
            Code.SERVER_KEY_MISREAD,
            Code.SERVER_MODULUS_REFUSED,
            Code.ADDRESS_DAMAGED,
            Code.PARTICLE_KEY,
        },
        UNUSABLE,
        REFUSE,
    ),
    "server slot of a private cloud": (
        server_slot(OWN_CLOUD, record(b"\0\4\xc0\xa8\1\x0a", 5683)),
        {Code.PUBLISHED},
        USABLE,
        STRICT,
    ),
    "port of a web server": (
        server_slot(OWN_CLOUD, record(b"\0\4\xc0\xa8\1\x0a", 8080)),
        {Code.PUBLISHED, Code.OTHER_PORT},
        USABLE,
        STRICT,
    ),
    "Particle's key, private address": (
        server_slot(PARTICLE_CLOUD.n, record(b"\0\4\xc0\xa8\1\x0a")),
        {Code.PARTICLE_KEY, Code.ADDRESS_OF_ANOTHER_CLOUD},
        USABLE,
        STRICT,
    ),
    "private key, Particle's address": (
        server_slot(OWN_CLOUD, record()),
        {Code.PUBLISHED, Code.ADDRESS_OF_ANOTHER_CLOUD},
        USABLE,
        STRICT,
    ),
    "no address": (
        server_slot(PARTICLE_CLOUD.n, b"\xff" * 128),
        {Code.PARTICLE_KEY, Code.ADDRESS_UNSET},
        USABLE,
        STRICT,
    ),
    "address damaged": (
        server_slot(PARTICLE_CLOUD.n, b"\x7f" + record()[1:]),
        {Code.PARTICLE_KEY, Code.ADDRESS_DAMAGED},
        USABLE,
        STRICT,
    ),
    "EC in a server slot": (
        EC_SPKI.ljust(384, b"\xff") + record(),
        {Code.EC_IN_RSA_SLOT},
        UNUSABLE,
        STRICT,
    ),
    "an erased page in a server slot": (
        server_slot(OWN_CLOUD, LAN)[:128] + b"\xff" * 128 + server_slot(OWN_CLOUD, LAN)[256:],
        {Code.NO_MODULUS},
        UNUSABLE,
        STRICT,
    ),
    "header in a larger slot": (
        changed(DER, 140).ljust(1216, b"\xff"),
        {Code.HEADER_DAMAGED},
        USABLE,
        REFUSE,
    ),
    "locked DER": (LOCKED_DER, {Code.ENCRYPTED}, NOT_USED, ACCEPT),
    "a dump": (bytes(34) + SLOT + b"\xff" * 4000, set(), USABLE, REFUSE),
    "a dump of a damaged slot": (
        bytes(34) + changed(SLOT, 320) + b"\xff" * 4000,
        {Code.INTEGER_DAMAGED},
        UNUSABLE,
        REFUSE,
    ),
    "the UDP slot": (EC_SPKI.ljust(192, b"\xff") + record(), set(), NOT_USED, STRICT),
}


@pytest.mark.parametrize("case", CASES)
def test_each_defect_has_its_code_and_each_reader_its_verdict(case: str) -> None:
    data, codes, firmware, tools = CASES[case]
    checked = check_key("a file", data)
    assert checked.codes == codes, checked.defects
    assert (checked.firmware, checked.tools) == (firmware, tools)


def test_every_code_of_a_single_file_is_shown_above() -> None:
    shown = set().union(*(codes for _, codes, _, _ in CASES.values()))
    elsewhere = {
        Code.WRONG_SIZE,
        Code.WRONG_EXPONENT,
        Code.INTEGERS_DISAGREE,
        Code.TOO_LONG,
        Code.GAP_FILLED,
        Code.SEVERAL_KEYS,
        Code.PRIVATE_NAMED_PUBLIC,
        Code.READABLE_BY_OTHERS,
        Code.PEM_DAMAGED,
        *(code for code in Code if code.value >= "HP740"),
    }
    assert set(Code) - shown == elsewhere


def test_a_private_key_under_a_public_name() -> None:
    assert Code.PRIVATE_NAMED_PUBLIC in check_key("core.pub.pem", SLOT).codes
    assert Code.PRIVATE_NAMED_PUBLIC not in check_key("core.pub.pem", PUBLIC).codes


def test_two_damaged_integers_are_both_located() -> None:
    n, e, d, p, q, dp, dq, qinv = KEY
    broken = PrivateNumbers(n, e, d, p ^ 1 << 9, q, dp, dq ^ 1 << 300, qinv)
    assert damaged_integers(broken) == {"p": 1 << 9, "dq": 1 << 300}


def test_where_too_much_is_damaged_nothing_is_located() -> None:
    n, e, d, p, q, dp, dq, qinv = (number ^ 1 << 77 for number in KEY)
    assert damaged_integers(PrivateNumbers(n, e, d, p, q, dp, dq, qinv)) is None


def test_an_exponent_reduced_otherwise_is_no_damage() -> None:
    n, e, d, p, q, dp, dq, qinv = KEY
    other = PrivateNumbers(n, e, d + (p - 1) * (q - 1), p, q, dp, dq ^ 2, qinv)
    assert damaged_integers(other) == {"dq": 2}


def test_no_private_integer_is_ever_told() -> None:
    secrets = [str(number) for number in KEY[2:]] + [f"{number:x}" for number in KEY[2:]]
    for data in (SLOT, changed(SLOT, 320), SLOT[5:], DER[:500]):
        told = repr(check_key("slot", data)).lower()
        assert not any(secret in told for secret in secrets)


@given(st.binary(max_size=700), st.integers(0, 611), st.binary(max_size=40))
def test_every_input_gives_a_result(data: bytes, at: int, part: bytes) -> None:
    for given_bytes in (data, SLOT[:at] + part + SLOT[at + len(part) :], part + SERVER[at % 512 :]):
        checked = check_key("x", given_bytes)
        assert all(defect.text.endswith(".") for defect in checked.defects)
        assert all(defect.text.isprintable() for defect in checked.defects)


# Several files.


def another_cloud() -> tuple[int, int]:
    """Primes of a cloud that is not the one of the test vectors."""
    start = CLOUD_NUMBERS.q * 7 // 8 | 1
    return CLOUD_NUMBERS.p, next(c for c in range(start, start + 20_000, 2) if is_prime(c))


def tied(*files: tuple[str, bytes], device_id: str | None = None) -> list[Tie]:
    return ties(bind([check_key(name, data) for name, data in files], device_id))


def codes_of(found: list[Tie]) -> set[Code]:
    return {tie.code for tie in found if tie.code}


def test_the_halves_of_one_key_are_a_pair() -> None:
    assert tied((f"{ID}.der", SLOT), (f"{ID}.pub.pem", PUBLIC)) == [Tie(0, 1, Relation.PAIR)]
    assert tied(("a.der", SLOT), ("a.pem", pem("RSA PRIVATE KEY", DER))) == [
        Tie(0, 1, Relation.SAME)
    ]


def test_another_key_registered_for_the_same_device() -> None:
    found = tied((f"{ID}.der", OTHER), (f"{ID}.pub.pem", PUBLIC))
    assert codes_of(found) == {Code.HALVES_DIFFER}


def test_the_only_device_key_and_the_only_registered_key_should_fit() -> None:
    assert codes_of(tied(("a.der", OTHER), (f"{ID}.pub.pem", PUBLIC))) == {Code.HALVES_DIFFER}
    assert tied((f"{OTHER_ID}.der", OTHER), (f"{ID}.pub.pem", PUBLIC)) == []


def test_a_given_id_binds_what_has_none() -> None:
    third = spki(key_of(*pool()[4:6])[0], 65537)
    files = (("a.der", OTHER), (f"{ID}.pub.pem", PUBLIC), (f"{OTHER_ID}.pub.pem", third))
    assert Code.HALVES_DIFFER not in codes_of(tied(*files))
    assert Code.HALVES_DIFFER in codes_of(tied(*files, device_id=ID))
    bound = bind([check_key(*files[2])], ID)
    assert bound[0].codes == {Code.ID_CONTRADICTED}


def test_what_a_server_saved_from_a_handshake_is_held_against_the_register() -> None:
    saved = (f"{ID}_handshake.pub.pem", PUBLIC)
    assert tied(saved, (f"{ID}.pub.pem", PUBLIC)) == [Tie(0, 1, Relation.SAME)]
    other = spki(key_of(*pool()[2:4])[0], 65537)
    assert codes_of(tied(saved, (f"{ID}.pub.pem", other))) == {Code.PRESENTED_DIFFERS}
    assert tied(saved, (f"{ID}.der", SLOT)) == [Tie(0, 1, Relation.PAIR)]


def test_a_server_key_beside_the_only_clouds_private_key() -> None:
    private = ("cloud.pem", pem("RSA PRIVATE KEY", as_openssl(tuple(CLOUD_NUMBERS))))  # type: ignore[arg-type]
    own = server_slot(OWN_CLOUD, record(b"\0\4\xc0\xa8\1\x0a"))
    assert tied(private, ("slot", own)) == [Tie(0, 1, Relation.PAIR)]
    found = tied(private, ("slot", SERVER))
    assert codes_of(found) == {Code.SERVER_KEY_DIFFERS}
    assert Tie(1, PARTICLE, Relation.SAME) in found
    another = pem("RSA PRIVATE KEY", as_openssl(key_of(*another_cloud())))
    assert codes_of(tied(private, ("other.pem", another), ("slot", SERVER))) == set()


def test_two_keys_for_one_device_and_one_key_for_two() -> None:
    assert codes_of(tied((f"{ID}.der", SLOT), (f"old_{ID}.der", OTHER))) == {
        Code.ID_WITH_SEVERAL_KEYS
    }
    assert codes_of(tied((f"{ID}.der", SLOT), (f"{OTHER_ID}.der", DER))) == {
        Code.KEY_WITH_SEVERAL_IDS
    }


def test_a_backup_is_expected_to_differ() -> None:
    backup = (f"backup_rsa_{ID}.der", OTHER)
    assert tied((f"{ID}.der", SLOT), backup, (f"{ID}.pub.pem", PUBLIC)) == [
        Tie(0, 2, Relation.PAIR)
    ]


def test_a_damaged_public_key_is_a_copy_and_no_other_key() -> None:
    (tie,) = tied((f"{ID}.der", SLOT), (f"{ID}.pub.der", changed(PUBLIC, 60)))
    assert (tie.relation, tie.code) == (Relation.COPY, Code.DAMAGED_COPY)


def test_a_whole_register_is_compared_where_something_is_shared() -> None:
    keys = [spki(p * q, 65537) for p, q in combinations(pool(), 2)]
    files = [(f"{number:024x}.pub.der", key) for number, key in enumerate(keys)]
    files.append((f"{5:024x}.der", SLOT))
    files.append((f"{9:024x}_handshake.pub.der", keys[9]))
    files.append((f"{ID}.pub.der", keys[700]))
    found = {(tie.first, tie.second): tie.code for tie in tied(*files)}
    # The first pair of the pool is the slot's own key, under another id.
    assert found == {
        (0, 780): Code.KEY_WITH_SEVERAL_IDS,
        (5, 780): Code.HALVES_DIFFER,
        (9, 781): None,
        (700, 782): Code.KEY_WITH_SEVERAL_IDS,
    }


# Conversion.


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize(
    "data", [DER, SLOT, as_device(KEY), pkcs8(DER), pem("PRIVATE KEY", pkcs8(DER))]
)
def test_a_device_key_stays_the_same_key_in_every_form(form: Form, data: bytes) -> None:
    converted, private = convert_key("key", data, form)
    assert private
    checked = check_key("converted", converted)
    assert checked.codes == set()
    assert checked.firmware is (CONVERT if form is Form.PEM else USABLE)
    assert checked.key is not None
    assert tuple(checked.key.private or ()) == KEY


def test_an_unlucky_key_is_refused_as_der_and_written_so_that_devices_read_it() -> None:
    with pytest.raises(KeyFileError, match="--to slot"):
        convert_key("key", unlucky(), Form.DER)
    slot, _ = convert_key("key", unlucky(), Form.SLOT)
    assert len(slot) == 612
    assert firmware_opens(slot)
    assert usable_for_decrypting(read_device_slot(slot))


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("data", [changed(SLOT, 320), DER[:500], SLOT[5:300], b"x", EC_DER, LOCKED])
def test_what_is_damaged_or_no_rsa_key_is_not_converted(form: Form, data: bytes) -> None:
    with pytest.raises(KeyFileError):
        convert_key("key", data, form)


def test_a_server_slot_is_cut_out_of_a_dump() -> None:
    slot = server_slot(OWN_CLOUD, LAN)
    assert convert_key("dump", b"\xff" * 3000 + slot + bytes(3000), Form.SLOT) == (slot, False)


def test_public_keys_are_converted_and_slots_keep_their_address() -> None:
    text, private = convert_key("slot", SERVER, Form.PEM)
    assert not private
    assert convert_key("text", text, Form.DER)[0] == SERVER[:294]
    assert convert_key("slot", changed(SERVER, 5), Form.SLOT)[0] == SERVER
    for data in (SERVER[:294], PUBLIC, changed(SERVER, 288, 1)):
        with pytest.raises(KeyFileError):
            convert_key("slot", data, Form.SLOT)
    cloud = as_openssl(tuple(CLOUD_NUMBERS))  # type: ignore[arg-type]
    with pytest.raises(KeyFileError, match="no device"):
        convert_key("cloud", cloud, Form.SLOT)
    assert convert_key("cloud", cloud, Form.DER)[0] == cloud


def test_the_pool_of_this_test_is_what_it_claims() -> None:
    assert crt_consistent(PrivateNumbers(*KEY))
    assert isinstance(check_key("x", DER), Checked)
